r"""``/proc/PID/maps``: the mappings of one process, by rising address.

Layout: ``start-end perms offset major:minor inode `` (hexadecimal but for the inode); where there is a path
or a name like ``[heap]``, the line is filled to 72 columns and one blank more. A newline in a path is printed
``\012`` but a backslash as it is, so paths are kept as they are printed.

>>> heap = Mapping(0x565000, 0x587000, "rw-p", path="[heap]")
>>> render(Maps((heap,)))
'00565000-00587000 rw-p 00000000 00:00 0                                  [heap]\n'
>>> heap.size
139264
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join
from memtwin.units import Bytes

SOURCE = ("fs/proc/task_mmu.c", "v6.1")
PATH = "proc/{pid}/maps"

_ROW = re.compile(
    r"([0-9a-f]{8,16})-([0-9a-f]{8,16}) ([r-][w-][x-][ps]) ([0-9a-f]{8,16})"
    r" ([0-9a-f]{2,8}):([0-9a-f]{2,8}) ([0-9]{1,20}) (?: *([^ ].*))?",
    re.ASCII | re.DOTALL,
)
_COLUMNS = 72


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping: addresses and offset in bytes, *path* None where the kernel names none."""

    start: int
    end: int
    perms: str
    offset: int = 0
    major: int = 0
    minor: int = 0
    inode: int = 0
    path: str | None = None

    @property
    def size(self) -> Bytes:
        """The address space that it takes."""
        return Bytes(self.end - self.start)


@dataclass(frozen=True, slots=True)
class Maps:
    """The mappings in file order; none for a kernel thread."""

    rows: tuple[Mapping, ...] = ()


def parse(text: str, path: str = PATH) -> Maps:
    """Read maps; *path* names it in errors."""
    lines = Lines(text, path)
    return Maps(tuple([read_row(lines, line) for line in lines]))


def render(record: Maps) -> str:
    """Return the text that the kernel prints, as show_map_vma() does."""
    return join([row_text(row) for row in record.rows])


def read_row(lines: Lines, line: str) -> Mapping:
    """Return the mapping on *line*, the one of *lines* that is being read; smaps_rollup has one too."""
    match = _ROW.fullmatch(line)
    if match is None:
        raise lines.bad("start-end perms offset major:minor inode and a path")
    start, end, perms, offset, major, minor, inode, name = match.groups()
    device = int(major, 16), int(minor, 16)
    return Mapping(int(start, 16), int(end, 16), perms, int(offset, 16), *device, int(inode), name)


def row_text(row: Mapping) -> str:
    """Return the line of one mapping."""
    place = f"{row.start:08x}-{row.end:08x} {row.perms} {row.offset:08x}"
    head = f"{place} {row.major:02x}:{row.minor:02x} {row.inode} "
    return head if row.path is None else f"{head:<{_COLUMNS}} {row.path}"
