"""What an allocation does when the free lists of its own migrate type are empty: it takes from another type's.

Pages that can be moved and pages that cannot are kept apart by pageblock.  Where that cannot be, the largest free block
of another type is taken, so that few pageblocks are mixed, and all free pages of its pageblock with it where that is
worth the trouble: the **pageblock changes its type** if at least half of it is free or of the new kind.  Mixing raises
the zone's marks for a while (``boost_watermark``), so that kswapd makes room.

Up to 6.1 a small piece may be moved to the other type's lists without its pageblock, which raises the marks too.  6.12
either claims a whole pageblock, or takes one piece and leaves the rest where it is.

Follows mm/page_alloc.c of Linux 6.1: ``__rmqueue_fallback``, ``steal_suitable_fallback``, ``move_freepages_block``;
and of 6.12: ``__rmqueue_claim``, ``try_to_steal_block``, ``__rmqueue_steal``.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import State, zone_at
from cython.cimports.memtwin.linux.mm.buddy import del_page_from_free_list, expand, rmqueue_smallest
from cython.cimports.memtwin.linux.mm.mmzone import boost_watermark

NR_PCP_TYPES = cython.declare(u32, 3)

SOURCE = "mm/page_alloc.c", "v6.1"

NO_BLOCK = cython.declare(u32, ~cython.cast(u32, 0))


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


def least_order(order: u32, alloc_flags: u32) -> i32:
    """The smallest block of another type that a request takes: a pageblock, if it may not mix any."""
    return PAGEBLOCK_ORDER if alloc_flags & ALLOC_NOFRAGMENT and order < PAGEBLOCK_ORDER else order


def first_in_block(s: State, zone: cython.pointer(Zone), pfn: u32) -> u32:
    """The first frame of a pageblock that can be moved to other lists; NO_BLOCK: it goes beyond its zone.

    Of one that begins before its zone 6.1 moves what lies behind *pfn*.
    """
    start: u32 = pfn & ~cython.cast(u32, PAGEBLOCK_NR - 1)
    if start + PAGEBLOCK_NR > zone.start_pfn + zone.spanned:
        return NO_BLOCK
    if start >= zone.start_pfn:
        return start
    return NO_BLOCK if s.features.fallback_claims else pfn


def moves_pageblock(s: State, zone: int, pfn: int) -> bool:
    """Whether a frame's pageblock can be moved to the lists of another type, or a part of it."""
    return first_in_block(s, zone_at(s, zone), pfn) != NO_BLOCK


def move_freepages_block(s: State, zone: cython.pointer(Zone), pfn: u32, mt: u32) -> u32:
    """Move every free block of the pageblock to the lists of *mt*; return how many pages that were."""
    at: u32 = first_in_block(s, zone, pfn)
    end: u32 = (pfn | (PAGEBLOCK_NR - 1)) + 1
    order: u32
    moved: u32 = 0
    if at == NO_BLOCK:
        return 0
    while at < end:
        if s.pages[at].owner == OWNER_BUDDY and s.pages[at].flags & PG_HEAD:
            order = s.pages[at].order
            list_del(s.pages, cython.address(zone.free_area[order][s.pages[at].migratetype]), at)
            s.pages[at].migratetype = mt
            list_add_tail(s.pages, cython.address(zone.free_area[order][mt]), at)
            moved += 1 << order
            at += 1 << order
        else:
            at += 1
    return moved


def movable_pages_in_block(s: State, zone: cython.pointer(Zone), pfn: u32) -> u32:
    """Pages of a pageblock that could be migrated away: those on LRU lists; it can be moved (``first_in_block``)."""
    at: u32 = first_in_block(s, zone, pfn)
    i: u32
    movable: u32 = 0
    for i in range(at, (pfn | (PAGEBLOCK_NR - 1)) + 1):
        if s.pages[i].flags & PG_LRU:
            movable += 1
    return movable


def free_pages_in_block(s: State, pfn: u32) -> u32:
    """Free pages of a pageblock that lies in its zone."""
    at: u32 = pfn & ~cython.cast(u32, PAGEBLOCK_NR - 1)
    end: u32 = at + PAGEBLOCK_NR
    free: u32 = 0
    while at < end:
        if s.pages[at].owner == OWNER_BUDDY and s.pages[at].flags & PG_HEAD:
            free += 1 << s.pages[at].order
            at += 1 << s.pages[at].order
        else:
            at += 1
    return free


def steal_suitable_fallback(s: State, z: u32, pfn: u32, mt: u32, whole: cython.bint, alloc_flags: u32):
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
        boost_watermark(s, z, alloc_flags & ALLOC_KSWAPD != 0)
        whole = whole and first_in_block(s, zone, pfn) != NO_BLOCK
    if not whole:
        list_del(s.pages, cython.address(zone.free_area[order][s.pages[pfn].migratetype]), pfn)
        s.pages[pfn].migratetype = mt
        list_add_tail(s.pages, cython.address(zone.free_area[order][mt]), pfn)
        return
    movable = movable_pages_in_block(s, zone, pfn)
    free = move_freepages_block(s, zone, pfn, mt)
    alike = 0
    if mt == MIGRATE_MOVABLE:
        alike = movable
    elif old_type == MIGRATE_MOVABLE:
        alike = PAGEBLOCK_NR - (free + movable)
    if free + alike >= PAGEBLOCK_NR // 2:
        s.pageblock[pfn >> PAGEBLOCK_ORDER] = mt


def rmqueue_fallback(s: State, z: u32, order: u32, mt: u32, alloc_flags: u32) -> cython.bint:
    """Bring another type's free pages to the lists of *mt*: the largest first, so that few pageblocks are mixed."""
    zone: cython.pointer(Zone) = zone_at(s, z)
    current: i32
    attempt: u32
    pfn: u32
    for current in range(NR_ORDERS - 1, least_order(order, alloc_flags) - 1, -1):
        for attempt in range(2):
            pfn = zone.free_area[current][fallback_type(mt, attempt)].head
            if not pfn:
                continue
            if can_steal(current, mt):
                steal_suitable_fallback(s, z, pfn, mt, True, alloc_flags)
                return True
            if mt == MIGRATE_MOVABLE and cython.cast(u32, current) > order:
                return steal_smallest(s, z, order, mt, alloc_flags)
            steal_suitable_fallback(s, z, pfn, mt, False, alloc_flags)
            return True
    return False


def steal_smallest(s: State, z: u32, order: u32, mt: u32, alloc_flags: u32) -> cython.bint:
    """Movable pages can live anywhere: take the smallest piece that will do and leave the pageblock its type."""
    current: u32
    attempt: u32
    pfn: u32
    for current in range(order, NR_ORDERS):
        for attempt in range(2):
            pfn = zone_at(s, z).free_area[current][fallback_type(mt, attempt)].head
            if pfn:
                steal_suitable_fallback(s, z, pfn, mt, can_steal(current, mt), alloc_flags)
                return True
    return False


def try_to_steal_block(s: State, z: u32, pfn: u32, order: u32, mt: u32, alloc_flags: u32) -> u32:
    """Claim the pageblock of a free block of another type and take from it; 0: too little of it is free or alike."""
    zone: cython.pointer(Zone) = zone_at(s, z)
    current: u32 = s.pages[pfn].order
    old_type: u32 = s.pageblock[pfn >> PAGEBLOCK_ORDER]
    block: u32
    movable: u32
    free: u32
    alike: u32 = 0
    if old_type == MIGRATE_HIGHATOMIC:
        return 0
    if current >= PAGEBLOCK_ORDER:
        for block in range(pfn >> PAGEBLOCK_ORDER, (pfn + (1 << current)) >> PAGEBLOCK_ORDER):
            s.pageblock[block] = mt
        del_page_from_free_list(s, zone, pfn)
        expand(s, zone, pfn, order, current, mt)
        return pfn
    boost_watermark(s, z, alloc_flags & ALLOC_KSWAPD != 0)
    if first_in_block(s, zone, pfn) == NO_BLOCK:
        return 0
    movable = movable_pages_in_block(s, zone, pfn)
    free = free_pages_in_block(s, pfn)
    if mt == MIGRATE_MOVABLE:
        alike = movable
    elif old_type == MIGRATE_MOVABLE:
        alike = PAGEBLOCK_NR - (free + movable)
    if free + alike < PAGEBLOCK_NR // 2:
        return 0
    move_freepages_block(s, zone, pfn, mt)
    s.pageblock[pfn >> PAGEBLOCK_ORDER] = mt
    return rmqueue_smallest(s, zone, order, mt)


def rmqueue_claim(s: State, z: u32, order: u32, mt: u32, alloc_flags: u32) -> u32:
    """Take a block by claiming a pageblock of another type, that of the largest free block first; 0: none can be."""
    current: i32
    attempt: u32
    pfn: u32
    for current in range(NR_ORDERS - 1, least_order(order, alloc_flags) - 1, -1):
        for attempt in range(2):
            pfn = zone_at(s, z).free_area[current][fallback_type(mt, attempt)].head
            if not pfn:
                continue
            if not can_steal(current, mt):
                return 0
            pfn = try_to_steal_block(s, z, pfn, order, mt, alloc_flags)
            if pfn:
                return pfn
            break
    return 0


def rmqueue_steal(s: State, z: u32, order: u32, mt: u32) -> u32:
    """Take the smallest free block of another type that will do, and leave the pageblock its type; 0: there is none."""
    current: u32
    attempt: u32
    old_type: u32
    pfn: u32
    for current in range(order, NR_ORDERS):
        for attempt in range(2):
            old_type = fallback_type(mt, attempt)
            pfn = zone_at(s, z).free_area[current][old_type].head
            if pfn:
                del_page_from_free_list(s, zone_at(s, z), pfn)
                expand(s, zone_at(s, z), pfn, order, current, old_type)
                return pfn
    return 0


def rmqueue_mode(s: State, z: u32, order: u32, mt: u32, alloc_flags: u32, mode: cython.pointer(u32)) -> u32:
    """Take a block of the type's own lists, else claim a pageblock, else steal; ``mode[0]``: what the last one needed.

    6.12: pageblocks are not mixed half way, and only a claim raises the marks.
    """
    pfn: u32 = 0
    if mode[0] == RMQUEUE_NORMAL:
        pfn = rmqueue_smallest(s, zone_at(s, z), order, mt)
    if not pfn and mode[0] != RMQUEUE_STEAL:
        pfn = rmqueue_claim(s, z, order, mt, alloc_flags)
    if not pfn and not alloc_flags & ALLOC_NOFRAGMENT:
        pfn = rmqueue_steal(s, z, order, mt)
        mode[0] = RMQUEUE_STEAL if pfn else mode[0]
    return pfn


def rmqueue_types(s: State, z: u32, order: u32, mt: u32, alloc_flags: u32, mode: cython.pointer(u32)) -> u32:
    """Take a block out of the free lists, from other types' if need be; 0 when there is none.

    *alloc_flags*: ALLOC_KSWAPD: the request may wake kswapd, where that raises the marks; ALLOC_NOFRAGMENT: only whole
    pageblocks are taken from other types, so that none is mixed.
    """
    pfn: u32
    if s.features.fallback_claims:
        return rmqueue_mode(s, z, order, mt, alloc_flags, mode)
    pfn = rmqueue_smallest(s, zone_at(s, z), order, mt)
    while not pfn and rmqueue_fallback(s, z, order, mt, alloc_flags):
        pfn = rmqueue_smallest(s, zone_at(s, z), order, mt)
    return pfn


def rmqueue_buddy(s: State, z: u32, order: u32, mt: u32, alloc_flags: u32, mode: cython.pointer(u32)) -> u32:
    """As :func:`rmqueue_types`, and from what is kept for atomic blocks: first for one, last for who must not fail."""
    pfn: u32 = 0
    if alloc_flags & ALLOC_HIGHATOMIC:
        pfn = rmqueue_smallest(s, zone_at(s, z), order, MIGRATE_HIGHATOMIC)
    if not pfn:
        pfn = rmqueue_types(s, z, order, mt, alloc_flags, mode)
    if not pfn and alloc_flags & (ALLOC_OOM | ALLOC_NON_BLOCK):
        pfn = rmqueue_smallest(s, zone_at(s, z), order, MIGRATE_HIGHATOMIC)
    if pfn:
        zone_at(s, z).stat[NR_FREE_PAGES] -= 1 << order
    return pfn


# --- what is kept for atomic blocks ----------------------------------------------------------------------------------


def most_reserved(s: State, z: u32) -> u64:
    """Pages of a zone that may be kept: 1 % and a pageblock; since 6.12 1 %, rounded up, or none if that is less."""
    share: u64 = zone_at(s, z).managed // 100
    if not s.features.highatomic_free:
        return share + PAGEBLOCK_NR
    return 0 if share < PAGEBLOCK_NR else (share + PAGEBLOCK_NR - 1) // PAGEBLOCK_NR * PAGEBLOCK_NR


def reserve_highatomic_pageblock(s: State, z: u32, pfn: u32):
    """A block went to a request that cannot wait: keep the rest of its pageblock for others like it."""
    zone: cython.pointer(Zone) = zone_at(s, z)
    if zone.nr_reserved_highatomic >= most_reserved(s, z) or s.pageblock[pfn >> PAGEBLOCK_ORDER] >= MIGRATE_HIGHATOMIC:
        return
    zone.nr_reserved_highatomic += PAGEBLOCK_NR
    s.pageblock[pfn >> PAGEBLOCK_ORDER] = MIGRATE_HIGHATOMIC
    move_freepages_block(s, zone, pfn, MIGRATE_HIGHATOMIC)


def unreserve_zone(s: State, z: u32, mt: u32) -> cython.bint:
    """Give the pageblock of the smallest free block that is kept to the lists of *mt*; False: none has one."""
    zone: cython.pointer(Zone) = zone_at(s, z)
    order: u32
    pfn: u32
    for order in range(NR_ORDERS):
        pfn = zone.free_area[order][MIGRATE_HIGHATOMIC].head
        if not pfn:
            continue
        if s.pageblock[pfn >> PAGEBLOCK_ORDER] == MIGRATE_HIGHATOMIC:
            zone.nr_reserved_highatomic -= min(cython.cast(u64, PAGEBLOCK_NR), zone.nr_reserved_highatomic)
        s.pageblock[pfn >> PAGEBLOCK_ORDER] = mt
        move_freepages_block(s, zone, pfn, mt)
        return True
    return False


def unreserve_highatomic_pageblock(s: State, highest_zone: u32, mt: u32, force: cython.bint) -> cython.bint:
    """Give one pageblock that is kept to those who would else get nothing; each zone's last one only with *force*."""
    z: u32 = highest_zone + 1
    while z:
        z -= 1
        if zone_at(s, z).nr_reserved_highatomic > (0 if force else PAGEBLOCK_NR) and unreserve_zone(s, z, mt):
            return True
    return False
