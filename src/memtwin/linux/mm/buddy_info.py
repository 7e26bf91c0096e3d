"""What /proc/buddyinfo, /proc/pagetypeinfo and /proc/zoneinfo count of a zone.

Follows mm/vmstat.c (``frag_show_print``, ``pagetypeinfo_showfree_print``, ``zoneinfo_show_print``) of Linux 6.1.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, zone_at
from cython.cimports.memtwin.linux.mm.mmzone import high_wmark_pages, low_wmark_pages, min_wmark_pages

from memtwin.linux.records import ZoneFigures

SOURCE = "mm/vmstat.c", "v6.1"


def free_blocks(s: State, zone: int) -> tuple[tuple[int, ...], ...]:
    """Free blocks by migrate type, then by order."""
    return tuple(
        tuple(zone_at(s, zone).free_area[order][mt].nr for order in range(NR_ORDERS)) for mt in range(MIGRATE_TYPES)
    )


def pageblocks(s: State, zone: int) -> tuple[int, ...]:
    """Pageblocks of each migrate type."""
    found = [0] * MIGRATE_TYPES
    if zone_at(s, zone).spanned:
        first: u64 = zone_at(s, zone).start_pfn >> PAGEBLOCK_ORDER
        last: u64 = (zone_at(s, zone).start_pfn + zone_at(s, zone).spanned - 1) >> PAGEBLOCK_ORDER
        for block in range(first, last + 1):
            found[s.pageblock[block]] += 1
    return tuple(found)


def reserved_highatomic(s: State, zone: int) -> int:
    """Pages of a zone in pageblocks that are kept for atomic blocks."""
    return zone_at(s, zone).nr_reserved_highatomic


def zone_info(s: State, zone: int) -> ZoneFigures:
    """Watermarks with the boost in them, reserves, and (count, high, batch) of each per-cpu list."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    return ZoneFigures(
        z.wmark_boost,
        min_wmark_pages(s, zone),
        low_wmark_pages(s, zone),
        high_wmark_pages(s, zone),
        [z.lowmem_reserve[i] for i in range(MAX_NR_ZONES)],
        [
            (s.cpus[cpu].pcp[zone].count, s.cpus[cpu].pcp[zone].high, s.cpus[cpu].pcp[zone].batch)
            for cpu in range(s.nr_cpus)
        ],
    )
