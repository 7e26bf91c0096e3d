r"""``/sys/block/zramN/io_stat``: what went wrong with a zram device, and the slots that were freed.

Layout: one line of four ``%8llu``, blanks between.

>>> render(IoStat(0, 0, 0, 62720))
'       0        0        0    62720\n'
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from memtwin.procfs.text import Lines, join

SOURCE = ("drivers/block/zram/zram_drv.c", "v6.1")
PATH = "sys/block/{device}/io_stat"

_EXPECTED = "four numbers"


@dataclass(frozen=True, slots=True)
class IoStat:
    """*notify_free* counts slots that swap freed, or pages that were discarded."""

    failed_reads: int
    failed_writes: int
    invalid_io: int
    notify_free: int


def parse(text: str, path: str = PATH) -> IoStat:
    """Read io_stat; *path* names it in errors."""
    lines = Lines(text, path)
    numbers = lines.numbers(lines.only(_EXPECTED).split(), _EXPECTED)
    if len(numbers) != 4:
        raise lines.bad(_EXPECTED)
    return IoStat(*numbers)


def render(record: IoStat) -> str:
    """Return the text that the kernel prints, as io_stat_show() does."""
    return join([" ".join([f"{value:8d}" for value in astuple(record)])])
