"""``zoneinfo``: each zone's free memory drawn against its watermarks, and what the kernel does at that level.

Below *low* an allocation wakes kswapd, which works until *high*; below *min* programs must reclaim themselves before
they get a page (direct reclaim), and only atomic allocations and the kernel in need go lower. An allocation that could
have come from a higher zone leaves *protection* (lowmem_reserve) on top of each mark. Source: mm/page_alloc.c (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.grid import Column, Form, Grid, Meter, Tone, View
from memtwin.render.words import size
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.zoneinfo import ZoneInfo, Zoneinfo
    from memtwin.render.openmetrics import Kind, Metric

_ROOM: Final = 2
"""The bar ends at so many times the high watermark (with the reserve): what is beyond needs no attention."""


def view(record: Zoneinfo, page_kib: int) -> View:
    """Return a bar and a sentence for each zone that has memory; JSON has all zones."""
    zones = [zone for zone in record.zones if zone.managed]
    text = None if zones else "no zone has memory\n"
    meters = tuple(_meter(zone, page_kib) for zone in zones)
    return View("zoneinfo", (_grid(record, page_kib),), (), lambda: metrics(record), text=text, meters=meters)


def state(zone: ZoneInfo) -> str:
    """Return ``plenty``, ``below high``, ``below low`` or ``below min``, without any reserve.

    A zone between low and high may have kswapd at work, which stops at high, or asleep, which wakes at low.
    """
    for mark in ("min", "low", "high"):
        if zone.free < getattr(zone, mark):
            return f"below {mark}"
    return "plenty"


def metrics(record: Zoneinfo) -> list[Metric]:
    """Return node_exporter's families of zones and nodes, and the zones' other counters as memtwin's."""
    from memtwin.render.openmetrics import Metric

    told_by: dict[tuple[str, Kind], list[tuple[dict[str, str], int]]] = {}
    for zone in record.zones:
        labels = {"node": str(zone.node), "zone": zone.name}
        for name, kind, value in _exported(zone):
            told_by.setdefault((name, kind), []).append((labels, value))
    return [
        Metric(name, kind, f"Zone information {name.partition('zoneinfo_')[2]}.", tuple(samples))
        for (name, kind), samples in told_by.items()
    ]


def _exported(zone: ZoneInfo) -> Iterator[tuple[str, Kind, int]]:
    """Yield (name, kind, value) of each figure of one zone that is exported."""
    if zone.managed:
        yield "node_zoneinfo_nr_free_pages", "gauge", zone.free
    for name in _SIZES[1:]:
        yield f"node_zoneinfo_{name}_pages", "gauge", getattr(zone, name)
    for index, pages in enumerate(zone.protection):
        yield f"node_zoneinfo_protection_{index}", "gauge", pages
    for name, value in (zone.node_stats or {}).items():
        if name in _NODE_COUNTERS:
            yield f"node_zoneinfo_{name}", "counter", value
        elif name in _NODE_GAUGES:
            yield f"node_zoneinfo_{_NODE_GAUGES[name]}", "gauge", value
    for name, value in zone.stats.items():
        if name.startswith("numa_"):
            yield f"node_zoneinfo_{name}", "counter", value
        elif name != "nr_free_pages":
            yield f"memtwin_zoneinfo_{name}", "gauge", value


_NODE_COUNTERS: Final = ("nr_dirtied", "nr_written")
_NODE_GAUGES: Final = {  # by the kernel's name: node_exporter's
    "nr_anon_pages": "nr_anon_pages",
    "nr_anon_transparent_hugepages": "nr_anon_transparent_hugepages",
    "nr_kernel_stack": "nr_kernel_stacks",
    "nr_file_pages": "nr_file_pages",
    "nr_mapped": "nr_mapped_pages",
    "nr_dirty": "nr_dirty_pages",
    "nr_writeback": "nr_writeback_pages",
    "nr_shmem": "nr_shmem_pages",
    "nr_unevictable": "nr_unevictable_pages",
    "nr_slab_reclaimable": "nr_slab_reclaimable_pages",
    "nr_slab_unreclaimable": "nr_slab_unreclaimable_pages",
    **{f"nr_{state}_{kind}": f"nr_{state}_{kind}_pages"
       for state in ("active", "inactive", "isolated") for kind in ("anon", "file")},
}  # fmt: skip
_SIZES: Final = ("free", "min", "low", "high", "spanned", "present", "managed")


def _grid(record: Zoneinfo, page_kib: int) -> Grid:
    keys = (
        "node", "zone", *(f"{name}_bytes" for name in _SIZES), "boost_bytes", "protection_bytes",
        "per_cpu_lists_bytes", "state",
    )  # fmt: skip
    rows = tuple(
        (
            zone.node, zone.name, *(_bytes(getattr(zone, name), page_kib) for name in _SIZES),
            _bytes(zone.boost, page_kib), tuple(_bytes(pages, page_kib) for pages in zone.protection),
            _bytes(sum(lists.count for lists in zone.pagesets), page_kib), state(zone) if zone.managed else None,
        )
        for zone in record.zones
    )  # fmt: skip
    return Grid(tuple(map(Column, keys)), rows, form=Form.DATA)


def _meter(zone: ZoneInfo, page_kib: int) -> Meter:
    """Return the zone's free pages, with min (m), low (l), high (h) and the highest with the reserve (r) under them."""
    reserve = max(zone.protection, default=0)
    marks: tuple[tuple[str, int], ...] = (("h", zone.high), ("l", zone.low), ("m", zone.min))
    if reserve:
        marks = (("r", zone.high + reserve), *marks)
    lists = sum(pages.count for pages in zone.pagesets)
    head = f"node {zone.node} zone {zone.name}: {_size(zone.free, page_kib)} free of {_size(zone.managed, page_kib)}"
    on_lists = f", {_size(lists, page_kib)} more on the CPUs' lists" if lists else ""
    sizes = f"min {_size(zone.min, page_kib)}, low {_size(zone.low, page_kib)}, high {_size(zone.high, page_kib)}"
    kept = f", reserve against higher zones {_size(reserve, page_kib)}" if reserve else ""
    boosted = f", of it boost {_size(zone.boost, page_kib)}" if zone.boost else ""
    feet = (f"{sizes}{boosted}{kept}", _describe(zone, page_kib))
    tone = {"below min": Tone.BAD, "below low": Tone.WARN}.get(state(zone), Tone.PLAIN)
    return Meter(f"{head}{on_lists}", zone.free, _ROOM * (zone.high + reserve), marks, feet, tone)


def _describe(zone: ZoneInfo, page_kib: int) -> str:
    now = state(zone)
    if now == "plenty":
        return f"kswapd has nothing to do here; it wakes when {_size(zone.free - zone.low, page_kib)} more are taken."
    if now == "below high":
        to_high, to_min = _size(zone.high - zone.free, page_kib), _size(zone.free - zone.min, page_kib)
        return (
            f"between low and high: kswapd works if it was woken, and stops when {to_high} more are free; programs "
            f"reclaim when {to_min} more are taken."
        )
    if now == "below low":
        return (
            f"kswapd works; {_size(zone.free - zone.min, page_kib)} are left before programs must reclaim themselves."
        )
    return (
        f"{_size(zone.min - zone.free, page_kib)} below min: every program that asks here must reclaim first, and "
        "waits; atomic allocations live on the rest."
    )


def _size(pages: int, page_kib: int) -> str:
    return size(pages * page_kib)


def _bytes(pages: int | None, page_kib: int) -> int | None:
    return None if pages is None else bytes_of(pages * page_kib)
