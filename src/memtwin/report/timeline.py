"""The time line as a picture: RAM by kind as a stack, each swap area, faults, swap traffic, pressure, events, the time.

Amounts are joined from sample to sample, rates are steps from one sample to the next. Where there are more samples than
a picture has room for, the last of each column of :data:`_COLUMN` units is drawn.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from memtwin.render.amount import COLUMN, column
from memtwin.render.canvas import LETTER, WIDTH, Canvas
from memtwin.render.course import EVENTS, axis
from memtwin.render.grid import NUMBER, Column, Grid, Style, Value
from memtwin.render.words import seconds, size
from memtwin.report.picture import Picture, Steps
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.course import Area, Axis, Course

NAME: Final = "timeline"
_LEFT, _RIGHT = 88, 12
_ROOM: Final = WIDTH - _LEFT - _RIGHT
_COLUMN: Final = 2
_RAM_HIGH, _AREA_HIGH, _RATE_HIGH, _GAP = 190, 34, 52, 12
_MOST_ROWS: Final = 60
"""Rows of the table: of more samples the last of each stretch of time."""
_MOST_LETTERS: Final = 8
FILL_OF: Final = {
    "anonymous memory": "anon", "slab": "kernel", "page tables": "kernel2", "compressed swap": "compressed",
    "kernel and other": "kernel3", "shared memory, tmpfs": "shared", "files": "cache", "files, to be written": "pool",
    "free": "free",
}  # fmt: skip
"""The colour of each kind of RAM."""
_PAGE_KIB: Final = 4
_SECOND_NS: Final = 1_000_000_000
_MS: Final = Style(lambda us: f"{us / 1000:.0f}", "right")
_TIME: Final = Style(lambda ns: f"{ns / _SECOND_NS:.3f}", "right")
_RATE: Final = Style(lambda rate: f"{rate:,.1f}", "right")


class Rate:
    """What a counter does in each stretch between two shown samples; None where it is not known."""

    def __init__(self, title: str, unit: str, kind: str, values: list[float | None]) -> None:
        self.title, self.unit, self.kind, self.values = title, unit, kind, values

    @property
    def most(self) -> float:
        """The largest value."""
        return max((value for value in self.values if value is not None), default=0.0)


def picture(course: Course, name: str = NAME) -> Picture | None:
    """Return the time line of a course, or None where no time passes; *name* sets it apart from another on a page."""
    scale = axis(course.times_ns, course.is_idle, _ROOM // _COLUMN)
    if scale is None:
        return None
    shown = sorted({0, *scale.shown(), len(course.times_ns) - 1})
    x = [_LEFT + _COLUMN * scale.ends[number] for number in shown]
    rates = list(_rates(course, shown))
    canvas = Canvas(f"hatch-{name}")
    at = _legend(canvas, course)
    at = _ram(canvas, course, shown, x, at)
    _labels(canvas, course, scale, at)
    for area in course.areas:
        at = _area(canvas, area, shown, x, at)
    at = _panels(canvas, rates, x, at)
    at = _events(canvas, course, scale, at)
    at = _time(canvas, course, scale, at)
    canvas.group(f"cursor-{name}")
    canvas.line(x[0], 30, x[0], at - 24, "ink")
    canvas.end()
    said = tuple(_said(course, rates, place, number) for place, number in enumerate(shown))
    return Picture(
        name, "RAM, swap, faults and waiting over time", canvas, at, _table(course), _note(course, scale),
        Steps(tuple(round(one - x[0], 1) for one in x), said, x[0]),
    )  # fmt: skip


def _legend(canvas: Canvas, course: Course) -> float:
    x = float(_LEFT)
    y = 4.0
    for part in course.parts:
        if x + 26 + LETTER * len(part.name) > WIDTH:
            x, y = float(_LEFT), y + 18
        x += canvas.legend(x, y, FILL_OF[part.name], part.name)
    return y + 24


def _ram(canvas: Canvas, course: Course, shown: Sequence[int], x: Sequence[float], top: float) -> float:
    """Draw the stack, from the bottom up."""
    total = max(course.total_kib, 1)
    levels = [[0, *accumulate(part.kib[number] for part in course.parts)] for number in shown]
    places = [[top + _RAM_HIGH * (1 - kib / total) for kib in level] for level in levels]
    for at, part in enumerate(course.parts):
        if not any(part.kib[number] for number in shown):
            continue
        lower = [(one, place[at]) for one, place in zip(x, places, strict=True)]
        upper = [(one, place[at + 1]) for one, place in zip(x, places, strict=True)]
        canvas.area([*lower, *reversed(upper)], FILL_OF[part.name], part.name)
    canvas.box((_LEFT, top, _ROOM, _RAM_HIGH))
    canvas.text(_LEFT - 8, top + 11, column(bytes_of(total)), anchor="end")
    canvas.text(_LEFT - 8, top + 27, "RAM", anchor="end", soft=True)
    canvas.text(_LEFT - 8, top + _RAM_HIGH, "0", anchor="end")
    return top + _RAM_HIGH + _GAP


def _labels(canvas: Canvas, course: Course, scale: Axis, bottom: float) -> None:
    """Mark checkpoints by a dashed line through the stack."""
    for time_ns, _ in course.labels:
        place = _LEFT + _COLUMN * scale.place(time_ns)
        canvas.line(place, bottom - _GAP - _RAM_HIGH, place, bottom - _GAP, "mark")


def _area(canvas: Canvas, area: Area, shown: Sequence[int], x: Sequence[float], top: float) -> float:
    """Draw how full a swap area is; where it is off there is nothing."""
    most = max(size or 0 for size in area.size_kib) or 1
    bottom = top + _AREA_HIGH
    on: list[tuple[float, float]] = []
    for place, kib in [*zip(x, (area.used_kib[number] for number in shown), strict=True), (x[-1], None)]:
        if kib is not None:
            on.append((place, bottom - _AREA_HIGH * min(kib / most, 1.0)))
        elif on:
            canvas.area([(on[0][0], bottom), *on, (on[-1][0], bottom)], "swap", f"in use of {area.name}")
            on = []
    canvas.box((_LEFT, top, _ROOM, _AREA_HIGH))
    short = area.name.rpartition("/")[2]
    canvas.text(_LEFT - 8, top + 13, short if len(short) < 14 else f"{short[:12]}…", anchor="end")
    canvas.text(_LEFT - 8, top + 28, column(bytes_of(most)), anchor="end", soft=True)
    return bottom + _GAP


def _rates(course: Course, shown: Sequence[int]) -> Iterator[Rate]:
    spans = [(course.times_ns[b] - course.times_ns[a]) / _SECOND_NS for a, b in pairwise(shown)]

    def rate(name: str, factor: float) -> list[float | None]:
        values = course.counts[name]
        found: list[float | None] = []
        for (before, after), span in zip(pairwise(shown), spans, strict=True):
            first, last = values[before], values[after]
            found.append(None if first is None or last is None or not span else (last - first) * factor / span)
        return found

    for name, title, unit, kind, factor in (
        ("pgmajfault", "major faults", "a second", "pool", 1.0),
        ("pswpout", "swapped out", "MiB/s", "swap", _PAGE_KIB / 1024),
        ("pswpin", "swapped in", "MiB/s", "cache", _PAGE_KIB / 1024),
        ("psi_some", "some wait", "% of time", "some", 1e-4),
        ("psi_full", "all wait", "% of time", "full", 1e-4),
    ):
        if name in course.counts:
            yield Rate(title, unit, kind, rate(name, factor))


def _panels(canvas: Canvas, rates: Sequence[Rate], x: Sequence[float], top: float) -> float:
    for rate in rates:
        is_share = rate.unit.startswith("%")
        most = 100.0 if is_share else rate.most
        if not rate.most:
            canvas.text(_LEFT - 8, top + 11, rate.title, anchor="end")
            canvas.text(_LEFT, top + 11, "none", soft=True)
            top += 18
            continue
        high = _RATE_HIGH * (0.6 if is_share else 1.0)
        bottom = top + high
        for (begin, end), value in zip(pairwise(x), rate.values, strict=True):
            if value:
                tall = high * min(value / most, 1.0)
                canvas.rect((begin, bottom - tall, max(end - begin, 0.5), tall), rate.kind)
        canvas.box((_LEFT, top, _ROOM, high))
        canvas.text(_LEFT - 8, top + 11, rate.title, anchor="end")
        canvas.text(
            _LEFT - 8, top + 25, "100 %" if is_share else f"{_short(most)} {rate.unit}", anchor="end", soft=True
        )
        top = bottom + _GAP
    return top


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _events(canvas: Canvas, course: Course, scale: Axis, top: float) -> float:
    """Write a letter for each event; where several fall on one place, the first of the legend."""
    marks: dict[int, str] = {}
    order = list(EVENTS)
    for event in course.events:
        place = int(scale.place(event.time_ns)) // 5
        marks[place] = min(marks.get(place, event.letter), event.letter, key=order.index)
    if not marks:
        return top
    canvas.text(_LEFT - 8, top + 11, "events", anchor="end")
    for place, letter in marks.items():
        canvas.text(_LEFT + 5 * _COLUMN * place, top + 11, letter, anchor="middle")
    said = ";  ".join(f"{letter}: {EVENTS[letter]}" for letter in order if letter in marks.values())
    canvas.text(_LEFT, top + 28, said, soft=True)
    return top + 42


def _time(canvas: Canvas, course: Course, scale: Axis, top: float) -> float:
    """Draw the line of time: what is drawn short is dashed; checkpoints by name, or times, where there is room."""
    canvas.line(_LEFT, top, _LEFT + _ROOM, top)
    for begin, end in scale.idle:
        canvas.line(_LEFT + _COLUMN * begin, top, _LEFT + _COLUMN * end, top, "mark")
    free_from = 0.0
    for time_ns, label in course.labels or tuple(_round_times(course)):
        place = _LEFT + _COLUMN * scale.place(time_ns)
        canvas.line(place, top - 3, place, top + 4)
        words = f"{label[:40]} {seconds(time_ns)}".strip()
        wide = 6.4 * len(words)
        begin = min(max(place - wide / 2, 2.0), WIDTH - wide)
        if begin >= free_from:
            canvas.text(begin, top + 18, words)
            free_from = begin + wide + 8
    return top + 30


def _round_times(course: Course) -> Iterator[tuple[int, str]]:
    """Yield round times, a few."""
    last = course.times_ns[-1]
    step = next(
        (step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if last <= 8 * step * 10**6),
        10**12,
    ) * 10**6  # fmt: skip
    yield from ((time_ns, "") for time_ns in range(0, last + 1, step))


def _said(course: Course, rates: Sequence[Rate], place: int, number: int) -> str:
    """Say what the picture shows at a sample."""
    words = [f"at {seconds(course.times_ns[number])}"]
    words += [f"{part.name} {size(part.kib[number])}" for part in course.parts if part.kib[number]]
    for area in course.areas:
        used, whole = area.used_kib[number], area.size_kib[number]
        words.append(
            f"{area.name.rpartition('/')[2]} " + ("off" if used is None else f"{size(used)} of {size(whole or 0)}")
        )
    for rate in rates:
        value = rate.values[max(place - 1, 0)] if rate.values else None
        if value:
            words.append(f"{rate.title} {_short(value)} {rate.unit}")
    return ", ".join(words)


def _note(course: Course, scale: Axis) -> str:
    count = len(course.times_ns)
    idle = " A long stretch in which nothing moves is drawn short, its time dashed." if scale.idle else ""
    lines = " Dashed lines in the stack are checkpoints." if course.labels else ""
    return f"{count:,} samples, joined.{lines}{idle}"


def _table(course: Course) -> Grid:
    """Return samples as rows: all, or the last of each of many stretches of time."""
    last = len(course.times_ns) - 1
    numbers: Sequence[int] = range(last + 1)
    if last >= _MOST_ROWS:
        numbers = sorted({round(last * row / (_MOST_ROWS - 1)) for row in range(_MOST_ROWS)})
    columns = [Column("time_s", "AT (s)", _TIME)]
    columns += [Column(part.name, part.name.upper(), COLUMN) for part in course.parts]
    columns += [Column(area.name, area.name.rpartition("/")[2], COLUMN) for area in course.areas]
    columns += [
        Column(name, title, _MS if name.startswith("psi_") else NUMBER)
        for name, title in _COUNTS.items()
        if name in course.counts
    ]
    rows: list[tuple[Value, ...]] = []
    for number in numbers:
        used = (area.used_kib[number] for area in course.areas)
        rows.append((
            course.times_ns[number], *(bytes_of(part.kib[number]) for part in course.parts),
            *(None if kib is None else bytes_of(kib) for kib in used),
            *(course.counts[name][number] for name in _COUNTS if name in course.counts),
        ))  # fmt: skip
    return Grid(tuple(columns), tuple(rows), NAME)


_COUNTS: Final = {
    "pgfault": "FAULTS", "pgmajfault": "MAJOR", "pswpin": "PAGES IN", "pswpout": "PAGES OUT",
    "psi_some": "SOME WAIT (ms)", "psi_full": "ALL WAIT (ms)", "oom_kill": "KILLED",
}  # fmt: skip
