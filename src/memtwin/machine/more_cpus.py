"""What more CPUs take of a machine's memory at boot: the figures of each one beyond those that a snapshot has.

Measured on Debian 12's 6.1 cloud kernel with 1, 2, 4 and 8 CPUs, two boots each: MemTotal and Percpu differ by the same
for every CPU, kernel stacks (those of its threads: cpuhp, migration, ksoftirqd, workers) by 7.6, slabs by 146 pages.

Not modelled: what a kernel with one CPU takes more (1.6 MB of vmalloc, its cause is not known), and that SLUB makes
larger slabs where there are more CPUs: the pages are those of no cache.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memtwin.errors import UsageError
from memtwin.procfs import buddyinfo, meminfo, vmstat
from memtwin.units import PAGE_KIB, Pages, kib

if TYPE_CHECKING:
    from memtwin.machine.boot import Boot
    from memtwin.procfs import pagetypeinfo, zoneinfo

UNIT = 61
"""Pages of a CPU's variables that the page allocator never gets."""
PERCPU_KIB = 256
STACKS_KIB = 120
"""Of 15 threads for each two CPUs."""
SLAB = {"nr_slab_reclaimable": 12, "nr_slab_unreclaimable": 134}
STACK_KIB = 16
CHUNK = 1024
MOVABLE = "Movable"


def with_memory_of(boot: Boot, more: int) -> Boot:
    """Return *boot* as it would be with so many more CPUs; the pages are free ones of its highest zone."""
    zone = [zone for zone in boot.zoneinfo.zones if zone.managed][-1]
    stacks_kib = more * STACKS_KIB // STACK_KIB * STACK_KIB
    pages = more * (UNIT + sum(SLAB.values())) + stacks_kib // PAGE_KIB
    free = next((row.counts for row in boot.buddyinfo.zones if row.zone == zone.name), ())
    if not free or free[-1] * CHUNK < pages:
        raise UsageError(f"machine.cpus: {more} more CPUs take {pages * PAGE_KIB} KiB, which {boot.name} has not free")
    rows = dict(boot.meminfo.items())
    counts = dict(boot.vmstat.items())
    rows["MemTotal"] -= int(kib(more * UNIT))
    for name, kib_more in (("Percpu", more * PERCPU_KIB), ("KernelStack", stacks_kib)):
        if name in rows:
            rows[name] += kib_more
    for name, gauge in (*((name, more * each) for name, each in SLAB.items()), ("nr_kernel_stack", stacks_kib)):
        if name in counts:
            counts[name] += gauge
    return replace(
        boot,
        meminfo=meminfo.Meminfo(rows),
        vmstat=vmstat.Vmstat(counts),
        zoneinfo=replace(boot.zoneinfo, zones=tuple(
            _smaller(row, more * UNIT, pages) if row is zone else row for row in boot.zoneinfo.zones
        )),
        buddyinfo=buddyinfo.Buddyinfo(tuple(
            replace(row, counts=without(row.counts, pages)) if row.zone == zone.name else row
            for row in boot.buddyinfo.zones
        )),
        pagetypeinfo=_by_type(boot.pagetypeinfo, zone.name, pages),
    )  # fmt: skip


def _smaller(zone: zoneinfo.ZoneInfo, unmanaged: int, pages: int) -> zoneinfo.ZoneInfo:
    free = Pages(int(zone.free) - pages)
    stats = {**zone.stats, "nr_free_pages": int(free)}
    return replace(zone, managed=Pages(int(zone.managed) - unmanaged), free=free, stats=stats)


def _by_type(record: pagetypeinfo.Pagetypeinfo | None, zone: str, pages: int) -> pagetypeinfo.Pagetypeinfo | None:
    if record is None:
        return None
    return replace(record, free=tuple(
        replace(row, counts=without(row.counts, pages)) if (row.zone, row.type) == (zone, MOVABLE) else row
        for row in record.free
    ))  # fmt: skip


def without(counts: tuple[int, ...], pages: int) -> tuple[int, ...]:
    """Return the free blocks by order that are left when *pages* are cut from the largest ones.

    >>> without((0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3), 1025)
    (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
    """
    chunks = -(-pages // CHUNK)
    rest = chunks * CHUNK - pages
    return (*(count + (rest >> order & 1) for order, count in enumerate(counts[:-1])), counts[-1] - chunks)
