"""``vmstat -d``, ``-D``, ``-p`` and ``-m``: disks, partitions and slab caches, as vmstat of procps 4.0.2 prints them.

A disk is what /sys/block has by that name; all else in /proc/diskstats is a partition. ``cur`` and ``inprogress IO``
are requests in flight divided by 1000, as the tool prints them (0 as a rule): JSON has the number itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Value, View
from memtwin.render.table import clean
from memtwin.views import slabtop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from memtwin.procfs.diskstats import Disk
    from memtwin.procfs.slabinfo import SlabCache
    from memtwin.render.openmetrics import Kind, Metric

_NARROW: Final = (6, 6, 7, 7, 6, 6, 7, 7, 6, 6)
_WIDE: Final = (9, 9, 11, 11, 9, 9, 11, 11, 7, 7)
_HEADS: Final = (
    "disk- ------------reads------------ ------------writes----------- -----IO------",
    f"disk- {'-' * 19}reads{'-' * 19} {'-' * 19}writes{'-' * 18} ------IO-------",
)
_COLUMNS: Final = ("total", "merged", "sectors", "ms", "total", "merged", "sectors", "ms", "cur", "sec")


def disks(found: Sequence[Disk], names: Collection[str] | None, *, wide: bool = False) -> View:
    """Return ``vmstat -d``: a row a disk; of all devices where *names*, which are disks, is not known."""
    widths = _WIDE if wide else _NARROW
    columns = (Column(None, "", width=5, grow=False), *_numbers(_COLUMNS, widths))
    rows = tuple((disk.name, *_cells(disk)) for disk in found if names is None or disk.name in names)
    return _view(found, names, Grid(columns, rows, form=Form.TERMINAL, title=f"{_HEADS[wide]}\n"))


def summary(found: Sequence[Disk], names: Collection[str] | None) -> View:
    """Return ``vmstat -D``: the sums over the disks; unknown where *names*, which are disks, is."""
    whole = [disk for disk in found if names is not None and disk.name in names]
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
    rows = tuple((None if names is None else count, label) for label, count in counts.items())
    return _view(found, names, Grid(columns, rows, form=Form.TERMINAL, headings=False))


def partition(disk: Disk, names: Collection[str] | None) -> View:
    """Return ``vmstat -p NAME``: one device, partition or disk."""
    first = f"{disk.name:10} {'reads':>10}"
    columns = _numbers((first, "read sectors", "writes", "requested writes"), (21, 16, 10, 16))
    cells = (disk.reads, disk.sectors_read, disk.writes, disk.sectors_written)
    return _view((disk,), names, Grid(columns, (cells,), form=Form.TERMINAL, gap=2))._replace(sentences=())


def slabs(caches: Sequence[SlabCache], page_bytes: int, screen: int | None = None) -> View:
    """Return ``vmstat -m``: the object caches by name, with the headings again every *screen* lines."""
    columns = (
        Column(None, "Cache", width=24, grow=False),
        *_numbers(("Num", "Total", "Size", "Pages"), (6, 6, 6, 6)),
    )
    rows: list[tuple[Value, ...]] = [
        (clean(one.name)[:24], one.active_objs, one.num_objs, one.objsize, one.objperslab)
        for one in sorted(caches, key=lambda one: one.name)
    ]
    titles = tuple(column.title for column in columns)
    for at in range(len(rows) // screen * screen if screen else 0, 0, -(screen or 1)):
        if at < len(rows):
            rows.insert(at, titles)
    data = slabtop.data(caches, page_bytes, {})
    return View(
        "vmstat-slabs", (Grid(columns, rows, form=Form.TERMINAL), data), metrics=lambda: slabtop.metrics(caches)
    )


def _view(found: Sequence[Disk], names: Collection[str] | None, shown: Grid) -> View:
    keys = (
        "name", "is_disk", "reads_count", "reads_merged_count", "read_bytes", "reading_ms", "writes_count",
        "writes_merged_count", "written_bytes", "writing_ms", "in_flight_count", "busy_ms", "weighted_ms",
    )  # fmt: skip
    rows = tuple(
        (
            disk.name, None if names is None else disk.name in names, disk.reads, disk.reads_merged,
            disk.sectors_read * 512, disk.reading_ms, disk.writes, disk.writes_merged, disk.sectors_written * 512,
            disk.writing_ms, disk.in_flight, disk.busy_ms, disk.weighted_ms,
        )
        for disk in found
    )  # fmt: skip
    said = () if names is not None else (_UNKNOWN,)
    data = Grid(tuple(map(Column, keys)), rows, form=Form.DATA)
    return View("vmstat-disks", (shown, data), said, lambda: metrics(found))


_UNKNOWN: Final = Sentence(
    "Which devices are disks is not known: this root has no sys/block, whose names they are.", ()
)  # fmt: skip


def metrics(found: Sequence[Disk]) -> Iterator[Metric]:
    """Yield the families of node_exporter's diskstats collector."""
    from memtwin.render.openmetrics import Metric

    def family(name: str, text: str, each: Callable[[Disk], float], kind: Kind = "counter") -> Metric:
        return Metric(f"node_disk_{name}", kind, text, tuple(({"device": disk.name}, each(disk)) for disk in found))

    yield family("reads_completed", "The total number of reads completed successfully.", lambda disk: disk.reads)
    yield family("reads_merged", "The total number of reads merged.", lambda disk: disk.reads_merged)
    yield family("read_bytes", "The total number of bytes read successfully.", lambda disk: disk.sectors_read * 512)
    yield family("read_time_seconds", "The total number of seconds spent by all reads.",
                 lambda disk: disk.reading_ms / 1000)  # fmt: skip
    yield family("writes_completed", "The total number of writes completed successfully.", lambda disk: disk.writes)
    yield family("writes_merged", "The number of writes merged.", lambda disk: disk.writes_merged)
    yield family("written_bytes", "The total number of bytes written successfully.",
                 lambda disk: disk.sectors_written * 512)  # fmt: skip
    yield family("write_time_seconds", "This is the total number of seconds spent by all writes.",
                 lambda disk: disk.writing_ms / 1000)  # fmt: skip
    yield family("io_now", "The number of I/Os currently in progress.", lambda disk: disk.in_flight, "gauge")
    yield family("io_time_seconds", "Total seconds spent doing I/Os.", lambda disk: disk.busy_ms / 1000)
    yield family("io_time_weighted_seconds", "The weighted # of seconds spent doing I/Os.",
                 lambda disk: disk.weighted_ms / 1000)  # fmt: skip


def _numbers(titles: Sequence[str], widths: Sequence[int]) -> tuple[Column, ...]:
    return tuple(Column(None, title, NUMBER, width, grow=False) for title, width in zip(titles, widths, strict=True))


def _cells(disk: Disk) -> tuple[int, ...]:
    return (
        disk.reads, disk.reads_merged, disk.sectors_read, disk.reading_ms, disk.writes, disk.writes_merged,
        disk.sectors_written, disk.writing_ms, disk.in_flight // 1000, disk.busy_ms // 1000,
    )  # fmt: skip
