"""A huge page in the page tables: one PMD entry instead of 512 entries of a table.

The kernel keeps a table of 512 entries beside each huge PMD entry (*deposited*), so that it can be split without asking
for memory.  Here that table is used at once: its entries name the 512 frames and have the bit ``PTE_HUGE``, which says
that they are one entry.  Its accessed and dirty bits are set if those of any of the 512 are, and are cleared in all;
its other bits are the same in all.  So a touch of a huge page is one of any page.

**Splitting** the PMD entry makes 512 entries of it that come and go by themselves, as when a part of the range is
unmapped, or written to after a fork.  The page itself stays huge until it is split too (``huge_split.py``).

Follows mm/huge_memory.c of Linux 6.1 (``__split_huge_pmd_locked``, ``zap_huge_pmd``, ``copy_huge_pmd``,
``__do_huge_pmd_anonymous_page``) and mm/rmap.c (``page_remove_anon_compound_rmap``).

Not modelled: huge pages of files, migration entries (nothing else runs while a page moves).
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    entire_mapcount,
    mm_at,
    mod_lruvec_page_state,
    page_mapped,
    ptes_mapcount,
    table_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_page import deferred_split_page
from cython.cimports.memtwin.linux.mm.pgtable import (
    CHECK_AT_UNMAP,
    check_tag,
    free_table,
    pmd_table,
    walk,
)
from cython.cimports.memtwin.linux.mm.swap import munlock_page, put_page
from cython.cimports.memtwin.linux.mm.swapfile import try_to_free_swap

SOURCE = "mm/huge_memory.c", "v6.1"


def is_huge_pmd(s: State, table: u32) -> cython.bint:
    """Whether a table stands for one huge entry (pmd_trans_huge)."""
    return table != 0 and table_at(s, table).entry[0] & PTE_HUGE != 0


def huge_table(s: State, mm: u32, vpn: u64) -> u32:
    """The table that stands for the huge entry which maps page *vpn*; 0: none does."""
    table: u32 = walk(s, mm, vpn)
    return table if is_huge_pmd(s, table) else 0


def is_huge_zero_pmd(s: State, table: u32) -> cython.bint:
    """Whether a huge entry maps the huge zero page."""
    return table_at(s, table).entry[0] & PTE_SPECIAL != 0


def pmd_page(s: State, table: u32) -> u32:
    """The first frame of the huge page that a huge entry maps."""
    return cython.cast(u32, table_at(s, table).entry[0] >> 12)


def pmd_gather(s: State, table: u32, bit: u64, clear: cython.bint) -> cython.bint:
    """Whether a huge entry's accessed or dirty *bit* is set; *clear*: it is not afterwards."""
    entry: cython.pointer(u64) = table_at(s, table).entry
    i: u32
    found: cython.bint = False
    for i in range(PTRS_PER_TABLE):
        if entry[i] & bit:
            found = True
            if not clear:
                break
            entry[i] &= ~bit
    return found


def set_huge_pmd(s: State, mm: u32, vma: u32, vpn: u64, table: u32, pfn: u32):
    """Map a new huge page at the aligned page *vpn*, used and written to; its tags become the owner's."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    t: cython.pointer(Table) = table_at(s, table)
    page: cython.pointer(Page)
    bits: u64 = PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_HUGE
    i: u32
    if area.flags & VM_WRITE:
        bits |= PTE_WRITE
    for i in range(PTRS_PER_TABLE):
        page = cython.address(s.pages[pfn + i])
        page.mapping = area.anon_vma
        page.index = area.pgoff + (vpn - area.start) + i
        page.mapcount = 1
        page.flags |= PG_ANON_EXCLUSIVE
        t.entry[i] = (cython.cast(u64, pfn + i) << 12) | bits
        t.tag[i] = page.tag
    s.pages[pfn].flags |= PG_SWAPBACKED | PG_UPTODATE
    entire_mapcount(s, pfn)[0] = 1
    mod_lruvec_page_state(s, pfn, NR_ANON_PAGES, HPAGE_PMD_NR)
    mod_lruvec_page_state(s, pfn, NR_ANON_TRANSPARENT_HUGEPAGES, HPAGE_PMD_NR)


def set_huge_zero_pmd(s: State, table: u32):
    """Let a table stand for a huge entry that maps the huge zero page."""
    i: u32
    for i in range(PTRS_PER_TABLE):
        table_at(s, table).entry[i] = PTE_PRESENT | PTE_SPECIAL | PTE_ACCESSED | PTE_HUGE


def split_huge_pmd(s: State, vma: u32, table: u32, freeze: cython.bint):
    """Make 512 entries of a huge one: all are used if it was, and the page is dirty if it was written to.

    *freeze*: the page is about to be split too: then the entries keep that they were written to.
    """
    entry: cython.pointer(u64) = table_at(s, table).entry
    head: u32 = pmd_page(s, table)
    zero: cython.bint = is_huge_zero_pmd(s, table)
    young: cython.bint
    i: u32
    s.event[THP_SPLIT_PMD] += 1
    if zero:
        for i in range(PTRS_PER_TABLE):
            entry[i] &= ~cython.cast(u64, PTE_HUGE)
        return
    if pmd_gather(s, table, PTE_DIRTY, not freeze):
        s.pages[head].flags |= PG_DIRTY
    young = pmd_gather(s, table, PTE_ACCESSED, False)
    for i in range(PTRS_PER_TABLE):
        entry[i] &= ~cython.cast(u64, PTE_HUGE)
        if young:
            entry[i] |= PTE_ACCESSED
    s.pages[head].refcount += HPAGE_PMD_NR - 1
    ptes_mapcount(s, head)[0] += HPAGE_PMD_NR
    entire_mapcount(s, head)[0] -= 1
    if not entire_mapcount(s, head)[0]:
        mod_lruvec_page_state(s, head, NR_ANON_TRANSPARENT_HUGEPAGES, -cython.cast(i64, HPAGE_PMD_NR))
    if vma_at(s, vma).flags & VM_LOCKED:
        munlock_page(s, head)


def split_huge_pmd_address(s: State, vma: u32, vpn: u64):
    """Split the huge entry that lies across page *vpn*, where an area is about to be cut; an aligned cut needs none."""
    table: u32
    if not vpn & (PTRS_PER_TABLE - 1):
        return
    table = huge_table(s, vma_at(s, vma).mm, vpn)
    if table:
        split_huge_pmd(s, vma, table, False)


def zap_deposited_table(s: State, mm: u32, vpn: u64):
    """Free the table that stands for a huge entry, and the entry."""
    middle: u32 = pmd_table(s, mm, vpn)
    entry: cython.pointer(u64) = cython.address(table_at(s, middle).entry[(vpn >> 9) & (PTRS_PER_TABLE - 1)])
    free_table(s, cython.cast(u32, entry[0]), True)
    entry[0] = 0
    mm_at(s, mm).nr_tables -= 1


def remove_compound_rmap(s: State, pfn: u32):
    """One huge entry less maps a huge page; one of which parts are still mapped waits to be split."""
    unmapped: i64 = 0
    i: u32
    for i in range(HPAGE_PMD_NR):
        s.pages[pfn + i].mapcount -= 1
        unmapped += s.pages[pfn + i].mapcount == 0
    entire_mapcount(s, pfn)[0] -= 1
    if not entire_mapcount(s, pfn)[0]:
        mod_lruvec_page_state(s, pfn, NR_ANON_TRANSPARENT_HUGEPAGES, -cython.cast(i64, HPAGE_PMD_NR))
        if 0 < unmapped < HPAGE_PMD_NR:
            deferred_split_page(s, pfn, True)
    mod_lruvec_page_state(s, pfn, NR_ANON_PAGES, -unmapped)


def zap_huge_pmd(s: State, mm: u32, vpn: u64, table: u32, locked: cython.bint):
    """Unmap a huge entry as a whole; *locked*: its area was."""
    head: u32 = pmd_page(s, table)
    i: u32
    if is_huge_zero_pmd(s, table):
        zap_deposited_table(s, mm, vpn)
        return
    for i in range(PTRS_PER_TABLE):
        check_tag(s, table_at(s, table).tag[i], head + i, CHECK_AT_UNMAP)
    remove_compound_rmap(s, head)
    if locked:
        munlock_page(s, head)
    mm_at(s, mm).rss[MM_ANONPAGES] -= HPAGE_PMD_NR
    zap_deposited_table(s, mm, vpn)
    if s.pages[head].flags & PG_SWAPCACHE and not page_mapped(s, head):
        try_to_free_swap(s, head)
    put_page(s, head)


def wrprotect_huge_pmd(s: State, table: u32):
    """Let the next write to a huge entry fault."""
    i: u32
    for i in range(PTRS_PER_TABLE):
        table_at(s, table).entry[i] &= ~cython.cast(u64, PTE_WRITE)


def copy_huge_pmd(s: State, dst_mm: u32, dst: u32, src: u32):
    """Give the child the parent's huge entry in an empty table; both lose the right to write."""
    head: u32 = pmd_page(s, src)
    i: u32
    wrprotect_huge_pmd(s, src)
    for i in range(PTRS_PER_TABLE):
        table_at(s, dst).entry[i] = table_at(s, src).entry[i] & ~cython.cast(u64, PTE_ACCESSED)
        table_at(s, dst).tag[i] = table_at(s, src).tag[i]
    if is_huge_zero_pmd(s, src):
        return
    for i in range(HPAGE_PMD_NR):
        s.pages[head + i].mapcount += 1
        s.pages[head + i].flags &= ~cython.cast(u32, PG_ANON_EXCLUSIVE)
    s.pages[head].refcount += 1
    entire_mapcount(s, head)[0] += 1
    mm_at(s, dst_mm).rss[MM_ANONPAGES] += HPAGE_PMD_NR
