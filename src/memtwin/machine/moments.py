"""Files of a running machine are read one after another: what they say is brought to one moment.

buddyinfo is believed for how many blocks are free: pagetypeinfo, which counts to 100,000 only and takes the kernel
long, gives the types. vmstat and meminfo count free pages a little late (each CPU has changes of its own).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memtwin.procfs import pagetypeinfo

if TYPE_CHECKING:
    from memtwin.machine.boot import Boot

UNLIKELY = ("HighAtomic", "CMA", "Isolate")
"""Types that a block is not given for lack of a better one."""


def settle(boot: Boot) -> Boot:
    """Return *boot* with free blocks by type that add up to those of buddyinfo."""
    if boot.pagetypeinfo is None:
        return boot
    free: list[pagetypeinfo.FreeBlocks] = []
    for zone in boot.buddyinfo.zones:
        rows = [row for row in boot.pagetypeinfo.free if (row.node, row.zone) == (zone.node, zone.zone)]
        free += _agreed(rows, zone.counts)
    return replace(boot, pagetypeinfo=replace(boot.pagetypeinfo, free=tuple(free)))


def _agreed(rows: list[pagetypeinfo.FreeBlocks], counts: tuple[int, ...]) -> list[pagetypeinfo.FreeBlocks]:
    """Return a zone's rows by type, changed so that each order adds up to *counts*."""
    by_type = [list(row.counts) for row in rows]
    for order, count in enumerate(counts):
        missing = count - sum(kind[order] for kind in by_type)
        if missing > 0:
            _add(rows, by_type, order, missing)
        while missing < 0 and by_type:
            most = max(by_type, key=lambda kind: kind[order])
            taken = min(-missing, most[order])
            most[order] -= taken
            missing += taken
    return [replace(row, counts=tuple(kind)) for row, kind in zip(rows, by_type, strict=True)]


def _add(rows: list[pagetypeinfo.FreeBlocks], by_type: list[list[int]], order: int, missing: int) -> None:
    """Add blocks to the type whose count was capped, else to the one that has most."""
    capped = [kind for kind in by_type if kind[order] >= pagetypeinfo.CAP]
    usual = [kind for row, kind in zip(rows, by_type, strict=True) if row.type not in UNLIKELY]
    if capped or usual:
        max(capped or usual, key=lambda kind: kind[order])[order] += missing
