"""``vmstat -d``, ``-D``, ``-p`` and ``-m``: disks, partitions and slab caches, as vmstat of procps 4.0.2 prints them.

A disk is what /sys/block has by that name; all else in /proc/diskstats is a partition. ``cur`` and ``inprogress IO``
are requests in flight divided by 1000, as the tool prints them (0 as a rule): JSON has the number itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.grid import NUMBER, Column, Form, Grid, View
from memtwin.render.table import clean
from memtwin.views import slabtop

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


def disks(found: Sequence[Disk], names: Collection[str], *, wide: bool = False) -> View:
    """Return ``vmstat -d``: a row a disk."""
    widths = _WIDE if wide else _NARROW
    columns = (Column(None, "", width=5, grow=False), *_numbers(_COLUMNS, widths))
    rows = tuple((disk.name, *_cells(disk)) for disk in found if disk.name in names)
    return _view(found, names, Grid(columns, rows, form=Form.TERMINAL, title=f"{_HEADS[wide]}\n"))


def summary(found: Sequence[Disk], names: Collection[str]) -> View:
    """Return ``vmstat -D``: the sums over the disks."""
    whole = [disk for disk in found if disk.name in names]
    fields = {
        "total reads": "reads", "merged reads": "reads_merged", "read sectors": "sectors_read",
        "milli reading": "reading_ms", "writes": "writes", "merged writes": "writes_merged",
        "written sectors": "sectors_written", "milli writing": "writing_ms",
    }  # fmt: skip
    counts = {"disks": len(whole), "partitions": len(found) - len(whole)}
    counts |= {label: sum(getattr(disk, field) for disk in whole) for label, field in fields.items()}
    counts["inprogress IO"] = sum(disk.in_flight // 1000 for disk in whole)
    counts["milli spent IO"] = sum(disk.busy_ms // 1000 for disk in whole)
    counts["milli weighted IO"] = sum(disk.weighted_ms // 1000 for disk in whole)
    columns = (Column(None, "", NUMBER, 13, grow=False), Column(None, ""))
    rows = tuple((count, label) for label, count in counts.items())
    return _view(found, names, Grid(columns, rows, form=Form.TERMINAL, headings=False))


def partition(disk: Disk, names: Collection[str]) -> View:
    """Return ``vmstat -p NAME``: one device, partition or disk."""
    first = f"{disk.name:10} {'reads':>10}"
    columns = _numbers((first, "read sectors", "writes", "requested writes"), (21, 16, 10, 16))
    cells = (disk.reads, disk.sectors_read, disk.writes, disk.sectors_written)
    return _view((disk,), names, Grid(columns, (cells,), form=Form.TERMINAL, gap=2))


def slabs(caches: Sequence[SlabCache], page_bytes: int) -> View:
    """Return ``vmstat -m``: the object caches by name."""
    columns = (
        Column(None, "Cache", width=24, grow=False),
        *_numbers(("Num", "Total", "Size", "Pages"), (6, 6, 6, 6)),
    )
    rows = tuple(
        (clean(one.name)[:24], one.active_objs, one.num_objs, one.objsize, one.objperslab)
        for one in sorted(caches, key=lambda one: one.name)
    )
    data = slabtop.data(caches, page_bytes, {})
    return View(
        "vmstat-slabs", (Grid(columns, rows, form=Form.TERMINAL), data), metrics=lambda: slabtop.metrics(caches)
    )


def _view(found: Sequence[Disk], names: Collection[str], shown: Grid) -> View:
    keys = (
        "name", "is_disk", "reads_count", "reads_merged_count", "read_bytes", "reading_ms", "writes_count",
        "writes_merged_count", "written_bytes", "writing_ms", "in_flight_count", "busy_ms", "weighted_ms",
    )  # fmt: skip
    rows = tuple(
        (
            disk.name, disk.name in names, disk.reads, disk.reads_merged, disk.sectors_read * 512, disk.reading_ms,
            disk.writes, disk.writes_merged, disk.sectors_written * 512, disk.writing_ms, disk.in_flight, disk.busy_ms,
            disk.weighted_ms,
        )
        for disk in found
    )  # fmt: skip
    return View("vmstat-disks", (shown, Grid(tuple(map(Column, keys)), rows, form=Form.DATA)))


def _numbers(titles: Sequence[str], widths: Sequence[int]) -> tuple[Column, ...]:
    return tuple(Column(None, title, NUMBER, width, grow=False) for title, width in zip(titles, widths, strict=True))


def _cells(disk: Disk) -> tuple[int, ...]:
    return (
        disk.reads, disk.reads_merged, disk.sectors_read, disk.reading_ms, disk.writes, disk.writes_merged,
        disk.sectors_written, disk.writing_ms, disk.in_flight // 1000, disk.busy_ms // 1000,
    )  # fmt: skip
