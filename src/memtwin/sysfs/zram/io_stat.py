r"""``/sys/block/zramN/io_stat``: what went wrong with a zram device, and the slots that were freed.

Layout: one line of four ``%8llu``, blanks between. Where a later kernel no longer counts invalid_io (seen on
v6.18), it prints a bare ``0`` in its place: that is None here.

>>> render(IoStat(0, 0, 0, 62720))
'       0        0        0    62720\n'
"""

from __future__ import annotations

from dataclasses import dataclass

from memtwin.procfs.text import Lines

SOURCE = ("drivers/block/zram/zram_drv.c", "v6.1")
PATH = "sys/block/{device}/io_stat"

_EXPECTED = "four numbers"


@dataclass(frozen=True, slots=True)
class IoStat:
    """*notify_free* counts slots that swap freed, or pages that were discarded."""

    failed_reads: int
    failed_writes: int
    invalid_io: int | None
    notify_free: int


def parse(text: str, path: str = PATH) -> IoStat:
    """Read io_stat; *path* names it in errors."""
    lines = Lines(text, path)
    numbers = lines.numbers(lines.only(_EXPECTED).split(), _EXPECTED)
    if len(numbers) != 4:
        raise lines.bad(_EXPECTED)
    reads, writes, invalid, free = numbers
    uncounted = IoStat(reads, writes, None, free)
    return uncounted if render(uncounted) == f"{lines.line}\n" else IoStat(reads, writes, invalid, free)


def render(record: IoStat) -> str:
    """Return the text that the kernel prints, as io_stat_show() does."""
    invalid = "0" if record.invalid_io is None else f"{record.invalid_io:8d}"
    return f"{record.failed_reads:8d} {record.failed_writes:8d} {invalid} {record.notify_free:8d}\n"
