"""A view on a terminal: its grids as tables, its sentences as a list; nothing in it that the terminal would obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.grid import ABSENT, Form, texts
from memtwin.render.table import Column, Table, clean, raw, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.render.grid import Column as GridColumn
    from memtwin.render.grid import Grid, Meter, Value, View

BAR_WIDTH: Final = 60
"""Columns of a bar."""
_BARS: Final = {True: ("█", "░", "▶"), False: ("#", ".", ">")}


def show(view: View, *, headings: bool = True, for_programs: bool = False, unicode: bool = True) -> str:
    r"""Return *view* as text; *for_programs*: one blank between columns, what is not plain as ``\xNN``."""
    return "\n".join(_blocks(view, headings=headings, for_programs=for_programs, unicode=unicode))


def as_table(grid: Grid) -> Table:
    """Return the columns of *grid* that a terminal shows, each cell written in its column's style."""
    columns, rows = grid.shown()
    return Table(
        tuple(Column(one.title or "", one.style.align, one.width, one.grow, one.pad) for one in columns),
        tuple(tuple(_written(cell, one) for cell, one in zip(row, columns, strict=False)) for row in rows),
    )


def _blocks(view: View, *, headings: bool, for_programs: bool, unicode: bool) -> Iterator[str]:
    """Yield the parts between which a blank line stands; sentences follow a single grid at once."""
    if view.text is not None:
        yield "".join(f"{clean(line)}\n" for line in view.text.split("\n")[:-1])
    yield from (_drawn(meter, unicode=unicode) for meter in view.meters)
    grids = [grid for grid in view.grids if Form.TERMINAL in grid.form]
    tables = [_table(grid, headings=headings, for_programs=for_programs) for grid in grids]
    said = ""
    if view.sentences:
        from memtwin.render.prose import bullets  # noqa: PLC0415 - a table does not need it

        said = bullets(texts(view.sentences))
    if len(tables) == 1 and said:
        tables[0] += said
        said = ""
    yield from tables
    if said:
        yield said


def _table(grid: Grid, *, headings: bool, for_programs: bool) -> str:
    table = as_table(grid)
    if for_programs:
        return raw(table, headings=headings)
    return grid.title + text(table, headings=headings and grid.headings, gap=grid.gap)


def _written(cell: Value, column: GridColumn) -> str:
    if cell is None:
        return "-"
    if cell is ABSENT:
        return ""
    is_written = isinstance(cell, str) and not column.style.writes_text
    return cell if is_written else column.style.write(cell)


def _drawn(meter: Meter, *, unicode: bool) -> str:
    """Return a bar with its lines above and below; an arrow where the amount is beyond the whole."""
    whole = max(meter.whole, 1)
    full, empty, more = _BARS[unicode]
    filled = min(BAR_WIDTH * meter.amount // whole, BAR_WIDTH)
    bar = full * filled + empty * (BAR_WIDTH - filled) + (more if meter.amount > whole else " ")
    scale = [" "] * (BAR_WIDTH + 1)
    for letter, amount in meter.marks:
        scale[min(BAR_WIDTH * amount // whole, BAR_WIDTH)] = letter
    lines = (meter.head, f"  {bar}", f"  {''.join(scale)}", *(f"  {line}" for line in meter.feet))
    return "".join(f"{clean(line).rstrip()}\n" for line in lines)
