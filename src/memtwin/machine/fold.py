"""Several NUMA nodes folded into one: the model has one node.

A zone of the folded machine has the pages, counters, free blocks and marks of its namesakes on all nodes. Zone Movable,
which holds only what can be moved, is folded into Normal. What that hides: allocations that prefer their own node,
reclaim of one node while another has memory free, and the distance of memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from memtwin.procfs import buddyinfo, pagetypeinfo, zoneinfo
from memtwin.units import Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memtwin.machine.boot import Boot
    from memtwin.procfs.zoneinfo import PageSet, ZoneInfo

ORDER = ("DMA", "DMA32", "Normal", "Movable", "Device")
T = TypeVar("T")


def is_needed(boot: Boot) -> bool:
    """Whether *boot* has another node than node 0, or memory in zone Movable."""
    return any(zone.node or (zone.name == "Movable" and zone.managed) for zone in boot.zoneinfo.zones)


def fold(boot: Boot) -> Boot:
    """Return *boot* as a machine of one node."""
    zones = [
        _zone(name, found) for name, found in _grouped(boot.zoneinfo.zones, _name)
    ]  # fmt: skip
    if any(zone.name == "Movable" and zone.managed for zone in boot.zoneinfo.zones):
        zones.append(_empty(next(zone for zone in boot.zoneinfo.zones if zone.name == "Movable")))
    zones.sort(key=lambda zone: ORDER.index(zone.name))
    free = [
        buddyinfo.ZoneBlocks(0, name, _summed(row.counts for row in rows))
        for name, rows in _grouped(boot.buddyinfo.zones, lambda row: "Normal" if row.zone == "Movable" else row.zone)
    ]
    return replace(
        boot, zoneinfo=zoneinfo.Zoneinfo(tuple(zones)), buddyinfo=buddyinfo.Buddyinfo(tuple(free)),
        pagetypeinfo=boot.pagetypeinfo and _pagetypes(boot.pagetypeinfo),
    )  # fmt: skip


def note(boot: Boot) -> str:
    """Return what to say of it."""
    nodes = len({zone.node for zone in boot.zoneinfo.zones})
    what = [f"{nodes} NUMA nodes"] if nodes > 1 else []
    if any(zone.name == "Movable" and zone.managed for zone in boot.zoneinfo.zones):
        what.append("memory that only movable pages may use")
    has = " and ".join(what) or "a node that is not node 0"
    hides = "memory that runs short on one node while another has some does not show"
    return f"{boot.name} has {has}; it is one node here, so {hides}"


def _name(zone: ZoneInfo) -> str:
    return "Normal" if zone.name == "Movable" and zone.managed else zone.name


def _grouped(rows: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return list(found.items())


def _summed(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=False)))


def _total(dicts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in dicts:
        total.update(counts)
    return dict(total)


def _zone(name: str, zones: list[ZoneInfo]) -> ZoneInfo:
    """Fold the zones of one name; those without memory only if there are no others."""
    parts = [zone for zone in zones if zone.managed] or zones[:1]
    first = min(parts, key=lambda zone: zone.start_pfn or 0)
    end = max((zone.start_pfn or 0) + zone.spanned for zone in parts)
    stats = [zone.node_stats for zone in zones if zone.node_stats]

    def total(field: str) -> Pages:
        return Pages(sum(getattr(zone, field) or 0 for zone in parts))

    return replace(
        first, node=0, name=name, free=total("free"), boost=None if first.boost is None else total("boost"),
        min=total("min"), low=total("low"), high=total("high"), spanned=Pages(end - (first.start_pfn or 0)),
        present=total("present"), managed=total("managed"), stats=_total(zone.stats for zone in parts),
        protection=tuple(max(zone.protection[i] for zone in parts) for i in range(len(first.protection))),
        pagesets=_pagesets(parts), node_stats=_total(stats) if stats else first.node_stats,
    )  # fmt: skip


def _pagesets(zones: list[ZoneInfo]) -> tuple[PageSet, ...]:
    """Fold each CPU's lists."""
    found: dict[int, PageSet] = {}
    for pageset in (pageset for zone in zones for pageset in zone.pagesets):
        before = found.get(pageset.cpu)
        found[pageset.cpu] = pageset if before is None else replace(
            before, count=Pages(before.count + pageset.count), high=Pages(max(before.high, pageset.high)),
            batch=Pages(max(before.batch, pageset.batch)),
        )  # fmt: skip
    return tuple(found[cpu] for cpu in sorted(found))


def _empty(zone: ZoneInfo) -> ZoneInfo:
    """Return a zone without memory."""
    nothing = Pages(0)
    return replace(
        zone, node=0, free=nothing, boost=zone.boost and nothing, min=nothing, low=nothing, high=nothing,
        spanned=nothing, present=nothing, managed=nothing, stats=dict.fromkeys(zone.stats, 0), pagesets=(),
        node_stats=None,
    )  # fmt: skip


def _pagetypes(read: pagetypeinfo.Pagetypeinfo) -> pagetypeinfo.Pagetypeinfo:
    free: dict[tuple[str, str], list[pagetypeinfo.FreeBlocks]] = {}
    for row in read.free:
        free.setdefault(("Normal" if row.zone == "Movable" else row.zone, row.type), []).append(row)
    blocks = _grouped(read.blocks, lambda row: "Normal" if row.zone == "Movable" else row.zone)
    return replace(
        read,
        free=tuple(
            pagetypeinfo.FreeBlocks(0, zone, kind, _summed(row.counts for row in rows))
            for (zone, kind), rows in free.items()
        ),
        blocks=tuple(
            pagetypeinfo.PageBlocks(0, zone, _summed(row.counts for row in rows)) for zone, rows in blocks
        ),
    )  # fmt: skip
