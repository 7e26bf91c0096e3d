"""Splitting huge pages, and what reclaim asks of one: was it used, and unmap it everywhere.

A huge page is split into 512 pages when it cannot go to swap as a whole, when a program says something about a part of
it (``madvise.py``), and when memory is short and it **waits to be split** because only parts of it are mapped: what is
not mapped is free then.

::

    huge page, partly mapped                    M M M . . . . . M M M M       512 frames in use
    split                                       M M M               M M M M   the others are free

It can be split if nothing but its mappings, the swap cache and the caller refers to it.  The pages keep its flags, and
stand beside the first on its list, or on the list of the caller that reclaims it.

Follows mm/huge_memory.c (``split_huge_page_to_list``, ``deferred_split_scan``) and mm/rmap.c
(``folio_referenced_one``, ``try_to_unmap_one``) of Linux 6.1 and 6.12.

Not modelled: huge pages of files, tasks on other CPUs that meet the lock of a split.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import (
    State,
    anon_vma_at,
    avc_at,
    entire_mapcount,
    hooks,
    page_lruvec,
    page_mapped,
    spend_ns,
    table_at,
    vma_at,
    zone_of,
)
from cython.cimports.memtwin.linux.mm.huge_page import deferred_split_page, undefer_split
from cython.cimports.memtwin.linux.mm.huge_pmd import is_huge_pmd, pmd_gather, pmd_page, split_huge_pmd
from cython.cimports.memtwin.linux.mm.lru_gen import list_of, page_type
from cython.cimports.memtwin.linux.mm.lru_gen_walk import lru_gen_look_around
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.rmap import unmap_one
from cython.cimports.memtwin.linux.mm.swap import page_lru, put_page
from cython.cimports.memtwin.linux.mm.swapfile import try_to_free_swap

SOURCE = "mm/huge_memory.c", "v6.1"

TICK_NS = cython.declare(u64, 4_000_000)

KEPT_FLAGS = cython.declare(
    u32,
    PG_REFERENCED
    | PG_SWAPBACKED
    | PG_SWAPCACHE
    | PG_MLOCKED
    | PG_UPTODATE
    | PG_ACTIVE
    | PG_WORKINGSET
    | PG_UNEVICTABLE
    | PG_DIRTY
    | PG_GEN_MASK
    | PG_REFS_MASK
    | PG_LIST_MASK,
)


# --- who maps a huge page --------------------------------------------------------------------------------------------


def next_huge_mapping(s: State, head: u32, m: cython.pointer(HugeMapping)) -> cython.bint:
    """The next area that may map some of a huge page's frames; False: there is no more."""
    index: u64 = s.pages[head].index
    link: u32 = avc_at(s, m.avc).next_same_av if m.avc else anon_vma_at(s, s.pages[head].mapping).avc
    area: cython.pointer(Vma)
    first: u64
    last: u64
    while link:
        area = vma_at(s, avc_at(s, link).vma)
        first = max(area.pgoff, index)
        last = min(area.pgoff + (area.end - area.start), index + HPAGE_PMD_NR)
        if first < last:
            m.avc = link
            m.vma = avc_at(s, link).vma
            m.first = area.start + (first - area.pgoff)
            m.end = area.start + (last - area.pgoff)
            m.pfn = head + cython.cast(u32, first - index)
            return True
        link = avc_at(s, link).next_same_av
    return False


def mapped_entry(s: State, m: cython.pointer(HugeMapping), vpn: u64) -> cython.pointer(u64):
    """The page-table entry that maps the frame for page *vpn* of such an area; NULL: none does."""
    table: u32 = walk(s, vma_at(s, m.vma).mm, vpn)
    entry: cython.pointer(u64)
    if not table:
        return cython.NULL
    entry = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
    if not entry[0] & (PTE_PRESENT | PTE_PROTNONE) or entry[0] >> 12 != m.pfn + (vpn - m.first):
        return cython.NULL
    return entry


def huge_mapping_table(s: State, head: u32, m: cython.pointer(HugeMapping)) -> u32:
    """The table that stands for the huge entry by which an area maps a page; 0: it maps it by single entries."""
    table: u32 = walk(s, vma_at(s, m.vma).mm, m.first)
    return table if is_huge_pmd(s, table) and pmd_page(s, table) == head else 0


# --- what reclaim asks -----------------------------------------------------------------------------------------------


def huge_page_referenced(s: State, head: u32, vm_flags: cython.pointer(u32)) -> u32:
    """How many areas used a huge page since this was last asked, as ``page_referenced`` does."""
    m: HugeMapping
    used: u32 = 0
    m.avc = 0
    vm_flags[0] = 0
    while next_huge_mapping(s, head, cython.address(m)):
        if vma_at(s, m.vma).flags & VM_LOCKED and huge_mapping_table(s, head, cython.address(m)):
            vm_flags[0] |= VM_LOCKED
            break
        if mapping_referenced(s, head, cython.address(m)):
            used += 1
            vm_flags[0] |= vma_at(s, m.vma).flags & ~cython.cast(u32, VM_LOCKED)
    return used


def mapping_referenced(s: State, head: u32, m: cython.pointer(HugeMapping)) -> cython.bint:
    """Whether one area used a huge page, by its huge entry or any single one; their accessed bits are cleared."""
    table: u32 = huge_mapping_table(s, head, m)
    entry: cython.pointer(u64)
    vpn: u64
    used: cython.bint = False
    if table:
        return pmd_gather(s, table, PTE_ACCESSED, True)
    for vpn in range(m.first, m.end):
        entry = mapped_entry(s, m, vpn)
        if entry == cython.NULL or not entry[0] & PTE_ACCESSED:
            continue
        used = True
        if page_lruvec(s, head).gen.enabled:
            lru_gen_look_around(s, head, m.vma, vpn, entry)
        entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
    return used


def try_to_unmap_huge(s: State, head: u32) -> cython.bint:
    """Take a huge page from all who map it, by single entries; returns whether one had written to it.

    As ``try_to_unmap`` does: one given up with MADV_FREE stays if it was written to since, and so does what a locked
    area maps.
    """
    m: HugeMapping
    dirty: cython.bint = False
    lazy: cython.bint = not s.pages[head].flags & PG_SWAPBACKED
    m.avc = 0
    while page_mapped(s, head) and next_huge_mapping(s, head, cython.address(m)):
        if vma_at(s, m.vma).flags & VM_LOCKED:
            break
        if not unmap_huge_mapping(s, head, cython.address(m), lazy, cython.address(dirty)):
            break
    return dirty


def unmap_huge_mapping(
    s: State, head: u32, m: cython.pointer(HugeMapping), lazy: cython.bint, dirty: cython.pointer(cython.bint)
) -> cython.bint:
    """Take a huge page from one area; False: it was written to since it was given up."""
    table: u32 = huge_mapping_table(s, head, m)
    entry: cython.pointer(u64)
    vpn: u64
    if table:
        split_huge_pmd(s, m.vma, table, False)
    for vpn in range(m.first, m.end):
        entry = mapped_entry(s, m, vpn)
        if entry == cython.NULL:
            continue
        dirty[0] = dirty[0] or entry[0] & PTE_DIRTY != 0
        if lazy and (dirty[0] or s.pages[head].flags & PG_DIRTY):
            s.pages[head].flags |= PG_SWAPBACKED
            return False
        unmap_one(s, m.pfn + cython.cast(u32, vpn - m.first), vma_at(s, m.vma).mm, vpn, entry)
    return True


# --- splitting -------------------------------------------------------------------------------------------------------


def can_split_huge_page(s: State, head: u32) -> cython.bint:
    """Whether nothing but mappings, the swap cache and the caller refers to a huge page (can_split_folio)."""
    cached: u32 = HPAGE_PMD_NR if s.pages[head].flags & PG_SWAPCACHE else 0
    return s.pages[head].refcount == page_mapped(s, head) + cached + 1


def unmap_to_split(s: State, head: u32):
    """Let single entries map a huge page in all areas.

    Up to 6.1 the page counts as one that waits to be split while its mappings are replaced.
    """
    m: HugeMapping
    table: u32
    m.avc = 0
    if not page_mapped(s, head):
        return
    while entire_mapcount(s, head)[0] and next_huge_mapping(s, head, cython.address(m)):
        table = huge_mapping_table(s, head, cython.address(m))
        if table:
            split_huge_pmd(s, m.vma, table, True)
    if not s.features.deferred_if_mapped:
        deferred_split_page(s, head, True)


def split_tail(s: State, head: u32, tail: u32, chain: cython.pointer(List)):
    """Make one of a huge page's frames a page, with the flags of the whole, beside it or on the list *chain*."""
    page: cython.pointer(Page) = cython.address(s.pages[tail])
    cached: cython.bint = s.pages[head].flags & PG_SWAPCACHE != 0
    page.flags = (page.flags & PG_ANON_EXCLUSIVE) | (s.pages[head].flags & KEPT_FLAGS)
    page.refcount = page.mapcount + cached
    if not cached:
        page.private = 0
    if chain != cython.NULL:
        page.refcount += 1
        list_add_tail(s.pages, chain, tail)
    else:
        page.flags |= PG_LRU
        list_add_older(s, list_of_page(s, head), head, tail)


def list_of_page(s: State, pfn: u32) -> cython.pointer(List):
    """The list that a page stands on, of either policy."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_GEN_MASK:
        return cython.address(page_lruvec(s, pfn).gen.lists[list_of(page)][page_type(s, pfn)][zone_of(s, pfn)])
    return cython.address(page_lruvec(s, pfn).lists[page_lru(s, pfn)])


def list_add_older(s: State, chain: cython.pointer(List), head: u32, pfn: u32):
    """Put a page before another on its list, on the side of the list's head."""
    before: u32 = s.pages[head].prev
    s.pages[pfn].prev = before
    s.pages[pfn].next = head
    s.pages[head].prev = pfn
    if before:
        s.pages[before].next = pfn
    else:
        chain.head = pfn
    chain.nr += 1


def split_huge_page(s: State, head: u32, chain: cython.pointer(List)) -> cython.bint:
    """Make 512 pages of a huge one that the caller refers to; the others go on *chain*, or beside it on its list.

    False: something else refers to it.  What nothing maps is free afterwards, but for the first, which the caller has.
    """
    page: cython.pointer(Page) = cython.address(s.pages[head])
    begun_ns: u64
    i: u32
    if page.flags & PG_WRITEBACK or not can_split_huge_page(s, head):
        s.event[THP_SPLIT_PAGE_FAILED] += 1
        return False
    unmap_to_split(s, head)
    undefer_split(s, head)
    page.refcount = page.mapcount + (page.flags & PG_SWAPCACHE != 0) + 1
    i = HPAGE_PMD_NR - 1
    while i:
        split_tail(s, head, head + i, chain)
        i -= 1
    page.flags &= ~cython.cast(u32, PG_HUGE | PG_HEAD)
    page.order = 0
    s.event[THP_SPLIT_PAGE] += 1
    begun_ns = s.now_ns
    spend_ns(s, HPAGE_PMD_NR * (s.cost_ns[COST_UNMAP_PAGE] + s.cost_ns[COST_FORK_PAGE]))
    for i in range(head + 1, head + HPAGE_PMD_NR):
        s.pages[i].refcount += 1
        if s.pages[i].flags & PG_SWAPCACHE and not s.pages[i].mapcount:
            try_to_free_swap(s, i)
        put_page(s, i)
    hold_anon_vma(s, anon_vma_at(s, page.mapping).root, begun_ns)
    return True


def hold_anon_vma(s: State, root: u32, begun_ns: u64):
    """Let others run before the lock is released under which a page was split: they keep all pages of that anon_vma.

    The kernel may switch at each of the 512 mappings that it replaces.  A task does here; a thread, which is not
    interrupted, keeps the lock until it runs again if a tick fell into its split; on a CPU of its own it keeps nothing.
    """
    if s.in_thread:
        s.split_anon_vma = root if s.now_ns // TICK_NS != begun_ns // TICK_NS else 0
    elif not s.runner:
        s.split_anon_vma = root
        hooks.cond_resched(s)
        s.split_anon_vma = 0


# --- pages that wait for it ------------------------------------------------------------------------------------------


def deferred_split_count(s: State) -> u64:
    """Huge pages that wait to be split."""
    return s.node_data[0].deferred_split.nr


def is_underused(s: State, head: u32) -> cython.bint:
    """Whether so much of a huge page is zeroes that khugepaged would not have made it; never by default."""
    zeroes: u32 = 0
    i: u32
    if s.khugepaged.max_ptes_none == HPAGE_PMD_NR - 1:
        return False
    for i in range(HPAGE_PMD_NR):
        zeroes += s.pages[head + i].tag == 0
    return zeroes > s.khugepaged.max_ptes_none


def deferred_split_scan(s: State, nr_to_scan: u64) -> u64:
    """Split up to *nr_to_scan* of them, the oldest first; returns how many were, those that cannot be stay."""
    queue: cython.pointer(List) = cython.address(s.node_data[0].deferred_split)
    head: u32
    underused: cython.bint
    done: u64 = 0
    left: u64 = min(nr_to_scan, queue.nr)
    while left and queue.nr:
        left -= 1
        head = queue.head - 1
        list_del(s.pages, queue, head + 1)
        list_add_tail(s.pages, queue, head + 1)
        underused = s.features.deferred_if_mapped and not s.pages[head].flags & PG_PARTLY_MAPPED
        if underused and not is_underused(s, head):
            undefer_split(s, head)
            continue
        s.pages[head].refcount += 1
        if split_huge_page(s, head, cython.NULL):
            done += 1
            s.event[THP_UNDERUSED_SPLIT_PAGE] += underused
        elif underused:
            undefer_split(s, head)
        put_page(s, head)
    return done
