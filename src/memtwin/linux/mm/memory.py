"""Page faults and copy on write.

A touch of a page whose entry is there and allows it is a **hit**: the processor sets the accessed (and dirty) bit and
the kernel never hears of it.  Everything else is a **fault**:

==================================================  =============================================================
never touched, anonymous, read                      map the shared zero page: costs no memory
never touched, anonymous, write                     a fresh zeroed page
no table, huge pages suit (``huge_memory.py``)      a huge page, or to read the huge zero page
file, read                                          map the page and its cached neighbours (*fault-around*)
file, shared, write                                 map the page alone, writable, and mark it dirty
file, private, write                                copy the file's page to an anonymous one
present, write-protected: nothing else maps it       write-enable it again (``pgreuse``)
present, write-protected: page of a shared file     map it, and mark it dirty
present, write-protected: shared since a fork       copy it (*copy on write*)
swapped out                                         bring it back (``swapin.py``)
==================================================  =============================================================

A file's page that is not in the cache is a **major** fault: the window around it is read, the task waits, and the
fault is retried, which ``pgfault`` counts a second time.

Each page carries a **content tag**.  A write changes it, together with a copy of it in the writer's page table; the
two are compared whenever the kernel handles the page (fault, copy, fork, unmap), in the debug build on every touch.
So a page that was lost or mixed up is found out at once.

Follows mm/memory.c of Linux 6.1 (``handle_pte_fault``, ``do_anonymous_page``, ``do_fault``, ``do_wp_page``) and
mm/filemap.c (``filemap_fault``, ``filemap_map_pages``).

Not modelled: userfaultfd, NUMA hints.
"""

import cython
from cython.cimports.memtwin.linux.core.host_memory import host_memory
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    file_at,
    filp_at,
    is_compound,
    must_return,
    page_mapped,
    set_current,
    spend_ns,
    table_at,
    task_at,
    this_cpu,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.filemap import (
    create_buffers,
    filemap_get,
    needs_block,
    reserve_block,
    wait_on_page_locked,
)
from cython.cimports.memtwin.linux.mm.huge_memory import FALLBACK, handle_pmd_fault
from cython.cimports.memtwin.linux.mm.memory_range import discard_anon_page
from cython.cimports.memtwin.linux.mm.mmap import expand_stack
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.page_writeback import balance_dirty_pages_ratelimited, set_page_dirty
from cython.cimports.memtwin.linux.mm.pgtable import (
    CHECK_AT_WRITE_FAULT,
    add_mm_counter_fast,
    check_tag,
    count_fault,
    count_retried_fault,
    mm_counter_of,
    pmd_mkyoung,
    sync_mm_rss,
    walk,
    walk_alloc,
)
from cython.cimports.memtwin.linux.mm.readahead import mmap_async_readahead, mmap_sync_readahead, read_cache_page
from cython.cimports.memtwin.linux.mm.rmap import (
    anon_vma_prepare,
    page_add_file_rmap,
    page_add_new_anon_rmap,
    page_remove_rmap,
)
from cython.cimports.memtwin.linux.mm.shmem import shmem_fault
from cython.cimports.memtwin.linux.mm.swap import (
    lru_add_drain,
    lru_cache_add,
    mlock_new_page,
    mlock_page,
    munlock_page,
    put_page,
)
from cython.cimports.memtwin.linux.mm.swapfile import try_to_free_swap
from cython.cimports.memtwin.linux.mm.swapin import do_swap_page
from cython.cimports.memtwin.linux.mm.vma import find_vma

from memtwin.linux.core.state import raise_if_broken


def count_retry(s: State, task: u32, tries: u32):
    """The task slept over a fault: it is retried, and is a major one to the task."""
    if tries == 1:
        task_at(s, task).min_flt -= 1
        task_at(s, task).maj_flt += 1
    count_retried_fault(s, task)


def handle_mm_fault(s: State, task: u32, vma: u32, vpn: u64, write: cython.bint) -> u32:
    """Make page *vpn* accessible to *task*, whose area *vma* holds it; returns an Outcome."""
    t: cython.pointer(Task) = task_at(s, task)
    code: u32
    if not t.fault_again:
        t.min_flt += 1
        count_fault(s, task)
    this_cpu(s).in_lru_fault = not vma_at(s, vma).flags & VM_RAND_READ
    code = handle_pmd_fault(s, task, vma, vpn, write) if s.thp & THP_USED else cython.cast(u32, FALLBACK)
    if code == FALLBACK:
        code = handle_pte_fault(s, task, vma, vpn, write)
    this_cpu(s).in_lru_fault = False
    task_at(s, task).fault_again = code != OK and must_return(s)
    return AGAIN if code != OK and must_return(s) else code


def handle_pte_fault(s: State, task: u32, vma: u32, vpn: u64, write: cython.bint) -> u32:
    """What is missing, by what the page-table entry says."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    table: u32
    pte: u64
    code: u32
    table = walk_alloc(s, area.mm, vpn)
    if not table:
        return s.alloc_error
    pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
    if pte & PTE_PRESENT:
        return do_wp_page(s, task, vma, vpn, table)
    if pte:
        code = do_swap_page(s, task, vma, vpn, table, write)
        if code != OK or not write or table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] & PTE_WRITE:
            return code
        return do_wp_page(s, task, vma, vpn, table)
    if area.file:
        return do_fault(s, task, vma, vpn, table, write)
    return do_anonymous_page(s, task, vma, vpn, table, write)


def do_fault(s: State, task: u32, vma: u32, vpn: u64, table: u32, write: cython.bint) -> u32:
    """First touch of a page of a file."""
    if not write:
        return do_read_fault(s, task, vma, vpn, table)
    if vma_at(s, vma).flags & VM_SHARED:
        return do_shared_fault(s, task, vma, vpn, table)
    return do_cow_fault(s, task, vma, vpn, table)


def new_anon_page(s: State, task: u32, vma: u32, vpn: u64, tag: u64) -> u32:
    """Allocate a page with content *tag* for the address and queue it for the inactive list; 0: no memory."""
    pfn: u32
    anon_vma_prepare(s, vma)
    pfn = alloc_pages(s, 0, GFP_HIGHUSER_MOVABLE | (0 if tag else GFP_ZERO))
    if not pfn:
        return 0
    prep_new_page(s, pfn, 0, OWNER_ANON)
    s.pages[pfn].tag = tag
    page_add_new_anon_rmap(s, pfn, vma, vpn)
    if vma_at(s, vma).flags & VM_LOCKED:
        mlock_new_page(s, pfn)
    else:
        lru_cache_add(s, pfn)
    add_mm_counter_fast(s, task, vma_at(s, vma).mm, MM_ANONPAGES, 1)
    return pfn


def do_anonymous_page(s: State, task: u32, vma: u32, vpn: u64, table: u32, write: cython.bint) -> u32:
    """First touch of an anonymous page: the zero page for a read, a page of its own for a write."""
    pfn: u32
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
    if not write:
        entry[0] = PTE_PRESENT | PTE_SPECIAL | PTE_ACCESSED
        spend_ns(s, s.cost_ns[COST_ZERO_FAULT])
        return OK
    pfn = new_anon_page(s, task, vma, vpn, 0)
    if not pfn:
        return s.alloc_error
    entry[0] = (cython.cast(u64, pfn) << 12) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
    spend_ns(s, s.cost_ns[COST_ANON_FAULT])
    return OK


def map_file_page(s: State, task: u32, vma: u32, table: u32, vpn: u64, pfn: u32):
    """Map a cached page of a file: read-only, but for shared memory, whose dirty pages nothing has to notice."""
    t: cython.pointer(Table) = table_at(s, table)
    at: u32 = vpn & (PTRS_PER_TABLE - 1)
    t.entry[at] = (cython.cast(u64, pfn) << 12) | vma_at(s, vma).prot
    t.tag[at] = s.pages[pfn].tag
    s.pages[pfn].refcount += 1
    page_add_file_rmap(s, pfn)
    if vma_at(s, vma).flags & VM_LOCKED:
        mlock_page(s, pfn)
    add_mm_counter_fast(s, task, vma_at(s, vma).mm, mm_counter_of(s, pfn), 1)


def do_fault_around(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> cython.bint:
    """Map every cached page of the aligned 64 KiB window around the address; whether the wanted one was among them.

    Pages that are being read, and the one with the readahead mark, are passed over; System V's map one by one.
    """
    area: cython.pointer(Vma) = vma_at(s, vma)
    first: u64 = max(vpn & ~cython.cast(u64, FAULT_AROUND_PAGES - 1), area.start)
    last: u64 = min((vpn | (FAULT_AROUND_PAGES - 1)) + 1, area.end)
    ra: cython.pointer(Filp) = filp_at(s, area.filp)
    at: u64
    pfn: u32
    if file_at(s, area.file).sysv:
        first, last = vpn, vpn + 1
    for at in range(first, last):
        pfn = filemap_get(s, area.file, area.pgoff + (at - area.start))
        if not pfn or s.pages[pfn].flags & (PG_LOCKED | PG_READAHEAD):
            continue
        if ra.mmap_miss:
            ra.mmap_miss -= 1
        if not table_at(s, table).entry[at & (PTRS_PER_TABLE - 1)]:
            map_file_page(s, task, vma, table, at, pfn)
    return table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] != 0


def filemap_fault(s: State, vma: u32, vpn: u64, tries: cython.pointer(u32)) -> u32:
    """Find a file's page for a fault, up to date; 0: the fault must be retried, or ``State.alloc_error`` says why not.

    Whenever reading is started or waited for, the fault starts again, whatever the outcome: *tries* counts
    that.
    """
    area: cython.pointer(Vma) = vma_at(s, vma)
    filp: u32 = area.filp
    file: u32 = area.file
    index: u64 = area.pgoff + (vpn - area.start)
    pfn: u32 = filemap_get(s, file, index)
    first: cython.bint = tries[0] == 0
    started: cython.bint = False
    if file_at(s, file).kind == FILE_SHMEM:
        return shmem_fault(s, file, index)
    if not pfn and (not filp or index >= file_at(s, file).nr_pages):
        s.alloc_error = SIGBUS if filp else ENOMEM
        return 0
    if pfn and first and filp:
        started = mmap_async_readahead(s, filp, pfn, index)
    elif not pfn and first:
        s.event[PGMAJFAULT] += 1
        started = mmap_sync_readahead(s, filp, index)
        pfn = filemap_get(s, file, index)
    if not pfn:
        pfn = read_cache_page(s, file, index, GFP_HIGHUSER_MOVABLE)
        tries[0] += 1 if pfn else 0
        return 0
    if started or s.pages[pfn].flags & PG_LOCKED:
        wait_on_page_locked(s, pfn)
        tries[0] += 1
        return 0
    return pfn


def take_tries(s: State, task: u32) -> u32:
    """How often a fault was retried that waited and goes on now; 0: it begins."""
    tries: u32 = task_at(s, task).fault_tries
    task_at(s, task).fault_tries = 0
    return tries


def file_page(s: State, task: u32, vma: u32, vpn: u64) -> u32:
    """A file's page for a fault, trying until it is there; 0: no memory, or the task waits."""
    tries: u32 = take_tries(s, task)
    before: u32
    pfn: u32
    while True:
        before = tries
        pfn = filemap_fault(s, vma, vpn, cython.address(tries))
        if tries != before:
            count_retry(s, task, tries)
        if must_return(s):
            task_at(s, task).fault_tries = tries
            return 0
        if pfn or tries == before:
            return pfn


def do_read_fault(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """Map the page and its cached neighbours; the kernel's own pages (vdso) are mapped one at a time."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    tries: u32 = take_tries(s, task)
    before: u32
    pfn: u32
    if area.flags & VM_PFNMAP:
        pfn = filemap_get(s, area.file, area.pgoff + (vpn - area.start))
        if not pfn:
            return ENOMEM
        map_file_page(s, task, vma, table, vpn, pfn)
        spend_ns(s, s.cost_ns[COST_FILE_FAULT])
        return OK
    while not do_fault_around(s, task, vma, vpn, table):
        before = tries
        pfn = filemap_fault(s, vma, vpn, cython.address(tries))
        if pfn:
            map_file_page(s, task, vma, table, vpn, pfn)
            break
        if tries != before:
            count_retry(s, task, tries)
        if must_return(s):
            task_at(s, task).fault_tries = tries
            return AGAIN
        if tries == before:
            return s.alloc_error
    spend_ns(s, s.cost_ns[COST_FILE_FAULT])
    return OK


def page_mkwrite(s: State, pfn: u32) -> cython.bint:
    """A write through a shared mapping: the file system is notified, the page becomes dirty; False: no memory or block.

    Shared memory has no file system to notify, and no writeback to wait for.
    """
    takes_block: cython.bint
    if s.pages[pfn].flags & PG_SWAPBACKED:
        s.pages[pfn].flags |= PG_DIRTY
        return True
    takes_block = needs_block(s, s.pages[pfn].mapping, s.pages[pfn].index)
    if takes_block and not reserve_block(s):
        s.alloc_error = SIGBUS
        return False
    if not create_buffers(s, pfn):
        s.disk_used_blocks -= takes_block
        return False
    set_page_dirty(s, pfn)
    return True


def do_shared_fault(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """First touch of a shared file page is a write: map it alone, writable and dirty."""
    pfn: u32 = file_page(s, task, vma, vpn)
    if not pfn:
        return s.alloc_error
    s.pages[pfn].refcount += 1
    if not page_mkwrite(s, pfn):
        put_page(s, pfn)
        return s.alloc_error
    map_file_page(s, task, vma, table, vpn, pfn)
    table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] |= PTE_WRITE | PTE_DIRTY
    s.pages[pfn].refcount -= 1
    spend_ns(s, s.cost_ns[COST_FILE_FAULT])
    if not s.pages[pfn].flags & PG_SWAPBACKED:
        balance_dirty_pages_ratelimited(s)
    return OK


def do_cow_fault(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """First touch of a private file page is a write: copy it to an anonymous page at once."""
    source: u32 = file_page(s, task, vma, vpn)
    if not source:
        return s.alloc_error
    return wp_page_copy(s, task, vma, vpn, table, source)


def wp_page_copy(s: State, task: u32, vma: u32, vpn: u64, table: u32, source: u32) -> u32:
    """Map a copy of *source* (0: the zero page) at *vpn*, writable, in place of what was mapped there.

    Allocating may take the old page away; then nothing is done, and the touch faults again.
    """
    at: u32 = vpn & (PTRS_PER_TABLE - 1)
    old: u64 = table_at(s, table).entry[at]
    tag: u64 = s.pages[source].tag if source else 0
    before: u32 = old >> 12
    pfn: u32
    if source:
        s.pages[compound_head(s, source)].refcount += 1
    pfn = new_anon_page(s, task, vma, vpn, tag)
    if source:
        put_page(s, source)
    if not pfn:
        return s.alloc_error
    if table_at(s, table).entry[at] & ~cython.cast(u64, PTE_ACCESSED) != old & ~cython.cast(u64, PTE_ACCESSED):
        discard_anon_page(s, task, vma, pfn)
        return OK
    table_at(s, table).entry[at] = (cython.cast(u64, pfn) << 12) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
    table_at(s, table).tag[at] = tag
    if old & PTE_PRESENT and not old & PTE_SPECIAL:
        add_mm_counter_fast(s, task, vma_at(s, vma).mm, mm_counter_of(s, before), -1)
        page_remove_rmap(s, before)
        if vma_at(s, vma).flags & VM_LOCKED and not is_compound(s, before):
            munlock_page(s, before)
        before = compound_head(s, before)
        if s.pages[before].flags & PG_SWAPCACHE and not page_mapped(s, before):
            try_to_free_swap(s, before)
        put_page(s, before)
    spend_ns(s, s.cost_ns[COST_COW_FAULT])
    return OK


def do_wp_page(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """Write to a write-protected page: take it over if nothing else holds it, else copy it."""
    at: u32 = vpn & (PTRS_PER_TABLE - 1)
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[at])
    pfn: u32 = entry[0] >> 12
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if entry[0] & PTE_SPECIAL:
        return wp_page_copy(s, task, vma, vpn, table, 0)
    check_tag(s, table_at(s, table).tag[at], pfn, CHECK_AT_WRITE_FAULT)
    if page.owner == OWNER_ANON:
        if may_reuse(s, pfn):
            page.flags |= PG_ANON_EXCLUSIVE
            return wp_page_reuse(s, entry)
    elif vma_at(s, vma).flags & VM_SHARED:
        return wp_page_shared(s, entry, pfn)
    return wp_page_copy(s, task, vma, vpn, table, pfn)


def may_reuse(s: State, pfn: u32) -> cython.bint:
    """Whether an anonymous page belongs to the writing task alone; a swap slot that only it uses is freed for that."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_ANON_EXCLUSIVE:
        return True
    if is_compound(s, pfn):
        return False
    if page.refcount > 3:
        return False
    if not page.flags & PG_LRU:
        lru_add_drain(s)
    if page.refcount > 1 + (1 if page.flags & PG_SWAPCACHE else 0):
        return False
    if page.flags & PG_SWAPCACHE:
        try_to_free_swap(s, pfn)
    return page.refcount == 1


def wp_page_reuse(s: State, entry: cython.pointer(u64)) -> u32:
    """Let the page be written to as it is."""
    entry[0] |= PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
    s.event[PGREUSE] += 1
    spend_ns(s, s.cost_ns[COST_REUSE_FAULT])
    return OK


def wp_page_shared(s: State, entry: cython.pointer(u64), pfn: u32) -> u32:
    """Write to a page of a shared file that was clean until now."""
    code: u32
    s.pages[pfn].refcount += 1
    if not page_mkwrite(s, pfn):
        put_page(s, pfn)
        return s.alloc_error
    code = wp_page_reuse(s, entry)
    s.pages[pfn].refcount -= 1
    if not s.pages[pfn].flags & PG_SWAPBACKED:
        balance_dirty_pages_ratelimited(s)
    return code


def access_page(s: State, task: u32, vpn: u64, write: cython.bint) -> u32:
    """Touch one page of *task*: a hit, or faults until it is one; SIGSEGV: no area there allows it."""
    return access_remote_page(s, task, task_at(s, task).mm, vpn, write)


def access_remote_page(s: State, task: u32, mm: u32, vpn: u64, write: cython.bint) -> u32:
    """Touch one page of an address space, by faults of *task*."""
    table: u32
    wanted: u64 = PTE_PRESENT | PTE_WRITE if write else PTE_PRESENT
    vma: u32
    code: u32
    while True:
        table = walk(s, mm, vpn)
        if table and table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] & wanted == wanted:
            table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] |= PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED
            if s.node_data[0].lruvec.gen.enabled:
                pmd_mkyoung(s, mm, vpn)
            return OK
        vma = find_vma(s, mm, vpn)
        if not vma or (vma_at(s, vma).start > vpn and expand_stack(s, mm, vma, vpn) != OK):
            return SIGSEGV
        if not vma_at(s, vma).flags & (VM_WRITE if write else VM_ACCESS):
            return SIGSEGV
        task_at(s, task).fault_vpn = vpn
        code = handle_mm_fault(s, task, vma, vpn, write)
        if code != OK or must_return(s):
            return code if code != OK else AGAIN
        if task_at(s, task).killed:
            return KILLED
        if host_memory.missing:
            return ENOMEM


# --- what Python calls -----------------------------------------------------------------------------------------------


def touch_page(s: State, task: int, vpn: int, write: bool) -> int:
    """Touch one page from Python: for a process's few static pages; a write changes nothing that is compared."""
    code: u32
    set_current(s, task)
    code = access_page(s, task, vpn, write)
    raise_if_broken(s)
    return code


def forget_before_exec(s: State, task: int) -> None:
    """Fold a task's own counts, as exec does when it takes on its new address space."""
    sync_mm_rss(s, task)
