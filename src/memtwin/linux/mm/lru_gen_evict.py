"""Eviction by the multi-gen LRU: which type of page goes, which of the oldest generation, and when a new one is due.

One eviction takes up to 64 pages from the tail of the oldest generation of one type, files or anonymous::

    no swap to speak of (below 64 slots), swappiness 0        files
    the oldest anonymous generation is older than any file's  anonymous
    swappiness 1, 200                                         files, anonymous
    else                                                      files if they come back less, weighed by swappiness

Before 6.3 a reclaim that may not swap takes files first instead of files alone, and one that may not do I/O takes what
is clean.

What it meets on the way is *sorted* instead of taken: a page that a walk has promoted goes to its generation, one of a
protected tier one generation up, a dirty page of a file or one under writeback to the head of the next.  A page that
was used again since is promoted (``lru_gen_look_around``).  Then empty generations are passed over.

Follows mm/vmscan.c of Linux 6.12 (``sort_folio``, ``isolate_folio``, ``scan_folios``, ``get_type_to_scan``,
``isolate_folios``, ``evict_folios``).

Not modelled: memory cgroups, reclaim that user space asks for.
"""

import cython
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.list import list_add, list_del
from cython.cimports.memtwin.linux.core.state import (
    State,
    mod_lruvec_page_state,
    nr_pages,
    page_mapped,
    scanned_pgdat,
    spend_ns,
    zone_of,
)
from cython.cimports.memtwin.linux.mm.lru_gen import (
    CtrlPos,
    get_nr_gens,
    lru_gen_del_page,
    lru_gen_from_seq,
    lru_gen_move,
    lru_tier_from_refs,
    page_inc_gen,
    page_lru_gen,
    page_lru_refs,
    page_type,
    positive_ctrl_err,
    read_ctrl_pos,
    try_to_inc_min_seq,
)
from cython.cimports.memtwin.linux.mm.swap import lru_add, lru_cache_add, put_page
from cython.cimports.memtwin.linux.mm.vmscan import ReclaimStat, putback_lru_pages, shrink_page_list, splice_head

SOURCE = "mm/vmscan.c", "v6.12"

MAX_SWAPPINESS = cython.declare(u32, 200)
ALL_USES = cython.declare(u32, 4)


def get_swappiness(s: State, sc: cython.pointer(ScanControl)) -> u32:
    """vm.swappiness; 0 where the caller may not swap, or hardly a slot is free."""
    if not sc.may_swap or s.nr_swap_pages < MIN_LRU_BATCH:
        return 0
    return cython.cast(u32, s.sysctl.swappiness)


def swappiness_of_pass(s: State, sc: cython.pointer(ScanControl)) -> u32:
    """The swappiness of a pass: before 6.3 one that may not swap, as for boosted watermarks, prefers files."""
    if s.features.gen_node_lists or sc.may_swap:
        return get_swappiness(s, sc)
    return 1 if s.nr_swap_pages >= MIN_LRU_BATCH and s.sysctl.swappiness else 0


# --- sorting and isolating -------------------------------------------------------------------------------------------


def is_waiting(s: State, pfn: u32) -> cython.bint:
    """Whether a page cannot go before something is written, or read."""
    flags: u32 = s.pages[pfn].flags
    return flags & (PG_LOCKED | PG_WRITEBACK) != 0 or (page_type(s, pfn) == LRU_GEN_FILE and flags & PG_DIRTY != 0)


def sort_page(s: State, sc: cython.pointer(ScanControl), pfn: u32, tier_limit: u32) -> cython.bint:
    """Put a page where it belongs if that is not with those that are taken; whether it was so."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    kind: u32 = page_type(s, pfn)
    refs: u32 = page_lru_refs(s, pfn)
    tier: u32 = lru_tier_from_refs(refs)
    if page.flags & (PG_UNEVICTABLE | PG_MLOCKED):
        if not s.features.gen_node_lists:
            return False
        lru_gen_del_page(s, pfn, True)
        page.flags |= PG_UNEVICTABLE
        lru_add(s, pfn)
        s.event[UNEVICTABLE_PGS_CULLED] += nr_pages(s, pfn)
    elif page_lru_gen(s, pfn) != lru_gen_from_seq(gen.min_seq[kind]) + 1:
        lru_gen_move(s, pfn, page_lru_gen(s, pfn) - 1, False)
    elif tier > tier_limit or refs == ALL_USES:
        lru_gen_move(s, pfn, page_inc_gen(s, pfn, False), True)
        gen.protected_pages[kind][tier] += nr_pages(s, pfn)
        if not s.features.gen_refaults_all:
            mod_lruvec_page_state(s, pfn, WORKINGSET_ACTIVATE_ANON + kind, nr_pages(s, pfn))
    elif zone_of(s, pfn) > sc.reclaim_idx:
        lru_gen_move(s, pfn, page_inc_gen(s, pfn, False), True)
    elif is_waiting(s, pfn):
        lru_gen_move(s, pfn, page_inc_gen(s, pfn, True), False)
    else:
        return False
    return True


def isolate_page(s: State, sc: cython.pointer(ScanControl), pfn: u32) -> cython.bint:
    """Take a page off its list to reclaim it; False: the caller may not do the I/O that it needs."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    may_write: cython.bint = sc.may_writepage and sc.gfp & GFP_IO
    if not may_write and (page.flags & PG_DIRTY or (page.owner == OWNER_ANON and not page.flags & PG_SWAPCACHE)):
        return False
    page.refcount += 1
    if not page.flags & PG_REFERENCED:
        page.flags &= ~cython.cast(u32, PG_REFS_MASK | PG_REFERENCED | PG_WORKINGSET)
    page.flags &= ~cython.cast(u32, PG_RECLAIM | PG_REFERENCED | PG_LRU)
    lru_gen_del_page(s, pfn, True)
    return True


def scan_zone(
    s: State,
    sc: cython.pointer(ScanControl),
    kind: u32,
    tier_limit: u32,
    zone: u32,
    taken: cython.pointer(List),
    sorted_pages: cython.pointer(u64),
    remaining: cython.pointer(u64),
    isolated: cython.pointer(u64),
) -> u64:
    """Look at the oldest generation of a type in one zone until 64 pages are taken or passed over; returns how many."""
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    chain: cython.pointer(List) = cython.address(gen.lists[lru_gen_from_seq(gen.min_seq[kind])][kind][zone])
    skipped: List
    skipped_pages: u64 = 0
    pfn: u32
    nr: u64
    scanned: u64 = 0
    skipped.head = skipped.tail = 0
    skipped.nr = 0
    while chain.tail:
        pfn = chain.tail
        nr = nr_pages(s, pfn)
        scanned += nr
        if sort_page(s, sc, pfn, tier_limit):
            sorted_pages[0] += nr
        elif isolate_page(s, sc, pfn):
            list_add(s.pages, taken, pfn)
            isolated[0] += nr
        else:
            list_del(s.pages, chain, pfn)
            list_add(s.pages, cython.address(skipped), pfn)
            skipped_pages += nr
        remaining[0] -= 1
        if not remaining[0] or isolated[0] >= MIN_LRU_BATCH or skipped_pages >= MIN_LRU_BATCH:
            break
    s.event[PGSKIP_DMA + zone] += skipped_pages
    splice_head(s, cython.address(skipped), chain)
    return scanned


def scan_pages(
    s: State, sc: cython.pointer(ScanControl), kind: u32, tier_limit: u32, taken: cython.pointer(List)
) -> u64:
    """Take up to 64 pages of a type; returns how many were scanned, 0: nothing came of it."""
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    i: u32
    scanned: u64 = 0
    sorted_pages: u64 = 0
    isolated: u64 = 0
    remaining: u64 = MAX_LRU_BATCH
    if get_nr_gens(gen, kind) == MIN_NR_GENS:
        return 0
    for i in range(MAX_NR_ZONES):
        scanned += scan_zone(
            s,
            sc,
            kind,
            tier_limit,
            (sc.reclaim_idx + MAX_NR_ZONES - i) % MAX_NR_ZONES,
            taken,
            cython.address(sorted_pages),
            cython.address(remaining),
            cython.address(isolated),
        )
        if not remaining or isolated >= MIN_LRU_BATCH:
            break
    s.event[PGSCAN_KSWAPD if sc.kswapd else PGSCAN_DIRECT] += isolated
    s.event[PGSCAN_ANON + kind] += isolated
    s.event[PGREFILL] += sorted_pages
    spend_ns(s, sorted_pages * s.cost_ns[COST_FORK_PAGE])
    return scanned if isolated or not remaining else 0


# --- which type ------------------------------------------------------------------------------------------------------


def get_tier_idx(gen: cython.pointer(LruGen), kind: u32) -> u32:
    """The highest tier of a type that is taken: each above it comes back twice as much as the first, or more."""
    tier: u32
    sp: CtrlPos
    pv: CtrlPos
    read_ctrl_pos(gen, kind, 0, 1, cython.address(sp))
    for tier in range(1, MAX_NR_TIERS):
        read_ctrl_pos(gen, kind, tier, 2, cython.address(pv))
        if not positive_ctrl_err(cython.address(sp), cython.address(pv)):
            return tier - 1
    return MAX_NR_TIERS - 1


def get_type_to_scan(gen: cython.pointer(LruGen), swappiness: u32, tier_limit: cython.pointer(i64)) -> u32:
    """The type whose first tier comes back less, weighed by swappiness; ``tier_limit[0]``: its highest tier to take."""
    gain: u64[2]
    kind: u32
    tier: u32
    sp: CtrlPos
    pv: CtrlPos
    gain[LRU_GEN_ANON] = swappiness
    gain[LRU_GEN_FILE] = MAX_SWAPPINESS - swappiness
    read_ctrl_pos(gen, LRU_GEN_ANON, 0, gain[LRU_GEN_ANON], cython.address(sp))
    read_ctrl_pos(gen, LRU_GEN_FILE, 0, gain[LRU_GEN_FILE], cython.address(pv))
    kind = LRU_GEN_FILE if positive_ctrl_err(cython.address(sp), cython.address(pv)) else LRU_GEN_ANON
    read_ctrl_pos(gen, 1 - kind, 0, gain[1 - kind], cython.address(sp))
    tier_limit[0] = MAX_NR_TIERS - 1
    for tier in range(1, MAX_NR_TIERS):
        read_ctrl_pos(gen, kind, tier, gain[kind], cython.address(pv))
        if not positive_ctrl_err(cython.address(sp), cython.address(pv)):
            tier_limit[0] = tier - 1
            break
    return kind


def first_type(s: State, sc: cython.pointer(ScanControl), swappiness: u32, tier_limit: cython.pointer(i64)) -> u32:
    """The type to take from; ``tier_limit[0]``: its highest tier to take, -1: not decided."""
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    tier_limit[0] = -1
    if not swappiness:
        return LRU_GEN_FILE
    if gen.min_seq[LRU_GEN_ANON] < gen.min_seq[LRU_GEN_FILE]:
        return LRU_GEN_ANON
    if swappiness == 1:
        return LRU_GEN_FILE
    if swappiness == MAX_SWAPPINESS:
        return LRU_GEN_ANON
    if not sc.gfp & GFP_IO and s.features.gen_node_lists:
        return LRU_GEN_FILE
    return get_type_to_scan(gen, swappiness, tier_limit)


def isolate_pages(
    s: State,
    sc: cython.pointer(ScanControl),
    swappiness: u32,
    kind: cython.pointer(u32),
    taken: cython.pointer(List),
) -> u64:
    """Take pages of one type, or of the other where there are none; returns how many were scanned."""
    tier_limit: i64 = -1
    scanned: u64 = 0
    kind[0] = first_type(s, sc, swappiness, cython.address(tier_limit))
    for _ in range(2 if swappiness else 1):
        if tier_limit < 0:
            tier_limit = get_tier_idx(cython.address(scanned_pgdat(s, sc).lruvec.gen), kind[0])
        scanned = scan_pages(s, sc, kind[0], cython.cast(u32, tier_limit), taken)
        if scanned:
            break
        kind[0] = 1 - kind[0]
        tier_limit = -1
    return scanned


# --- one eviction ----------------------------------------------------------------------------------------------------


def sort_kept(s: State, taken: cython.pointer(List), clean: cython.pointer(List), retried: cython.bint):
    """Say of pages that could not be taken where they go; *clean* gathers those to try again at once."""
    pfn: u32 = taken.tail
    before: u32
    flags: u32
    while pfn:
        before = s.pages[pfn].prev
        flags = s.pages[pfn].flags
        if flags & (PG_UNEVICTABLE | PG_MLOCKED):
            list_del(s.pages, taken, pfn)
            lru_cache_add(s, pfn)
            put_page(s, pfn)
        elif flags & PG_RECLAIM and flags & (PG_DIRTY | PG_WRITEBACK):
            s.pages[pfn].flags |= PG_REFERENCED if flags & PG_WORKINGSET else 0
        elif (
            retried or flags & (PG_ACTIVE | PG_REFERENCED | PG_LOCKED | PG_DIRTY | PG_WRITEBACK) or page_mapped(s, pfn)
        ):
            s.pages[pfn].flags = (flags & ~cython.cast(u32, PG_REFS_MASK | PG_REFERENCED | PG_WORKINGSET)) | PG_ACTIVE
        else:
            list_del(s.pages, taken, pfn)
            list_add(s.pages, clean, pfn)
        pfn = before


def evict_pages(s: State, sc: cython.pointer(ScanControl), swappiness: u32) -> u64:
    """Take up to 64 pages and reclaim them; returns how many were scanned, 0: there is no more to take."""
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    taken: List
    clean: List
    stat: ReclaimStat
    kind: u32 = 0
    scanned: u64
    freed: u64
    retried: cython.bint = False
    taken.head = taken.tail = clean.head = clean.tail = 0
    taken.nr = clean.nr = 0
    scanned = isolate_pages(s, sc, swappiness, cython.address(kind), cython.address(taken))
    scanned += try_to_inc_min_seq(s, gen, swappiness != 0)
    if get_nr_gens(gen, LRU_GEN_ANON if swappiness else LRU_GEN_FILE) == MIN_NR_GENS:
        scanned = 0
    sc.gen_swapped |= taken.head != 0 and kind == LRU_GEN_ANON
    while taken.head:
        memset(cython.address(stat), 0, cython.sizeof(ReclaimStat))
        spend_ns(s, s.cost_ns[COST_SHRINK])
        freed = shrink_page_list(s, sc, cython.address(taken), cython.address(stat))
        sc.nr_reclaimed += freed
        sort_kept(s, cython.address(taken), cython.address(clean), retried)
        putback_lru_pages(s, cython.address(taken))
        s.event[PGSTEAL_KSWAPD if sc.kswapd else PGSTEAL_DIRECT] += freed
        s.event[PGSTEAL_ANON + kind] += freed
        taken = clean
        clean.head = clean.tail = 0
        clean.nr = 0
        retried = True
    return scanned
