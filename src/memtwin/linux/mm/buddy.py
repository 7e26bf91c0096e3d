"""The buddy allocator: free blocks of 1, 2, 4 … 1024 pages, and the small per-cpu lists in front of it.

A free block of order *k* is 2^k pages, aligned to its size.  Its **buddy** is the block at ``pfn XOR 2^k``; two free
buddies become one block of order k + 1::

    order 2  [ 8  9 10 11 ]            free 8: its buddy 9 is in use      → stays order 0
    order 1  [ 8  9 ][10 11]           free 9: merges with 8, then 8-11   → order 2
    order 0  [ 8 ][ 9 ][10][11]

Free lists are kept per order *and migrate type*: pages that can be moved (user memory, page cache) apart from those
that cannot (page tables, slab), so that a huge page can be had later.  The type belongs to the **pageblock** (512
pages); a list that runs dry takes from another type's, the largest block first, and may convert the pageblock.

Single pages (and orders up to 3) come from and go to a per-cpu list, refilled and drained in batches: pages on it
are neither in MemFree nor in use.

Follows mm/page_alloc.c of Linux 6.1: ``__rmqueue_smallest``, ``expand``, ``__rmqueue_fallback``,
``steal_suitable_fallback``, ``__free_one_page``, ``rmqueue_pcplist``, ``free_unref_page_commit``,
``free_pcppages_bulk``.

Not modelled: CMA, isolation, guard pages, page shuffling.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.mm_types import (
    COSTLY_ORDER,
    MAX_NR_ZONES,
    MIGRATE_HIGHATOMIC,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATE_UNMOVABLE,
    NR_ORDERS,
    NR_PCP_LISTS,
    OWNER_ANON,
    OWNER_BUDDY,
    OWNER_FILE,
    OWNER_PCP,
    PAGEBLOCK_NR,
    PAGEBLOCK_ORDER,
    PCP_BATCH_SCALE_MAX,
    PG_HEAD,
    List,
    Page,
    PerCpuPages,
    Zone,
    i32,
    i64,
    u8,
    u32,
    u64,
)
from cython.cimports.memtwin.linux.core.state import State, this_cpu, zone_at, zone_of
from cython.cimports.memtwin.linux.core.vmstat import NR_FREE_PAGES, NUMA_HIT, NUMA_LOCAL, PGALLOC_DMA, PGFREE
from cython.cimports.memtwin.linux.mm.mmzone import boost_watermark

SOURCE = "mm/page_alloc.c", "v6.1"

NR_PCP_TYPES = cython.declare(u32, 3)


def prep_new_page(s: State, pfn: u32, order: u32, owner: u8):
    """Hand the block at *pfn* to *owner*: one reference, nothing mapped, content zero."""
    i: u32
    prep_new_frame(cython.address(s.pages[pfn]), owner)
    s.pages[pfn].order = order
    if order:
        for i in range(pfn + 1, pfn + (1 << order)):
            prep_new_frame(cython.address(s.pages[i]), owner)
        s.pages[pfn].flags = PG_HEAD


def prep_new_frame(page: cython.pointer(Page), owner: u8):
    """Hand one frame to *owner*."""
    page.owner = owner
    page.flags = 0
    page.refcount = 1
    page.mapcount = 0
    page.tag = 0
    page.mapping = 0
    page.index = 0


def mark_block(s: State, pfn: u32, order: u32, migratetype: u32, owner: u8):
    """Write down that a block is free, in its first frame; the frames behind it only get their owner."""
    i: u32
    s.pages[pfn].owner = owner
    relabel_block(s, pfn, order, migratetype)
    if order:
        for i in range(pfn + 1, pfn + (1 << order)):
            s.pages[i].owner = owner
            s.pages[i].flags = 0


def relabel_block(s: State, pfn: u32, order: u32, migratetype: u32):
    """As :func:`mark_block` for frames that are the buddy allocator's already."""
    s.pages[pfn].flags = PG_HEAD
    s.pages[pfn].order = order
    s.pages[pfn].migratetype = migratetype


def del_page_from_free_list(s: State, zone: cython.pointer(Zone), pfn: u32):
    """Take a free block off its list."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    list_del(s.pages, cython.address(zone.free_area[page.order][page.migratetype]), pfn)
    page.flags = 0


def expand(s: State, zone: cython.pointer(Zone), pfn: u32, low: u32, high: u32, mt: u32):
    """Split a block of order *high* down to *low*: the upper halves go back to the free lists."""
    half: u32
    while high > low:
        high -= 1
        half = pfn + (1 << high)
        relabel_block(s, half, high, mt)
        list_add(s.pages, cython.address(zone.free_area[high][mt]), half)


def rmqueue_smallest(s: State, zone: cython.pointer(Zone), order: u32, mt: u32) -> u32:
    """Take a block of the type's own lists: the smallest that is large enough."""
    current: u32
    pfn: u32
    for current in range(order, NR_ORDERS):
        pfn = zone.free_area[current][mt].head
        if pfn:
            del_page_from_free_list(s, zone, pfn)
            expand(s, zone, pfn, order, current, mt)
            return pfn
    return 0


def fallback_type(mt: u32, attempt: u32) -> u32:
    """The types whose pages a list that ran dry takes, in order (table ``fallbacks``)."""
    if mt == MIGRATE_UNMOVABLE:
        return MIGRATE_RECLAIMABLE if attempt == 0 else MIGRATE_MOVABLE
    if mt == MIGRATE_MOVABLE:
        return MIGRATE_RECLAIMABLE if attempt == 0 else MIGRATE_UNMOVABLE
    return MIGRATE_UNMOVABLE if attempt == 0 else MIGRATE_MOVABLE


def can_steal(order: u32, mt: u32) -> cython.bint:
    """Whether a fallback may take all free pages of the pageblock, not only the piece that it found."""
    return order >= PAGEBLOCK_ORDER // 2 or mt == MIGRATE_RECLAIMABLE or mt == MIGRATE_UNMOVABLE


def move_freepages_block(s: State, zone: cython.pointer(Zone), pfn: u32, mt: u32) -> u32:
    """Move every free block of the pageblock to the lists of *mt*; return how many pages that were."""
    at: u32 = pfn & ~cython.cast(u32, PAGEBLOCK_NR - 1)
    end: u32 = at + PAGEBLOCK_NR
    order: u32
    moved: u32 = 0
    while at < end:
        if s.pages[at].owner == OWNER_BUDDY and s.pages[at].flags & PG_HEAD:
            order = s.pages[at].order
            list_del(s.pages, cython.address(zone.free_area[order][s.pages[at].migratetype]), at)
            s.pages[at].migratetype = mt
            list_add(s.pages, cython.address(zone.free_area[order][mt]), at)
            moved += 1 << order
            at += 1 << order
        else:
            at += 1
    return moved


def movable_pages_in_block(s: State, pfn: u32) -> u32:
    """Pages of a pageblock that could be migrated away: user memory and page cache."""
    at: u32 = pfn & ~cython.cast(u32, PAGEBLOCK_NR - 1)
    i: u32
    movable: u32 = 0
    for i in range(at, at + PAGEBLOCK_NR):
        if s.pages[i].owner == OWNER_ANON or s.pages[i].owner == OWNER_FILE:
            movable += 1
    return movable


def steal_suitable_fallback(s: State, z: u32, pfn: u32, mt: u32, whole: cython.bint):
    """Give the block at *pfn*, or all free pages of its pageblock, to the lists of *mt*."""
    zone: cython.pointer(Zone) = zone_at(s, z)
    order: u32 = s.pages[pfn].order
    old_type: u32 = s.pageblock[pfn >> PAGEBLOCK_ORDER]
    block: u32
    free: u32
    movable: u32
    alike: u32
    if old_type == MIGRATE_HIGHATOMIC:
        whole = False
    elif order >= PAGEBLOCK_ORDER:
        for block in range(pfn >> PAGEBLOCK_ORDER, (pfn + (1 << order)) >> PAGEBLOCK_ORDER):
            s.pageblock[block] = mt
        whole = False
    else:
        boost_watermark(s, z)
    if not whole:
        list_del(s.pages, cython.address(zone.free_area[order][s.pages[pfn].migratetype]), pfn)
        s.pages[pfn].migratetype = mt
        list_add(s.pages, cython.address(zone.free_area[order][mt]), pfn)
        return
    movable = movable_pages_in_block(s, pfn)
    free = move_freepages_block(s, zone, pfn, mt)
    alike = 0
    if mt == MIGRATE_MOVABLE:
        alike = movable
    elif old_type == MIGRATE_MOVABLE:
        alike = PAGEBLOCK_NR - (free + movable)
    if free + alike >= PAGEBLOCK_NR // 2:
        s.pageblock[pfn >> PAGEBLOCK_ORDER] = mt


def rmqueue_fallback(s: State, z: u32, order: u32, mt: u32) -> cython.bint:
    """Bring another type's free pages to the lists of *mt*: the largest first, so that few pageblocks are mixed."""
    zone: cython.pointer(Zone) = zone_at(s, z)
    current: i32
    attempt: u32
    pfn: u32
    for current in range(NR_ORDERS - 1, cython.cast(i32, order) - 1, -1):
        for attempt in range(2):
            pfn = zone.free_area[current][fallback_type(mt, attempt)].head
            if not pfn:
                continue
            if can_steal(current, mt):
                steal_suitable_fallback(s, z, pfn, mt, True)
                return True
            if mt == MIGRATE_MOVABLE and cython.cast(u32, current) > order:
                return steal_smallest(s, z, order, mt)
            steal_suitable_fallback(s, z, pfn, mt, False)
            return True
    return False


def steal_smallest(s: State, z: u32, order: u32, mt: u32) -> cython.bint:
    """Movable pages can live anywhere: take the smallest piece that will do and leave the pageblock its type."""
    current: u32
    attempt: u32
    pfn: u32
    for current in range(order, NR_ORDERS):
        for attempt in range(2):
            pfn = zone_at(s, z).free_area[current][fallback_type(mt, attempt)].head
            if pfn:
                steal_suitable_fallback(s, z, pfn, mt, can_steal(current, mt))
                return True
    return False


def rmqueue_buddy(s: State, z: u32, order: u32, mt: u32) -> u32:
    """Take a block out of the free lists, from other types' if need be; 0 when there is none."""
    pfn: u32 = rmqueue_smallest(s, zone_at(s, z), order, mt)
    while not pfn and rmqueue_fallback(s, z, order, mt):
        pfn = rmqueue_smallest(s, zone_at(s, z), order, mt)
    if pfn:
        zone_at(s, z).stat[NR_FREE_PAGES] -= 1 << order
    return pfn


def order_to_pindex(migratetype: u32, order: u32) -> u32:
    """The per-cpu list for blocks of an order and type; order 9 has two: movable and the rest."""
    if order > COSTLY_ORDER:
        return NR_PCP_TYPES * (COSTLY_ORDER + 1) + (1 if migratetype == MIGRATE_MOVABLE else 0)
    return NR_PCP_TYPES * order + migratetype


def pindex_to_order(pindex: u32) -> u32:
    """The order of the blocks on a per-cpu list."""
    return PAGEBLOCK_ORDER if pindex >= NR_PCP_TYPES * (COSTLY_ORDER + 1) else pindex // NR_PCP_TYPES


def rmqueue_bulk(s: State, z: u32, order: u32, mt: u32, count: i32) -> i32:
    """Move up to *count* blocks from the free lists to this cpu's list; return how many."""
    pcp: cython.pointer(PerCpuPages) = cython.address(this_cpu(s).pcp[z])
    chain: cython.pointer(List) = cython.address(pcp.lists[order_to_pindex(mt, order)])
    pfn: u32
    done: i32
    for done in range(count):
        pfn = rmqueue_buddy(s, z, order, mt)
        if not pfn:
            return done
        mark_block(s, pfn, order, mt, OWNER_PCP)
        list_add_tail(s.pages, chain, pfn)
    return count


def rmqueue(s: State, zone: u32, order: u32, migratetype: u32) -> u32:
    """Take a block of 2^*order* pages of *zone*, through the per-cpu list where the order has one; 0: none.

    Counts ``pgalloc_*`` and ``numa_hit``.  Watermarks are the caller's business (``page_alloc.py``).
    """
    pcp: cython.pointer(PerCpuPages)
    chain: cython.pointer(List)
    pfn: u32
    batch: i32
    if order <= COSTLY_ORDER or order == PAGEBLOCK_ORDER:
        pcp = cython.address(this_cpu(s).pcp[zone])
        pcp.free_factor >>= 1
        chain = cython.address(pcp.lists[order_to_pindex(migratetype, order)])
        if not chain.head:
            batch = pcp.batch
            if batch > 1:
                batch = max(batch >> order, 2)
            pcp.count += rmqueue_bulk(s, zone, order, migratetype, batch) << order
        pfn = chain.head
        if not pfn:
            return 0
        list_del(s.pages, chain, pfn)
        pcp.count -= 1 << order
    else:
        pfn = rmqueue_buddy(s, zone, order, migratetype)
        if not pfn:
            return 0
    s.event[PGALLOC_DMA + zone] += cython.cast(u64, 1) << order
    zone_at(s, zone).numa[NUMA_HIT] += 1
    zone_at(s, zone).numa[NUMA_LOCAL] += 1
    return pfn


def free_one_page(s: State, pfn: u32, order: u32, migratetype: u32):
    """Give a block back to the free lists and merge it with its buddies.

    The result goes to the tail of its list when its own next buddy is free: it may soon merge, so it is used last.
    """
    zone: cython.pointer(Zone) = zone_at(s, zone_of(s, pfn))
    buddy: u32
    parent: u32
    zone.stat[NR_FREE_PAGES] += 1 << order
    mark_block(s, pfn, order, migratetype, OWNER_BUDDY)
    while order < NR_ORDERS - 1:
        if s.capture_order and order == s.capture_order and capture(s, pfn, migratetype):
            return
        buddy = pfn ^ (1 << order)
        if not is_free_buddy(s, zone, buddy, order):
            break
        if order >= PAGEBLOCK_ORDER and not mergeable(s, buddy, migratetype):
            break
        del_page_from_free_list(s, zone, buddy)
        s.pages[pfn].flags = 0
        pfn &= buddy
        order += 1
    relabel_block(s, pfn, order, migratetype)
    parent = pfn & ~(cython.cast(u32, 1) << order)
    if order < NR_ORDERS - 2 and is_free_buddy(s, zone, parent ^ (2 << order), order + 1):
        list_add_tail(s.pages, cython.address(zone.free_area[order][migratetype]), pfn)
    else:
        list_add(s.pages, cython.address(zone.free_area[order][migratetype]), pfn)


def capture(s: State, pfn: u32, migratetype: u32) -> cython.bint:
    """Hand a block that has just come free to the request that compacts for it, unless that would mix pageblocks."""
    if s.captured or s.in_thread or zone_of(s, pfn) != s.capture_zone:
        return False
    if migratetype == MIGRATE_MOVABLE and s.capture_order < PAGEBLOCK_ORDER:
        return False
    s.captured = pfn
    mark_block(s, pfn, s.capture_order, migratetype, OWNER_PCP)
    zone_at(s, zone_of(s, pfn)).stat[NR_FREE_PAGES] -= cython.cast(i64, 1) << s.capture_order
    return True


def is_free_buddy(s: State, zone: cython.pointer(Zone), pfn: u32, order: u32) -> cython.bint:
    """Whether a free block of exactly this order starts at *pfn*, in the same zone."""
    if pfn < zone.start_pfn or pfn >= zone.start_pfn + zone.spanned:
        return False
    return s.pages[pfn].owner == OWNER_BUDDY and (s.pages[pfn].flags & PG_HEAD) != 0 and s.pages[pfn].order == order


def mergeable(s: State, buddy: u32, mt: u32) -> cython.bint:
    """Whole pageblocks merge when both types are ordinary ones."""
    other: u32 = s.pageblock[buddy >> PAGEBLOCK_ORDER]
    return other == mt or (other < MIGRATE_HIGHATOMIC and mt < MIGRATE_HIGHATOMIC)


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
    if mt >= MIGRATE_HIGHATOMIC:
        if mt > MIGRATE_HIGHATOMIC:
            free_one_page(s, pfn, order, mt)
            return
        mt = MIGRATE_MOVABLE
    pcp = cython.address(this_cpu(s).pcp[zone])
    pindex = order_to_pindex(mt, order)
    mark_block(s, pfn, order, mt, OWNER_PCP)
    list_add(s.pages, cython.address(pcp.lists[pindex]), pfn)
    pcp.count += 1 << order
    high = nr_pcp_high(s, zone, pcp, order)
    if pcp.count >= high:
        free_pcppages_bulk(s, pcp, nr_pcp_free(pcp, high), pindex)


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


def can_split_to(s: State, zone: u32, order: u32) -> cython.bint:
    """Whether a free block of at least *order* stands on an ordinary type's list."""
    o: u32
    mt: u32
    for o in range(order, NR_ORDERS):
        for mt in range(MIGRATE_HIGHATOMIC):
            if zone_at(s, zone).free_area[o][mt].nr:
                return True
    return False
