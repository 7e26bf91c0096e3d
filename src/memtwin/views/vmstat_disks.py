"""``vmstat -d``, ``-D``, ``-p`` and ``-m``: disks, partitions and slab caches, as vmstat of procps 4.0.2 prints them.

A disk is what /sys/block has by that name; all else in /proc/diskstats is a partition. ``cur`` and ``inprogress IO``
are requests in flight divided by 1000, as the tool prints them (0 as a rule): JSON has the number itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from memtwin.procfs.diskstats import Disk
    from memtwin.procfs.slabinfo import SlabCache

_NARROW: Final = (6, 6, 7, 7, 6, 6, 7, 7, 6, 6)
_WIDE: Final = (9, 9, 11, 11, 9, 9, 11, 11, 7, 7)
_HEADS: Final = (
    "disk- ------------reads------------ ------------writes----------- -----IO------",
    f"disk- {'-' * 19}reads{'-' * 19} {'-' * 19}writes{'-' * 18} ------IO-------",
)
_COLUMNS: Final = ("total", "merged", "sectors", "ms", "total", "merged", "sectors", "ms", "cur", "sec")


def disks(found: Sequence[Disk], names: Collection[str], *, wide: bool = False) -> str:
    """Return ``vmstat -d``: a row a disk."""
    widths = _WIDE if wide else _NARROW
    second = " ".join(f"{name:>{width}}" for name, width in zip(_COLUMNS, widths, strict=True))
    rows = [_row(disk, widths) for disk in found if disk.name in names]
    return "".join(f"{line}\n" for line in (_HEADS[wide], f"{'':5} {second}", *rows))


def summary(found: Sequence[Disk], names: Collection[str]) -> str:
    """Return ``vmstat -D``: the sums over the disks."""
    whole = [disk for disk in found if disk.name in names]
    fields = {
        "total reads": "reads", "merged reads": "reads_merged", "read sectors": "sectors_read",
        "milli reading": "reading_ms", "writes": "writes", "merged writes": "writes_merged",
        "written sectors": "sectors_written", "milli writing": "writing_ms",
    }  # fmt: skip
    counts = {"disks": len(whole), "partitions": len(found) - len(whole)}
    counts |= {told: sum(getattr(disk, field) for disk in whole) for told, field in fields.items()}
    counts["inprogress IO"] = sum(disk.in_flight // 1000 for disk in whole)
    counts["milli spent IO"] = sum(disk.busy_ms // 1000 for disk in whole)
    counts["milli weighted IO"] = sum(disk.weighted_ms // 1000 for disk in whole)
    return "".join(f"{count:>13} {told}\n" for told, count in counts.items())


def partition(disk: Disk) -> str:
    """Return ``vmstat -p NAME``: one device, partition or disk."""
    head = f"{clean(disk.name):10} {'reads':>10}  {'read sectors':>16}  {'writes':>10}  {'requested writes':>16}\n"
    return f"{head}{disk.reads:21}  {disk.sectors_read:16}  {disk.writes:10}  {disk.sectors_written:16}\n"


def slabs(caches: Sequence[SlabCache]) -> str:
    """Return ``vmstat -m``: the object caches by name."""
    rows = [
        f"{clean(one.name)[:24]:24} {one.active_objs:6} {one.num_objs:6} {one.objsize:6} {one.objperslab:6}"
        for one in sorted(caches, key=lambda one: one.name)
    ]
    heading = f"{'Cache':24} {'Num':>6} {'Total':>6} {'Size':>6} {'Pages':>6}"
    return "".join(f"{line}\n" for line in (heading, *rows))


def data(found: Sequence[Disk], names: Collection[str]) -> list[dict[str, Any]]:
    """Return the devices for JSON."""
    return [
        {
            "name": disk.name,
            "is_disk": disk.name in names,
            "reads_count": disk.reads,
            "reads_merged_count": disk.reads_merged,
            "read_bytes": disk.sectors_read * 512,
            "reading_ms": disk.reading_ms,
            "writes_count": disk.writes,
            "writes_merged_count": disk.writes_merged,
            "written_bytes": disk.sectors_written * 512,
            "writing_ms": disk.writing_ms,
            "in_flight_count": disk.in_flight,
            "busy_ms": disk.busy_ms,
            "weighted_ms": disk.weighted_ms,
        }
        for disk in found
    ]


def _row(disk: Disk, widths: Sequence[int]) -> str:
    cells = (
        disk.reads, disk.reads_merged, disk.sectors_read, disk.reading_ms, disk.writes, disk.writes_merged,
        disk.sectors_written, disk.writing_ms, disk.in_flight // 1000, disk.busy_ms // 1000,
    )  # fmt: skip
    told = " ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{clean(disk.name):5} {told}"
