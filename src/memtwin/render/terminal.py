"""A view on a terminal: its grids as tables, its sentences as a list; nothing in it that the terminal would obey.

What is not written to a terminal is plain, the same bytes everywhere: :data:`PLAIN`. A terminal has bars and colours,
and signs beside them, so that nothing is said by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.grid import ABSENT, BAR, Form, Tone, texts
from memtwin.render.table import Column, Table, clean, display_width, raw
from memtwin.render.table import lines as table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.grid import Column as GridColumn
    from memtwin.render.grid import Grid, Meter, Value, View

BAR_WIDTH: Final = 60
"""Columns of a bar."""
_SHORT_BAR: Final = 20
_INDENT: Final = 4
"""Blanks before a cell that a narrow terminal has on a line of its own."""
_BARS: Final = {True: ("█", "░", "▶"), False: ("#", ".", ">")}
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_COLOURS: Final = {Tone.WARN: "33", Tone.BAD: "1;31"}


class Look(NamedTuple):
    """What the output can show: *columns* is the terminal's width, None where there is none."""

    columns: int | None = None
    colour: bool = False
    unicode: bool = True

    @property
    def is_terminal(self) -> bool:
        """Whether it goes to a terminal."""
        return self.columns is not None


PLAIN: Final = Look()


def show(view: View, *, headings: bool = True, for_programs: bool = False, look: Look = PLAIN) -> str:
    r"""Return *view* as text; *for_programs*: one blank between columns, what is not plain as ``\xNN``."""
    return "\n".join(_blocks(view, look, headings=headings, for_programs=for_programs))


def as_table(grid: Grid, look: Look = PLAIN) -> Table:
    """Return the columns of *grid* that fit, each cell written in its column's style."""
    columns, rows = grid.shown()
    kept = [i for i, column in enumerate(columns) if column.style is not BAR or look.is_terminal]
    is_prose = columns[kept[-1]].prose
    while True:
        table = Table(
            tuple(_heading(columns[i], look) for i in kept),
            tuple(tuple(_cells(row, columns, kept, look)) for row in rows),
        )
        optional = [i for i in kept if columns[i].optional or columns[i].style is BAR]
        needed = _without_last(table) if is_prose else table
        if look.columns is None or not optional or _width(needed, grid) <= look.columns:
            return table
        kept.remove(optional[-1])


def _blocks(view: View, look: Look, *, headings: bool, for_programs: bool) -> Iterator[str]:
    """Yield the parts between which a blank line stands; sentences follow a single grid at once."""
    if view.lines:
        yield "".join(f"{_coloured(clean(line.text), line.tone, look)}\n" for line in view.lines)
    if view.text is not None:
        yield "".join(f"{clean(line)}\n" for line in view.text.split("\n")[:-1])
    yield from (_drawn(meter, look) for meter in view.meters)
    grids = [grid for grid in view.grids if Form.TERMINAL in grid.form]
    tables = [_table(grid, look, headings=headings, for_programs=for_programs) for grid in grids]
    said = ""
    if view.sentences:
        from memtwin.render.prose import bullets

        said = bullets(texts(view.sentences))
    if len(tables) == 1 and said:
        tables[0] += said
        said = ""
    yield from tables
    if said:
        yield said


def _table(grid: Grid, look: Look, *, headings: bool, for_programs: bool) -> str:
    table = as_table(grid, look)
    if for_programs:
        return raw(table, headings=headings)
    has_headings = headings and grid.headings
    lines = list(table_lines(table, headings=has_headings, gap=grid.gap))
    if look.columns is not None and grid.shown()[0][-1].prose:
        at = _width(_without_last(table), grid) + grid.gap
        lines = [_folded(line, at, look.columns) for line in lines]
    if look.is_terminal and any(tone is not Tone.PLAIN for tone in grid.tones):
        tones = [*([Tone.PLAIN] if has_headings else []), *grid.tones]
        lines = [_toned(line, tone, look) for line, tone in zip(lines, tones, strict=True)]
    return grid.title + "".join(f"{line}\n" for line in lines)


def _without_last(table: Table) -> Table:
    return Table(table.columns[:-1], tuple(row[: len(table.columns) - 1] for row in table.rows))


def _folded(line: str, at: int, columns: int) -> str:
    """Return *line* with its last cell, which begins *at* a column, on further lines if it is too wide."""
    if display_width(line) <= columns:
        return line
    import textwrap

    indent = at if at <= columns // 2 else _INDENT
    parts = textwrap.wrap(line[at:], columns - indent, break_long_words=False, break_on_hyphens=False)
    if indent == at:
        return line[:at] + f"\n{' ' * at}".join(parts)
    return f"\n{' ' * indent}".join((line[:at].rstrip(), *parts))


def _toned(line: str, tone: Tone, look: Look) -> str:
    return _coloured(f"{tone.value} {line}", tone, look)


def _coloured(text: str, tone: Tone, look: Look) -> str:
    return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m" if look.colour and tone in _COLOURS else text


def _heading(column: GridColumn, look: Look) -> Column:
    width = max(column.width, _SHORT_BAR) if column.style is BAR and look.is_terminal else column.width
    return Column(column.title or "", column.style.align, width, column.grow, column.pad)


def _width(table: Table, grid: Grid) -> int:
    """Return the widest line of *table*, its signs included."""
    signs = 2 if any(tone is not Tone.PLAIN for tone in grid.tones) else 0
    return signs + max((display_width(line) for line in table_lines(table, gap=grid.gap)), default=0)


def _cells(row: Sequence[Value], columns: Sequence[GridColumn], kept: Sequence[int], look: Look) -> Iterator[str]:
    """Yield the cells of *row* that are kept; it ends with its last figure."""
    there = [i for i in kept if i < len(row)]
    while there and row[there[-1]] is ABSENT:
        there.pop()
    return (_written(row[i], columns[i], look) for i in there)


def _written(cell: Value, column: GridColumn, look: Look) -> str:
    if cell is None:
        return "" if column.style is BAR else "-"
    if cell is ABSENT:
        return ""
    if column.style is BAR:
        return bar(cell, _SHORT_BAR, unicode=look.unicode)
    is_written = isinstance(cell, str) and not column.style.writes_text
    return cell if is_written else column.style.write(cell)


def bar(share: float, width: int, *, unicode: bool) -> str:
    """Return a bar of *share* (0 to 1) of *width* columns, to the eighth of a column where the output is UTF-8.

    >>> bar(0.5, 4, unicode=False), bar(0.53, 4, unicode=True)
    ('##', '██▏')
    """
    share = min(max(share, 0.0), 1.0)
    if not unicode:
        return "#" * round(share * width)
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _drawn(meter: Meter, look: Look) -> str:
    """Return a bar with its lines above and below; an arrow where the amount is beyond the whole."""
    whole = max(meter.whole, 1)
    width = BAR_WIDTH if look.columns is None else max(min(BAR_WIDTH, look.columns - 4), 8)
    full, empty, more = _BARS[look.unicode]
    filled = min(width * meter.amount // whole, width)
    drawn = full * filled + empty * (width - filled) + (more if meter.amount > whole else " ")
    scale = [" "] * (width + 1)
    for letter, amount in meter.marks:
        scale[min(width * amount // whole, width)] = letter
    heads = [clean(line) for line in _wrapped((meter.head,), look)]
    if look.is_terminal and meter.tone is not Tone.PLAIN:
        heads[0] = _toned(heads[0], meter.tone, look)
    below = [f"  {clean(line)}" for line in _wrapped(meter.feet, look)]
    lines = (*heads, f"  {drawn}", f"  {''.join(scale)}", *below)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _wrapped(lines: Sequence[str], look: Look) -> Iterator[str]:
    """Yield *lines*, on a narrow terminal in pieces."""
    for line in lines:
        if look.columns is None or len(line) + 2 <= look.columns:
            yield line
        else:
            import textwrap

            yield from textwrap.wrap(line, max(look.columns - 4, 20))
