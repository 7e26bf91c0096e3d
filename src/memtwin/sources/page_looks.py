"""Which pages a process has and which it touched: ``memtwin/PID/pages`` of a trace, read of its page tables.

A line a page table that has anything: its number (it maps 2 MiB, so that is the address divided by 2 MiB), 128 digits
of the pages that there are, in memory or swap, 128 of those that were touched since the look before, and 128 of those
that were written. A digit (``a`` to ``p``) is four pages, the first page its lowest bit. To know what is written, the
kernel protects each page after a look, so that the first write to it is a fault more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import ProcParseError
from memtwin.procfs.pid import maps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATH: Final = "memtwin/{pid}/pages"
PAGES_PER_TABLE: Final = 512
_LINE: Final = re.compile(r"([0-9]{1,10}) ([a-p]{128}) ([a-p]{128}) ([a-p]{128})")
_HEX: Final = str.maketrans("abcdefghijklmnop", "0123456789abcdef")
_PAGE: Final = 4096


class MappedFile(NamedTuple):
    """What pages are mapped from: a file, by its mappings that may be executed, or by the others."""

    path: str
    executable: bool


class Pages(NamedTuple):
    """Pages as bits, the first page the lowest: those that there are; were touched; were written since the look before.

    Those of a file count from its beginning; *npages*: up to where it is mapped.
    """

    had: int
    touched: int
    written: int
    npages: int = 0


@dataclass(frozen=True, slots=True)
class PageLook:
    """The pages of a process: of its own by page table, in memory or swap, and those that are mapped of each file."""

    own: Mapping[int, Pages]
    files: Mapping[MappedFile, Pages]


class _Mapped(NamedTuple):
    """The part of a page table that a file is mapped in: its bits, and the file's page at the table's first one."""

    file: MappedFile
    bits: int
    first: int
    npages: int


def parse(text: str, maps_text: str, path: str = PATH) -> PageLook:
    """Read a look; *maps_text*, /proc/PID/maps of that time, says which pages are of files."""
    mapped = _mapped(maps_text)
    own: dict[int, Pages] = {}
    files: dict[MappedFile, Pages] = {}
    for lineno, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ProcParseError(path, lineno, line, "a page table: its number and three times 128 digits of a to p")
        number, there, used, dirty = int(match[1]), _bits(match[2]), _bits(match[3]), _bits(match[4])
        of_file = 0
        for part in mapped.get(number, ()):
            of_file |= part.bits
            if there & part.bits:
                files[part.file] = _joined(files.get(part.file), part, there, used, dirty)
        if there & ~of_file:
            own[number] = Pages(there & ~of_file, used & ~of_file, used & dirty & ~of_file)
    return PageLook(own, files)


def _joined(before: Pages | None, part: _Mapped, there: int, used: int, dirty: int) -> Pages:
    """Return a file's pages with those of one more part of a page table."""
    had, touched, written, npages = before or Pages(0, 0, 0)
    found = (there & part.bits, there & used & part.bits, there & used & dirty & part.bits)
    here = [bits << part.first if part.first >= 0 else bits >> -part.first for bits in found]
    return Pages(had | here[0], touched | here[1], written | here[2], max(npages, part.npages))


def _bits(digits: str) -> int:
    return int(digits.translate(_HEX)[::-1], 16)


@lru_cache(maxsize=64)
def _mapped(maps_text: str) -> dict[int, list[_Mapped]]:
    """Return what each page table maps of files; shared memory is no process's own."""
    found: dict[int, list[_Mapped]] = {}
    for row in maps.parse(maps_text).rows:
        if not row.inode:
            continue
        file = MappedFile(row.path or str(row.inode), "x" in row.perms)
        begin, offset = row.start // _PAGE, row.offset // _PAGE
        for number, bits in _tables(begin, row.end // _PAGE):
            first = number * PAGES_PER_TABLE - begin + offset
            found.setdefault(number, []).append(_Mapped(file, bits, first, offset + row.size // _PAGE))
    return found


def _tables(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the page tables of pages *first* to *end*, and which of its pages are among these.

    >>> [(number, bits.bit_count()) for number, bits in _tables(500, 1030)]
    [(0, 12), (1, 512), (2, 6)]
    """
    while first < end:
        number, at = divmod(first, PAGES_PER_TABLE)
        length = min(PAGES_PER_TABLE - at, end - first)
        yield number, ((1 << length) - 1) << at
        first += length
