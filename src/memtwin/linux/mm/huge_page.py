"""A huge page: 512 frames that are allocated, listed, written and freed as one.

The first frame (PG_HUGE) stands for all: it has the references, the flags, the place on a list.  The others (PG_TAIL)
have what may differ within the page: how many page-table entries map it, whether one process alone has it
(``PG_ANON_EXCLUSIVE``), its slot in swap, its content.  What the page as a whole needs besides stands in frames whose
links are not used::

    frame 0     references, flags, list
    frame 1     links of the queue of pages that wait to be split
    frame 2     PMD entries that map the page; entries of page tables that map single frames

A page of which only parts are mapped cannot be freed in parts: it **waits to be split** (``huge_memory.py``).

Follows mm/huge_memory.c of Linux 6.1 (``hugepage_vma_check``,
``deferred_split_huge_page``, ``free_transhuge_page``) and of 6.12
(``deferred_split_folio``).
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import State, entire_mapcount, page_pgdat, ptes_mapcount, vma_at
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page

SOURCE = "mm/huge_memory.c", "v6.1"


def transhuge_vma_suitable(s: State, vma: u32, vpn: u64) -> cython.bint:
    """Whether the aligned 2 MiB that hold page *vpn* lie in an area."""
    start: u64 = vpn & ~cython.cast(u64, HPAGE_PMD_NR - 1)
    return start >= vma_at(s, vma).start and start + HPAGE_PMD_NR <= vma_at(s, vma).end


def hugepage_vma_check(s: State, vma: u32, vm_flags: u32, in_fault: cython.bint) -> cython.bint:
    """Whether an area may have huge pages, now that its flags are *vm_flags*.

    *in_fault*: at a fault, which checks the place for itself; khugepaged wants one with anonymous pages.
    """
    area: cython.pointer(Vma) = vma_at(s, vma)
    if area.file or vm_flags & (VM_NOHUGEPAGE | VM_PFNMAP):
        return False
    if not s.thp & THP_ALWAYS and not (s.thp & THP_MADVISE and vm_flags & VM_HUGEPAGE):
        return False
    if in_fault:
        return True
    return area.end >= HPAGE_PMD_NR and transhuge_vma_suitable(s, vma, area.end - HPAGE_PMD_NR) and area.anon_vma != 0


def prep_transhuge_page(s: State, pfn: u32):
    """Make a block of 512 frames one huge page: one reference, nothing mapped, content zero."""
    i: u32
    prep_new_page(s, pfn, HPAGE_PMD_ORDER, OWNER_ANON)
    s.pages[pfn].flags |= PG_HUGE
    for i in range(pfn + 1, pfn + HPAGE_PMD_NR):
        s.pages[i].flags = PG_TAIL
        s.pages[i].order = 0
        s.pages[i].refcount = 0
        s.pages[i].private = 0
    entire_mapcount(s, pfn)[0] = 0
    ptes_mapcount(s, pfn)[0] = 0


def deferred_split_page(s: State, pfn: u32, partly_mapped: cython.bint):
    """Queue a huge page to be split when memory is short; one that reclaim has at hand is its business.

    Since 6.12 new pages are queued too, and count when a part is unmapped.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_SWAPCACHE:
        return
    if partly_mapped and not page.flags & PG_PARTLY_MAPPED:
        page.flags |= PG_PARTLY_MAPPED
        s.event[THP_DEFERRED_SPLIT_PAGE] += 1
    if page.flags & PG_DEFERRED:
        return
    page.flags |= PG_DEFERRED
    list_add_tail(s.pages, cython.address(page_pgdat(s, pfn).deferred_split), pfn + 1)


def undefer_split(s: State, pfn: u32):
    """Take a huge page off that queue."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_DEFERRED:
        list_del(s.pages, cython.address(page_pgdat(s, pfn).deferred_split), pfn + 1)
    page.flags &= ~cython.cast(u32, PG_DEFERRED | PG_PARTLY_MAPPED)


def free_transhuge_page(s: State, pfn: u32):
    """Free a huge page whose last reference is gone."""
    undefer_split(s, pfn)
    free_unref_page(s, pfn, HPAGE_PMD_ORDER)
