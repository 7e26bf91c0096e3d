"""madvise: what a process says about memory that it has.

========= ===========================================================================================================
dontneed  the pages go at once; the next touch gets zeroes, or the file's page
free      they may go when memory is short, without being written; a write before that keeps the page
willneed  what is swapped out is read into the swap cache, a file's pages into the page cache
cold      they go to the inactive list, and count as unused
pageout   they are reclaimed now, used or not
hugepage  first touches get huge pages, where ``enabled`` is not *never*; khugepaged looks at the area
nohuge…   they do not
========= ===========================================================================================================

``free``, ``cold`` and ``pageout`` leave pages alone that others map too.  A huge page of which they mean a part is
split.  ``free`` is for anonymous memory alone: a file's, shared memory too, is EINVAL.

Follows mm/madvise.c and mm/vmscan.c (``reclaim_pages``) of Linux 6.1.

Not modelled: populate, collapse, fork hints.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    file_at,
    is_compound,
    is_cut_off,
    mm_at,
    page_mapped,
    set_current,
    spend_ns,
    table_at,
    task_at,
    this_cpu,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import is_huge_zero_pmd, pmd_gather, pmd_page, split_huge_pmd
from cython.cimports.memtwin.linux.mm.huge_split import split_huge_page
from cython.cimports.memtwin.linux.mm.khugepaged import khugepaged_enter_vma
from cython.cimports.memtwin.linux.mm.memory_range import zap_page_range
from cython.cimports.memtwin.linux.mm.page_io import finish_plug
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.readahead import read_pages
from cython.cimports.memtwin.linux.mm.shmem import shmem_swap_entry
from cython.cimports.memtwin.linux.mm.swap import (
    deactivate_page,
    lru_add_drain,
    lru_del,
    mark_page_lazyfree,
    put_page,
)
from cython.cimports.memtwin.linux.mm.swapfile import free_swap_and_cache, try_to_free_swap
from cython.cimports.memtwin.linux.mm.swapin import read_swap_cache_async
from cython.cimports.memtwin.linux.mm.vma import find_vma_index, merge_neighbours, split_vma
from cython.cimports.memtwin.linux.mm.vmscan import ReclaimStat, putback_lru_pages, shrink_page_list
from cython.cimports.memtwin.linux.mm.vmscan_node import init_scan

from memtwin.linux.core.state import raise_if_broken


def free_entry(s: State, mm: u32, table: u32, vpn: u64):
    """MADV_FREE of one page: a slot is freed at once, a page may be thrown away later."""
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
    pfn: u32 = cython.cast(u32, entry[0] >> 12)
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if entry[0] & PTE_SWAP:
        entry[0] = 0
        table_at(s, table).tag[vpn & (PTRS_PER_TABLE - 1)] = 0
        mm_at(s, mm).rss[MM_SWAPENTS] -= 1
        free_swap_and_cache(s, pfn)
        return
    if entry[0] & PTE_SPECIAL or page.owner != OWNER_ANON:
        return
    if page.flags & (PG_SWAPCACHE | PG_DIRTY):
        if page.mapcount != 1 or (page.flags & PG_SWAPCACHE and not try_to_free_swap(s, pfn)):
            return
        page.flags &= ~cython.cast(u32, PG_DIRTY)
    entry[0] &= ~cython.cast(u64, PTE_ACCESSED | PTE_DIRTY)
    mark_page_lazyfree(s, pfn)


def cold_entry(s: State, entry: cython.pointer(u64), pageout: cython.pointer(List)):
    """MADV_COLD and MADV_PAGEOUT of one page; *pageout* gathers those that are to be reclaimed now."""
    pfn: u32 = cython.cast(u32, entry[0] >> 12)
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if entry[0] & PTE_SPECIAL or page.mapcount != 1:
        return
    entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
    cool_page(s, pfn, pageout)


def cool_page(s: State, pfn: u32, pageout: cython.pointer(List)):
    """Let a page be reclaimed soon: deactivate it, or take it off its list for *pageout*."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.flags &= ~cython.cast(u32, PG_REFERENCED)
    if page.flags & PG_ACTIVE and s.features.advice_workingset:
        page.flags |= PG_WORKINGSET
    if pageout == cython.NULL:
        deactivate_page(s, pfn)
    elif page.flags & (PG_LRU | PG_UNEVICTABLE) == PG_LRU:
        lru_del(s, pfn)
        page.flags &= ~cython.cast(u32, PG_ACTIVE)
        page.refcount += 1
        list_add(s.pages, pageout, pfn)


def advise_huge_pmd(s: State, vma: u32, table: u32, nr: u64, advice: u32, pageout: cython.pointer(List)) -> cython.bint:
    """Free or cool what a huge entry maps, or *nr* pages of it; False: it is to be done by single entries.

    What others map too is left alone.
    """
    head: u32 = pmd_page(s, table)
    if is_huge_zero_pmd(s, table):
        if advice == MADV_FREE:
            split_huge_pmd(s, vma, table, False)
            return False
        return True
    if page_mapped(s, head) != 1:
        return True
    if nr != PTRS_PER_TABLE:
        return not split_for_advice(s, head)
    if advice == MADV_FREE:
        give_huge_pmd_up(s, table)
    else:
        cold_huge_pmd(s, table, pageout)
    return True


def is_part_of_huge(s: State, pte: u64) -> cython.bint:
    """Whether an entry is a huge one, or maps a frame of a huge page."""
    if pte & PTE_HUGE:
        return True
    if not pte & (PTE_PRESENT | PTE_PROTNONE) or pte & PTE_SPECIAL:
        return False
    return is_compound(s, cython.cast(u32, pte >> 12))


def advise_huge(
    s: State, vma: u32, table: u32, vpn: u64, limit: u64, advice: u32, pageout: cython.pointer(List)
) -> cython.bint:
    """Carry an advice out on what is huge at page *vpn*; True: the range is done with up to *limit*."""
    if table_at(s, table).entry[0] & PTE_HUGE:
        return advise_huge_pmd(s, vma, table, limit - vpn, advice, pageout)
    return not split_for_advice(s, cython.cast(u32, table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] >> 12))


def split_for_advice(s: State, pfn: u32) -> cython.bint:
    """Split the huge page of a frame that one process alone maps; False: it is shared, or cannot be split."""
    head: u32 = compound_head(s, pfn)
    done: cython.bint
    if s.pages[pfn].mapcount != 1:
        return False
    s.pages[head].refcount += 1
    done = split_huge_page(s, head, cython.NULL)
    put_page(s, head)
    return done


def give_huge_pmd_up(s: State, table: u32):
    """MADV_FREE of a whole huge page: it may be thrown away later, if it is not written to before."""
    head: u32 = pmd_page(s, table)
    s.pages[head].flags &= ~cython.cast(u32, PG_DIRTY)
    pmd_gather(s, table, PTE_ACCESSED, True)
    pmd_gather(s, table, PTE_DIRTY, True)
    mark_page_lazyfree(s, head)


def cold_huge_pmd(s: State, table: u32, pageout: cython.pointer(List)):
    """MADV_COLD and MADV_PAGEOUT of a whole huge page."""
    pmd_gather(s, table, PTE_ACCESSED, True)
    cool_page(s, pmd_page(s, table), pageout)


def hugepage_madvise(s: State, mm: u32, index: u32, start: u64, end: u64, advice: u32) -> u32:
    """Say of the part of an area that lies in the range whether it is to have huge pages; returns its area's index.

    The part is split off, or becomes one with neighbours that are alike.
    """
    area: cython.pointer(Vma) = vma_at(s, mm_at(s, mm).vmas[index])
    first: u64 = max(area.start, start)
    flags: u32 = area.flags & ~cython.cast(u32, VM_HUGEPAGE | VM_NOHUGEPAGE)
    flags |= VM_HUGEPAGE if advice == MADV_HUGEPAGE else VM_NOHUGEPAGE
    if advice == MADV_HUGEPAGE:
        khugepaged_enter_vma(s, mm_at(s, mm).vmas[index], flags)
    if flags == area.flags:
        return index
    if area.start < start:
        split_vma(s, mm_at(s, mm).vmas[index], start)
        index += 1
    if vma_at(s, mm_at(s, mm).vmas[index]).end > end:
        split_vma(s, mm_at(s, mm).vmas[index], end)
    vma_at(s, mm_at(s, mm).vmas[index]).flags = flags
    merge_neighbours(s, mm, index)
    return find_vma_index(s, mm, first)


def madvise_walk(s: State, vma: u32, start: u64, end: u64, advice: u32):
    """Go through the mapped pages of a range of one area; page tables are the portions in which pages are paged out."""
    mm: u32 = vma_at(s, vma).mm
    vpn: u64 = start
    table: u32
    pte: u64
    taken: List
    pageout: cython.pointer(List) = cython.NULL
    taken.head = taken.tail = 0
    taken.nr = 0
    if advice == MADV_PAGEOUT:
        pageout = cython.address(taken)
    while vpn < end and not (not vpn & (PTRS_PER_TABLE - 1) and is_cut_off(s)):
        table = walk(s, mm, vpn)
        if not table:
            vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
            continue
        pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
        if is_part_of_huge(s, pte) and advise_huge(
            s, vma, table, vpn, min((vpn | (PTRS_PER_TABLE - 1)) + 1, end), advice, pageout
        ):
            vpn = min(vpn | (PTRS_PER_TABLE - 1), end - 1)
        elif advice == MADV_FREE:
            if pte:
                free_entry(s, mm, table, vpn)
        elif pte & (PTE_PRESENT | PTE_PROTNONE):
            cold_entry(s, cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]), pageout)
        vpn += 1
        if taken.head and (vpn == end or not vpn & (PTRS_PER_TABLE - 1)):
            reclaim_pages(s, cython.address(taken))


def madvise_willneed(s: State, vma: u32, start: u64, end: u64):
    """Start reading what is swapped out of a range, or a file's pages."""
    vpn: u64
    table: u32
    pte: u64
    if vma_at(s, vma).file and file_at(s, vma_at(s, vma).file).kind == FILE_SHMEM:
        shmem_willneed(s, vma, start, end)
        return
    if vma_at(s, vma).file:
        read_pages(s, vma_at(s, vma).filp, vma_at(s, vma).pgoff + (start - vma_at(s, vma).start), end - start, 0)
        return
    for vpn in range(start, end):
        if is_cut_off(s):
            break
        table = walk(s, vma_at(s, vma).mm, vpn)
        pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] if table else 0
        if pte & PTE_SWAP:
            read_swap_cache_async(s, cython.cast(u32, pte >> 12))
    lru_add_drain(s)


def shmem_willneed(s: State, vma: u32, start: u64, end: u64):
    """Start reading what is swapped out of shared memory."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    file: u32 = area.file
    first: u64 = area.pgoff + (start - area.start)
    index: u64
    entry: u32
    for index in range(first, min(first + (end - start), file_at(s, file).nr_pages)):
        if is_cut_off(s):
            break
        entry = shmem_swap_entry(s, file, index)
        if entry:
            read_swap_cache_async(s, entry)
    lru_add_drain(s)


def reclaim_pages(s: State, chain: cython.pointer(List)):
    """Reclaim isolated pages, used or not; what cannot be taken goes back."""
    sc: ScanControl
    stat: ReclaimStat
    stat.nr_dirty = stat.nr_unqueued_dirty = stat.nr_congested = stat.nr_writeback = 0
    stat.nr_immediate = stat.nr_pageout = stat.nr_activated = 0
    init_scan(cython.address(sc), GFP_KERNEL, 0, ZONE_MOVABLE)
    sc.priority = DEF_PRIORITY
    sc.ignore_references = True
    this_cpu(s).memalloc += 1
    shrink_page_list(s, cython.address(sc), chain, cython.address(stat))
    putback_lru_pages(s, chain)
    this_cpu(s).memalloc -= 1


def do_madvise(s: State, task: u32, start: u64, end: u64, advice: u32):
    """Carry an advice out on every area of a range; EINVAL: it is not for an area, what lies before that is done."""
    mm: u32 = task_at(s, task).mm
    index: u32 = find_vma_index(s, mm, start)
    code: u32 = OK
    area: cython.pointer(Vma)
    first: u64
    last: u64
    if advice >= MADV_HUGEPAGE and s.thp & THP_UNSUPPORTED:
        return EINVAL
    if advice < MADV_HUGEPAGE and advice != MADV_WILLNEED:
        lru_add_drain(s)
    while index < mm_at(s, mm).nr_vmas:
        area = vma_at(s, mm_at(s, mm).vmas[index])
        if area.start >= end:
            break
        first = max(area.start, start)
        last = min(area.end, end)
        if advice == MADV_WILLNEED:
            madvise_willneed(s, mm_at(s, mm).vmas[index], first, last)
        elif advice >= MADV_HUGEPAGE:
            index = hugepage_madvise(s, mm, index, first, last, advice)
        elif area.flags & VM_LOCKED or (advice == MADV_FREE and area.file):
            code = EINVAL
            break
        elif advice == MADV_DONTNEED:
            zap_page_range(s, task, mm, first, last)
        else:
            madvise_walk(s, mm_at(s, mm).vmas[index], first, last, advice)
        index += 1
    finish_plug(s)
    return code


def madvise(s: State, task: int, start: int, pages: int, advice: int) -> int:
    """Give an advice on pages; returns an Outcome.

    0 dontneed, 1 free, 2 willneed, 3 cold, 4 pageout, 5 hugepage, 6 nohugepage.
    """
    first: u64 = start
    end: u64 = first + pages
    what: u32 = advice
    set_current(s, task)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    code: u32
    with cython.nogil:
        code = do_madvise(s, this_cpu(s).current, first, end, what)
    raise_if_broken(s)
    return code
