"""Asking for pages: what a request may do, the fast path, and when it wakes kswapd.

A request carries **GFP flags**: where its page may come from (``GFP_MOVABLE``: user memory and page cache, from any
zone), and what may be done to get it (start I/O, call into file systems, wait for reclaim, give up early).

The **fast path** goes through the zones from the highest that the request may use down to DMA and takes a block where
the zone would stay above its *low* mark.  When no zone can, the slow path (``page_alloc.py``) takes over, and the
first thing that it does is to wake **kswapd**, which reclaims beside the task until some zone is above its *high*
mark.

Follows include/linux/gfp.h and mm/page_alloc.c of Linux 6.1 (``get_page_from_freelist``, ``__zone_watermark_ok``,
``node_dirty_ok`` of mm/page-writeback.c) and mm/vmscan.c (``wakeup_kswapd``, ``pgdat_balanced``).

Not modelled: memory policies and cpusets.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, global_node_page_state, hooks, spend_ns, zone_at
from cython.cimports.memtwin.linux.mm.buddy import can_split_to
from cython.cimports.memtwin.linux.mm.fallback import (
    ALLOC_HIGHATOMIC,
    ALLOC_KSWAPD,
    ALLOC_NOFRAGMENT,
    ALLOC_NON_BLOCK,
    ALLOC_OOM,
    reserve_highatomic_pageblock,
)
from cython.cimports.memtwin.linux.mm.mmzone import high_wmark_pages, low_wmark_pages, min_wmark_pages
from cython.cimports.memtwin.linux.mm.pcp import rmqueue

SOURCE = "mm/page_alloc.c", "v6.1"


def gfp_zone(gfp: u32) -> u32:
    """The highest zone that a request may use."""
    return ZONE_MOVABLE if gfp & GFP_MOVABLE else ZONE_NORMAL


def gfp_migratetype(gfp: u32) -> u32:
    """The type of pageblock that a request's pages belong in."""
    if gfp & GFP_MOVABLE:
        return MIGRATE_MOVABLE
    return MIGRATE_RECLAIMABLE if gfp & GFP_RECLAIMABLE else MIGRATE_UNMOVABLE


def unusable_highatomic(s: State, zone: u32) -> i64:
    """Pages of a zone that are kept for atomic blocks: all of the reserve, since 6.12 what of it is free."""
    order: u32
    free: i64 = 0
    if not s.features.highatomic_free:
        return zone_at(s, zone).nr_reserved_highatomic
    for order in range(NR_ORDERS):
        free += cython.cast(i64, zone_at(s, zone).free_area[order][MIGRATE_HIGHATOMIC].nr) << order
    return free


def zone_watermark_ok(s: State, zone: u32, order: u32, mark: u64, highest_zone: u32, alloc_flags: u32) -> cython.bint:
    """Whether *zone* stays above *mark* pages after handing out a block, and has a block that large."""
    free: i64 = zone_at(s, zone).stat[NR_FREE_PAGES] - ((1 << order) - 1)
    if alloc_flags & ALLOC_RESERVES:
        if alloc_flags & ALLOC_MIN_RESERVE:
            mark -= mark // 2
            if alloc_flags & ALLOC_NON_BLOCK:
                mark -= mark // 4
        if alloc_flags & ALLOC_OOM:
            mark -= mark // 2
    elif zone_at(s, zone).nr_reserved_highatomic:
        free -= unusable_highatomic(s, zone)
    if free <= cython.cast(i64, mark + zone_at(s, zone).lowmem_reserve[highest_zone]):
        return False
    return order == 0 or can_split_to(s, zone, order, alloc_flags & (ALLOC_HIGHATOMIC | ALLOC_OOM) != 0)


def wmark_pages(s: State, zone: u32, alloc_flags: u32) -> u64:
    """The mark that an allocation is held to."""
    if alloc_flags & ALLOC_WMARK_MASK == ALLOC_WMARK_LOW:
        return low_wmark_pages(s, zone)
    if alloc_flags & ALLOC_WMARK_MASK == ALLOC_WMARK_HIGH:
        return high_wmark_pages(s, zone)
    return min_wmark_pages(s, zone)


def nr_free_pages(s: State) -> u64:
    """MemFree in pages: what stands on the free lists (the per-cpu lists do not count)."""
    z: u32
    free: i64 = 0
    for z in range(MAX_NR_ZONES):
        free += zone_at(s, z).stat[NR_FREE_PAGES]
    return free


def node_dirtyable_memory(s: State) -> u64:
    """Pages of the node that dirty data may come to fill: free above the reserves, and page cache."""
    free: u64 = nr_free_pages(s)
    return (
        free
        - min(free, s.totalreserve_pages)
        + global_node_page_state(s, LRU_INACTIVE_FILE)
        + global_node_page_state(s, LRU_ACTIVE_FILE)
    )


def node_dirty_ok(s: State) -> cython.bint:
    """Whether the node may take more pages that will be dirtied: the share of all dirtyable memory that may be."""
    limit: u64 = node_dirtyable_memory(s) * cython.cast(u64, s.sysctl.dirty_ratio) // 100
    if s.sysctl.dirty_bytes:
        limit = cython.cast(u64, s.sysctl.dirty_bytes + 4095) // 4096
    return cython.cast(u64, global_node_page_state(s, NR_DIRTY) + global_node_page_state(s, NR_WRITEBACK)) <= limit


def alloc_flags_nofragment(s: State, gfp: u32) -> u32:
    """Whether a request goes to DMA32 before it mixes a pageblock: if Normal is the first zone that it may use."""
    if not zone_at(s, ZONE_NORMAL).managed or (gfp & GFP_MOVABLE and zone_at(s, ZONE_MOVABLE).managed):
        return 0
    return ALLOC_NOFRAGMENT


def get_page_from_freelist(s: State, order: u32, gfp: u32, alloc_flags: u32) -> u32:
    """Take a block from the highest zone that may give one under its mark; 0: none.

    A request that may not mix pageblocks tries again without that, when every zone is fragmented.
    """
    pfn: u32
    if gfp & GFP_KSWAPD_RECLAIM:
        alloc_flags |= ALLOC_KSWAPD
    pfn = get_page_from_zones(s, order, gfp, alloc_flags)
    if not pfn and alloc_flags & ALLOC_NOFRAGMENT:
        pfn = get_page_from_zones(s, order, gfp, alloc_flags & ~cython.cast(u32, ALLOC_NOFRAGMENT))
    return pfn


def touch_fresh(s: State, pfn: u32, order: u32):
    """Let the time pass in which a host finds memory for frames that its guest uses for the first time."""
    i: u32
    fresh: u64 = 0
    for i in range(pfn, pfn + (1 << order)):
        fresh += s.pages[i].fresh
        s.pages[i].fresh = 0
    if fresh:
        spend_ns(s, fresh * s.cost_ns[COST_FRESH_PAGE])


def get_page_from_zones(s: State, order: u32, gfp: u32, alloc_flags: u32) -> u32:
    """Go through the zones once."""
    highest: u32 = gfp_zone(gfp)
    zone: u32 = highest + 1
    pfn: u32
    if alloc_flags & ALLOC_SPREAD_DIRTY and not node_dirty_ok(s):
        return 0
    while zone:
        zone -= 1
        if not zone_at(s, zone).managed:
            continue
        if (
            s.features.pcp_auto_high
            and not zone_at(s, zone).below_high
            and not zone_watermark_ok(s, zone, order, high_wmark_pages(s, zone), highest, alloc_flags)
        ):
            zone_at(s, zone).below_high = True
        if alloc_flags & ALLOC_WMARK_MASK != ALLOC_NO_WATERMARKS and not zone_watermark_ok(
            s, zone, order, wmark_pages(s, zone, alloc_flags), highest, alloc_flags
        ):
            continue
        pfn = rmqueue(s, zone, order, gfp_migratetype(gfp), alloc_flags)
        if pfn:
            if s.cost_ns[COST_FRESH_PAGE]:
                touch_fresh(s, pfn, order)
            if alloc_flags & ALLOC_HIGHATOMIC:
                reserve_highatomic_pageblock(s, zone, pfn)
            if zone_at(s, zone).boosted and gfp & GFP_KSWAPD_RECLAIM:
                zone_at(s, zone).boosted = False
                wakeup_kswapd(s, 0, zone)
            return pfn
    return 0


def alloc_pages(s: State, order: u32, gfp: u32) -> u32:
    """Allocate 2^*order* pages as *gfp* allows; 0: refused, and ``State.alloc_error`` says why.

    A request that may wait is a point where who was woken gets the CPU (``might_alloc``).
    """
    if s.rq.resched and gfp & GFP_DIRECT_RECLAIM:
        hooks.cond_resched(s)
    spread: u32 = ALLOC_SPREAD_DIRTY if gfp & GFP_WRITE else 0
    pfn: u32 = get_page_from_freelist(s, order, gfp, ALLOC_WMARK_LOW | spread | alloc_flags_nofragment(s, gfp))
    if pfn:
        return pfn
    return hooks.alloc_slow(s, order, gfp)


# --- waking kswapd ---------------------------------------------------------------------------------------------------


def pgdat_balanced(s: State, order: u32, highest_zone: u32) -> cython.bint:
    """Whether some zone that the request may use is above its high mark: kswapd's aim."""
    zone: u32
    managed: cython.bint = False
    for zone in range(highest_zone + 1):
        if not zone_at(s, zone).managed:
            continue
        managed = True
        if zone_watermark_ok(s, zone, order, high_wmark_pages(s, zone), highest_zone, 0):
            return True
    return not managed


def pgdat_watermark_boosted(s: State, highest_zone: u32) -> cython.bint:
    """Whether the marks of a zone are raised because pageblocks got mixed."""
    zone: u32
    for zone in range(highest_zone + 1):
        if zone_at(s, zone).managed and zone_at(s, zone).wmark_boost:
            return True
    return False


def wakeup_kswapd(s: State, order: u32, highest_zone: u32):
    """Ask kswapd to reclaim for requests of *order* that may use zones up to *highest_zone*.

    Ignored while it runs (it remembers what was asked), when it failed 16 runs in a row, and when there is nothing to
    do.
    """
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    k.highest_zone = max(k.highest_zone, cython.cast(i32, highest_zone))
    k.order = max(k.order, order)
    if k.state != THREAD_ASLEEP and k.state != THREAD_NAP:
        return
    if k.failures >= MAX_RECLAIM_RETRIES:
        return
    if pgdat_balanced(s, order, highest_zone) and not pgdat_watermark_boosted(s, highest_zone):
        return
    if not s.first_reclaim_ns:
        s.first_reclaim_ns = s.now_ns
    k.woken_early = k.state == THREAD_NAP
    k.state = THREAD_RUNNING
    s.entities[SCHED_KSWAPD].waker_cpu = s.cpu
    s.rq.resched = True


def free_pages(s: State) -> int:
    """MemFree in pages, for records."""
    return nr_free_pages(s)
