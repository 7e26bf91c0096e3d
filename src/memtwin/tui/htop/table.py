"""The cells of the table: which columns fit, how each is written, what a heading says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column as size
from memtwin.render.table import cut, display_width
from memtwin.tui.htop.spans import Line, Span, safe
from memtwin.views.top_fields import FIELDS, PID_WIDTH, VARIABLE, memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.tui.htop.rows import Sum, TaskRow
    from memtwin.views.top_fields import Frame

TREE_SUM: Final = "TREE"
"""The column of PSS over a branch; there while the tree is."""
DEFAULT: Final = (
    "PID", "USER", "PR", "NI", "VIRT", "RES", "SHR", "PSS", "S", "%CPU", "%MEM", "TIME+", "OOMs", "COMMAND",
)  # fmt: skip
_LAST_TO_GO: Final = (
    "COMMAND", "PID", "PSS", "RES", TREE_SUM, "S", "%CPU", "USER", "%MEM", "SHR", "VIRT", "TIME+", "OOMs", "PR", "NI",
)  # fmt: skip
"""What stays on a narrow screen, the most wanted first; what is not named here goes last of all."""
_CHOSEN: Final = 3
_SIZE_WIDTH: Final = 5
_LEAST_COMMAND: Final = 16
_PID_DIGITS: Final = 7
UNKNOWN: Final = "-"
_HEADINGS: Final = {"OOMs": "OOM", "PR": "PRI", "OOMa": "ADJ"}


class Place(NamedTuple):
    """A column on the screen."""

    name: str
    start: int
    width: int


def heading(name: str, *, unicode: bool = True) -> str:
    """Return what stands above a column."""
    if name == TREE_SUM:
        return "ΣPSS" if unicode else "SUM"
    return _HEADINGS.get(name, name)


def places(names: Sequence[str], columns: int) -> list[Place]:
    """Return the columns that fit on a screen of *columns*; one of a variable width takes what is left."""
    kept = list(names)
    while len(kept) > 1 and sum(_width(name) + 1 for name in kept) - 1 > columns:
        kept.remove(max(kept, key=_rank))
    spare = columns - (sum(_width(name) + 1 for name in kept) - 1)
    found, start = [], 0
    for name in kept:
        width = _width(name)
        if _is_variable(name):
            width, spare = max(width + spare, 1), 0
        found.append(Place(name, start, width))
        start += width + 1
    return found


def _rank(name: str) -> int:
    return _LAST_TO_GO.index(name) if name in _LAST_TO_GO else _CHOSEN


def _is_variable(name: str) -> bool:
    return name != TREE_SUM and FIELDS[name].width == VARIABLE


def _width(name: str) -> int:
    if name == TREE_SUM:
        return _SIZE_WIDTH + 1
    field = FIELDS[name]
    if field.write is memory:
        return max(_SIZE_WIDTH, len(heading(name)))
    if field.width == VARIABLE:
        return _LEAST_COMMAND
    return max(_PID_DIGITS if field.width == PID_WIDTH else field.width, len(heading(name)))


def head_line(at: Sequence[Place], key: str, chosen: str, columns: int, *, rising: bool, unicode: bool = True) -> Line:
    """Return the headings: the one that tasks are ordered by has an arrow, the chosen column stands out."""
    arrow = ("△" if rising else "▽") if unicode else ("^" if rising else "v")
    spans: list[Span] = []
    for place in at:
        text = heading(place.name, unicode=unicode)
        is_left = place.name != TREE_SUM and FIELDS[place.name].align == "left"
        shown = text.ljust(place.width) if is_left else text.rjust(place.width)
        mark = arrow if place.name == key else " "
        style = "heading-key" if place.name == key else "heading"
        spans += [Span(shown[: place.width], "heading-chosen" if place.name == chosen else style), Span(mark, style)]
    used = sum(len(span.text) for span in spans)
    return (*spans, Span(" " * max(columns - used, 0), "heading"))


def cells(row: TaskRow, at: Sequence[Place], frame: Frame) -> list[str]:
    """Return what stands in each column, as wide as the column."""
    return [_cell(row, place, frame) for place in at]


def _cell(row: TaskRow, place: Place, frame: Frame) -> str:
    if place.name == TREE_SUM:
        return _sum(row.sum).rjust(place.width)
    field = FIELDS[place.name]
    value = field.of(row.task, frame)
    if place.name == "COMMAND":
        inside = f"[+{row.inside}] " if row.inside else ""
        return _padded(f"{row.prefix}{inside}{safe(str(value))}", place.width)
    if value is None:
        text = UNKNOWN
    elif field.write is memory:
        text = size(int(value))
    else:
        text = field.write(value, place.width)
    return _padded(text, place.width) if field.align == "left" else text.rjust(place.width)


def _padded(text: str, width: int) -> str:
    if text.isascii():
        return text[:width].ljust(width)
    shown = cut(text, width)
    return shown + " " * (width - display_width(shown))


def _sum(of: Sum | None) -> str:
    if of is None:
        return UNKNOWN
    return f"{'' if of.is_whole else '>'}{size(of.pss_bytes)}"


def row_line(row: TaskRow, at: Sequence[Place], frame: Frame, columns: int, *, style: str, chosen: str = "") -> Line:
    """Return one task; of the selected one (*chosen* is a column) the figure under the cursor stands out."""
    shown = cells(row, at, frame)
    if not chosen:
        return (Span(" ".join(shown), style),)
    spans: list[Span] = []
    for place, cell in zip(at, shown, strict=True):
        spans += [Span(cell, "cursor" if place.name == chosen else style), Span(" ", style)]
    used = sum(place.width + 1 for place in at)
    return (*spans[:-1], Span(" " * max(columns - used + 1, 0), style))
