"""Compaction's free scanner: takes free frames for pages that move, from the end of a zone downwards.

Where it comes to the migrate scanner (``compaction_scan.py`` has the picture) the zone is compacted.  It takes whole
blocks from the free lists, as single frames, from movable pageblocks only, and no more than leaves the *min* mark free.

Follows mm/compaction.c of Linux 6.1 (``isolate_freepages_block``, ``fast_isolate_freepages``, ``isolate_freepages``,
``compaction_alloc``) and mm/page_alloc.c (``__isolate_free_page``).
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_del
from cython.cimports.memtwin.linux.core.state import State, spend_ns, zone_at
from cython.cimports.memtwin.linux.mm.buddy import del_page_from_free_list, prep_new_frame
from cython.cimports.memtwin.linux.mm.compaction_scan import (
    freelist_scan_limit,
    is_isolation_suitable,
    list_rotate,
    pageblock_end_pfn,
    pageblock_start_pfn,
    zone_end_pfn,
)
from cython.cimports.memtwin.linux.mm.page_alloc_fast import zone_watermark_ok

SOURCE = "mm/compaction.c", "v6.1"


def isolate_free_page(s: State, cc: cython.pointer(CompactControl), pfn: u32, order: u32) -> u32:
    """Take a free block out of the lists, as single frames; returns how many, 0: too little would be left free."""
    zone: cython.pointer(Zone) = zone_at(s, cc.zone)
    block: u32
    i: u32
    if not zone_watermark_ok(s, cc.zone, 0, zone.wmark_min + (cython.cast(u64, 1) << order), 0, 0):
        return 0
    zone.stat[NR_FREE_PAGES] -= cython.cast(i64, 1) << order
    del_page_from_free_list(s, zone, pfn)
    if order >= PAGEBLOCK_ORDER - 1:
        for block in range(pfn >> PAGEBLOCK_ORDER, ((pfn + (1 << order) - 1) >> PAGEBLOCK_ORDER) + 1):
            if s.pageblock[block] < MIGRATE_HIGHATOMIC:
                s.pageblock[block] = MIGRATE_MOVABLE
    for i in range(pfn, pfn + (1 << order)):
        prep_new_frame(cython.address(s.pages[i]), OWNER_ISOLATED)
        s.pages[i].order = 0
        list_add(s.pages, cython.address(cc.freepages), i)
    s.event[COMPACT_ISOLATED] += cython.cast(u64, 1) << order
    return 1 << order


def isolate_freepages_block(
    s: State, cc: cython.pointer(CompactControl), start: cython.pointer(u64), end: u64, stride: u64
) -> u64:
    """Take free blocks of one pageblock until there are as many frames as pages to move; returns how many came."""
    pfn: u64 = start[0]
    scanned: u64 = 0
    total: u64 = 0
    taken: u32
    page: cython.pointer(Page)
    while pfn < end:
        scanned += 1
        page = cython.address(s.pages[pfn])
        if (page.owner == OWNER_SLAB and page.flags & PG_HEAD) or page.flags & PG_HUGE:
            pfn += (cython.cast(u64, 1) << page.order) - 1
        elif page.owner == OWNER_BUDDY and page.flags & PG_HEAD:
            taken = isolate_free_page(s, cc, pfn, page.order)
            if not taken:
                break
            scanned += taken - 1
            total += taken
            if cc.migratepages.nr <= cc.freepages.nr:
                pfn += taken
                break
            pfn += taken - 1
        pfn += stride
    start[0] = min(pfn, end)
    cc.free_scanned += scanned
    spend_ns(s, scanned * s.cost_ns[COST_HIT])
    return total


def next_search_order(cc: cython.pointer(CompactControl), order: i32) -> i32:
    """The order to look at next, round and round; -1: all have been."""
    order -= 1
    if order < 0:
        order = cc.order - 1
    if order == cc.search_order:
        cc.search_order -= 1
        if cc.search_order < 0:
            cc.search_order = cc.order - 1
        return -1
    return order


def fast_isolate_around(s: State, cc: cython.pointer(CompactControl), pfn: u64):
    """Take more free frames of the pageblock where some were found; one that has too few is passed over from now on."""
    start: u64
    if cc.freepages.nr >= cc.migratepages.nr or (cc.direct and cc.mode == MIGRATE_ASYNC):
        return
    start = max(pageblock_start_pfn(pfn), zone_at(s, cc.zone).start_pfn)
    isolate_freepages_block(s, cc, cython.address(start), min(pageblock_end_pfn(pfn), zone_end_pfn(s, cc.zone)), 1)
    if cc.freepages.nr < cc.migratepages.nr:
        s.pageblock_skip[pfn >> PAGEBLOCK_ORDER] = 1


def fast_search_list(
    s: State,
    cc: cython.pointer(CompactControl),
    order: i32,
    low: u64,
    least: u64,
    limit: cython.pointer(u64),
    highest: cython.pointer(u64),
) -> u32:
    """Look from the tail of a free list for a block above *low*, or the highest above *least*; 0: there is none."""
    chain: cython.pointer(List) = cython.address(zone_at(s, cc.zone).free_area[order][MIGRATE_MOVABLE])
    pfn: u32 = chain.tail
    best: u32 = 0
    found: u32 = 0
    looked: u64 = 0
    while pfn:
        looked += 1
        if pfn >= highest[0]:
            highest[0] = max(pageblock_start_pfn(pfn), zone_at(s, cc.zone).start_pfn)
        if pfn >= low:
            cc.fast_search_fail = 0
            cc.search_order = order
            found = pfn
            break
        if pfn >= least and pfn > best:
            best = pfn
            limit[0] >>= 1
        if looked >= limit[0]:
            break
        pfn = s.pages[pfn].prev
    if not found and best:
        found = pfn = best
    if pfn:
        list_rotate(s, chain, pfn)
    cc.free_scanned += looked
    if looked >= limit[0]:
        limit[0] = max(limit[0] >> 1, cython.cast(u64, 1))
    return found


def fast_isolate_freepages(s: State, cc: cython.pointer(CompactControl)):
    """Take free frames far up by a short look at the free lists."""
    zone: cython.pointer(Zone) = zone_at(s, cc.zone)
    limit: u64 = max(freelist_scan_limit(cc) >> 1, cython.cast(u64, 1))
    at_start: cython.bint = cc.free_pfn >= zone.compact_init_free_pfn
    distance: u64 = cc.free_pfn - cc.migrate_pfn
    low: u64 = pageblock_start_pfn(cc.free_pfn - (distance >> 2))
    least: u64 = pageblock_start_pfn(cc.free_pfn - (distance >> 1))
    highest: u64 = 0
    around: u64 = 0
    order: i32
    taken: u32
    pfn: u32 = 0
    if cc.order <= 0:
        return
    if at_start:
        limit = PAGEBLOCK_NR >> 1
    cc.search_order = min(cc.order - 1, cc.search_order)
    order = cc.search_order
    while order >= 0 and not pfn:
        pfn = fast_search_list(s, cc, order, low, least, cython.address(limit), cython.address(highest))
        if pfn:
            taken = isolate_free_page(s, cc, pfn, order)
            cc.free_scanned += taken - 1 if taken else 0
            if not taken:
                pfn = 0
                order = cc.search_order + 1
        order = next_search_order(cc, order)
    around = pfn if pfn else fast_search_failed(s, cc, least, highest, at_start)
    if highest and highest >= zone.compact_cached_free_pfn:
        zone.compact_cached_free_pfn = highest - PAGEBLOCK_NR
    if around:
        fast_isolate_around(s, cc, around)


def fast_search_failed(
    s: State, cc: cython.pointer(CompactControl), least: u64, highest: u64, at_start: cython.bint
) -> u64:
    """The short look found no free frame: returns where to look closer at the beginning of a compaction, 0: nowhere."""
    cc.fast_search_fail += 1
    if at_start and highest >= least:
        cc.free_pfn = highest
        return highest
    if at_start and cc.direct and zone_at(s, cc.zone).start_pfn <= least < zone_end_pfn(s, cc.zone):
        cc.free_pfn = least
        return least
    return 0


def isolate_freepages(s: State, cc: cython.pointer(CompactControl)):
    """Take free frames for the pages that are to move: by the short look, else pageblock by pageblock downwards."""
    start: u64
    block: u64
    end: u64
    stride: u64 = SWAP_CLUSTER_MAX if cc.mode == MIGRATE_ASYNC else 1
    lowest: u64
    got: u64
    fast_isolate_freepages(s, cc)
    if cc.freepages.nr:
        return
    start = cc.free_pfn
    block = pageblock_start_pfn(start)
    end = min(block + PAGEBLOCK_NR, zone_end_pfn(s, cc.zone))
    lowest = pageblock_end_pfn(cc.migrate_pfn)
    while block >= lowest:
        if is_migration_target(s, cc, max(block, zone_at(s, cc.zone).start_pfn)):
            got = isolate_freepages_block(s, cc, cython.address(start), end, stride)
            if start == end:
                s.pageblock_skip[block >> PAGEBLOCK_ORDER] = 1
                zone_at(s, cc.zone).compact_cached_free_pfn = min(zone_at(s, cc.zone).compact_cached_free_pfn, block)
            if cc.freepages.nr >= cc.migratepages.nr:
                if start >= end:
                    start = block - PAGEBLOCK_NR
                break
            if start < end:
                break
            stride = 1 if got else min(stride << 1, cython.cast(u64, SWAP_CLUSTER_MAX))
        end = block
        block -= PAGEBLOCK_NR
        start = block
    cc.free_pfn = start


def is_migration_target(s: State, cc: cython.pointer(CompactControl), pfn: u64) -> cython.bint:
    """Whether the pageblock that begins at *pfn* may take pages: movable, not free as a whole, not passed over."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.owner == OWNER_BUDDY and page.flags & PG_HEAD and page.order >= PAGEBLOCK_ORDER:
        return False
    if not cc.ignore_block_suitable and s.pageblock[pfn >> PAGEBLOCK_ORDER] != MIGRATE_MOVABLE:
        return False
    return is_isolation_suitable(s, cc, pfn)


def compaction_alloc(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """A free frame for a page that moves; 0: there is none."""
    pfn: u32
    if not cc.freepages.head:
        isolate_freepages(s, cc)
    pfn = cc.freepages.head
    if pfn:
        list_del(s.pages, cython.address(cc.freepages), pfn)
    return pfn
