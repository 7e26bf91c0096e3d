"""A machine over time as lines of a terminal: RAM as a stack of blocks, a row each swap area, events, and the time."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from memtwin.render.amount import column
from memtwin.render.course import EVENTS, axis
from memtwin.render.table import clean
from memtwin.render.words import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.course import Area, Axis, Course

_RAM_ROWS: Final = 4
_NARROWEST: Final = 20
_GLYPHS: Final = {"programs": ("█", "#"), "kernel": ("▒", "k"), "cache": ("░", "c"), "free": ("·", ".")}
_LEVELS: Final = ("·▁▂▃▄▅▆▇█", "._-=+*%%#")
_IDLE: Final = ("┄", "~")


def draw(course: Course, columns: int, *, unicode: bool = True) -> list[str]:
    """Return the picture in lines of at most *columns* characters; nothing where no time passes."""
    heads = [f"RAM {column(course.total_kib << 10)}", *map(_head, course.areas)]
    width = max(map(len, heads)) + 1
    scale = axis(course.times_ns, course.is_idle, max(columns - width, _NARROWEST))
    if scale is None:
        return []
    shown = scale.shown()
    ram = list(_ram(course, shown, unicode=unicode))
    rows = [*zip((heads[0], *("" for _ in ram[1:])), ram, strict=True)]
    rows += [
        (head, _fullness(area, shown, unicode=unicode)) for head, area in zip(heads[1:], course.areas, strict=True)
    ]
    letters, said = _events(course, scale)
    if letters:
        rows.append(("events", letters))
    rows += [("", line) for line in _ticks(course, scale, unicode=unicode)]
    at = 0 if unicode else 1
    legend = [f"{glyphs[at]} {name}" for name, glyphs in _GLYPHS.items()] + said
    if scale.idle:
        legend.append(f"{_IDLE[at]} nothing happens: drawn short")
    lines = [f"{clean(head):{width}}{row}".rstrip() for head, row in rows]
    return [*lines, *_legend(legend, columns, width)]


def _head(area: Area) -> str:
    return f"{area.name.rpartition('/')[2]} {column(max(size or 0 for size in area.size_kib) << 10)}"


def _ram(course: Course, shown: Sequence[int], *, unicode: bool) -> Iterator[str]:
    """Yield the rows of RAM, the top first; each cell has the part that lies at its middle."""
    glyphs = [_GLYPHS[part.group][0 if unicode else 1] for part in course.parts]
    borders = {sample: list(accumulate(part.kib[sample] for part in course.parts))[:-1] for sample in set(shown)}
    for row in range(_RAM_ROWS - 1, -1, -1):
        middle = (row + 0.5) / _RAM_ROWS * course.total_kib
        yield "".join(glyphs[bisect_right(borders[sample], middle)] for sample in shown)


def _fullness(area: Area, shown: Sequence[int], *, unicode: bool) -> str:
    levels = _LEVELS[0 if unicode else 1]
    cells = []
    for sample in shown:
        used, size = area.used_kib[sample], area.size_kib[sample]
        if used is None:
            cells.append(" ")
            continue
        share = used / size if size else 0.0
        cells.append(levels[0] if not used else levels[min(1 + int(share * 8), 8)])
    return "".join(cells)


def _events(course: Course, scale: Axis) -> tuple[str, list[str]]:
    """Return the row of letters, and what those that are there mean."""
    marks: dict[int, str] = {}
    for event in course.events:
        at = scale.at(event.time_ns)
        marks[at] = min(marks.get(at, event.letter), event.letter, key=list(EVENTS).index)
    row = "".join(marks.get(at, " ") for at in range(scale.columns)).rstrip()
    return row, [f"{letter} {meaning}" for letter, meaning in EVENTS.items() if letter in row]


def _ticks(course: Course, scale: Axis, *, unicode: bool) -> Iterator[str]:
    """Yield the line of time, and the names of checkpoints with their times where there is room."""
    line = ["─" if unicode else "-"] * scale.columns
    for begin, end in scale.idle:
        for at in range(int(begin), max(int(end), int(begin) + 1)):
            line[min(at, scale.columns - 1)] = _IDLE[0 if unicode else 1]
    labels = [" "] * scale.columns
    free_from = 0
    for time_ns, label in course.labels:
        at = scale.at(time_ns)
        line[at] = "┴" if unicode else "+"
        text = f"{clean(label)} {seconds(time_ns)}"
        begin = min(at, scale.columns - len(text))
        if begin >= free_from:
            labels[begin : begin + len(text)] = text
            free_from = begin + len(text) + 1
    if free_from == 0:
        last = seconds(course.times_ns[-1])
        labels[-len(last) :] = last
    yield "".join(line)
    yield "".join(labels).rstrip()


def _legend(parts: Sequence[str], columns: int, indent: int) -> list[str]:
    lines = [" " * indent]
    for part in parts:
        if len(lines[-1]) + len(part) + 2 > columns and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += part if not lines[-1].strip() else f"  {part}"
    return lines
