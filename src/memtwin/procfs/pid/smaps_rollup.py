r"""``/proc/PID/smaps_rollup``: what the mappings of one process hold, summed, in kB.

Layout: a line as in maps, from the first address to the last, named ``[rollup]``; then rows as in meminfo.

>>> mapped = Mapping(0x400000, 0x7ffffffff000, "---p", path="[rollup]")
>>> record = SmapsRollup(mapped, RollupRows({"Rss": 192460}))
>>> print(render(record), end="")
00400000-7ffffffff000 ---p 00000000 00:00 0                              [rollup]
Rss:              192460 kB
>>> record.rows.get("SwapPss") is None
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.pid.maps import Mapping, read_row, row_text
from memtwin.procfs.table import Row, Table
from memtwin.procfs.text import Lines

SOURCE = ("fs/proc/task_mmu.c", "v6.1")
PATH = "proc/{pid}/smaps_rollup"


class RollupRows(Table):
    """The sums in file order, in kB."""

    __slots__ = ()

    LINE = re.compile(r"([^:\s][^:\n]*:)( *)([0-9]{1,20})( kB)", re.ASCII)

    @classmethod
    def row(cls, label: str) -> Row:
        """Return how the rollup prints *label*: as every other."""
        return Row(label, f"{label}:".ljust(16))

    @classmethod
    def known(cls, label: str) -> bool:
        """Return True: there are no lines but sums."""
        return True


@dataclass(frozen=True, slots=True)
class SmapsRollup:
    """The whole file: *range* is from the first mapped address to the last."""

    range: Mapping
    rows: RollupRows


def parse(text: str, path: str = PATH) -> SmapsRollup:
    """Read smaps_rollup; *path* names it in errors."""
    lines = Lines(text, path)
    mapped = read_row(lines, lines.next("the range of the mappings"))
    return SmapsRollup(mapped, RollupRows.read(lines))


def render(record: SmapsRollup) -> str:
    """Return the text that the kernel prints, as show_smaps_rollup() does."""
    return f"{row_text(record.range)}\n{record.rows.render()}"
