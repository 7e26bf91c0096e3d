"""What fork and munmap do to page tables: copying them, and unmapping what they map.

Fork copies the entries of areas whose pages cannot be faulted in again (those with anonymous pages); both sides then
share the pages, write-protected.  Unmapping drops a page's reference: an anonymous page that nothing else maps is
freed; a file's page stays in the cache, and counts as used (``mark_page_accessed``) if it was touched since reclaim
last looked.

Follows mm/memory.c of Linux 6.1 (``copy_page_range``, ``zap_pte_range``).
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    file_at,
    is_compound,
    is_cut_off,
    mm_at,
    page_mapped,
    ptes_mapcount,
    spend_ns,
    table_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import copy_huge_pmd, is_huge_pmd, split_huge_pmd, zap_huge_pmd
from cython.cimports.memtwin.linux.mm.page_writeback import set_page_dirty
from cython.cimports.memtwin.linux.mm.pgtable import (
    CHECK_AT_UNMAP,
    add_mm_counter_fast,
    check_tag,
    mm_counter_of,
    sync_mm_rss,
    update_hiwater_rss,
    walk,
    walk_alloc,
)
from cython.cimports.memtwin.linux.mm.rmap import page_remove_rmap
from cython.cimports.memtwin.linux.mm.swap import lru_add_drain, mark_page_accessed, munlock_page, put_page
from cython.cimports.memtwin.linux.mm.swapfile import free_swap_and_cache, swap_duplicate, try_to_free_swap
from cython.cimports.memtwin.linux.mm.vma import find_vma

SOURCE = "mm/memory.c", "v6.1"


def copy_pte(s: State, dst_mm: u32, dst: cython.pointer(u64), src: cython.pointer(u64), wrprotect: cython.bint):
    """Give the child the parent's entry; both lose the right to write to private pages."""
    page: cython.pointer(Page)
    if src[0] & PTE_SWAP:
        src[0] &= ~cython.cast(u64, PTE_SWP_EXCLUSIVE)
        dst[0] = src[0]
        swap_duplicate(s, cython.cast(u32, src[0] >> 12))
        mm_at(s, dst_mm).rss[MM_SWAPENTS] += 1
        return
    if src[0] & PTE_SPECIAL:
        dst[0] = src[0] & ~cython.cast(u64, PTE_ACCESSED)
        return
    if wrprotect:
        src[0] &= ~cython.cast(u64, PTE_WRITE)
    dst[0] = src[0] & ~cython.cast(u64, PTE_ACCESSED)
    page = cython.address(s.pages[src[0] >> 12])
    s.pages[compound_head(s, src[0] >> 12)].refcount += 1
    if is_compound(s, src[0] >> 12):
        ptes_mapcount(s, compound_head(s, src[0] >> 12))[0] += 1
    page.mapcount += 1
    page.flags &= ~PG_ANON_EXCLUSIVE
    mm_at(s, dst_mm).rss[mm_counter_of(s, src[0] >> 12)] += 1


def copy_page_range(s: State, dst_mm: u32, src_mm: u32, dst_vma: u32, src_vma: u32) -> u32:
    """Copy an area's page tables at fork; areas that can be faulted in again (no anon_vma) are left empty."""
    area: cython.pointer(Vma) = vma_at(s, src_vma)
    vpn: u64 = area.start
    end: u64 = area.end
    limit: u64
    copied: u64 = 0
    wrprotect: cython.bint = not area.flags & VM_SHARED
    src: u32
    dst: u32
    at: u32
    if not area.anon_vma:
        return OK
    while vpn < end and not is_cut_off(s):
        limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, end)
        src = walk(s, src_mm, vpn)
        if src:
            dst = walk_alloc(s, dst_mm, vpn)
            if not dst:
                return s.alloc_error
            if is_huge_pmd(s, src):
                copy_huge_pmd(s, dst_mm, dst, src)
                copied += 1
                vpn = limit
            while vpn < limit:
                at = vpn & (PTRS_PER_TABLE - 1)
                if table_at(s, src).entry[at]:
                    copy_pte(
                        s,
                        dst_mm,
                        cython.address(table_at(s, dst).entry[at]),
                        cython.address(table_at(s, src).entry[at]),
                        wrprotect,
                    )
                    table_at(s, dst).tag[at] = table_at(s, src).tag[at]
                    copied += 1
                vpn += 1
        vpn = limit
    spend_ns(s, copied * s.cost_ns[COST_FORK_PAGE])
    return OK


def zap_pte_range(s: State, task: u32, mm: u32, table: u32, start: u64, end: u64, locked: cython.bint):
    """Unmap pages *start* to *end* of one table; anonymous pages that nothing else maps are freed.

    *task*: whose split RSS counts are folded first (0: none); *locked*: the area was.
    """
    t: cython.pointer(Table) = table_at(s, table)
    m: cython.pointer(Mm) = mm_at(s, mm)
    vpn: u64
    pte: u64
    pfn: u32
    at: u32
    zapped: u64 = 0
    if task:
        sync_mm_rss(s, task)
    update_hiwater_rss(s, mm)
    for vpn in range(start, end):
        at = vpn & (PTRS_PER_TABLE - 1)
        pte = t.entry[at]
        if not pte:
            continue
        t.entry[at] = 0
        if pte & PTE_SWAP:
            m.rss[MM_SWAPENTS] -= 1
            free_swap_and_cache(s, cython.cast(u32, pte >> 12))
            zapped += 1
        elif not pte & PTE_SPECIAL:
            pfn = pte >> 12
            check_tag(s, t.tag[at], pfn, CHECK_AT_UNMAP)
            if s.pages[pfn].owner == OWNER_FILE:
                zap_file_page(s, pfn, pte)
            m.rss[mm_counter_of(s, pfn)] -= 1
            page_remove_rmap(s, pfn)
            if locked and not is_compound(s, pfn):
                munlock_page(s, pfn)
            pfn = compound_head(s, pfn)
            if s.pages[pfn].flags & PG_SWAPCACHE and not page_mapped(s, pfn):
                try_to_free_swap(s, pfn)
            put_page(s, pfn)
            zapped += 1
        t.tag[at] = 0
    spend_ns(s, zapped * s.cost_ns[COST_UNMAP_PAGE])


def zap_file_page(s: State, pfn: u32, pte: u64):
    """Hand what a page-table entry knew of a file's page on to the page."""
    if pte & PTE_DIRTY:
        set_page_dirty(s, pfn)
    if pte & PTE_ACCESSED:
        mark_page_accessed(s, pfn)


def zap_page_range(s: State, task: u32, mm: u32, start: u64, end: u64):
    """Unmap a range of pages; page tables stay."""
    vpn: u64 = start
    limit: u64
    table: u32
    vma: u32 = find_vma(s, mm, start)
    locked: cython.bint = vma != 0 and vma_at(s, vma).flags & VM_LOCKED != 0
    lru_add_drain(s)
    while vpn < end and not is_cut_off(s):
        limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, end)
        table = walk(s, mm, vpn)
        if is_huge_pmd(s, table):
            zap_huge_range(s, task, vma, table, vpn, limit, locked)
        elif table:
            zap_pte_range(s, task, mm, table, vpn, limit, locked)
        vpn = limit


def unmap_mapping_range(s: State, file: u32):
    """Unmap all of a file wherever it is mapped, private copies of its pages too (``even_cows``)."""
    vma: u32 = file_at(s, file).i_mmap
    while vma:
        zap_page_range(s, 0, vma_at(s, vma).mm, vma_at(s, vma).start, vma_at(s, vma).end)
        vma = vma_at(s, vma).next_share


def discard_anon_page(s: State, task: u32, vma: u32, pfn: u32):
    """Free a page that was allocated for a fault that was abandoned."""
    lru_add_drain(s)
    add_mm_counter_fast(s, task, vma_at(s, vma).mm, MM_ANONPAGES, -1)
    page_remove_rmap(s, pfn)
    put_page(s, pfn)


def zap_huge_range(s: State, task: u32, vma: u32, table: u32, start: u64, end: u64, locked: cython.bint):
    """Unmap what a huge entry maps, from *start* to *end*: as a whole, or by single entries where that is a part."""
    mm: u32 = vma_at(s, vma).mm
    if end - start != PTRS_PER_TABLE:
        split_huge_pmd(s, vma, table, False)
        zap_pte_range(s, task, mm, table, start, end, locked)
        return
    if task:
        sync_mm_rss(s, task)
    update_hiwater_rss(s, mm)
    zap_huge_pmd(s, mm, start, table, locked)
    spend_ns(s, s.cost_ns[COST_UNMAP_PAGE])
