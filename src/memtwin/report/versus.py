"""Two courses side by side: figures of the whole, checkpoints of the same name, and both time lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.render import course_lines
from memtwin.render.amount import COLUMN, column
from memtwin.render.canvas import WIDTH
from memtwin.render.grid import Column, Form, Grid, Line, Sentence, Style, View
from memtwin.render.html import Script, document, table, text
from memtwin.render.words import seconds
from memtwin.report import page, timeline
from memtwin.report.answer import sentences
from memtwin.report.assets import SCRIPT, STYLE
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.course import Course
    from memtwin.render.terminal import Look
    from memtwin.report.gathered import Gathered, Moment

_PAGE_BYTES: Final = 4096
_WIDEST: Final = 100
_RIGHT: Final = Style(str, "right")
_TIME: Final = Style(seconds, "right")
_ROWS: Final = {"MemAvailable": "AVAIL", "AnonPages": "ANON", "Cached": "CACHED"}


class Figure(NamedTuple):
    """A figure of both: its key, what it is, its unit (``bytes``, ``ns`` or ``count``), and the values."""

    key: str
    title: str
    unit: str
    first: int | None
    second: int | None

    @property
    def change(self) -> int | None:
        """The second less the first."""
        return None if self.first is None or self.second is None else self.second - self.first


def view(first: Gathered, second: Gathered, look: Look) -> View:
    """Return both time lines and the figures side by side."""
    courses = [_course(one) for one in (first, second)]
    found = figures(first, second)
    names = ("first", "second", "change")
    shown = tuple((one.title, *(_written(one.unit, value) for value in _values(one)), _share(one)) for one in found)
    columns = (
        Column("figure", ""), Column("a", "A", _RIGHT), Column("b", "B", _RIGHT), Column("c", "B - A", _RIGHT),
        Column("d", "", _RIGHT),
    )  # fmt: skip
    data = tuple((one.key, one.unit, *_values(one)) for one in found)
    grids = (
        Grid(columns, shown, form=Form.TERMINAL),
        Grid(tuple(map(Column, ("figure", "unit", *names))), data, "figures", form=Form.DATA),
        checkpoints(first, second)._replace(form=Form.ALL if _common(first, second) else Form.JSON),
    )
    lines = [Line(text) for text in _lines((first, second), courses, look)]
    return View("compare", grids, tuple(Sentence(said, ()) for said in _said(found)), lines=tuple(lines))


def _course(one: Gathered) -> Course:
    if one.course is None:
        raise UsageError(f"{one.name} is one moment", hint="memtwin diff compares two moments")
    return one.course


def _lines(both: Sequence[Gathered], courses: Sequence[Course], look: Look) -> Iterator[str]:
    width = min(look.columns or _WIDEST, _WIDEST)
    for letter, one, course in zip("AB", both, courses, strict=True):
        yield f"{letter}: {one.name}"
        yield from course_lines.draw(course, width, unicode=look.unicode)
        yield ""


def figures(first: Gathered, second: Gathered) -> list[Figure]:
    """Return the figures that both or one of them have."""
    known = [dict(_figures(one)) for one in (first, second)]
    keys = dict.fromkeys(key for one in known for key in one)
    found = []
    for key in keys:
        title, unit, _ = next(one[key] for one in known if key in one)
        values = [one[key][2] if key in one else None for one in known]
        found.append(Figure(key, title, unit, *values))
    return found


def _figures(one: Gathered) -> Iterator[tuple[str, tuple[str, str, int]]]:
    course = _course(one)
    parts = {part.name: part.kib for part in course.parts}
    yield "time", ("time", "ns", course.times_ns[-1])
    yield "ram", ("RAM", "bytes", bytes_of(course.total_kib))
    left = [sum(kib) for kib in zip(parts["free"], parts["files"], parts["files, to be written"], strict=True)]
    yield "least_left", ("least free and page cache", "bytes", bytes_of(min(left)))
    for key, title, name in (
        ("most_anonymous", "most anonymous memory", "anonymous memory"), ("most_slab", "most slab", "slab"),
        ("most_compressed", "most compressed swap", "compressed swap"),
    ):  # fmt: skip
        yield key, (title, "bytes", bytes_of(max(parts[name])))
    used = [sum(area.used_kib[at] or 0 for area in course.areas) for at in range(len(course.times_ns))]
    yield "most_swapped", ("most swap in use", "bytes", bytes_of(max(used)))
    for name, title in (("pgfault", "faults"), ("pgmajfault", "major faults")):
        if (last := _last(course, name)) is not None:
            yield name, (title, "count", last)
    for name, title in (("pswpin", "swapped in"), ("pswpout", "swapped out")):
        if (last := _last(course, name)) is not None:
            yield name, (title, "bytes", last * _PAGE_BYTES)
    for name, title in (("psi_some", "some task waited"), ("psi_full", "all tasks waited")):
        if (last := _last(course, name)) is not None:
            yield name, (title, "ns", last * 1000)
    yield "killed", ("events of kills", "count", sum(event.letter == "X" for event in course.events))
    if one.operations is not None:
        yield "failed", ("operations without success", "count", one.operations[1])


def _last(course: Course, name: str) -> int | None:
    return course.counts[name][-1] if name in course.counts else None


def _values(one: Figure) -> tuple[int | None, int | None, int | None]:
    return one.first, one.second, one.change


def _written(unit: str, value: int | None) -> str:
    if value is None:
        return "-"
    sign = "-" if value < 0 else ""
    if unit == "bytes":
        return sign + column(abs(value))
    return sign + (seconds(abs(value)) if unit == "ns" else f"{abs(value):,}")


def _share(one: Figure) -> str:
    change = one.change
    return "" if not change or not one.first else f"{100 * change / one.first:+.1f} %"


def _said(found: Sequence[Figure]) -> Iterator[str]:
    same = [one.title for one in found if one.change == 0]
    if len(same) == len(found):
        yield "All figures are the same."
    lacking = [one.title for one in found if one.change is None]
    if lacking:
        yield f"Only one of them has {', '.join(lacking)}."


def _common(first: Gathered, second: Gathered) -> list[tuple[Moment, Moment]]:
    """Return the moments of the same label."""
    by_label = {moment.label: moment for moment in second.moments}
    return [(one, by_label[one.label]) for one in first.moments if one.label in by_label]


def checkpoints(first: Gathered, second: Gathered) -> Grid:
    """Return the checkpoints that both have, in pairs of columns."""
    columns = [Column("checkpoint", "CHECKPOINT")]
    for letter in "AB":
        columns += [Column(f"time_ns_{letter.lower()}", f"AT {letter}", _TIME)]
    for name, title in (*_ROWS.items(), ("swap", "SWAP")):
        columns += [Column(f"{name}_bytes_{letter.lower()}", f"{title} {letter}", COLUMN) for letter in "AB"]
    rows: list[tuple[Any, ...]] = []
    for pair in _common(first, second):
        cells: list[Any] = [pair[0].label, *(one.time_ns for one in pair)]
        for name in _ROWS:
            cells += [_row(one, name) for one in pair]
        cells += [
            None if one.swaps is None else bytes_of(sum(area.used_kib for area in one.swaps.areas)) for one in pair
        ]
        rows.append(tuple(cells))
    return Grid(tuple(columns), tuple(rows), "checkpoints")


def _row(moment: Moment, name: str) -> int | None:
    memory = moment.memory
    return None if memory is None or name not in memory else bytes_of(memory[name])


def document_of(first: Gathered, second: Gathered, shown: View) -> str:
    """Return the page of two: figures side by side, then each time line with what happened."""
    body = [table(shown.grids[0], "A and B, and how much B has more")]
    if _common(first, second):
        body.append(table(shown.grids[2], "Checkpoints of the same name"))
    lines = {}
    for letter, one in zip("AB", (first, second), strict=True):
        line = timeline.picture(_course(one), f"timeline-{letter.lower()}")
        said = "".join(f"<li>{text(sentence)}</li>\n" for sentence in sentences(one))
        body.append(f"<h2>{letter}: {text(one.name)}</h2>\n<ul>{said}</ul>\n")
        if line is not None:
            lines[line.name] = page.steps(line)
            body.append(page.figure(line) + page.cursor(line))
    data = {"lines": lines, "moments": [], "width": WIDTH}
    return document(f"A {first.name}, B {second.name}", "".join(body), STYLE, Script(SCRIPT, "report", data))
