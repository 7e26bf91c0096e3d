"""Compaction's two scanners: one takes pages that can move, from the bottom of a zone up, the other free frames, down.

::

    zone    │ kernel │ A . A A │ . A . . │ . . . . │ A . . . │ . . . . │
              migrate scanner ──►                        ◄── free scanner
                         └────────── pages move ──────────────┘

Where they meet the zone is compacted.  Both go by pageblocks (512 frames).  A block that gave nothing gets a **skip
bit**, and a zone remembers how far each scanner came, so that the next compaction goes on there.  A request for a large
block first takes a short look at the free lists: for a block that is nearly free already (to empty it), and for free
frames far up.

Pages that cannot move: the kernel's own, those that something else refers to, and, unless compaction may wait for
writes, those under writeback and dirty pages of files that have no way to be moved.

This is the migrate scanner; the other is in ``compaction_free.py``.

Follows mm/migrate.c (``putback_movable_pages``) and mm/compaction.c of Linux 6.1
(``isolate_migratepages_block``, ``fast_find_migrateblock``).

Huge pages stay where they are: what is wanted are blocks as large.

Not modelled: contention for locks, CMA.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_del
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    global_node_page_state,
    is_huge,
    mod_node_page_state,
    spend_ns,
    zone_at,
)
from cython.cimports.memtwin.linux.mm.migrate import putback_movable_page
from cython.cimports.memtwin.linux.mm.swap import lru_del
from cython.cimports.memtwin.linux.mm.vmscan import page_is_file_lru

SOURCE = "mm/compaction.c", "v6.1"


USED = cython.declare(u64, ~0 & 0xFFFFFFFFFFFFFFFF)


def zone_end_pfn(s: State, zone: u32) -> u64:
    """One past a zone's last frame."""
    return zone_at(s, zone).start_pfn + zone_at(s, zone).spanned


def pageblock_start_pfn(pfn: u64) -> u64:
    """The first frame of a frame's pageblock."""
    return pfn & ~cython.cast(u64, PAGEBLOCK_NR - 1)


def pageblock_end_pfn(pfn: u64) -> u64:
    """One past the last frame of a frame's pageblock."""
    return (pfn | (PAGEBLOCK_NR - 1)) + 1


def block_end_pfn(pfn: u64, order: i32) -> u64:
    """One past the last frame of the block of 2^*order* that a frame lies in."""
    return (pfn | ((cython.cast(u64, 1) << order) - 1)) + 1


def scanners_met(cc: cython.pointer(CompactControl)) -> cython.bint:
    """Whether the free scanner has come to the migrate scanner's pageblock, or below."""
    return cc.free_pfn >> PAGEBLOCK_ORDER <= cc.migrate_pfn >> PAGEBLOCK_ORDER


def freelist_scan_limit(cc: cython.pointer(CompactControl)) -> u64:
    """How many entries of the free lists a short look takes: fewer after each that found nothing."""
    return (SWAP_CLUSTER_MAX >> min(cc.fast_search_fail, cython.cast(u32, 31))) + 1


def list_rotate(s: State, chain: cython.pointer(List), first: u32):
    """Let *first* be the head of a list: what stood before it comes behind its tail."""
    last: u32 = s.pages[first].prev
    if not last:
        return
    s.pages[chain.tail].next = chain.head
    s.pages[chain.head].prev = chain.tail
    s.pages[last].next = 0
    s.pages[first].prev = 0
    chain.head = first
    chain.tail = last


# --- pages that move -------------------------------------------------------------------------------------------------


def update_cached_migrate(s: State, cc: cython.pointer(CompactControl), pfn: u64):
    """Remember that all below the end of *pfn*'s pageblock has been scanned."""
    zone: cython.pointer(Zone) = zone_at(s, cc.zone)
    end: u64 = pageblock_end_pfn(pfn)
    zone.compact_cached_migrate_pfn[0] = max(zone.compact_cached_migrate_pfn[0], end)
    if cc.mode != MIGRATE_ASYNC:
        zone.compact_cached_migrate_pfn[1] = max(zone.compact_cached_migrate_pfn[1], end)


def is_isolation_suitable(s: State, cc: cython.pointer(CompactControl), pfn: u64) -> cython.bint:
    """Whether a pageblock is worth a look: it has no skip bit, or that does not count."""
    return cc.ignore_skip_hint or not s.pageblock_skip[pfn >> PAGEBLOCK_ORDER]


def too_many_isolated(s: State) -> cython.bint:
    """Whether half as many pages as are on the lists are off them."""
    isolated: i64 = global_node_page_state(s, NR_ISOLATED_ANON) + global_node_page_state(s, NR_ISOLATED_FILE)
    listed: i64 = global_node_page_state(s, LRU_INACTIVE_ANON) + global_node_page_state(s, LRU_ACTIVE_ANON)
    listed += global_node_page_state(s, LRU_INACTIVE_FILE) + global_node_page_state(s, LRU_ACTIVE_FILE)
    return isolated > listed // 2


def is_movable(s: State, cc: cython.pointer(CompactControl), pfn: u32) -> cython.bint:
    """Whether a page may be taken to be moved."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.owner == OWNER_ZSMALLOC:
        return page.mapping != 0
    if not page.flags & PG_LRU or page.flags & PG_HUGE:
        return False
    if page.owner != OWNER_FILE and not page.flags & PG_SWAPCACHE:
        if page.refcount > page.mapcount:
            return False
    elif not cc.gfp & GFP_FS:
        return False
    return cc.mode == MIGRATE_SYNC or can_move_at_once(s, pfn)


def can_move_at_once(s: State, pfn: u32) -> cython.bint:
    """Whether a page moves without waiting for a write: not under writeback, nor dirty where it has no way to move."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_WRITEBACK:
        return False
    if not page.flags & PG_DIRTY or page.owner != OWNER_FILE:
        return True
    return file_at(s, page.mapping).kind != FILE_RAMFS


def isolate_page(s: State, cc: cython.pointer(CompactControl), pfn: u32):
    """Take a page off its list, with a reference of its own."""
    if s.pages[pfn].owner != OWNER_ZSMALLOC:
        lru_del(s, pfn)
        s.pages[pfn].refcount += 1
        mod_node_page_state(s, NR_ISOLATED_ANON + page_is_file_lru(s, pfn), 1)
    list_add(s.pages, cython.address(cc.migratepages), pfn)


def putback_movable_pages(s: State, cc: cython.pointer(CompactControl)):
    """Put back what was isolated and has not moved."""
    pfn: u32
    while cc.migratepages.head:
        pfn = cc.migratepages.head
        list_del(s.pages, cython.address(cc.migratepages), pfn)
        putback_movable_page(s, pfn)


def take_page(s: State, cc: cython.pointer(CompactControl), pfn: u32):
    """Take a page that can move; the first of a pageblock's frame 0 sets the block's skip bit."""
    if not cc.skip_updated:
        cc.skip_updated = True
        if not cc.ignore_skip_hint and pfn & (PAGEBLOCK_NR - 1) == 0:
            s.pageblock_skip[pfn >> PAGEBLOCK_ORDER] = 1
    isolate_page(s, cc, pfn)
    cc.block_isolated += 1


def pass_by(s: State, cc: cython.pointer(CompactControl), pfn: u32) -> u64:
    """Go on behind a frame whose page cannot move; returns where.

    A request that waits for nothing wants whole blocks of its order: it returns what it took of the block, and goes
    on behind that.
    """
    low: u64 = pfn + 1
    if (s.pages[pfn].owner == OWNER_SLAB and s.pages[pfn].flags & PG_HEAD) or is_huge(s, pfn):
        low = pfn + (cython.cast(u64, 1) << s.pages[pfn].order)
    if cc.next_block:
        putback_movable_pages(s, cc)
        cc.block_isolated = 0
        if low < cc.next_block:
            low = cc.next_block
            cc.next_block += cython.cast(u64, 1) << cc.order
    return low


def scan_pageblock(
    s: State, cc: cython.pointer(CompactControl), low: u64, end: u64, scanned: cython.pointer(u64)
) -> u64:
    """Look at frames of a pageblock and take those that can move; returns where that ended."""
    while low < end:
        if cc.next_block and low >= cc.next_block:
            if cc.block_isolated:
                break
            cc.next_block = block_end_pfn(low, cc.order)
        scanned[0] += 1
        if s.pages[low].owner == OWNER_BUDDY and s.pages[low].flags & PG_HEAD:
            low += cython.cast(u64, 1) << s.pages[low].order
        elif is_movable(s, cc, low):
            take_page(s, cc, low)
            low += 1
            if cc.migratepages.nr >= SWAP_CLUSTER_MAX and not cc.rescan:
                break
        else:
            low = pass_by(s, cc, low)
    return min(low, end)


def isolate_migratepages_block(s: State, cc: cython.pointer(CompactControl), low: u64, end: u64) -> cython.bint:
    """Take pages of one pageblock from *low* on, 32 unless it is visited again; False: too many are isolated."""
    first: u64 = low
    scanned: u64 = 0
    suitable: cython.bint = low & (PAGEBLOCK_NR - 1) != 0 or is_isolation_suitable(s, cc, low)
    cc.migrate_pfn = low
    cc.next_block = block_end_pfn(low, cc.order) if cc.direct and cc.mode == MIGRATE_ASYNC else 0
    cc.block_isolated = 0
    cc.skip_updated = False
    if too_many_isolated(s):
        return False
    if suitable:
        low = scan_pageblock(s, cc, low, end, cython.address(scanned))
    else:
        low = end
        scanned = 1
    if low == end and (not cc.block_isolated or cc.rescan):
        if suitable and first & (PAGEBLOCK_NR - 1) == 0 and not cc.skip_updated:
            s.pageblock_skip[first >> PAGEBLOCK_ORDER] = 1
        update_cached_migrate(s, cc, low)
    cc.migrate_scanned += scanned
    s.event[COMPACT_ISOLATED] += cc.block_isolated
    cc.migrate_pfn = low
    spend_ns(s, scanned * s.cost_ns[COST_HIT] + cc.block_isolated * s.cost_ns[COST_SCAN_PAGE])
    return True


def is_worth_fast_search(s: State, cc: cython.pointer(CompactControl)) -> cython.bint:
    """Whether the scanner may take a short look at the free lists: at a pageblock's start, for a large block."""
    if cc.ignore_skip_hint or cc.order <= COSTLY_ORDER or (cc.direct and cc.migratetype != MIGRATE_MOVABLE):
        return False
    return cc.migrate_pfn == zone_at(s, cc.zone).start_pfn or cc.migrate_pfn == pageblock_start_pfn(cc.migrate_pfn)


def fast_find_in_list(
    s: State, cc: cython.pointer(CompactControl), order: i32, high: u64, limit: u64, scanned: cython.pointer(u64)
) -> u32:
    """Look from the head of a free list for a block below *high* that is not passed over; 0: there is none."""
    chain: cython.pointer(List) = cython.address(zone_at(s, cc.zone).free_area[order][MIGRATE_MOVABLE])
    pfn: u32 = chain.head
    found: u32 = 0
    while pfn:
        scanned[0] += 1
        if scanned[0] <= limit and (pfn >= high or s.pageblock_skip[pfn >> PAGEBLOCK_ORDER]):
            pfn = s.pages[pfn].next
            continue
        found = pfn if scanned[0] <= limit else 0
        if s.pages[pfn].next:
            list_rotate(s, chain, s.pages[pfn].next)
        break
    return found


def fast_find_migrateblock(s: State, cc: cython.pointer(CompactControl)) -> u64:
    """Look for a pageblock that is partly free already; returns where to go on, the scanner's position if none is."""
    limit: u64 = freelist_scan_limit(cc)
    scanned: u64 = 0
    distance: u64
    high: u64
    order: i32 = cc.order - 1
    found: u32 = 0
    if not is_worth_fast_search(s, cc):
        return cc.migrate_pfn
    distance = (cc.free_pfn - cc.migrate_pfn) >> 1
    if cc.migrate_pfn != zone_at(s, cc.zone).start_pfn:
        distance >>= 2
    high = pageblock_start_pfn(cc.migrate_pfn + distance)
    while order >= COSTLY_ORDER and not found and scanned < limit:
        found = fast_find_in_list(s, cc, order, high, limit, cython.address(scanned))
        order -= 1
    cc.migrate_scanned += scanned
    if found:
        if cc.fast_start_pfn != USED:
            cc.fast_start_pfn = min(cc.fast_start_pfn, cython.cast(u64, found)) if cc.fast_start_pfn else found
        cc.fast_search_fail = 0
        s.pageblock_skip[found >> PAGEBLOCK_ORDER] = 1
        return max(pageblock_start_pfn(found), zone_at(s, cc.zone).start_pfn)
    cc.fast_search_fail += 1
    if cc.fast_start_pfn and cc.fast_start_pfn != USED:
        cc.migrate_pfn = cc.fast_start_pfn
        cc.fast_start_pfn = USED
    return cc.migrate_pfn


def isolate_migratepages(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """Take pages of the first suitable pageblock from the scanner's position on (ISOLATE_…)."""
    low: u64 = fast_find_migrateblock(s, cc)
    fast: cython.bint = low != cc.migrate_pfn and not cc.fast_search_fail
    end: u64 = pageblock_end_pfn(low)
    while end <= cc.free_pfn:
        if low & (PAGEBLOCK_NR - 1) == 0 and not fast and not is_isolation_suitable(s, cc, low):
            pass
        elif is_huge(s, low) or (
            cc.mode == MIGRATE_ASYNC and cc.direct and s.pageblock[low >> PAGEBLOCK_ORDER] != cc.migratetype
        ):
            update_cached_migrate(s, cc, end)
        else:
            if not isolate_migratepages_block(s, cc, low, end):
                return ISOLATE_ABORT
            break
        fast = False
        cc.migrate_pfn = low = end
        end += PAGEBLOCK_NR
    return ISOLATE_SUCCESS if cc.migratepages.nr else ISOLATE_NONE
