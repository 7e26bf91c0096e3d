"""Ageing of the multi-gen LRU: page tables are walked for what was used, and a new generation begins.

Reclaim asks for a new generation when the oldest but one is reached.  Then the page tables of every address space
whose task ran since the last walk are read: what has its accessed bit set is promoted to the youngest generation, and
the bit is cleared.  After the last one the new generation begins, empty::

    Σ address spaces:  PMD entry not accessed      → skipped
                       not in the filter           → skipped
                       else 512 PTEs: accessed     → youngest generation
                       accessed * 8 >= read   → in the next walk's filter

A **Bloom filter** (2^15 bits, two hashes of the address of the PMD entry) holds the tables that are worth the work;
one serves the walk under way and the other gathers for the next.  Reclaim adds to it: where it finds a page used it
looks at up to 64 entries around that (``lru_gen_look_around``).  An address space that is new is walked whole.

Follows mm/vmscan.c of Linux 6.12 (``lru_gen_add_mm``, ``iterate_mm_list``, ``walk_mm``, ``walk_pmd_range``,
``walk_pte_range``, ``try_to_inc_max_seq``, ``lru_gen_look_around``).

Not modelled: contention for page-table locks, huge entries, hints that memory is read once (MADV_SEQUENTIAL, _RANDOM).
"""

import cython
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    file_at,
    mm_at,
    page_lruvec,
    scanned_pgdat,
    spend_ns,
    table_at,
    task_at,
    this_cpu,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.lru_gen import (
    inc_max_seq,
    lru_gen_from_seq,
    page_lru_gen,
    page_type,
    page_update_gen,
)
from cython.cimports.memtwin.linux.mm.pgtable import next_level, pmd_table, pmdp_test_and_clear_young
from cython.cimports.memtwin.linux.mm.swap import activate_page

SOURCE = "mm/vmscan.c", "v6.12"

DIRECT_MAP = cython.declare(u64, 0xFFFF888000000000)
GOLDEN_RATIO_64 = cython.declare(u64, 0x61C8864680B583EB)
LRU_BATCH_15 = cython.declare(u64, 15)
PTES_PER_CACHE_LINE = cython.declare(u32, 8)


# --- the address spaces that are walked ------------------------------------------------------------------------------


def lru_gen_add_mm(s: State, mm: u32):
    """Have the page tables of a new address space walked from now on."""
    state: cython.pointer(LruGenMmState) = cython.address(s.node_data[0].lruvec.mm_state)
    m: cython.pointer(Mm) = mm_at(s, mm)
    if state.tail_set and not state.tail:
        state.tail = mm
    m.gen_listed = True
    m.gen_prev = state.last
    if state.last:
        mm_at(s, state.last).gen_next = mm
    else:
        state.first = mm
    state.last = mm


def lru_gen_del_mm(s: State, mm: u32):
    """An address space is taken down: walks pass over it."""
    state: cython.pointer(LruGenMmState) = cython.address(s.node_data[0].lruvec.mm_state)
    m: cython.pointer(Mm) = mm_at(s, mm)
    if not m.gen_listed:
        return
    if state.begun and state.head == mm:
        state.head = m.gen_prev
    if state.tail_set and state.tail == mm:
        state.tail = m.gen_next
    if m.gen_prev:
        mm_at(s, m.gen_prev).gen_next = m.gen_next
    else:
        state.first = m.gen_next
    if m.gen_next:
        mm_at(s, m.gen_next).gen_prev = m.gen_prev
    else:
        state.last = m.gen_prev
    m.gen_listed = False


# --- Bloom filters ---------------------------------------------------------------------------------------------------


def bloom_item(s: State, table: u32, vpn: u64) -> u64:
    """The hash of a PMD entry: of its kernel address, as hash_ptr() makes it, 30 bits."""
    address: u64 = DIRECT_MAP + (cython.cast(u64, s.table_pfn[table]) << 12) + ((vpn >> 9) & (PTRS_PER_TABLE - 1)) * 8
    return (address * GOLDEN_RATIO_64) >> (64 - 2 * BLOOM_FILTER_SHIFT)


def test_bloom_filter(state: cython.pointer(LruGenMmState), seq: u64, item: u64) -> cython.bint:
    """Whether a table may be worth a walk; without a filter all are."""
    first: u64 = item & ((1 << BLOOM_FILTER_SHIFT) - 1)
    second: u64 = item >> BLOOM_FILTER_SHIFT
    if not state.filter_there[seq & 1]:
        return True
    return (
        state.filters[seq & 1][first >> 6] >> (first & 63) & 1
        and state.filters[seq & 1][second >> 6] >> (second & 63) & 1
    )


def update_bloom_filter(state: cython.pointer(LruGenMmState), seq: u64, item: u64):
    """Note a table that is worth a walk."""
    first: u64 = item & ((1 << BLOOM_FILTER_SHIFT) - 1)
    second: u64 = item >> BLOOM_FILTER_SHIFT
    if state.filter_there[seq & 1]:
        state.filters[seq & 1][first >> 6] |= cython.cast(u64, 1) << (first & 63)
        state.filters[seq & 1][second >> 6] |= cython.cast(u64, 1) << (second & 63)


def reset_bloom_filter(state: cython.pointer(LruGenMmState), seq: u64):
    """Empty a filter before the next walk gathers in it."""
    memset(cython.address(state.filters[seq & 1]), 0, cython.sizeof(u64) * (1 << BLOOM_FILTER_SHIFT) // 64)
    state.filter_there[seq & 1] = True


# --- one address space -----------------------------------------------------------------------------------------------


def suitable_to_scan(total: u64, young: u64) -> cython.bint:
    """Whether a table is worth a walk: one entry of each cache line was used, in the mean."""
    return young * PTES_PER_CACHE_LINE >= total


def should_skip_vma(s: State, vma: u32, can_swap: cython.bint) -> cython.bint:
    """Whether nothing of an area can be reclaimed, so that its page tables are not read."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    kind: u32
    if not area.flags & (VM_READ | VM_WRITE | VM_EXEC) or area.flags & (VM_LOCKED | VM_PFNMAP):
        return True
    if not area.file:
        return not can_swap
    kind = file_at(s, area.file).kind
    if kind == FILE_RAMFS or kind == FILE_VDSO:
        return True
    return kind == FILE_SHMEM and not can_swap


def clear_young(
    s: State, entry: cython.pointer(u64), seq: u64, can_swap: cython.bint, promote: cython.bint
) -> cython.bint:
    """Read and clear the accessed bit of a page-table entry; a page that was used becomes one of generation *seq*.

    Without *promote*, as in a task's own reclaim, it is queued for activation instead.
    """
    pfn: u32 = entry[0] >> 12
    page: cython.pointer(Page)
    if entry[0] & (PTE_PRESENT | PTE_SPECIAL | PTE_ACCESSED) != PTE_PRESENT | PTE_ACCESSED:
        return False
    pfn = compound_head(s, pfn)
    page = cython.address(s.pages[pfn])
    if page_type(s, pfn) == 0 and not can_swap:
        return False
    entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
    if (
        entry[0] & PTE_DIRTY
        and page.owner == OWNER_ANON
        and page.flags & (PG_SWAPBACKED | PG_SWAPCACHE) != PG_SWAPBACKED
    ):
        page.flags |= PG_DIRTY
    if promote:
        page_update_gen(s, pfn, lru_gen_from_seq(seq))
    elif not page_lru_gen(s, pfn):
        page.flags |= PG_REFERENCED
    elif page_lru_gen(s, pfn) != lru_gen_from_seq(seq) + 1:
        activate_page(s, pfn)
    return True


def walk_pte_range(
    s: State, sc: cython.pointer(ScanControl), mm: u32, index: u32, first: u64, table: u32
) -> cython.bint:
    """Read a PTE table from page *first* on, in the area at *index* and those behind; whether it is worth the work."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    limit: u64 = (first | (PTRS_PER_TABLE - 1)) + 1
    seq: u64 = s.node_data[0].lruvec.gen.max_seq
    area: cython.pointer(Vma)
    vpn: u64
    total: u64 = 0
    young: u64 = 0
    while index < m.nr_vmas and vma_at(s, m.vmas[index]).start < limit:
        area = vma_at(s, m.vmas[index])
        if not should_skip_vma(s, m.vmas[index], sc.gen_can_swap):
            for vpn in range(max(first, area.start), min(limit, area.end)):
                total += 1
                young += clear_young(
                    s,
                    cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]),
                    seq,
                    sc.gen_can_swap,
                    True,
                )
        index += 1
    spend_ns(s, young * s.cost_ns[COST_FORK_PAGE])
    return suitable_to_scan(total, young)


def walk_huge_pmd(s: State, sc: cython.pointer(ScanControl), table: u32):
    """Read and clear the accessed bit of a huge entry: those of the 512 that it is made of."""
    entry: cython.pointer(u64) = table_at(s, table).entry
    head: u32 = cython.cast(u32, entry[0] >> 12)
    young: cython.bint = False
    i: u32
    if entry[0] & PTE_SPECIAL:
        return
    for i in range(PTRS_PER_TABLE):
        young = young or entry[i] & PTE_ACCESSED != 0
        entry[i] &= ~cython.cast(u64, PTE_ACCESSED)
    if young:
        page_update_gen(s, head, lru_gen_from_seq(s.node_data[0].lruvec.gen.max_seq))
        spend_ns(s, s.cost_ns[COST_FORK_PAGE])


def walk_pmd(s: State, sc: cython.pointer(ScanControl), mm: u32, index: u32, first: u64):
    """Read the PTE table that maps page *first*, if it was used and the filter has it."""
    state: cython.pointer(LruGenMmState) = cython.address(scanned_pgdat(s, sc).lruvec.mm_state)
    middle: u32 = pmd_table(s, mm, first)
    nonleaf: cython.bint = s.lru_gen_caps & LRU_GEN_NONLEAF_YOUNG != 0
    item: u64
    if not middle or not next_level(s, middle, first, 9):
        return
    if table_at(s, next_level(s, middle, first, 9)).entry[0] & PTE_HUGE:
        walk_huge_pmd(s, sc, next_level(s, middle, first, 9))
        return
    if not sc.gen_force_scan and nonleaf and not pmdp_test_and_clear_young(s, middle, first):
        return
    item = bloom_item(s, middle, first)
    if not sc.gen_force_scan and not test_bloom_filter(state, sc.gen_seq, item):
        return
    if walk_pte_range(s, sc, mm, index, first, next_level(s, middle, first, 9)):
        update_bloom_filter(state, sc.gen_seq + 1, item)


def walk_mm(s: State, sc: cython.pointer(ScanControl), mm: u32):
    """Walk an address space: each table that maps something of an area, once."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    index: u32
    vpn: u64
    at: u64 = 0
    for index in range(m.nr_vmas):
        if should_skip_vma(s, m.vmas[index], sc.gen_can_swap):
            continue
        vpn = max(vma_at(s, m.vmas[index]).start, at)
        while vpn < vma_at(s, m.vmas[index]).end:
            walk_pmd(s, sc, mm, index, vpn)
            vpn = at = (vpn | (PTRS_PER_TABLE - 1)) + 1
    scanned_pgdat(s, sc).lruvec.mm_state.walks += 1


# --- all of them -----------------------------------------------------------------------------------------------------


def next_mm(s: State, state: cython.pointer(LruGenMmState), mm: u32) -> u32:
    """The address space behind another, or the first behind none; 0: there is none."""
    return mm_at(s, mm).gen_next if mm else state.first


def iterate_mm_list(s: State, sc: cython.pointer(ScanControl), last: cython.pointer(cython.bint)) -> u32:
    """The next address space to walk, 0: none; ``last[0]``: all are walked, the new generation can begin."""
    state: cython.pointer(LruGenMmState) = cython.address(scanned_pgdat(s, sc).lruvec.mm_state)
    mine: u32 = task_at(s, this_cpu(s).current).mm
    first: cython.bint = not state.begun or not state.head
    mm: u32
    last[0] = False
    if sc.gen_seq <= state.seq:
        return 0
    state.begun = True
    while True:
        mm = state.head = next_mm(s, state, state.head)
        if not mm:
            state.seq += 1
            last[0] = True
            return 0
        if not state.tail_set or state.tail == mm:
            state.tail_set = True
            state.tail = next_mm(s, state, mm)
            sc.gen_force_scan = True
        if sc.gen_force_scan or mm_at(s, mm).gen_used or mm == mine:
            mm_at(s, mm).gen_used = mm == mine
            if first:
                reset_bloom_filter(state, sc.gen_seq + 1)
            return mm


def try_to_inc_max_seq(
    s: State, sc: cython.pointer(ScanControl), can_swap: cython.bint, force_scan: cython.bint
) -> cython.bint:
    """Begin to make a new generation, by :func:`inc_max_seq_step`; False: another has finished its walk."""
    lruvec: cython.pointer(Lruvec) = cython.address(scanned_pgdat(s, sc).lruvec)
    if lruvec.gen.max_seq <= lruvec.mm_state.seq:
        return False
    sc.gen_aging = True
    sc.gen_seq = lruvec.gen.max_seq
    sc.gen_can_swap = can_swap
    sc.gen_force_scan = force_scan
    return True


def inc_max_seq_step(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Walk one address space more; after the last the new generation begins.  False: there is no more to do."""
    lruvec: cython.pointer(Lruvec) = cython.address(scanned_pgdat(s, sc).lruvec)
    gen: cython.pointer(LruGen) = cython.address(lruvec.gen)
    last: cython.bint = False
    mm: u32
    if not s.lru_gen_caps & LRU_GEN_MM_WALK:
        lruvec.mm_state.begun = lruvec.mm_state.tail_set = False
        lruvec.mm_state.head = lruvec.mm_state.tail = 0
        last = sc.gen_seq > lruvec.mm_state.seq
        lruvec.mm_state.seq += last
        mm = 0
    else:
        mm = iterate_mm_list(s, sc, cython.address(last))
    if mm:
        walk_mm(s, sc, mm)
        return True
    sc.gen_aging = False
    if last:
        inc_max_seq(s, gen, sc.gen_seq, sc.gen_can_swap)
    return False


# --- what reclaim finds ----------------------------------------------------------------------------------------------


def count_young(s: State, entry: cython.pointer(u64), count: u64) -> u64:
    """How many of those entries map a page of an older generation that was used."""
    young: u64 = 0
    pfn: u32
    i: u64
    for i in range(count):
        if entry[i] & (PTE_PRESENT | PTE_SPECIAL | PTE_ACCESSED) == PTE_PRESENT | PTE_ACCESSED:
            pfn = compound_head(s, cython.cast(u32, entry[i] >> 12))
            young += page_lru_gen(s, pfn) != 0 and (
                page_lru_gen(s, pfn) != lru_gen_from_seq(page_lruvec(s, pfn).gen.max_seq) + 1
            )
    return young


def lru_gen_look_around(s: State, pfn: u32, vma: u32, vpn: u64, entry: cython.pointer(u64)) -> cython.bint:
    """Whether a mapping of an isolated page was used; if so up to 64 entries around it are read too.

    kswapd promotes what it finds used, a task activates it; until 6.3 a task that finds 15 promotes them, and the
    page itself is among those read, which makes it referenced, so that reclaim activates it.
    """
    area: cython.pointer(Vma) = vma_at(s, vma)
    lruvec: cython.pointer(Lruvec) = page_lruvec(s, pfn)
    first: u64 = max(vpn & ~cython.cast(u64, PTRS_PER_TABLE - 1), area.start)
    end: u64 = min((vpn | (PTRS_PER_TABLE - 1)) + 1, area.end)
    can_swap: cython.bint = page_type(s, pfn) == 0
    promote: cython.bint = s.in_thread
    young: u64 = 1
    middle: u32
    at: u64
    if not entry[0] & PTE_ACCESSED:
        return False
    entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
    if not s.features.gen_node_lists:
        s.pages[compound_head(s, pfn)].flags |= PG_REFERENCED
    if area.flags & VM_PFNMAP or end - first == 1:
        return True
    if end - first > MIN_LRU_BATCH:
        if vpn - first < MIN_LRU_BATCH // 2:
            end = first + MIN_LRU_BATCH
        elif end - vpn < MIN_LRU_BATCH // 2:
            first = end - MIN_LRU_BATCH
        else:
            first = vpn - MIN_LRU_BATCH // 2
            end = vpn + MIN_LRU_BATCH // 2
    middle = pmd_table(s, area.mm, vpn)
    if not s.features.gen_node_lists:
        can_swap = True
        promote = promote or count_young(s, entry - cython.cast(i64, vpn - first), end - first) >= LRU_BATCH_15
    for at in range(first, end):
        young += clear_young(s, entry + cython.cast(i64, at - vpn), lruvec.gen.max_seq, can_swap, promote)
    if suitable_to_scan(end - first, young):
        update_bloom_filter(cython.address(lruvec.mm_state), lruvec.gen.max_seq, bloom_item(s, middle, vpn))
    return True
