"""Why the request failed: each zone against its watermark, its reserve and its free blocks.

A request of 2**order pages passes in a zone if, with what it takes gone, more is free than the ``min`` mark and the
pages that the zone keeps from requests which could have gone to a higher zone::

    free - unusable - (2**order - 1)  >  min + lowmem_reserve[highest zone of the request]

Unusable: blocks of CMA, unless the request is movable; pages reserved for atomic requests of high order. With order > 0
a free block of that size must be there too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom import gfp
from memtwin.oom.event import CPUSET, MEMPOLICY
from memtwin.oom.why.total import node_list

if TYPE_CHECKING:
    from memtwin.oom.event import OomEvent, Zone

SOURCE = "mm/page_alloc.c", "v6.1"

ORDER_OF_ZONES: Final = ("DMA", "DMA32", "Normal", "HighMem", "Movable", "Device")
_UNUSABLE_BLOCKS: Final = {"C", "I", "H"}


class ZoneView(NamedTuple):
    """One zone as the request met it; sizes in kB. *why_not*: it may not come from here; *short*: what was lacking."""

    place: str
    """``zone Normal``, with its node where the machine has several."""
    node: int | None
    name: str
    managed: int | None
    free: int
    unusable: int
    """Free, but not for this request: CMA, or reserved for atomic requests."""
    min: int
    low: int
    high: int
    reserve: int
    short: int
    """Lacking at the ``min`` mark; 0 or less: the zone passed when the report was printed."""
    has_block: bool | None
    """Whether a free block is large enough; None: the text has no blocks of the zone."""
    why_not: str | None

    @property
    def passes(self) -> bool:
        """Whether the request could have come from here."""
        return self.why_not is None and self.short <= 0 and self.has_block is not False


def zone_views(event: OomEvent) -> tuple[ZoneView, ...]:
    """Return the zones that have their marks in the text, in its order."""
    names, several = {zone.name for zone in event.zones}, len({zone.node for zone in event.zones}) > 1
    return tuple(
        _view(event, zone, names, several=several)
        for zone in event.zones
        if {"free", "min"} <= zone.fields.keys() and _is_sane(zone)
    )


def _is_sane(zone: Zone) -> bool:
    """Whether the marks can be meant: a broken balloon driver once printed a min of 10**14 kB."""
    present = zone.fields.get("present")
    return present is None or zone.fields["min"] <= max(present, zone.fields["free"]) * 2


def _view(event: OomEvent, zone: Zone, names: set[str], *, several: bool) -> ZoneView:
    fields, trigger = zone.fields, event.trigger
    order = max(trigger.order or 0, 0)
    free, least = fields["free"], fields["min"]
    unusable = fields.get("free_highatomic", fields.get("reserved_highatomic", 0))
    if not gfp.is_movable(trigger):
        unusable += fields.get("free_cma", 0)
    unusable = min(unusable, free)
    reserve = _reserve(event, zone, names) * event.page_kib
    short = least + reserve + (event.page_kib << order) - (free - unusable)
    place = f"zone {zone.name} of node {zone.node}" if several else f"zone {zone.name}"
    return ZoneView(
        place, zone.node, zone.name, fields.get("managed"), free, unusable, least, fields.get("low", least),
        fields.get("high", least), reserve, short, _has_block(event, zone, order), _why_not(event, zone),
    )  # fmt: skip


def _reserve(event: OomEvent, zone: Zone, seen: set[str]) -> int:
    """Return the pages that the zone keeps from this request: they grow with the request's highest zone.

    The kernel has a column of ``lowmem_reserve[]`` for each zone that it was built with, populated or not; the text
    names only the populated ones, which are *seen*.
    """
    highest, columns = gfp.highest_zone(event.trigger), len(zone.lowmem_reserve)
    if highest is None or not columns:
        return 0
    built = [name for name in ORDER_OF_ZONES if name in seen or name in {"Normal", "Movable"}]
    for name in ("DMA32", "DMA", "Device"):
        if len(built) < columns and name not in built and not (name == "DMA32" and "HighMem" in seen):
            built.append(name)
    top = ORDER_OF_ZONES.index(highest)
    within = sum(name in ORDER_OF_ZONES and ORDER_OF_ZONES.index(name) <= top for name in built)
    return max(zone.lowmem_reserve[:within], default=0)


def _has_block(event: OomEvent, zone: Zone, order: int) -> bool | None:
    if not zone.blocks:
        return None
    wanted = event.page_kib << order
    movable = gfp.is_movable(event.trigger)
    for count, size, types in zone.blocks:
        usable = set(types) - (_UNUSABLE_BLOCKS - ({"C"} if movable else set()))
        if count and size >= wanted and (usable or not types):
            return True
    return False


def _why_not(event: OomEvent, zone: Zone) -> str | None:
    highest = gfp.highest_zone(event.trigger)
    if highest and zone.name in ORDER_OF_ZONES and ORDER_OF_ZONES.index(zone.name) > ORDER_OF_ZONES.index(highest):
        return f"this request may use no zone above {highest}"
    allowed = event.trigger.nodemask if event.constraint == MEMPOLICY else event.trigger.mems_allowed
    if (
        event.constraint in {CPUSET, MEMPOLICY}
        and allowed
        and zone.node is not None
        and zone.node not in node_list(allowed)
    ):
        return f"only node {allowed} is allowed"
    if zone.fields.get("managed") == 0:
        return "it has no memory"
    return None
