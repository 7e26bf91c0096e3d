"""Transparent huge pages: faults that get 2 MiB at once, and when they do.

A first touch gets a huge page where ``enabled`` says so (*always*, or *madvise* and the program asked with
``madvise(MADV_HUGEPAGE)``), where nothing of the aligned 2 MiB is mapped yet and all of it lies in one anonymous area.
A read maps the **huge zero page** (one for all; it costs 2 MiB as long as anybody maps it), a write a page of its own,
cleared; a table for the day on which the huge entry is split is made beside it.  How much a fault does for a huge page
says ``defrag``::

    always          reclaims and compacts                  (a program that did not ask: one round)
    defer           wakes kswapd and kcompactd, and takes an ordinary page meanwhile
    defer+madvise   the first where the program asked, the second elsewhere
    madvise         the first where the program asked, elsewhere it takes what is free
    never           takes what is free

Where there is none the fault **falls back** to an ordinary page (``thp_fault_fallback``).

A write to a huge page that is shared since a fork splits the entry and copies one ordinary page.  A write to the huge
zero page does too.

A machine with less than 512 MiB boots with all of this switched off, ``defrag`` and the zero page too; it may be
switched on by hand.

Follows mm/huge_memory.c of Linux 6.1 (``do_huge_pmd_anonymous_page``, ``vma_thp_gfp_mask``, ``do_huge_pmd_wp_page``,
``shrink_huge_zero_page_scan``), and mm/mempolicy.c (``vma_alloc_folio``).

Not modelled: sizes below 2 MiB (of 6.12; off by default), huge pages of files and shared memory, prctl.
"""

import cython
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import (
    EVENT_THREAD,
    State,
    mm_at,
    spend_ns,
    table_at,
    vma_at,
    zone_at,
)
from cython.cimports.memtwin.linux.lib.int_sqrt import int_sqrt
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.huge_page import (
    deferred_split_page,
    free_transhuge_page,
    hugepage_vma_check,
    prep_transhuge_page,
    transhuge_vma_suitable,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import (
    is_huge_pmd,
    is_huge_zero_pmd,
    pmd_page,
    set_huge_pmd,
    set_huge_zero_pmd,
    split_huge_pmd,
)
from cython.cimports.memtwin.linux.mm.khugepaged import khugepaged_enter_vma, start_stop_khugepaged
from cython.cimports.memtwin.linux.mm.mmzone import high_wmark_pages, setup_per_zone_wmarks
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.pgtable import walk, walk_alloc
from cython.cimports.memtwin.linux.mm.rmap import anon_vma_prepare
from cython.cimports.memtwin.linux.mm.swap import lru_cache_add, mlock_new_page
from cython.cimports.memtwin.linux.mm.swapfile import try_to_free_swap

NS_PER_MS = cython.declare(u64, 1_000_000)


# --- where, and how hard ---------------------------------------------------------------------------------------------


def vma_thp_gfp_mask(s: State, vma: u32) -> u32:
    """What a fault may do for a huge page, by ``defrag`` and whether the program asked for them."""
    madvised: cython.bint = vma_at(s, vma).flags & VM_HUGEPAGE != 0
    if s.thp & THP_DEFRAG_DIRECT:
        return GFP_TRANSHUGE | (0 if madvised else GFP_NORETRY)
    if s.thp & THP_DEFRAG_KSWAPD:
        return GFP_TRANSHUGE_LIGHT | GFP_KSWAPD_RECLAIM
    if s.thp & THP_DEFRAG_KSWAPD_OR_MADVISE:
        return GFP_TRANSHUGE_LIGHT | (GFP_DIRECT_RECLAIM if madvised else GFP_KSWAPD_RECLAIM)
    if s.thp & THP_DEFRAG_MADVISE and madvised:
        return GFP_TRANSHUGE_LIGHT | GFP_DIRECT_RECLAIM
    return GFP_TRANSHUGE_LIGHT


def alloc_huge_page(s: State, gfp: u32) -> u32:
    """Allocate 512 frames: an attempt on the local node, which may compact, then one on all; 0: there are none.

    With one node the second differs in that it may reclaim.
    """
    pfn: u32 = alloc_pages(s, HPAGE_PMD_ORDER, gfp | GFP_THISNODE | GFP_NORETRY)
    if not pfn and gfp & GFP_DIRECT_RECLAIM:
        pfn = alloc_pages(s, HPAGE_PMD_ORDER, gfp)
    return pfn


# --- the huge zero page ----------------------------------------------------------------------------------------------


def get_huge_zero_page(s: State, mm: u32) -> cython.bint:
    """Let an address space have the huge zero page, which is made for the first; False: there is no memory for it."""
    pfn: u32
    if mm_at(s, mm).huge_zero_page:
        return True
    if not s.huge_zero_page:
        pfn = alloc_pages(s, HPAGE_PMD_ORDER, (GFP_TRANSHUGE | GFP_ZERO) & ~cython.cast(u32, GFP_MOVABLE))
        if not pfn:
            s.event[THP_ZERO_PAGE_ALLOC_FAILED] += 1
            return False
        prep_new_page(s, pfn, HPAGE_PMD_ORDER, OWNER_KERNEL)
        s.event[THP_ZERO_PAGE_ALLOC] += 1
        s.huge_zero_page = pfn
        s.huge_zero_users = 1
        spend_ns(s, HPAGE_PMD_NR * s.cost_ns[COST_CLEAR_PAGE])
    s.huge_zero_users += 1
    mm_at(s, mm).huge_zero_page = True
    return True


def put_huge_zero_page(s: State, mm: u32):
    """An address space goes away: it needs the huge zero page no more."""
    s.huge_zero_users -= mm_at(s, mm).huge_zero_page
    mm_at(s, mm).huge_zero_page = False


def shrink_huge_zero_page(s: State, count_only: cython.bint) -> u64:
    """Free the huge zero page where no address space has it; returns the pages of it that can be freed."""
    if not s.huge_zero_page or s.huge_zero_users != 1:
        return 0
    if not count_only:
        free_unref_page(s, s.huge_zero_page, HPAGE_PMD_ORDER)
        s.huge_zero_page = 0
        s.huge_zero_users = 0
    return HPAGE_PMD_NR


def map_huge_zero_page(s: State, mm: u32, vpn: u64) -> u32:
    """Map the huge zero page for a read; returns an Outcome."""
    table: u32 = walk_alloc(s, mm, vpn)
    if not table:
        return s.alloc_error
    if not get_huge_zero_page(s, mm):
        s.event[THP_FAULT_FALLBACK] += 1
        return FALLBACK
    set_huge_zero_pmd(s, table)
    spend_ns(s, s.cost_ns[COST_ZERO_FAULT])
    return OK


# --- faults ----------------------------------------------------------------------------------------------------------


def handle_pmd_fault(s: State, task: u32, vma: u32, vpn: u64, write: cython.bint) -> u32:
    """What a huge page can do about it; FALLBACK: nothing, single entries have to."""
    table: u32
    if vma_at(s, vma).file:
        return FALLBACK
    table = walk(s, vma_at(s, vma).mm, vpn)
    if table:
        return do_huge_pmd_wp_page(s, vma, table) if is_huge_pmd(s, table) else cython.cast(u32, FALLBACK)
    return do_huge_pmd_anonymous_page(s, task, vma, vpn, write) if s.thp & THP_ENABLED else cython.cast(u32, FALLBACK)


def do_huge_pmd_anonymous_page(s: State, task: u32, vma: u32, vpn: u64, write: cython.bint) -> u32:
    """First touch of an aligned 2 MiB of which nothing is mapped; FALLBACK: an ordinary page has to do."""
    mm: u32 = vma_at(s, vma).mm
    start: u64 = vpn & ~cython.cast(u64, PTRS_PER_TABLE - 1)
    table: u32
    pfn: u32
    if not hugepage_vma_check(s, vma, vma_at(s, vma).flags, True) or not transhuge_vma_suitable(s, vma, start):
        return FALLBACK
    anon_vma_prepare(s, vma)
    khugepaged_enter_vma(s, vma, vma_at(s, vma).flags)
    if not write and s.thp & THP_USE_ZERO_PAGE:
        return map_huge_zero_page(s, mm, start)
    pfn = new_huge_page(s, vma, vma_thp_gfp_mask(s, vma))
    if not pfn:
        return FALLBACK
    table = walk_alloc(s, mm, start)
    if not table:
        s.pages[pfn].refcount = 0
        free_transhuge_page(s, pfn)
        return s.alloc_error
    add_huge_page(s, vma, start, table, pfn)
    return OK


def new_huge_page(s: State, vma: u32, gfp: u32) -> u32:
    """Allocate a cleared huge page for a fault; 0: there is none, which counts as a fallback."""
    pfn: u32 = alloc_huge_page(s, gfp)
    if not pfn:
        s.event[THP_FAULT_FALLBACK] += 1
        return 0
    prep_transhuge_page(s, pfn)
    spend_ns(s, HPAGE_PMD_NR * s.cost_ns[COST_CLEAR_PAGE])
    return pfn


def add_huge_page(s: State, vma: u32, vpn: u64, table: u32, pfn: u32):
    """Map a huge page that was made for a fault, and queue it for the inactive list."""
    set_huge_pmd(s, vma_at(s, vma).mm, vma, vpn, table, pfn)
    if vma_at(s, vma).flags & VM_LOCKED:
        mlock_new_page(s, pfn)
    else:
        lru_cache_add(s, pfn)
    mm_at(s, vma_at(s, vma).mm).rss[MM_ANONPAGES] += HPAGE_PMD_NR
    if s.features.deferred_if_mapped:
        deferred_split_page(s, pfn, False)
    s.event[THP_FAULT_ALLOC] += 1
    spend_ns(s, s.cost_ns[COST_ANON_FAULT])


def may_reuse_huge(s: State, head: u32) -> cython.bint:
    """Whether a huge page belongs to the process that writes to it, as ``memory.may_reuse`` decides of others."""
    page: cython.pointer(Page) = cython.address(s.pages[head])
    if page.flags & PG_ANON_EXCLUSIVE:
        return True
    if page.refcount > 1 + (HPAGE_PMD_NR if page.flags & PG_SWAPCACHE else 0):
        return False
    if page.flags & PG_SWAPCACHE:
        try_to_free_swap(s, head)
    return page.refcount == 1


def do_huge_pmd_wp_page(s: State, vma: u32, table: u32) -> u32:
    """Write to a write-protected huge entry: take the page over, or split the entry, of which one page is copied."""
    head: u32 = pmd_page(s, table)
    i: u32
    if not is_huge_zero_pmd(s, table) and may_reuse_huge(s, head):
        for i in range(HPAGE_PMD_NR):
            s.pages[head + i].flags |= PG_ANON_EXCLUSIVE
            table_at(s, table).entry[i] |= PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
        spend_ns(s, s.cost_ns[COST_REUSE_FAULT])
        return OK
    split_huge_pmd(s, vma, table, False)
    return FALLBACK


# --- /sys/kernel/mm/transparent_hugepage -----------------------------------------------------------------------------


def set_recommended_min_free_kbytes(s: State):
    """Raise ``vm.min_free_kbytes`` where huge pages are used, so that pageblocks of each type stay free; or compute it.

    At most a twentieth of low memory.  What an administrator wrote is not lowered.
    """
    zone: u32
    zones: u64 = 0
    lowmem: u64 = 0
    recommended: i64
    for zone in range(ZONE_MOVABLE):
        if zone_at(s, zone).managed:
            zones += 1
            if zone_at(s, zone).managed > high_wmark_pages(s, zone):
                lowmem += zone_at(s, zone).managed - high_wmark_pages(s, zone)
    if not s.thp & THP_ENABLED:
        recommended = min(max(int_sqrt(lowmem * 4 * 16), cython.cast(u64, 128)), cython.cast(u64, 262_144))
        if recommended > s.user_min_free_kbytes:
            s.sysctl.min_free_kbytes = recommended
    else:
        recommended = 4 * min(PAGEBLOCK_NR * zones * 11, lowmem // 20)
        s.sysctl.min_free_kbytes = max(s.sysctl.min_free_kbytes, recommended)
    setup_per_zone_wmarks(s)


def set_thp(s: State, flags: int, khugepaged: tuple[int, ...]) -> None:
    """Take the settings of a snapshot: THP_… flags; pages_to_scan, sleeps in ms, max_ptes_none, _swap and _shared."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    s.thp = flags | (THP_USED if flags & THP_ENABLED else 0)
    k.pages_to_scan, k.scan_sleep_ms, k.alloc_sleep_ms = khugepaged[:3]
    k.max_ptes_none, k.max_ptes_swap, k.max_ptes_shared = khugepaged[3:6]


def write_thp(s: State, flags: int) -> None:
    """Write ``enabled``, ``defrag`` or a switch: all THP_… flags as they are then."""
    before: u32 = s.thp
    s.thp = flags | (THP_USED if flags & THP_ENABLED else 0)
    if before & THP_ENABLED != s.thp & THP_ENABLED:
        start_stop_khugepaged(s)
        set_recommended_min_free_kbytes(s)


def thp_flags(s: State) -> int:
    """The THP_… flags."""
    return s.thp


def write_khugepaged(s: State, name: str, value: int) -> None:
    """Write one of khugepaged's numbers; a new sleep holds from the next round on."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    if name == "pages_to_scan":
        k.pages_to_scan = value
    elif name == "scan_sleep_millisecs":
        k.scan_sleep_ms = value
    elif name == "alloc_sleep_millisecs":
        k.alloc_sleep_ms = value
    elif name == "max_ptes_none":
        k.max_ptes_none = value
    elif name == "max_ptes_swap":
        k.max_ptes_swap = value
    else:
        k.max_ptes_shared = value


def khugepaged_figures(s: State) -> dict[str, int]:
    """What khugepaged's files read, by name."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    return {
        "alloc_sleep_millisecs": k.alloc_sleep_ms,
        "defrag": 1 if s.thp & THP_DEFRAG_KHUGEPAGED else 0,
        "full_scans": k.full_scans,
        "max_ptes_none": k.max_ptes_none,
        "max_ptes_shared": k.max_ptes_shared,
        "max_ptes_swap": k.max_ptes_swap,
        "pages_collapsed": k.pages_collapsed,
        "pages_to_scan": k.pages_to_scan,
        "scan_sleep_millisecs": k.scan_sleep_ms,
    }


def adopt_address_spaces(s: State) -> None:
    """Let the address spaces of a snapshot join khugepaged's list; its next round is due at a multiple of its sleep."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    period: u64 = max(k.scan_sleep_ms, cython.cast(u32, 4)) * NS_PER_MS
    mm: u32
    index: u32
    for mm in range(1, s.mms.nr):
        if mm_at(s, mm).users:
            for index in range(mm_at(s, mm).nr_vmas):
                khugepaged_enter_vma(s, mm_at(s, mm).vmas[index], vma_at(s, mm_at(s, mm).vmas[index]).flags)
    k.in_round = False
    if k.first:
        k.wake_ns = (s.now_ns // period + 1) * period
        schedule_event(s, k.wake_ns, EVENT_THREAD, 0)
