"""Allocating pages: the fast path, the order of steps when it fails, and MemAvailable.

The **fast path** goes through the zones from the highest that the request may use down to DMA and takes a block where
the zone would stay above its *low* mark.  When no zone can, the kernel wakes kswapd and goes on with the *min* mark,
then reclaims.

Where the kernel would wake kswapd, this model says so (``State.need``) and fails: reclaim is not modelled yet, and a
run that went on without it would not be Linux any more.

Follows mm/page_alloc.c of Linux 6.1: ``get_page_from_freelist``, ``__zone_watermark_ok``,
``__alloc_pages_slowpath``, ``si_mem_available``.

Not modelled: ALLOC_NOFRAGMENT, HighAtomic reserves, atomic allocations.
"""

import cython
from cython.cimports.memtwin.mm.buddy import can_split_to, rmqueue
from cython.cimports.memtwin.mm.mm_types import (
    LRU_ACTIVE_FILE,
    LRU_INACTIVE_FILE,
    MAX_NR_ZONES,
    MIGRATE_MOVABLE,
    NEEDS_RECLAIM,
    ZONE_MOVABLE,
    ZONE_NORMAL,
    i64,
    u32,
    u64,
)
from cython.cimports.memtwin.mm.mmzone import high_wmark_pages, low_wmark_pages, min_wmark_pages
from cython.cimports.memtwin.mm.state import State
from cython.cimports.memtwin.mm.vmstat import (
    NR_FREE_PAGES,
    NR_KERNEL_MISC_RECLAIMABLE,
    NR_SLAB_RECLAIMABLE,
)

SOURCE = "mm/page_alloc.c", "v6.1"


def zone_watermark_ok(s: State, zone: u32, order: u32, mark: u64, highest_zone: u32) -> cython.bint:
    """Whether *zone* stays above *mark* pages after handing out a block, and has a block that large."""
    free: i64 = s.zones[zone].stat[NR_FREE_PAGES] - ((1 << order) - 1)
    if free <= cython.cast(i64, mark + s.zones[zone].lowmem_reserve[highest_zone]):
        return False
    return order == 0 or can_split_to(s, zone, order)


def wmark_pages(s: State, zone: u32, alloc_flags: u32) -> u64:
    """The mark that an allocation is held to."""
    if alloc_flags == ALLOC_WMARK_LOW:
        return low_wmark_pages(s, zone)
    if alloc_flags == ALLOC_WMARK_HIGH:
        return high_wmark_pages(s, zone)
    return min_wmark_pages(s, zone)


def get_page_from_freelist(s: State, order: u32, migratetype: u32, highest_zone: u32, alloc_flags: u32) -> u32:
    """Take a block from the highest zone that may give one under its mark; 0: none."""
    zone: u32 = highest_zone + 1
    pfn: u32
    while zone:
        zone -= 1
        if not s.zones[zone].managed:
            continue
        if alloc_flags != ALLOC_NO_WATERMARKS and not zone_watermark_ok(
            s, zone, order, wmark_pages(s, zone, alloc_flags), highest_zone
        ):
            continue
        pfn = rmqueue(s, zone, order, migratetype)
        if pfn:
            return pfn
    return 0


def alloc_pages_slowpath(s: State, order: u32, migratetype: u32, highest_zone: u32) -> u32:
    """What the kernel does below the low mark begins with waking kswapd: say that it is needed."""
    s.need = NEEDS_RECLAIM
    return 0


def alloc_pages(s: State, order: u32, migratetype: u32, highest_zone: u32) -> u32:
    """Allocate 2^*order* pages; 0 where the kernel would reclaim first (``State.need`` is set then)."""
    pfn: u32 = get_page_from_freelist(s, order, migratetype, highest_zone, ALLOC_WMARK_LOW)
    if pfn:
        return pfn
    return alloc_pages_slowpath(s, order, migratetype, highest_zone)


def alloc_user_page(s: State) -> u32:
    """GFP_HIGHUSER_MOVABLE: a page of user memory or page cache, from any zone."""
    return alloc_pages(s, 0, MIGRATE_MOVABLE, ZONE_MOVABLE)


def alloc_kernel_pages(s: State, order: u32, migratetype: u32) -> u32:
    """GFP_KERNEL: slab, page tables, stacks; from every zone but Movable."""
    return alloc_pages(s, order, migratetype, ZONE_NORMAL)


def nr_free_pages(s: State) -> u64:
    """MemFree in pages: what stands on the free lists (the per-cpu lists do not count)."""
    z: u32
    free: i64 = 0
    for z in range(MAX_NR_ZONES):
        free += s.zones[z].stat[NR_FREE_PAGES]
    return free


def si_mem_available(s: State) -> int:
    """MemAvailable in pages: free memory above the reserves, and what reclaim could give without swapping.

    Half of the page cache, or the sum of the low marks if that is less, is taken as in use; likewise for slab.
    """
    z: u32
    low: i64 = 0
    for z in range(MAX_NR_ZONES):
        low += low_wmark_pages(s, z)
    cache: i64 = s.node[LRU_ACTIVE_FILE] + s.node[LRU_INACTIVE_FILE]
    slab: i64 = s.node[NR_SLAB_RECLAIMABLE] + s.node[NR_KERNEL_MISC_RECLAIMABLE]
    available: i64 = cython.cast(i64, nr_free_pages(s)) - cython.cast(i64, s.totalreserve_pages)
    available += cache - min(cache // 2, low)
    available += slab - min(slab // 2, low)
    return max(available, 0)


def free_pages(s: State) -> int:
    """MemFree in pages, for records."""
    return nr_free_pages(s)


def dirty_thresholds(s: State) -> tuple:
    """nr_dirty_threshold and nr_dirty_background_threshold in pages: when writers wait, when writeback begins.

    Follows mm/page-writeback.c (``global_dirtyable_memory``, ``domain_dirty_limits``): shares of free memory above the
    reserves and of the page cache, in 1/4096.
    """
    free: i64 = nr_free_pages(s)
    dirtyable: i64 = free - min(free, cython.cast(i64, s.totalreserve_pages)) + 1
    dirtyable += s.node[LRU_INACTIVE_FILE] + s.node[LRU_ACTIVE_FILE]
    limit: i64 = (s.sysctl.dirty_ratio * 4096 // 100) * dirtyable // 4096
    background: i64 = (s.sysctl.dirty_background_ratio * 4096 // 100) * dirtyable // 4096
    if s.sysctl.dirty_bytes:
        limit = (s.sysctl.dirty_bytes + 4095) // 4096
    if s.sysctl.dirty_background_bytes:
        background = (s.sysctl.dirty_background_bytes + 4095) // 4096
    return limit, background if background < limit else limit // 2
