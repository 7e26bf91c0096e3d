"""The lists of single pages and small blocks that each CPU has in front of the buddy allocator.

Single pages (and orders up to 3, and 9) come from and go to a per-cpu list, refilled and drained in batches: pages on
it are neither in MemFree nor in use.  A list is drained when it reaches *high*.  Since 6.7 high is tuned between the
old size and an eighth of the zone: it grows while a task allocates or frees much, falls back while memory is short, and
by an eighth each second.

Follows mm/page_alloc.c of Linux 6.1: ``rmqueue_pcplist``, ``free_unref_page_commit``, ``free_pcppages_bulk``; and of
6.12: ``nr_pcp_alloc``, ``nr_pcp_high``, ``decay_pcp_high``.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import State, this_cpu, zone_at, zone_of
from cython.cimports.memtwin.linux.mm.buddy import free_one_page, mark_block, rmqueue_smallest
from cython.cimports.memtwin.linux.mm.fallback import RMQUEUE_NORMAL, rmqueue_buddy, rmqueue_types

NR_PCP_TYPES = cython.declare(u32, 3)

SOURCE = "mm/page_alloc.c", "v6.1"


def order_to_pindex(migratetype: u32, order: u32) -> u32:
    """The per-cpu list for blocks of an order and type; order 9 has two: movable and the rest."""
    if order > COSTLY_ORDER:
        return NR_PCP_TYPES * (COSTLY_ORDER + 1) + (1 if migratetype == MIGRATE_MOVABLE else 0)
    return NR_PCP_TYPES * order + migratetype


def pindex_to_order(pindex: u32) -> u32:
    """The order of the blocks on a per-cpu list."""
    return PAGEBLOCK_ORDER if pindex >= NR_PCP_TYPES * (COSTLY_ORDER + 1) else pindex // NR_PCP_TYPES


def rmqueue_bulk(s: State, z: u32, order: u32, mt: u32, count: i32, alloc_flags: u32) -> i32:
    """Move up to *count* blocks from the free lists to this cpu's list; return how many.

    The type's own lists are asked first, as :func:`rmqueue_types` does: a call less for nearly every page.
    """
    pcp: cython.pointer(PerCpuPages) = cython.address(this_cpu(s).pcp[z])
    chain: cython.pointer(List) = cython.address(pcp.lists[order_to_pindex(mt, order)])
    pfn: u32
    mode: u32 = RMQUEUE_NORMAL
    done: i32
    for done in range(count):
        pfn = 0 if s.features.fallback_claims else rmqueue_smallest(s, zone_at(s, z), order, mt)
        if pfn:
            zone_at(s, z).stat[NR_FREE_PAGES] -= 1 << order
        else:
            pfn = rmqueue_types(s, z, order, mt, alloc_flags, cython.address(mode))
            zone_at(s, z).stat[NR_FREE_PAGES] -= (1 << order) if pfn else 0
        if not pfn:
            return done
        mark_block(s, pfn, order, mt, OWNER_PCP)
        list_add_tail(s.pages, chain, pfn)
    return count


def nr_pcp_alloc(s: State, zone: u32, pcp: cython.pointer(PerCpuPages), order: u32) -> i32:
    """How many blocks to refill a per-cpu list with.

    Since 6.7 single pages twice as many each time while a task only allocates, and the list may grow.
    """
    batch: i32 = pcp.batch
    most: i32
    if s.features.pcp_auto_high:
        pcp.high = max(min(pcp.high, pcp.high_max), pcp.high_min)
        if not order:
            batch <<= pcp.alloc_factor
        if pcp.high_min != pcp.high_max and not zone_at(s, zone).below_high:
            pcp.high = min(pcp.high + batch, pcp.high_max)
        if not order:
            most = max(pcp.high - pcp.count - pcp.batch, pcp.batch)
            if batch <= most and pcp.alloc_factor < PCP_BATCH_SCALE_MAX:
                pcp.alloc_factor += 1
            batch = min(batch, most)
    return max(batch >> order, 2) if batch > 1 else batch


def rmqueue(s: State, zone: u32, order: u32, migratetype: u32, alloc_flags: u32) -> u32:
    """Take a block of 2^*order* pages of *zone*, through the per-cpu list where the order has one; 0: none.

    Counts ``pgalloc_*`` and ``numa_hit``.  Watermarks are the caller's business (``page_alloc.py``).
    """
    pcp: cython.pointer(PerCpuPages)
    chain: cython.pointer(List)
    pfn: u32 = 0
    mode: u32 = RMQUEUE_NORMAL
    batch: i32
    if order <= COSTLY_ORDER or order == PAGEBLOCK_ORDER:
        pcp = cython.address(this_cpu(s).pcp[zone])
        pcp.free_factor >>= 1
        pcp.free_count >>= 1
        chain = cython.address(pcp.lists[order_to_pindex(migratetype, order)])
        if not chain.head:
            batch = nr_pcp_alloc(s, zone, pcp, order)
            pcp.count += rmqueue_bulk(s, zone, order, migratetype, batch, alloc_flags) << order
        pfn = chain.head
        if pfn:
            list_del(s.pages, chain, pfn)
            pcp.count -= 1 << order
    if not pfn:
        pfn = rmqueue_buddy(s, zone, order, migratetype, alloc_flags, cython.address(mode))
        if not pfn:
            return 0
    s.event[PGALLOC_DMA + zone] += cython.cast(u64, 1) << order
    zone_at(s, zone).numa[NUMA_HIT] += 1
    zone_at(s, zone).numa[NUMA_LOCAL] += 1
    return pfn


def free_pcppages_bulk(s: State, pcp: cython.pointer(PerCpuPages), count: i32, pindex: i32):
    """Drain *count* pages of a per-cpu list, the list *pindex* first, the longest unused blocks first."""
    chain: cython.pointer(List)
    pfn: u32
    order: u32
    pages: i32
    count = min(count, pcp.count)
    while count > 0:
        while True:
            if pindex >= NR_PCP_LISTS:
                pindex = 0
            chain = cython.address(pcp.lists[pindex])
            if chain.tail:
                break
            pindex += 1
        order = pindex_to_order(pindex)
        pages = 1 << order
        while count > 0 and chain.tail:
            pfn = chain.tail
            list_del(s.pages, chain, pfn)
            count -= pages
            pcp.count -= pages
            free_one_page(s, pfn, order, s.pages[pfn].migratetype)
        pindex += 1


def free_unref_page(s: State, pfn: u32, order: u32):
    """Free a block of 2^*order* pages: to this cpu's list where the order has one; counts ``pgfree``."""
    mt: u32 = s.pageblock[pfn >> PAGEBLOCK_ORDER]
    zone: u32 = zone_of(s, pfn)
    pcp: cython.pointer(PerCpuPages)
    pindex: u32
    high: i32
    s.event[PGFREE] += cython.cast(u64, 1) << order
    if order > COSTLY_ORDER and order != PAGEBLOCK_ORDER:
        free_one_page(s, pfn, order, mt)
        return
    if mt > MIGRATE_HIGHATOMIC:
        free_one_page(s, pfn, order, mt)
        return
    pcp = cython.address(this_cpu(s).pcp[zone])
    pindex = order_to_pindex(MIGRATE_MOVABLE if mt == MIGRATE_HIGHATOMIC else mt, order)
    mark_block(s, pfn, order, mt, OWNER_PCP)
    list_add(s.pages, cython.address(pcp.lists[pindex]), pfn)
    pcp.count += 1 << order
    if s.features.pcp_auto_high:
        pcp_tune(s, zone, pcp, order, pindex)
        return
    high = nr_pcp_high(s, zone, pcp, order)
    if pcp.count >= high:
        free_pcppages_bulk(s, pcp, nr_pcp_free(pcp, high), pindex)


def pcp_tune(s: State, zone: u32, pcp: cython.pointer(PerCpuPages), order: u32, pindex: u32):
    """After a block was freed to a per-cpu list: drain what is too many by what was freed lately, and tune its size.

    Since 6.7.
    """
    free_high: cython.bint = False
    high: i32
    pcp.alloc_factor >>= 1
    if order and order <= COSTLY_ORDER:
        free_high = pcp.free_count >= pcp.batch and pcp.prev_free_high_order
        pcp.prev_free_high_order = True
    else:
        pcp.prev_free_high_order = False
    if pcp.free_count < pcp.batch << PCP_BATCH_SCALE_MAX:
        pcp.free_count += 1 << order
    high = pcp_auto_high(s, zone, pcp, free_high)
    if pcp.count < high:
        return
    free_pcppages_bulk(s, pcp, pcp_auto_free(pcp, high, free_high), pindex)
    if zone_at(s, zone).below_high and is_above_high(s, zone):
        zone_at(s, zone).below_high = False


def is_above_high(s: State, zone: u32) -> cython.bint:
    """Whether a zone has more pages free than its high mark, and than what it keeps from requests for Movable."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    return z.stat[NR_FREE_PAGES] > cython.cast(i64, z.wmark_high + z.wmark_boost + z.lowmem_reserve[ZONE_MOVABLE])


def pcp_auto_high(s: State, zone: u32, pcp: cython.pointer(PerCpuPages), free_high: cython.bint) -> i32:
    """The count at which a per-cpu list is drained: it grows with bursts of frees, shrinks while memory is short."""
    freed: i32 = max(pcp.free_count, pcp.batch)
    high: i32
    pcp.high = max(min(pcp.high, pcp.high_max), pcp.high_min)
    high = pcp.high
    if free_high:
        pcp.high = max(high - (pcp.batch << PCP_BATCH_SCALE_MAX), pcp.high_min)
        return 0
    if zone_at(s, zone).reclaim_active:
        pcp.high = max(high - freed, pcp.high_min)
        return min(pcp.batch << 2, pcp.high)
    if pcp.high_min == pcp.high_max:
        return high
    if zone_at(s, zone).below_high:
        pcp.high = max(high - freed, pcp.high_min)
        return max(pcp.count, pcp.high_min)
    if pcp.count >= high and pcp.high < pcp.free_count + pcp.batch:
        pcp.high = max(min(pcp.free_count + pcp.batch, pcp.high_max), pcp.high_min)
    return high


def pcp_auto_free(pcp: cython.pointer(PerCpuPages), high: i32, free_high: cython.bint) -> i32:
    """How many pages to drain: as many as were freed in a row, but a batch stays."""
    if free_high:
        return min(pcp.count, pcp.batch << PCP_BATCH_SCALE_MAX)
    if high < pcp.batch:
        return 1
    return max(min(pcp.free_count, high - pcp.batch), pcp.batch)


def decay_pcp_high(s: State):
    """Once a second: let each per-cpu list that grew shrink by an eighth, and drain what is too many."""
    cpu: u32
    zone: u32
    pcp: cython.pointer(PerCpuPages)
    for cpu in range(s.nr_cpus):
        for zone in range(MAX_NR_ZONES):
            pcp = cython.address(s.cpus[cpu].pcp[zone])
            if pcp.high > pcp.high_min:
                pcp.high = max(pcp.count - (pcp.batch << PCP_BATCH_SCALE_MAX), pcp.high - (pcp.high >> 3), pcp.high_min)
            while pcp.count > pcp.high:
                free_pcppages_bulk(s, pcp, min(pcp.count - pcp.high, pcp.batch), 0)


def nr_pcp_high(s: State, zone: u32, pcp: cython.pointer(PerCpuPages), order: u32) -> i32:
    """The count at which a per-cpu list is drained; 0 after a run of frees when a larger block comes back.

    While kswapd works on the zone the list is kept short, so that what it frees can be seen.
    """
    if pcp.free_factor and order and order <= COSTLY_ORDER:
        return 0
    return min(pcp.batch << 2, pcp.high) if zone_at(s, zone).reclaim_active else pcp.high


def drain_pages(s: State):
    """Give all pages of every per-cpu list back to the free lists (``drain_all_pages``)."""
    zone: u32
    for zone in range(MAX_NR_ZONES):
        drain_zone_pages(s, zone)


def drain_zone_pages(s: State, zone: u32):
    """Give the pages of one zone's per-cpu lists back to the free lists."""
    cpu: u32
    pcp: cython.pointer(PerCpuPages)
    for cpu in range(s.nr_cpus):
        pcp = cython.address(s.cpus[cpu].pcp[zone])
        free_pcppages_bulk(s, pcp, pcp.count, 0)


def nr_pcp_free(pcp: cython.pointer(PerCpuPages), high: i32) -> i32:
    """How many pages to drain: more each time while a task only frees."""
    batch: i32 = pcp.batch
    most: i32
    if high == 0:
        return pcp.count
    if high < batch:
        return 1
    most = high - batch
    batch <<= pcp.free_factor
    if batch < most and pcp.free_factor < PCP_BATCH_SCALE_MAX:
        pcp.free_factor += 1
    return max(min(batch, most), pcp.batch)
