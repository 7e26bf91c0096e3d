r"""``/proc/PID/smaps``: each mapping of a process and what it holds, in kB. Slow to read: the kernel walks all pages.

Layout: a line as in maps, then rows ``%-16s%8lu kB`` and lines of other kinds (THPeligible, ProtectionKey, VmFlags).

>>> record = parse("00400000-00402000 r-xp 00000000 fe:00 12 /bin/a\nSize:                  8 kB\nVmFlags: rd ex\n")
>>> record.blocks[0].mapping.path, record.blocks[0].kib("Size"), record.blocks[0].kib("Swap")
('/bin/a', 8, None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memtwin.procfs.pid.maps import Mapping, read_row, row_text
from memtwin.procfs.pid.smaps_rollup import RollupRows, SmapsRollup
from memtwin.procfs.text import Lines, join
from memtwin.units import Kib

if TYPE_CHECKING:
    from collections.abc import Iterable

SOURCE = ("fs/proc/task_mmu.c", "v6.1")
PATH = "proc/{pid}/smaps"

_HEAD = re.compile(r"[0-9a-f]+-[0-9a-f]+ ", re.ASCII)
_OF_A_MAPPING = ("Size", "KernelPageSize", "MMUPageSize")
"""Rows that say how large a mapping is, not what it holds: smaps_rollup has none of them."""
_ROW = re.compile(r"([A-Za-z_]+): +([0-9]{1,20}) kB", re.ASCII)


@dataclass(frozen=True, slots=True)
class Block:
    """One mapping; *lines* are those below it as they were printed."""

    mapping: Mapping
    lines: tuple[str, ...]
    _kib: dict[str, int] = field(default_factory=dict, compare=False)

    def amounts(self) -> Iterable[tuple[str, int]]:
        """Return the rows in kB."""
        return self._kib.items()

    def kib(self, label: str) -> Kib | None:
        """Return a row, or None if the kernel does not print it."""
        value = self._kib.get(label)
        return None if value is None else Kib(value)

    @property
    def vm_flags(self) -> tuple[str, ...]:
        """The mapping's flags, two letters each (since v3.8)."""
        line = next((line for line in self.lines if line.startswith("VmFlags:")), "")
        return tuple(line.split()[1:])


@dataclass(frozen=True, slots=True)
class Smaps:
    """The mappings in file order; none for a kernel thread."""

    blocks: tuple[Block, ...] = ()


def parse(text: str, path: str = PATH) -> Smaps:
    """Read smaps; *path* names it in errors."""
    lines = Lines(text, path)
    blocks = []
    for line in lines:
        mapping = read_row(lines, line)
        below, kib = [], {}
        while (following := lines.peek()) is not None and not _HEAD.match(following):
            below.append(lines.next(""))
            row = _ROW.fullmatch(following)
            if row is not None:
                kib[row[1]] = int(row[2])
        blocks.append(Block(mapping, tuple(below), kib))
    return Smaps(tuple(blocks))


def roll_up(record: Smaps) -> SmapsRollup | None:
    r"""Return the sums that smaps_rollup prints (since v4.14), of a process that maps anything.

    >>> record = parse("00400000-00402000 r-xp 00000000 fe:00 12 /bin/a\nPss:                  8 kB\n")
    >>> roll_up(record).rows["Pss"]
    8
    """
    if not record.blocks:
        return None
    sums: dict[str, int] = {}
    for block in record.blocks:
        for label, kib in block.amounts():
            sums[label] = sums.get(label, 0) + kib
    for label in _OF_A_MAPPING:
        sums.pop(label, None)
    first, last = record.blocks[0].mapping, record.blocks[-1].mapping
    return SmapsRollup(Mapping(first.start, last.end, "---p", path="[rollup]"), RollupRows(sums))


def render(record: Smaps) -> str:
    """Return the text that the kernel prints, as show_smap() does."""
    return join([line for block in record.blocks for line in (row_text(block.mapping), *block.lines)])
