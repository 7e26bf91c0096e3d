"""The base of the files that are one ``label value`` pair a line: meminfo, vmstat, status and their like.

A record is a mapping in file order. The layout belongs to the row (:class:`Row`), because the kernel formats
some rows of one file unlike the others. What is not known is kept:

- a label that the table does not list, with a number: a value like any other, laid out as it was;
- a line that is no row at all, or a label that was seen before: :attr:`Table.unknown`, printed back in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self, TypeVar

from memtwin.procfs.text import Lines, join, put_back

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

V = TypeVar("V")
Unknown = tuple[tuple[int, str], ...]
"""Lines that are no rows: (index of the line from 0, the line), in file order."""


class Row(NamedTuple):
    """How the kernel prints one row: ``head``, the number padded with blanks to ``width``, ``unit``."""

    label: str
    head: str
    width: int = 8
    unit: str = " kB"

    def text(self, value: int) -> str:
        """Return the line that the kernel prints for *value*.

        >>> Row("HardwareCorrupted", "HardwareCorrupted: ", 5).text(0)
        'HardwareCorrupted:     0 kB'
        """
        return f"{self.head}{value:{self.width}d}{self.unit}"


class Labelled(dict[str, V]):
    """Labels and values in file order, and the lines that are neither. Equal if they print the same text."""

    __slots__ = ("unknown",)

    def __init__(self, values: Mapping[str, V], *, unknown: Unknown = ()) -> None:
        super().__init__(values)
        self.unknown = unknown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labelled) and type(other) is type(self) and self.render() == other.render()

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def lines(self) -> list[str]:
        """Return the rows as the kernel prints them, without the unknown lines."""
        raise NotImplementedError

    def render(self) -> str:
        """Return the file's text."""
        return join(put_back(self.lines(), self.unknown))


class Table(Labelled[int]):
    """A file whose values are unsigned numbers in the unit that the kernel prints.

    A subclass sets :attr:`ROWS`, :attr:`LINE` and :meth:`row`, its default layout.
    """

    __slots__ = ("_odd",)

    ROWS: ClassVar[Mapping[str, Row]] = {}
    """The rows that are known by name: a known label without a number is an error, not an unknown line."""
    LINE: ClassVar[re.Pattern[str]]
    """Four groups: the label with what closes it, blanks, digits, unit."""
    CLOSE: ClassVar[str] = ":"
    """What stands between a label and its blanks."""

    def __init__(
        self, values: Mapping[str, int], *, unknown: Unknown = (), odd: Mapping[str, Row] | None = None
    ) -> None:
        super().__init__(values, unknown=unknown)
        self._odd = odd or {}

    @classmethod
    def row(cls, label: str) -> Row:
        """Return how this file prints *label*, which may be one that it does not list."""
        raise NotImplementedError

    @classmethod
    def known(cls, label: str) -> bool:
        """Return whether a line that starts with *label* must hold a number."""
        return label in cls.ROWS

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Read a file; *path* names it in errors."""
        return cls.read(Lines(text, path))

    @classmethod
    def read(cls, lines: Lines) -> Self:
        """Read the rows from *lines* to the end of the file."""
        values: dict[str, int] = {}
        odd: dict[str, Row] = {}
        unknown: list[tuple[int, str]] = []
        for index, line in enumerate(lines):
            found = cls._row_and_value(lines)
            if found is None or found[0].label in values:
                unknown.append((index, line))
                continue
            row, value = found
            values[row.label] = value
            if row != cls.row(row.label):
                odd[row.label] = row
        return cls(values, unknown=tuple(unknown), odd=odd)

    @classmethod
    def _row_and_value(cls, lines: Lines) -> tuple[Row, int] | None:
        """Read one line, or return None if it is no row."""
        line = lines.line
        match = cls.LINE.fullmatch(line)
        if match is None:
            label = line.partition(cls.CLOSE)[0]
            if cls.known(label):
                raise lines.bad(f"{label} and a number{cls.row(label).unit}")
            return None
        head, blanks, digits, unit = match.groups()
        label, value = head.removesuffix(cls.CLOSE), int(digits)
        usual = cls.row(label)
        if usual.text(value) == line:
            return usual, value
        if label in cls.ROWS and unit != usual.unit:
            raise lines.bad(f"{label} and a number{usual.unit or ' without a unit'}")
        own = Row(label, head, len(blanks) + len(digits), unit)
        if own.text(value) == line:
            return own, value
        if cls.known(label):
            raise lines.bad(f"{label} and a number{usual.unit}")
        return None

    def without(self, labels: Iterable[str]) -> Self:
        """Return the record without the rows *labels*."""
        left = set(labels)
        values = {label: value for label, value in self.items() if label not in left}
        return type(self)(values, unknown=self.unknown, odd=self._odd)

    def lines(self) -> list[str]:
        """Return the rows as the kernel prints them, without the unknown lines."""
        odd, row = self._odd, self.row
        return [(odd.get(label) or row(label)).text(value) for label, value in self.items()]


class TextTable(Labelled[str]):
    """A file whose values are text, kept as they are; a subclass sets :attr:`SEPARATOR`."""

    __slots__ = ()

    SEPARATOR: ClassVar[str]

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Read a file; *path* names it in errors."""
        values: dict[str, str] = {}
        unknown: list[tuple[int, str]] = []
        lines = Lines(text, path)
        separator, check = cls.SEPARATOR, cls.check
        for index, line in enumerate(lines):
            label, found, value = line.partition(separator)
            if not found or not label or label in values:
                unknown.append((index, line))
                continue
            check(label, value, lines)
            values[label] = value
        return cls(values, unknown=tuple(unknown))

    @classmethod
    def check(cls, label: str, value: str, lines: Lines) -> None:
        """Raise if *value* cannot be what the kernel prints after *label*; the base takes any text."""

    def lines(self) -> list[str]:
        """Return the rows as the kernel prints them, without the unknown lines."""
        return [f"{label}{self.SEPARATOR}{value}" for label, value in self.items()]
