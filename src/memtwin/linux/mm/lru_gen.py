"""The lists of the multi-gen LRU: pages by generation, and what moves one from a generation to the next.

Instead of one active and one inactive list each type of page, anonymous and file, has two to four **generations**.
They are numbered since boot; the youngest is ``max_seq``, the oldest of a type ``min_seq[type]``, and four places are
used round and round::

    min_seq          …          max_seq - 1        max_seq
    │ oldest │  …  │ second youngest │ youngest │
       ▲  reclaim takes from here           ▲  what was used comes here, when page tables are walked
    count as inactive               count as active

Where a page comes in (``lru_gen_add_page``):

=============================================================== ======================
faulted in by a task, or activated                              youngest
anonymous; dirty or under writeback and waited for              second youngest
written at last, which reclaim waited for                       oldest, at its tail
any other (read ahead, read with a system call)                 oldest, or the next one
=============================================================== ======================

A page that page tables say was used is *promoted*: it says the youngest generation, and stays where it is until
reclaim meets it and puts it there.  What system calls use is not moved at all: uses are counted, and pages used twice,
three or four times, and more often are in **tiers** 1, 2 and 3.  A tier is *protected*, its pages go one generation up
instead of away, if more of it came back than of the first tier that it is compared with::

    error is positive, no protection:  refaulted < 64  or
        refaulted * (first tier's total + 64) * its gain  <=  (first tier's refaulted + 1) * total * gain

where each figure is that of the generation under eviction plus an average of those before (each worth half of its
successor).

Follows include/linux/mm_inline.h and mm/vmscan.c of Linux 6.12 (``lru_gen_add_folio``, ``lru_gen_del_folio``,
``folio_update_gen``, ``folio_inc_gen``, ``positive_ctrl_err``, ``inc_min_seq``, ``try_to_inc_min_seq``,
``inc_max_seq``), mm/swap.c (``folio_inc_refs``).

Not modelled: memory cgroups' own generations, statistics of old generations (CONFIG_LRU_GEN_STATS).
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import State, nr_pages, page_lruvec, zone_at, zone_of

SOURCE = "mm/vmscan.c", "v6.12"


def page_lru_refs(s: State, pfn: u32) -> u32:
    """Uses of a page by system calls beyond the first, 0 to 4."""
    flags: u32 = s.pages[pfn].flags
    return ((flags & PG_REFS_MASK) >> PG_REFS_SHIFT) + (1 if flags & PG_WORKINGSET else 0)


def lru_tier_from_refs(refs: u32) -> u32:
    """The tier of that many uses: 0, 1, 2, 2, 3."""
    return 0 if not refs else (1 if refs == 1 else (2 if refs < 4 else 3))


def update_lru_size(s: State, zone: u32, lru: u32, delta: i64):
    """Move the node's and the zone's counter of a list; both stand in the order of the lists."""
    s.node_data[0].stat[lru] += delta
    zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + lru] += delta


def page_type(s: State, pfn: u32) -> u32:
    """LRU_GEN_ANON, or LRU_GEN_FILE for what swap does not back."""
    return LRU_GEN_ANON if s.pages[pfn].flags & PG_SWAPBACKED else LRU_GEN_FILE


def lru_gen_update_size(s: State, pfn: u32, old: u32, new: u32):
    """Count a page that comes to a generation, leaves one, or both; generations as :func:`page_lru_gen` has them."""
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    kind: u32 = page_type(s, pfn)
    zone: u32 = zone_of(s, pfn)
    lru: u32 = LRU_INACTIVE_FILE if kind else 0
    nr: i64 = nr_pages(s, pfn)
    if old:
        gen.nr_pages[old - 1][kind][zone] -= nr
        update_lru_size(s, zone, lru + (LRU_ACTIVE_ANON if lru_gen_is_active(gen, old - 1) else 0), -nr)
    if new:
        gen.nr_pages[new - 1][kind][zone] += nr
        update_lru_size(s, zone, lru + (LRU_ACTIVE_ANON if lru_gen_is_active(gen, new - 1) else 0), nr)


def list_of(page: cython.pointer(Page)) -> u32:
    """The place of the generation whose list a page stands on."""
    return (page.flags & PG_LIST_MASK) >> PG_LIST_SHIFT


def note_list(page: cython.pointer(Page), place: u32):
    """Remember whose list a page stands on."""
    page.flags = (page.flags & ~cython.cast(u32, PG_LIST_MASK)) | (place << PG_LIST_SHIFT)


def lru_gen_add_page(s: State, pfn: u32, reclaiming: cython.bint) -> cython.bint:
    """Put a page on the list of its generation; False: it belongs on a list of the other policy.

    *reclaiming*: reclaim waited for its write: it goes to the tail.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    kind: u32 = page_type(s, pfn)
    seq: u64
    place: u32
    if page.flags & PG_UNEVICTABLE or not gen.enabled:
        return False
    if page.flags & PG_ACTIVE:
        seq = gen.max_seq
    elif (kind == LRU_GEN_ANON and not page.flags & PG_SWAPCACHE) or (
        page.flags & PG_RECLAIM and page.flags & (PG_DIRTY | PG_WRITEBACK)
    ):
        seq = gen.max_seq - 1
    elif reclaiming or gen.min_seq[kind] + MIN_NR_GENS >= gen.max_seq:
        seq = gen.min_seq[kind]
    else:
        seq = gen.min_seq[kind] + 1
    place = lru_gen_from_seq(seq)
    page.flags = (page.flags & ~cython.cast(u32, PG_GEN_MASK | PG_ACTIVE)) | ((place + 1) << PG_GEN_SHIFT)
    lru_gen_update_size(s, pfn, 0, place + 1)
    if reclaiming:
        list_add_tail(s.pages, cython.address(gen.lists[place][kind][zone_of(s, pfn)]), pfn)
    else:
        list_add(s.pages, cython.address(gen.lists[place][kind][zone_of(s, pfn)]), pfn)
    note_list(page, place)
    return True


def lru_gen_del_page(s: State, pfn: u32, reclaiming: cython.bint) -> cython.bint:
    """Take a page off the list of its generation; False: it is on none.  But to reclaim, one of the young is active."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    old: u32 = page_lru_gen(s, pfn)
    if not old:
        return False
    lru_gen_update_size(s, pfn, old, 0)
    list_del(s.pages, cython.address(gen.lists[list_of(page)][page_type(s, pfn)][zone_of(s, pfn)]), pfn)
    page.flags &= ~cython.cast(u32, PG_GEN_MASK)
    if not reclaiming and lru_gen_is_active(gen, old - 1):
        page.flags |= PG_ACTIVE
    return True


def lru_gen_move(s: State, pfn: u32, place: u32, tail: cython.bint):
    """Put a page that is on a list on that of another generation, at its head or tail; its counts are not touched."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    kind: u32 = page_type(s, pfn)
    zone: u32 = zone_of(s, pfn)
    list_del(s.pages, cython.address(gen.lists[list_of(page)][kind][zone]), pfn)
    if tail:
        list_add_tail(s.pages, cython.address(gen.lists[place][kind][zone]), pfn)
    else:
        list_add(s.pages, cython.address(gen.lists[place][kind][zone]), pfn)
    note_list(page, place)


# --- uses ------------------------------------------------------------------------------------------------------------


def page_inc_refs(s: State, pfn: u32):
    """Count a use by a system call: the first sets *referenced*, the second *workingset*, then up to three more."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_UNEVICTABLE:
        return
    if not page.flags & PG_REFERENCED:
        page.flags |= PG_REFERENCED
    elif not page.flags & PG_WORKINGSET:
        page.flags |= PG_WORKINGSET
    elif page.flags & PG_REFS_MASK != PG_REFS_MASK:
        page.flags += 1 << PG_REFS_SHIFT


def page_update_gen(s: State, pfn: u32, place: u32) -> cython.bint:
    """Promote a page that page tables say was used; False: reclaim holds it, and sees *referenced*."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    old: u32 = page_lru_gen(s, pfn)
    if not old:
        page.flags |= PG_REFERENCED
        return False
    page.flags &= ~cython.cast(u32, PG_GEN_MASK | PG_REFS_MASK | PG_REFERENCED | PG_WORKINGSET)
    page.flags |= (place + 1) << PG_GEN_SHIFT
    if old != place + 1:
        lru_gen_update_size(s, pfn, old, place + 1)
    return True


def page_inc_gen(s: State, pfn: u32, reclaiming: cython.bint) -> u32:
    """Move a page of the oldest generation one up; returns its place.  One that was promoted already has another."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    old: u32 = lru_gen_from_seq(gen.min_seq[page_type(s, pfn)])
    new: u32 = lru_gen_from_seq(gen.min_seq[page_type(s, pfn)] + 1)
    if page_lru_gen(s, pfn) != old + 1:
        return page_lru_gen(s, pfn) - 1
    page.flags &= ~cython.cast(u32, PG_GEN_MASK | PG_REFS_MASK | PG_REFERENCED | PG_WORKINGSET)
    page.flags |= (new + 1) << PG_GEN_SHIFT
    if reclaiming:
        page.flags |= PG_RECLAIM
    lru_gen_update_size(s, pfn, old + 1, new + 1)
    return new


# --- which tiers are protected ---------------------------------------------------------------------------------------


def read_ctrl_pos(gen: cython.pointer(LruGen), kind: u32, tier: u32, gain: u64, pos: cython.pointer(CtrlPos)):
    """Refaults of a tier and what they are measured by: of the generation under eviction and the average before it."""
    pos.refaulted = gen.avg_refaulted[kind][tier] + gen.refaulted[kind][tier]
    pos.total = gen.avg_total[kind][tier] + gen.evicted[kind][tier] + gen.protected_pages[kind][tier]
    pos.gain = gain


def reset_ctrl_pos(gen: cython.pointer(LruGen), kind: u32):
    """A generation is used up: its counts become part of the averages."""
    tier: u32
    for tier in range(MAX_NR_TIERS):
        gen.avg_refaulted[kind][tier] = (gen.avg_refaulted[kind][tier] + gen.refaulted[kind][tier]) // 2
        gen.avg_total[kind][tier] = (
            gen.avg_total[kind][tier] + gen.evicted[kind][tier] + gen.protected_pages[kind][tier]
        ) // 2
        gen.refaulted[kind][tier] = gen.evicted[kind][tier] = gen.protected_pages[kind][tier] = 0


def positive_ctrl_err(sp: cython.pointer(CtrlPos), pv: cython.pointer(CtrlPos)) -> cython.bint:
    """Whether so few of *pv* came back, by itself or beside *sp*, that it needs no protection."""
    return (
        pv.refaulted < MIN_LRU_BATCH
        or pv.refaulted * (sp.total + MIN_LRU_BATCH) * sp.gain <= (sp.refaulted + 1) * pv.total * pv.gain
    )


# --- generations -----------------------------------------------------------------------------------------------------


def is_empty_gen(gen: cython.pointer(LruGen), place: u32, kind: u32) -> cython.bint:
    """Whether no page of a type stands on a generation's lists."""
    zone: u32
    for zone in range(MAX_NR_ZONES):
        if gen.lists[place][kind][zone].head:
            return False
    return True


def inc_min_seq(s: State, gen: cython.pointer(LruGen), kind: u32, can_swap: cython.bint):
    """Give up the oldest generation of a type, to make room: its pages go to the tail of the next.

    Anonymous pages that cannot be swapped stay, and count as the youngest then: they are not reclaimed anyway.
    """
    zone: u32
    place: u32 = lru_gen_from_seq(gen.min_seq[kind])
    pfn: u32
    if kind == LRU_GEN_FILE or can_swap:
        for zone in range(MAX_NR_ZONES):
            while gen.lists[place][kind][zone].tail:
                pfn = gen.lists[place][kind][zone].tail
                lru_gen_move(s, pfn, page_inc_gen(s, pfn, False), True)
    reset_ctrl_pos(gen, kind)
    gen.min_seq[kind] += 1


def try_to_inc_min_seq(s: State, gen: cython.pointer(LruGen), can_swap: cython.bint) -> cython.bint:
    """Pass over oldest generations that are empty; whether any was.  Files are never older than anonymous pages."""
    kind: u32
    first: u32 = LRU_GEN_ANON if can_swap else LRU_GEN_FILE
    min_seq: u64[2]
    done: cython.bint = False
    min_seq[LRU_GEN_ANON] = gen.min_seq[LRU_GEN_ANON]
    min_seq[LRU_GEN_FILE] = gen.min_seq[LRU_GEN_FILE]
    for kind in range(first, 2):
        while min_seq[kind] + MIN_NR_GENS <= gen.max_seq and is_empty_gen(gen, lru_gen_from_seq(min_seq[kind]), kind):
            min_seq[kind] += 1
    if can_swap:
        min_seq[LRU_GEN_ANON] = min(min_seq[LRU_GEN_ANON], min_seq[LRU_GEN_FILE])
        min_seq[LRU_GEN_FILE] = max(min_seq[LRU_GEN_ANON], gen.min_seq[LRU_GEN_FILE])
    for kind in range(first, 2):
        if min_seq[kind] != gen.min_seq[kind]:
            reset_ctrl_pos(gen, kind)
            gen.min_seq[kind] = min_seq[kind]
            done = True
    return done


def inc_max_seq(s: State, gen: cython.pointer(LruGen), seq: u64, can_swap: cython.bint) -> cython.bint:
    """Make a new youngest generation after *seq*; False: another has."""
    kind: u32
    zone: u32
    lru: u32
    before: u32 = lru_gen_from_seq(seq - 1)
    after: u32 = lru_gen_from_seq(seq + 1)
    delta: i64
    if seq != gen.max_seq:
        return False
    for kind in range(2):
        if get_nr_gens(gen, 1 - kind) == MAX_NR_GENS:
            inc_min_seq(s, gen, 1 - kind, can_swap)
    for kind in range(2):
        lru = LRU_INACTIVE_FILE if kind else 0
        for zone in range(MAX_NR_ZONES):
            delta = gen.nr_pages[before][kind][zone] - gen.nr_pages[after][kind][zone]
            update_lru_size(s, zone, lru, delta)
            update_lru_size(s, zone, lru + LRU_ACTIVE_ANON, -delta)
    gen.birth_ns[after] = s.now_ns
    gen.max_seq += 1
    return True
