"""The lines of one /proc file as they are read, so that every error has its path and line number.

Layout rules that all these files share: ASCII decimal numbers of at most 64 bits, fields between blanks,
every line closed by a newline. A file whose last line is not closed was cut off, and a cut number is a wrong
one: that is an error, never a smaller value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import ProcParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DIGITS = 20
"""Digits of the largest unsigned 64-bit number: the kernel prints no longer one in these files."""


def is_number(token: str) -> bool:
    """Return whether *token* is an unsigned decimal number that a 64-bit kernel can print."""
    return token.isascii() and token.isdigit() and len(token) <= MAX_DIGITS


def number(token: str) -> int | None:
    """Return *token* as an unsigned decimal number, or None if it is not one."""
    return int(token) if is_number(token) else None


def hundredths(token: str) -> int | None:
    """Return a number printed with two decimals as hundredths, exactly, or None if it is not one.

    >>> hundredths("14.66")
    1466
    """
    whole, dot, fraction = token.partition(".")
    if not (dot and is_number(whole) and is_number(fraction) and len(fraction) == 2):
        return None
    return int(whole) * 100 + int(fraction)


def decimal(hundreds: int) -> str:
    """Return hundredths as the kernel prints them, ``%lu.%02lu``.

    >>> decimal(5)
    '0.05'
    """
    return f"{hundreds // 100}.{hundreds % 100:02d}"


class Lines:
    """The lines of *text* without their newlines, and the number (from 1) and text of the one being read."""

    __slots__ = ("_all", "line", "lineno", "path")

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self._all = text.split("\n")
        self.line = self._all[-1]
        self.lineno = len(self._all)
        if self._all.pop():
            raise self.bad("a newline at the end (the file was cut off)")
        self.line, self.lineno = "", 0

    def __iter__(self) -> Iterator[str]:
        while self.lineno < len(self._all):
            self.line = self._all[self.lineno]
            self.lineno += 1
            yield self.line

    def __len__(self) -> int:
        return len(self._all)

    def next(self, expected: str) -> str:
        """Return the next line; *expected* says what it should be if the file ends here."""
        self.lineno += 1
        if self.lineno > len(self._all):
            self.line = ""
            raise self.bad(expected)
        self.line = self._all[self.lineno - 1]
        return self.line

    def peek(self) -> str | None:
        """Return the line that comes next without reading it, or None at the end of the file."""
        return self._all[self.lineno] if self.lineno < len(self._all) else None

    def only(self, expected: str) -> str:
        """Return the line of a file that has just one."""
        line = self.next(expected)
        if len(self._all) > 1:
            self.next("")
            raise self.bad("nothing after the first line")
        return line

    def bad(self, expected: str) -> ProcParseError:
        """Return the error that the line being read is not *expected*."""
        return ProcParseError(self.path, self.lineno, self.line, expected)

    def number(self, token: str, expected: str) -> int:
        """Return *token* of the line being read as an unsigned number."""
        if not is_number(token):
            raise self.bad(expected)
        return int(token)

    def signed(self, token: str, expected: str) -> int:
        """Return *token* of the line being read as a number that may bear a minus."""
        value = self.number(token.removeprefix("-"), expected)
        return -value if token.startswith("-") else value

    def numbers(self, tokens: Iterable[str], expected: str) -> tuple[int, ...]:
        """Return all *tokens* of the line being read as unsigned numbers."""
        return tuple([self.number(token, expected) for token in tokens])

    def hundredths(self, token: str, expected: str) -> int:
        """Return *token* of the line being read, a number with two decimals, as hundredths."""
        value = hundredths(token)
        if value is None:
            raise self.bad(expected)
        return value


def put_back(lines: list[str], unknown: Iterable[tuple[int, str]]) -> list[str]:
    """Insert each unknown line at the index that it was read from; *unknown* is in rising order."""
    for index, line in unknown:
        lines.insert(index, line)
    return lines


def join(lines: Iterable[str]) -> str:
    """Return the text of a file with these lines."""
    return "".join([f"{line}\n" for line in lines])
