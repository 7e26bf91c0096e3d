r"""``/sys/block/zramN/mm_stat``: what lies in a zram device, and the memory that it takes.

Layout: one line of ``%8llu``, blanks between: nine numbers, eight before v5.13, seven before v4.19.

>>> stat = MmStat(Bytes(8192), Bytes(244), Bytes(12288), Bytes(0), Bytes(103944192), 0, 1197, 0)
>>> render(stat)
'    8192      244    12288        0 103944192        0     1197        0\n'
>>> stat.huge_pages_since is None
True
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from memtwin.procfs.text import Lines, join
from memtwin.units import Bytes

SOURCE = ("drivers/block/zram/zram_drv.c", "v6.1")
PATH = "sys/block/{device}/mm_stat"

_EXPECTED = "seven to nine numbers"


@dataclass(frozen=True, slots=True)
class MmStat:
    """Sizes in bytes. *same_pages* hold one repeated word and take no memory; *huge_pages* did not compress.

    *mem_limit* 0 is no limit; *pages_compacted* counts pages that compaction freed.
    """

    orig_data_size: Bytes
    compr_data_size: Bytes
    mem_used_total: Bytes
    mem_limit: Bytes
    mem_used_max: Bytes
    same_pages: int
    pages_compacted: int
    huge_pages: int | None = None
    huge_pages_since: int | None = None


def parse(text: str, path: str = PATH) -> MmStat:
    """Read mm_stat; *path* names it in errors."""
    lines = Lines(text, path)
    numbers = lines.numbers(lines.only(_EXPECTED).split(), _EXPECTED)
    if not 7 <= len(numbers) <= 9:
        raise lines.bad(_EXPECTED)
    return MmStat(*map(Bytes, numbers[:5]), *numbers[5:])


def render(record: MmStat) -> str:
    """Return the text that the kernel prints, as mm_stat_show() does."""
    return join([" ".join([f"{value:8d}" for value in astuple(record) if value is not None])])
