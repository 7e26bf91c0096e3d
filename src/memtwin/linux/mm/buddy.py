"""The buddy allocator: free blocks of 1, 2, 4 … 1024 pages.

A free block of order *k* is 2^k pages, aligned to its size.  Its **buddy** is the block at ``pfn XOR 2^k``; two free
buddies become one block of order k + 1::

    order 2  [ 8  9 10 11 ]            free 8: its buddy 9 is in use      → stays order 0
    order 1  [ 8  9 ][10 11]           free 9: merges with 8, then 8-11   → order 2
    order 0  [ 8 ][ 9 ][10][11]

Free lists are kept per order *and migrate type*: pages that can be moved (user memory, page cache) apart from those
that cannot (page tables, slab), so that a huge page is available later.  The type belongs to the **pageblock** (512
pages); a list that runs dry takes from another type's (``fallback.py``).  In front of the lists stand those of each
CPU (``pcp.py``).

Follows mm/page_alloc.c of Linux 6.1: ``__rmqueue_smallest``, ``expand``, ``__free_one_page``.

Not modelled: CMA, isolation, guard pages, page shuffling.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import State, zone_at, zone_of

NR_PCP_TYPES = cython.declare(u32, 3)

SOURCE = "mm/page_alloc.c", "v6.1"


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
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if pfn < zone.start_pfn or pfn >= zone.start_pfn + zone.spanned:
        return False
    return page.order == order and page.owner == OWNER_BUDDY and page.flags & PG_HEAD != 0


def mergeable(s: State, buddy: u32, mt: u32) -> cython.bint:
    """Whole pageblocks merge when both types are ordinary ones."""
    other: u32 = s.pageblock[buddy >> PAGEBLOCK_ORDER]
    return other == mt or (other < MIGRATE_HIGHATOMIC and mt < MIGRATE_HIGHATOMIC)


def can_split_to(s: State, zone: u32, order: u32, highatomic: cython.bint) -> cython.bint:
    """Whether a free block of at least *order* stands on an ordinary type's list, or on the one for atomic blocks."""
    o: u32
    mt: u32
    for o in range(order, NR_ORDERS):
        for mt in range(MIGRATE_HIGHATOMIC):
            if zone_at(s, zone).free_area[o][mt].nr:
                return True
        if highatomic and zone_at(s, zone).free_area[o][MIGRATE_HIGHATOMIC].nr:
            return True
    return False
