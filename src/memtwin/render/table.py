r"""The plain table writer: columns of text, aligned, and nothing that a terminal could take as a command.

A cell may hold what a process or a file chose as its name, so that escape sequences, control characters,
marks that turn the direction of writing and undecodable bytes are shown as ``\x1b``, ``\u202e`` and not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Align = Literal["left", "right"]


class Column(NamedTuple):
    """One column: *width* is its least width; unless it may *grow*, a longer cell pushes its row on.

    A cell that ends its row is not filled up with blanks unless *pad* asks for it.
    """

    title: str
    align: Align = "left"
    width: int = 0
    grow: bool = True
    pad: bool = False


class Table(NamedTuple):
    """Columns and rows of text; a row may end early."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def clean(text: str) -> str:
    r"""Return *text* with every character that is not printable written as its escape.

    >>> print(clean("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def display_width(text: str) -> int:
    """Return the columns of a terminal that *text* takes: wide characters take two, combining ones none.

    >>> display_width("swap"), display_width("交換")
    (4, 4)
    """
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, columns: int) -> str:
    """Return as much of *text* as *columns* hold.

    >>> cut("abcdef", 4), cut("交換", 3)
    ('abcd', '交')
    """
    if text.isascii():
        return text[:columns]
    for at, char in enumerate(text):
        columns -= display_width(char)
        if columns < 0:
            return text[:at]
    return text


def lines(table: Table, *, headings: bool = True, gap: int = 1) -> Iterator[str]:
    """Yield the lines of *table*, without newlines; *gap* blanks stand between columns."""
    rows = [tuple(clean(cell) for cell in row) for row in (_titles(table), *table.rows)]
    widths = [
        max([column.width, *(display_width(row[i]) for row in rows if i < len(row))]) if column.grow else column.width
        for i, column in enumerate(table.columns)
    ]
    if not headings:
        del rows[0]
    for row in rows:
        cells = [
            _padded(cell, column.align, width, is_last=i == len(row) - 1 and not column.pad)
            for i, (cell, column, width) in enumerate(zip(row, table.columns, widths, strict=False))
        ]
        yield (" " * gap).join(cells)


def text(table: Table, *, headings: bool = True, gap: int = 1) -> str:
    """Return *table* as text, each line with its newline."""
    return "".join(f"{line}\n" for line in lines(table, headings=headings, gap=gap))


def raw(table: Table, *, headings: bool = True) -> str:
    r"""Return *table* for a program: one blank between cells, every byte that is not plain as ``\xNN``."""
    rows = (_titles(table), *table.rows) if headings else table.rows
    return "".join(" ".join(_plain(cell) for cell in row) + "\n" for row in rows)


def _titles(table: Table) -> tuple[str, ...]:
    return tuple(column.title for column in table.columns)


def _plain(cell: str) -> str:
    try:
        octets = cell.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate: no file's name, but JSON can hold one
        octets = cell.encode("utf-8", "surrogatepass")
    return "".join(chr(octet) if 0x20 < octet < 0x7F and octet != 0x5C else f"\\x{octet:02x}" for octet in octets)


def _padded(cell: str, align: Align, width: int, *, is_last: bool) -> str:
    blanks = " " * (width - display_width(cell))
    if align == "right":
        return blanks + cell
    return cell if is_last else cell + blanks


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape keeps it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
