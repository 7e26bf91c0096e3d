"""khugepaged: the thread that makes huge pages of ordinary ones while a machine has time.

Address spaces join its list at their first touch of a place that a huge page suits.  In a **round** it looks at 4,096
page-table entries (*pages_to_scan*), address space after address space, 2 MiB at a time, then sleeps for 10 s
(*scan_sleep_millisecs*).  What it finds in the 512 entries of a table decides::

    swapped out             more than max_ptes_swap (64)        pass it by
    nothing, or zero page   more than max_ptes_none (511)       pass it by
    mapped by others too    more than max_ptes_shared (256)     pass it by
    not on a list, locked, or something else refers to it       pass it by
    none writable, or none used since reclaim last looked       pass it by
    otherwise                                                   collapse

To **collapse** it allocates a huge page (where there is none it sleeps for a minute, once a round), reads in what is
swapped out, copies the pages, fills holes with zeroes, which makes the process larger, and frees the old pages.

Follows mm/khugepaged.c of Linux 6.1 (``khugepaged_do_scan``, ``hpage_collapse_scan_pmd``, ``collapse_huge_page``).

Not modelled: collapse of files and shared memory, MADV_COLLAPSE.  When its sleep began no file tells: on a machine that
was read while it ran, sleeps are counted from boot.
"""

import cython
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import (
    EVENT_THREAD,
    State,
    compound_head,
    is_huge,
    mm_at,
    page_mapped,
    spend_ns,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.filemap import wait_on_page_locked
from cython.cimports.memtwin.linux.mm.huge_page import (
    deferred_split_page,
    free_transhuge_page,
    hugepage_vma_check,
    prep_transhuge_page,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import set_huge_pmd
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pgtable import CHECK_AT_UNMAP, check_tag, sync_mm_rss, update_hiwater_rss, walk
from cython.cimports.memtwin.linux.mm.rmap import page_remove_rmap
from cython.cimports.memtwin.linux.mm.slub import object_alloc, object_free
from cython.cimports.memtwin.linux.mm.swap import (
    lru_add_drain,
    lru_cache_add,
    lru_del,
    mlock_new_page,
    put_page,
)
from cython.cimports.memtwin.linux.mm.swap_state import lookup_swap_cache
from cython.cimports.memtwin.linux.mm.swapfile import try_to_free_swap
from cython.cimports.memtwin.linux.mm.swapin import map_swapped_page, swapin_page
from cython.cimports.memtwin.linux.mm.vma import find_vma_index

NS_PER_MS = cython.declare(u64, 1_000_000)
NO_TASK = cython.declare(u32, 0)


# --- the list of address spaces --------------------------------------------------------------------------------------


def khugepaged_enter_vma(s: State, vma: u32, vm_flags: u32):
    """Let an area's address space join the list, if khugepaged may do something in the area."""
    if mm_at(s, vma_at(s, vma).mm).scan_listed or not s.thp & THP_ENABLED:
        return
    if hugepage_vma_check(s, vma, vm_flags, False):
        khugepaged_enter(s, vma_at(s, vma).mm)


def khugepaged_enter(s: State, mm: u32):
    """Put an address space at the end of the list; the first wakes the thread."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    mm_at(s, mm).scan_slab = object_alloc(s, CACHE_MM_SLOT)
    mm_at(s, mm).scan_listed = True
    mm_at(s, mm).scan_next = 0
    mm_at(s, mm).scan_prev = k.last
    if k.last:
        mm_at(s, k.last).scan_next = mm
    else:
        k.first = mm
        if not k.in_round and not k.wake_ns:
            khugepaged_begin(s)
    k.last = mm


def khugepaged_exit(s: State, mm: u32):
    """An address space goes away; a scan that is in it goes on with the next."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    if not mm_at(s, mm).scan_listed:
        return
    if k.mm == mm:
        khugepaged_advance(s, k)
    if mm_at(s, mm).scan_prev:
        mm_at(s, mm_at(s, mm).scan_prev).scan_next = mm_at(s, mm).scan_next
    else:
        k.first = mm_at(s, mm).scan_next
    if mm_at(s, mm).scan_next:
        mm_at(s, mm_at(s, mm).scan_next).scan_prev = mm_at(s, mm).scan_prev
    else:
        k.last = mm_at(s, mm).scan_prev
    mm_at(s, mm).scan_listed = False
    object_free(s, mm_at(s, mm).scan_slab)


def khugepaged_advance(s: State, k: cython.pointer(Khugepaged)):
    """Go on with the next address space; after the last the list begins again."""
    k.mm = mm_at(s, k.mm).scan_next
    k.vpn = 0
    if not k.mm:
        k.full_scans += 1


# --- rounds ----------------------------------------------------------------------------------------------------------


def start_stop_khugepaged(s: State):
    """After ``enabled`` was written: the thread starts a round at once, or ends."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    k.in_round = False
    k.wake_ns = 0
    if s.thp & THP_ENABLED and k.first:
        khugepaged_begin(s)


def khugepaged_begin(s: State):
    """Begin a round."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    k.in_round = True
    k.has_slept = k.waits = False
    k.progress = k.passes = 0
    k.wake_ns = 0
    s.rq.resched = True


def khugepaged_sleep(s: State):
    """The round is over: sleep until the next, or until an address space joins."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    k.in_round = False
    k.wake_ns = 0
    if k.first:
        k.wake_ns = s.now_ns + max(k.scan_sleep_ms, cython.cast(u32, 4)) * NS_PER_MS
        schedule_event(s, k.wake_ns, EVENT_THREAD, 0)


def khugepaged_runnable(s: State) -> cython.bint:
    """Whether khugepaged has something to do now."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    if not s.thp & THP_ENABLED or s.entities[SCHED_KHUGEPAGED].busy_until_ns > s.now_ns:
        return False
    if k.wake_ns:
        return s.now_ns >= k.wake_ns
    return k.in_round


def khugepaged_step(s: State):
    """Let khugepaged look at one range of 2 MiB, or begin or end a round."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    vma: u32
    code: u32
    before: u64
    if not k.in_round:
        khugepaged_begin(s)
    if not k.progress and not k.passes:
        lru_add_drain(s)
    k.wake_ns = 0
    if not k.mm:
        k.passes += 1
        k.mm = k.first
        k.vpn = 0
    if not k.mm or k.passes >= 2 or k.progress >= k.pages_to_scan:
        khugepaged_sleep(s)
        return
    vma = next_range(s, k)
    if not vma:
        khugepaged_advance(s, k)
        return
    before = k.vpn
    k.vpn += HPAGE_PMD_NR
    k.progress += HPAGE_PMD_NR
    code = scan_range(s, vma, before)
    k.pages_collapsed += code == SCAN_SUCCEED
    if code == SCAN_ALLOC_HUGE_PAGE_FAIL and k.progress < k.pages_to_scan:
        if k.has_slept:
            khugepaged_sleep(s)
            return
        k.has_slept = True
        k.wake_ns = s.now_ns + k.alloc_sleep_ms * NS_PER_MS
        schedule_event(s, k.wake_ns, EVENT_THREAD, 0)


def next_range(s: State, k: cython.pointer(Khugepaged)) -> u32:
    """The area in which the scan of an address space goes on, at ``k.vpn``; 0: it is through.

    The address space and each area that has nothing to look at count as one page scanned.
    """
    index: u32 = find_vma_index(s, k.mm, k.vpn)
    vma: u32
    start: u64
    end: u64
    k.progress += k.vpn == 0
    while index < mm_at(s, k.mm).nr_vmas:
        vma = mm_at(s, k.mm).vmas[index]
        start = (vma_at(s, vma).start + HPAGE_PMD_NR - 1) & ~cython.cast(u64, HPAGE_PMD_NR - 1)
        end = vma_at(s, vma).end & ~cython.cast(u64, HPAGE_PMD_NR - 1)
        if hugepage_vma_check(s, vma, vma_at(s, vma).flags, False) and max(k.vpn, start) < end:
            k.vpn = max(k.vpn, start)
            return vma
        k.progress += 1
        index += 1
    return 0


# --- one range -------------------------------------------------------------------------------------------------------


def is_refcount_suitable(s: State, head: u32) -> cython.bint:
    """Whether only mappings and the swap cache refer to a page."""
    cached: u32 = 0
    if s.pages[head].flags & PG_SWAPCACHE:
        cached = HPAGE_PMD_NR if is_huge(s, head) else 1
    return s.pages[head].refcount == page_mapped(s, head) + cached


def count_entry(s: State, pte: u64, scan: cython.pointer(PteScan)) -> cython.bint:
    """Look at one page-table entry; False: the range is passed by."""
    k: cython.pointer(Khugepaged) = cython.address(s.khugepaged)
    pfn: u32 = cython.cast(u32, pte >> 12)
    head: u32
    if pte & PTE_SWAP:
        scan.swapped += 1
        s.event[THP_SCAN_EXCEED_SWAP_PTE] += scan.swapped > k.max_ptes_swap
        return scan.swapped <= k.max_ptes_swap
    if not pte or pte & PTE_SPECIAL:
        scan.none_or_zero += 1
        s.event[THP_SCAN_EXCEED_NONE_PTE] += scan.none_or_zero > k.max_ptes_none
        return scan.none_or_zero <= k.max_ptes_none
    scan.writable = scan.writable or pte & PTE_WRITE != 0
    if s.pages[pfn].mapcount > 1:
        scan.shared += 1
        if scan.shared > k.max_ptes_shared:
            s.event[THP_SCAN_EXCEED_SHARE_PTE] += 1
            return False
    head = compound_head(s, pfn)
    if s.pages[head].flags & (PG_LRU | PG_LOCKED) != PG_LRU or s.pages[head].owner != OWNER_ANON:
        return False
    if not is_refcount_suitable(s, head):
        return False
    scan.referenced += pte & PTE_ACCESSED != 0 or s.pages[head].flags & PG_REFERENCED != 0
    return True


def scan_table(s: State, table: u32, scan: cython.pointer(PteScan)) -> cython.bint:
    """Look at the 512 entries of a table; whether they are worth a huge page."""
    i: u32
    scan.none_or_zero = scan.swapped = scan.shared = scan.referenced = 0
    scan.writable = False
    for i in range(PTRS_PER_TABLE):
        if not count_entry(s, table_at(s, table).entry[i], scan):
            return False
    if not scan.writable or not scan.referenced:
        return False
    return not scan.swapped or scan.referenced >= HPAGE_PMD_NR // 2


def mmap_is_locked(s: State, mm: u32) -> cython.bint:
    """Whether the main line's task is in the middle of a fault of an address space: what it found must stay."""
    cpu: cython.pointer(Cpu) = cython.address(s.cpus[0])
    return cpu.in_lru_fault and task_at(s, cpu.current).mm == mm


def scan_range(s: State, vma: u32, vpn: u64) -> u32:
    """Look at 2 MiB of an area and collapse them if they are worth it."""
    table: u32 = walk(s, vma_at(s, vma).mm, vpn)
    scan: PteScan
    if not table or table_at(s, table).entry[0] & PTE_HUGE or mmap_is_locked(s, vma_at(s, vma).mm):
        return SCAN_FAIL
    spend_ns(s, HPAGE_PMD_NR * s.cost_ns[COST_HIT])
    if not scan_table(s, table, cython.address(scan)):
        return SCAN_FAIL
    return collapse_huge_page(s, vma, vpn, table, scan.swapped != 0)


# --- collapse --------------------------------------------------------------------------------------------------------


def swapin_range(s: State, vma: u32, vpn: u64, table: u32) -> cython.bint:
    """Bring back what is swapped out of a range; False: a page has to be waited for, has gone, or there is no memory.

    No task faults: the pages count in the address space at once.
    """
    i: u32
    pfn: u32
    head: u32
    before: u64
    entry: cython.pointer(u64)
    mm: u32 = vma_at(s, vma).mm
    for i in range(PTRS_PER_TABLE):
        entry = cython.address(table_at(s, table).entry[i])
        if not entry[0] & PTE_SWAP:
            continue
        before = entry[0]
        pfn = lookup_swap_cache(s, cython.cast(u32, before >> 12))
        if not pfn:
            pfn = swapin_page(s, vma, vpn + i, cython.cast(u32, before >> 12))
        if not pfn:
            return False
        head = compound_head(s, pfn)
        s.pages[head].refcount += 1 if s.pages[head].flags & PG_SWAPCACHE else 0
        if not mm_at(s, mm).users or entry[0] != before:
            put_page(s, head)
            return False
        if s.pages[head].flags & PG_LOCKED:
            wait_on_page_locked(s, head)
            put_page(s, head)
            return False
        task_at(s, NO_TASK).mm = mm
        map_swapped_page(s, NO_TASK, vma, vpn + i, entry, pfn, False)
        sync_mm_rss(s, NO_TASK)
        task_at(s, NO_TASK).mm = 0
    lru_add_drain(s)
    return True


def isolate_table(s: State, table: u32) -> cython.bint:
    """Whether the 512 entries may still be collapsed, after what happened for the huge page."""
    scan: PteScan
    i: u32
    scan.none_or_zero = scan.swapped = scan.shared = scan.referenced = 0
    scan.writable = False
    for i in range(PTRS_PER_TABLE):
        if table_at(s, table).entry[i] & PTE_SWAP:
            return False
        if not count_entry(s, table_at(s, table).entry[i], cython.address(scan)):
            return False
    return scan.writable and scan.referenced > 0


def copy_to_huge(s: State, mm: u32, table: u32, pfn: u32) -> u32:
    """Copy the pages of a table into a huge page and free them; returns how many were not there."""
    t: cython.pointer(Table) = table_at(s, table)
    i: u32
    old: u32
    head: u32
    holes: u32 = 0
    for i in range(PTRS_PER_TABLE):
        if not t.entry[i] or t.entry[i] & PTE_SPECIAL:
            holes += 1
            continue
        old = cython.cast(u32, t.entry[i] >> 12)
        check_tag(s, t.tag[i], old, CHECK_AT_UNMAP)
        s.pages[pfn + i].tag = s.pages[old].tag
        t.entry[i] = 0
        head = compound_head(s, old)
        if head == old and not is_huge(s, head):
            lru_del(s, head)
            s.pages[head].refcount += 1
            lru_cache_add(s, head)
            put_page(s, head)
        page_remove_rmap(s, old)
        if s.pages[head].flags & PG_SWAPCACHE and not page_mapped(s, head):
            try_to_free_swap(s, head)
        put_page(s, head)
    return holes


def collapse_huge_page(s: State, vma: u32, vpn: u64, table: u32, swapped: cython.bint) -> u32:
    """Put a huge page in the place of what a table maps; returns what came of it."""
    mm: u32 = vma_at(s, vma).mm
    holes: u32
    gfp: u32 = GFP_TRANSHUGE if s.thp & THP_DEFRAG_KHUGEPAGED else GFP_TRANSHUGE_LIGHT
    pfn: u32 = alloc_pages(s, HPAGE_PMD_ORDER, gfp)
    if not pfn:
        s.event[THP_COLLAPSE_ALLOC_FAILED] += 1
        return SCAN_ALLOC_HUGE_PAGE_FAIL
    s.event[THP_COLLAPSE_ALLOC] += 1
    prep_transhuge_page(s, pfn)
    if walk(s, mm, vpn) != table or (swapped and not swapin_range(s, vma, vpn, table)) or not isolate_table(s, table):
        s.pages[pfn].refcount = 0
        free_transhuge_page(s, pfn)
        return SCAN_FAIL
    update_hiwater_rss(s, mm)
    holes = copy_to_huge(s, mm, table, pfn)
    mm_at(s, mm).rss[MM_ANONPAGES] += holes
    set_huge_pmd(s, mm, vma, vpn, table, pfn)
    if vma_at(s, vma).flags & VM_LOCKED:
        mlock_new_page(s, pfn)
    else:
        lru_cache_add(s, pfn)
    if s.features.deferred_if_mapped:
        deferred_split_page(s, pfn, False)
    spend_ns(s, HPAGE_PMD_NR * s.cost_ns[COST_READ_PAGE])
    return SCAN_SUCCEED
