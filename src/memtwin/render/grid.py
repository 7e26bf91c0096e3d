"""What a view is: grids of typed cells, sentences with the rows that they rest on, metrics. No layout is done here.

A view is made once and shown by any renderer: :mod:`~memtwin.render.terminal`, :mod:`~memtwin.render.json`,
:mod:`~memtwin.render.csv`, :mod:`~memtwin.render.openmetrics`. A cell holds a number or a text, sizes in bytes, and
None where the figure is not known; how it is written is the business of its column's :class:`Style`.

>>> grid = Grid((Column("name", "NAME"), Column("size_bytes", "SIZE", NUMBER)), (("a", 4096), ("b", None)))
>>> grid.objects()
[{'name': 'a', 'size_bytes': 4096}, {'name': 'b', 'size_bytes': None}]
"""

from __future__ import annotations

from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from memtwin.render.openmetrics import Metric

Align = Literal["left", "right"]
Value = Any
"""int (bytes, counts), float, str, bool, a tuple of these, or None: not known."""


class _Absent(Enum):
    ABSENT = auto()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""The cell of a row that has no such figure: left out of JSON, blank in a terminal."""


class Style(NamedTuple):
    """How a terminal shows the cells of a column: *write* is for numbers, with *writes_text* for texts too."""

    write: Callable[[Value], str] = str
    align: Align = "left"
    writes_text: bool = False


TEXT: Final = Style()
NUMBER: Final = Style(str, "right")
BAR: Final = Style()
"""A share from 0 to 1, drawn as a bar where there is a terminal and room; elsewhere the column is not there."""


class Column(NamedTuple):
    """One column: *key* is its name in JSON and CSV, with its unit, *title* its heading in a terminal.

    Either may be None: the column is not in that form. *width* is its least width in a terminal; unless it may *grow*,
    a longer cell pushes its row on. A last column is padded to its width only with *pad*.
    """

    key: str | None
    title: str | None = None
    style: Style = TEXT
    width: int = 0
    grow: bool = True
    pad: bool = False
    optional: bool = False
    """A narrow terminal leaves it out."""
    prose: bool = False
    """A last column of text, which a narrow terminal continues on further lines."""


class Tone(Enum):
    """How urgent a row is. A terminal marks it by a sign, and by a colour where it has colours."""

    PLAIN = " "
    WARN = "!"
    BAD = "X"


class Shape(Enum):
    """What a grid is in JSON."""

    LIST = auto()
    """A list with an object for each row."""
    OBJECT = auto()
    """One object: its only row."""
    KEYED = auto()
    """An object for each row under the text of its first cell."""
    PAIRS = auto()
    """One object: each row's first cell names a member, its second is the value."""


class Form(Flag):
    """The forms in which a grid is shown."""

    NONE = 0
    TERMINAL = auto()
    JSON = auto()
    CSV = auto()
    ALL = TERMINAL | JSON | CSV
    DATA = JSON | CSV


class Grid(NamedTuple):
    """Rows of typed cells, or None: the list is not known.

    *name* is the member of the view's JSON that holds it; without one its own members stand there.

    In a terminal *title* is a line above it, *headings* says whether the columns' titles are shown, and *gap* how many
    blanks stand between columns.
    """

    columns: tuple[Column, ...]
    rows: Sequence[tuple[Value, ...]] | None
    name: str = ""
    shape: Shape = Shape.LIST
    form: Form = Form.ALL
    title: str = ""
    headings: bool = True
    gap: int = 1
    tones: tuple[Tone, ...] = ()
    """One for each row, or none at all."""

    def objects(self) -> list[dict[str, Any]]:
        """Return each row as an object of the columns that have a key."""
        return [
            {
                column.key: _plain(cell)
                for column, cell in zip(self.columns, row, strict=False)
                if column.key is not None and cell is not ABSENT
            }
            for row in self.rows or ()
        ]

    def keys(self) -> tuple[str, ...]:
        """Return the columns of JSON and CSV that each row has."""
        lacking = {i for row in self.rows or () for i, cell in enumerate(row) if cell is ABSENT}
        return tuple(column.key for i, column in enumerate(self.columns) if column.key and i not in lacking)

    def shown(self) -> tuple[tuple[Column, ...], tuple[tuple[Value, ...], ...]]:
        """Return the columns that a terminal shows, and the rows of them."""
        at = [i for i, column in enumerate(self.columns) if column.title is not None]
        rows = tuple(tuple(row[i] for i in at if i < len(row)) for row in self.rows or ())
        return tuple(self.columns[i] for i in at), rows

    def json(self) -> dict[str, Any] | list[dict[str, Any]] | None:
        """Return the grid in its shape."""
        if self.rows is None:
            return None
        if self.shape is Shape.LIST:
            return self.objects()
        if self.shape is Shape.OBJECT:
            return self.objects()[0]
        if self.shape is Shape.PAIRS:
            return {row[0]: _plain(row[1]) for row in self.rows}
        return {row[0]: dict(list(members.items())[1:]) for row, members in zip(self.rows, self.objects(), strict=True)}


class Sentence(NamedTuple):
    """What the figures mean, and the rows *rests_on*: ``proc/meminfo: Shmem``, ``proc/PID/status: VmSwap``.

    A path alone is a file that holds one figure. ``PID`` stands for any process that has it.
    """

    text: str
    rests_on: tuple[str, ...]


class Meter(NamedTuple):
    """A bar to draw: *amount* of *whole*, with letters under it where *marks* lie, and lines above and below."""

    head: str
    amount: int
    whole: int
    marks: tuple[tuple[str, int], ...] = ()
    feet: tuple[str, ...] = ()
    tone: Tone = Tone.PLAIN


class Segment(NamedTuple):
    """A part of a :class:`Stack`: what it is, how large, and its kind, which chooses its colour and hatching."""

    name: str
    size_bytes: int
    kind: str


class Stack(NamedTuple):
    """A column to draw, its segments from the bottom up."""

    title: str
    segments: tuple[Segment, ...]


class Line(NamedTuple):
    """A line as a terminal shows it; its *tone* gives it a colour, and stands in its text by a sign."""

    text: str
    tone: Tone = Tone.PLAIN


class View(NamedTuple):
    """One view of one moment.

    A terminal shows *text* (the kernel's own, or prose that has no cells), meters, grids and sentences in this order.
    *version* counts changes of the JSON that a reader must know of.
    """

    name: str
    grids: tuple[Grid, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    metrics: Callable[[], Iterable[Metric]] | None = None
    version: int = 1
    text: str | None = None
    meters: tuple[Meter, ...] = ()
    stacks: tuple[Stack, ...] = ()
    lines: tuple[Line, ...] = ()
    """Lines that are laid out already, before all else."""

    def data(self) -> dict[str, Any] | list[dict[str, Any]] | None:
        """Return what ``data`` of the view's JSON is: its only grid, or an object of all of them."""
        grids = [grid for grid in self.grids if Form.JSON in grid.form]
        if len(grids) == 1 and not grids[0].name:
            return grids[0].json()
        whole: dict[str, Any] = {}
        for grid in grids:
            members_of = grid.json()
            if grid.name:
                whole[grid.name] = members_of
            elif isinstance(members_of, dict):
                whole |= members_of
        return whole


def rows_for_csv(view: View) -> tuple[tuple[str, ...], list[dict[str, Any]] | dict[str, Any]]:
    """Return the columns and rows of CSV: those of the view's first list, or all its figures as one row."""
    lists = [grid for grid in view.grids if Form.CSV in grid.form and grid.shape is Shape.LIST]
    if not lists:
        return (), view.data() or {}
    return lists[0].keys(), lists[0].objects()


def members(mapping: Iterable[tuple[str, Value]]) -> tuple[tuple[Column, ...], tuple[tuple[Value, ...], ...]]:
    """Return columns and the one row of an :attr:`Shape.OBJECT` that no terminal shows."""
    pairs = tuple(mapping)
    return tuple(Column(key) for key, _ in pairs), (tuple(value for _, value in pairs),)


def figures(name: str = "", /, **values: Value) -> Grid:
    """Return single figures as a grid for JSON alone.

    >>> figures(total_bytes=4096, free_bytes=None).json()
    {'total_bytes': 4096, 'free_bytes': None}
    """
    columns, rows = members(values.items())
    return Grid(columns, rows, name, Shape.OBJECT, Form.DATA)


def texts(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Yield the sentences without what they rest on."""
    return (sentence.text for sentence in sentences)


def _plain(cell: Value) -> Value:
    """Return a cell for JSON; what 63 bits do not hold was a negative number that was printed unsigned: not known."""
    if isinstance(cell, int) and not -_LARGEST < cell < _LARGEST:
        return None
    return list(cell) if isinstance(cell, tuple) else cell


_LARGEST: Final = 1 << 63
