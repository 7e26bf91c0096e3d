"""Page tables, page faults, copy on write, and what fork and munmap do to page tables.

An address is translated by four levels of tables of 512 entries; the last level's entry names the frame::

    page number   |  9 bits  |  9 bits  |  9 bits  |  9 bits  |
                     PGD   →    PUD   →    PMD   →    PTE      → frame, and the bits present, write, accessed, dirty

A touch of a page whose entry is there and allows it is a **hit**: the processor sets the accessed (and dirty) bit and
the kernel never hears of it.  Everything else is a **fault**:

==================================================  =============================================================
never touched, anonymous, read                      map the shared zero page: costs no memory
never touched, anonymous, write                     a fresh zeroed page
file, read                                          map the page and its cached neighbours (*fault-around*)
file, private, write                                copy the file's page to an anonymous one
present, write-protected: nobody else maps it       write-enable it again (``pgreuse``)
present, write-protected: shared since a fork       copy it (*copy on write*)
==================================================  =============================================================

Each page carries a **content tag**.  A write changes it, together with a copy of it in the writer's page table; the
two are compared whenever the kernel handles the page (fault, copy, fork, unmap), in the debug build on every touch.
So a page that was lost or mixed up is found out at once.

Follows mm/memory.c of Linux 6.1 (``handle_pte_fault``, ``do_anonymous_page``, ``do_fault``, ``do_wp_page``,
``copy_page_range``, ``zap_pte_range``, ``free_pgtables``) and its split RSS counting (``check_sync_rss_stat``).

Not modelled: huge pages, swap entries (both to come), userfaultfd, NUMA hints, five-level tables.
"""

import cython
from cython.cimports.memtwin.mm.buddy import free_frame, own
from cython.cimports.memtwin.mm.filemap import filemap_get
from cython.cimports.memtwin.mm.lru import lru_add_drain, lru_cache_add, lru_del
from cython.cimports.memtwin.mm.mm_types import (
    COST_ANON_FAULT,
    COST_COW_FAULT,
    COST_FILE_FAULT,
    COST_FORK_PAGE,
    COST_REUSE_FAULT,
    COST_UNMAP_PAGE,
    COST_ZERO_FAULT,
    ENOMEM,
    MIGRATE_UNMOVABLE,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    NR_MM_COUNTERS,
    OK,
    OWNER_ANON,
    OWNER_TABLE,
    PG_ANON_EXCLUSIVE,
    PG_LRU,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_PRESENT,
    PTE_SPECIAL,
    PTE_WRITE,
    PTRS_PER_TABLE,
    VM_PFNMAP,
    VM_SHARED,
    Mm,
    Page,
    Table,
    Task,
    Vma,
    i64,
    u32,
    u64,
)
from cython.cimports.memtwin.mm.page_alloc import alloc_kernel_pages, alloc_user_page
from cython.cimports.memtwin.mm.rmap import (
    anon_vma_prepare,
    page_add_file_rmap,
    page_add_new_anon_rmap,
    page_remove_rmap,
)
from cython.cimports.memtwin.mm.state import (
    State,
    charge,
    mm_at,
    table_at,
    table_get,
    table_put,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.mm.vma import find_vma
from cython.cimports.memtwin.mm.vmstat import NR_PAGE_TABLE_PAGES, PGFAULT, PGREUSE

from memtwin.mm.state import raise_if_broken

SOURCE = "mm/memory.c", "v6.1"

GOLDEN = cython.declare(u64, 0x9E3779B97F4A7C15)
HITS_PER_CHARGE = cython.declare(u32, 1024)
CHECK_AT_WRITE_FAULT = cython.declare(u32, 1)
CHECK_AT_UNMAP = cython.declare(u32, 2)
CHECK_AT_TOUCH = cython.declare(u32, 3)


# --- page tables -----------------------------------------------------------------------------------------------------


def alloc_table(s: State, order: u32) -> u32:
    """Make an empty table in frames of its own; 0: no memory."""
    table: u32
    pfn: u32 = alloc_kernel_pages(s, order, MIGRATE_UNMOVABLE)
    if not pfn:
        return 0
    own(s, pfn, order, OWNER_TABLE)
    table = table_get(s)
    s.table_pfn[table] = pfn
    return table


def free_table(s: State, table: u32, counted: cython.bint):
    """Give a table and its frame back; *counted*: it is a PTE or PMD table, which meminfo's PageTables holds."""
    pfn: u32 = s.table_pfn[table]
    free_frame(s, pfn, s.pages[pfn].order)
    table_put(s, table)
    if counted:
        s.node[NR_PAGE_TABLE_PAGES] -= 1


def next_level(s: State, table: u32, vpn: u64, shift: u32) -> u32:
    """The table that an upper table's entry for page *vpn* names."""
    return cython.cast(u32, table_at(s, table).entry[(vpn >> shift) & (PTRS_PER_TABLE - 1)])


def walk(s: State, mm: u32, vpn: u64) -> u32:
    """The PTE table that would map page *vpn*; 0: there is none."""
    table: u32 = next_level(s, mm_at(s, mm).pgd, vpn, 27)
    if table:
        table = next_level(s, table, vpn, 18)
    if table:
        table = next_level(s, table, vpn, 9)
    return table


def walk_alloc(s: State, mm: u32, vpn: u64) -> u32:
    """As :func:`walk`, making the tables that are missing; 0: no memory."""
    table: u32 = mm_at(s, mm).pgd
    below: u32
    shift: u32 = 27
    while shift:
        below = next_level(s, table, vpn, shift)
        if not below:
            below = alloc_table(s, 0)
            if not below:
                return 0
            table_at(s, table).entry[(vpn >> shift) & (PTRS_PER_TABLE - 1)] = below
            mm_at(s, mm).nr_tables += 1
            if shift < 27:
                s.node[NR_PAGE_TABLE_PAGES] += 1
        table = below
        shift -= 9
    return table


# --- counting --------------------------------------------------------------------------------------------------------


def sync_mm_rss(s: State, task: u32):
    """Fold what a task counted by itself into its mm: until then VmRSS does not show it (kernels up to 6.1)."""
    t: cython.pointer(Task) = task_at(s, task)
    m: cython.pointer(Mm) = mm_at(s, t.mm)
    i: u32
    for i in range(NR_MM_COUNTERS):
        m.rss[i] += t.rss_delta[i]
        t.rss_delta[i] = 0
    t.rss_events = 0


def mm_rss(s: State, mm: u32) -> i64:
    """VmRSS in pages, as the kernel would print it."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    return m.rss[MM_FILEPAGES] + m.rss[MM_ANONPAGES] + m.rss[MM_SHMEMPAGES]


def update_hiwater_rss(s: State, mm: u32):
    """Remember the highest VmRSS before it falls."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    m.hiwater_rss = max(m.hiwater_rss, mm_rss(s, mm))


def check_tag(s: State, expected: u64, pfn: u32, check: u32):
    """Note a page whose content is not what the address's owner last wrote."""
    if s.pages[pfn].tag != expected and not s.broken:
        s.broken = check


def put_page(s: State, pfn: u32):
    """Drop a reference to a page of user memory; the last takes it off its list and frees it."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.refcount -= 1
    if page.refcount == 0:
        if page.flags & PG_LRU:
            lru_del(s, pfn)
        free_frame(s, pfn, 0)


# --- faults ----------------------------------------------------------------------------------------------------------


def handle_mm_fault(s: State, task: u32, vma: u32, vpn: u64, write: cython.bint) -> u32:
    """Make page *vpn* accessible to *task*, whose area *vma* holds it; returns an Outcome."""
    t: cython.pointer(Task) = task_at(s, task)
    area: cython.pointer(Vma) = vma_at(s, vma)
    table: u32
    pte: u64
    s.event[PGFAULT] += 1
    t.min_flt += 1
    t.rss_events += 1
    if t.rss_events > TASK_RSS_EVENTS_THRESH + 1:
        sync_mm_rss(s, task)
    table = walk_alloc(s, t.mm, vpn)
    if not table:
        return s.need
    pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
    if pte & PTE_PRESENT:
        return do_wp_page(s, task, vma, vpn, table)
    if not area.file:
        return do_anonymous_page(s, task, vma, vpn, table, write)
    if not write:
        return do_read_fault(s, task, vma, vpn, table)
    return do_cow_fault(s, task, vma, vpn, table)


def new_anon_page(s: State, task: u32, vma: u32, vpn: u64, tag: u64) -> u32:
    """Allocate a page with content *tag* for the address and queue it for the inactive list; 0: no memory."""
    pfn: u32
    anon_vma_prepare(s, vma)
    pfn = alloc_user_page(s)
    if not pfn:
        return 0
    own(s, pfn, 0, OWNER_ANON)
    s.pages[pfn].tag = tag
    page_add_new_anon_rmap(s, pfn, vma, vpn)
    lru_cache_add(s, pfn)
    task_at(s, task).rss_delta[MM_ANONPAGES] += 1
    return pfn


def do_anonymous_page(s: State, task: u32, vma: u32, vpn: u64, table: u32, write: cython.bint) -> u32:
    """First touch of an anonymous page: the zero page for a read, a page of its own for a write."""
    pfn: u32
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
    if not write:
        entry[0] = PTE_PRESENT | PTE_SPECIAL | PTE_ACCESSED
        charge(s, s.cost_ns[COST_ZERO_FAULT])
        return OK
    pfn = new_anon_page(s, task, vma, vpn, 0)
    if not pfn:
        return s.need
    entry[0] = (cython.cast(u64, pfn) << 12) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
    charge(s, s.cost_ns[COST_ANON_FAULT])
    return OK


def map_file_page(s: State, task: u32, table: u32, vpn: u64, pfn: u32):
    """Map a cached page of a file, read-only."""
    t: cython.pointer(Table) = table_at(s, table)
    at: u32 = vpn & (PTRS_PER_TABLE - 1)
    t.entry[at] = (cython.cast(u64, pfn) << 12) | PTE_PRESENT | PTE_ACCESSED
    t.tag[at] = s.pages[pfn].tag
    s.pages[pfn].refcount += 1
    page_add_file_rmap(s, pfn)
    task_at(s, task).rss_delta[MM_FILEPAGES] += 1


def do_read_fault(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """Map every cached page of the aligned 64 KiB window around the address, within the area and its table.

    The kernel's own pages (vdso) are mapped one at a time.
    """
    area: cython.pointer(Vma) = vma_at(s, vma)
    first: u64 = max(vpn & ~cython.cast(u64, FAULT_AROUND_PAGES - 1), area.start)
    last: u64 = min((vpn | (FAULT_AROUND_PAGES - 1)) + 1, area.end)
    at: u64
    pfn: u32
    if area.flags & VM_PFNMAP:
        first = vpn
        last = vpn + 1
    for at in range(first, last):
        pfn = filemap_get(s, area.file, area.pgoff + (at - area.start))
        if pfn and not table_at(s, table).entry[at & (PTRS_PER_TABLE - 1)]:
            map_file_page(s, task, table, at, pfn)
    charge(s, s.cost_ns[COST_FILE_FAULT])
    return OK if table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] else ENOMEM


def do_cow_fault(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """First touch of a private file page is a write: copy it to an anonymous page at once."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    source: u32 = filemap_get(s, area.file, area.pgoff + (vpn - area.start))
    return wp_page_copy(s, task, vma, vpn, table, s.pages[source].tag)


def wp_page_copy(s: State, task: u32, vma: u32, vpn: u64, table: u32, tag: u64) -> u32:
    """Map a fresh page with content *tag* at *vpn*, writable, in place of what was mapped there."""
    at: u32 = vpn & (PTRS_PER_TABLE - 1)
    old: u64 = table_at(s, table).entry[at]
    before: u32 = old >> 12
    pfn: u32 = new_anon_page(s, task, vma, vpn, tag)
    if not pfn:
        return s.need
    table_at(s, table).entry[at] = (cython.cast(u64, pfn) << 12) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
    table_at(s, table).tag[at] = tag
    if old & PTE_PRESENT and not old & PTE_SPECIAL:
        task_at(s, task).rss_delta[MM_ANONPAGES if s.pages[before].owner == OWNER_ANON else MM_FILEPAGES] -= 1
        page_remove_rmap(s, before)
        put_page(s, before)
    charge(s, s.cost_ns[COST_COW_FAULT])
    return OK


def do_wp_page(s: State, task: u32, vma: u32, vpn: u64, table: u32) -> u32:
    """Write to a write-protected page: take it over if nobody else holds it, else copy it."""
    at: u32 = vpn & (PTRS_PER_TABLE - 1)
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[at])
    expected: u64 = table_at(s, table).tag[at]
    pfn: u32 = entry[0] >> 12
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if entry[0] & PTE_SPECIAL:
        return wp_page_copy(s, task, vma, vpn, table, 0)
    check_tag(s, expected, pfn, CHECK_AT_WRITE_FAULT)
    if page.owner == OWNER_ANON:
        if not page.flags & PG_ANON_EXCLUSIVE and page.refcount <= 3 and not page.flags & PG_LRU:
            lru_add_drain(s)
        if page.flags & PG_ANON_EXCLUSIVE or page.refcount == 1:
            page.flags |= PG_ANON_EXCLUSIVE
            entry[0] |= PTE_WRITE | PTE_ACCESSED | PTE_DIRTY
            s.event[PGREUSE] += 1
            charge(s, s.cost_ns[COST_REUSE_FAULT])
            return OK
    return wp_page_copy(s, task, vma, vpn, table, expected)


def access_page(s: State, task: u32, vpn: u64, write: cython.bint) -> u32:
    """Touch one page of *task*: a hit, or a fault; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    table: u32 = walk(s, mm, vpn)
    wanted: u64 = PTE_PRESENT | PTE_WRITE if write else PTE_PRESENT
    vma: u32
    if table and table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] & wanted == wanted:
        table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] |= PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED
        return OK
    vma = find_vma(s, mm, vpn)
    if not vma or vma_at(s, vma).start > vpn:
        return ENOMEM
    return handle_mm_fault(s, task, vma, vpn, write)


# --- what Python calls -----------------------------------------------------------------------------------------------


def touch_page(s: State, task: int, vpn: int, write: bool) -> int:
    """Touch one page from Python: for a process's few static pages; a write changes nothing that is compared."""
    code: u32 = access_page(s, task, vpn, write)
    raise_if_broken(s)
    return code


def forget_before_exec(s: State, task: int) -> None:
    """Fold a task's own counts, as exec does when it takes on its new address space."""
    sync_mm_rss(s, task)


# --- fork, munmap, exit ----------------------------------------------------------------------------------------------


def copy_pte(s: State, dst_mm: u32, dst: cython.pointer(u64), src: cython.pointer(u64), wrprotect: cython.bint):
    """Give the child the parent's entry; both lose the right to write to private pages."""
    page: cython.pointer(Page)
    if src[0] & PTE_SPECIAL:
        dst[0] = src[0] & ~cython.cast(u64, PTE_ACCESSED)
        return
    if wrprotect:
        src[0] &= ~cython.cast(u64, PTE_WRITE)
    dst[0] = src[0] & ~cython.cast(u64, PTE_ACCESSED)
    page = cython.address(s.pages[src[0] >> 12])
    page.refcount += 1
    page.mapcount += 1
    page.flags &= ~PG_ANON_EXCLUSIVE
    mm_at(s, dst_mm).rss[MM_ANONPAGES if page.owner == OWNER_ANON else MM_FILEPAGES] += 1


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
    while vpn < end:
        limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, end)
        src = walk(s, src_mm, vpn)
        if src:
            dst = walk_alloc(s, dst_mm, vpn)
            if not dst:
                return s.need
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
    charge(s, copied * s.cost_ns[COST_FORK_PAGE])
    return OK


def zap_pte_range(s: State, task: u32, mm: u32, table: u32, start: u64, end: u64):
    """Unmap pages *start* to *end* of one table; anonymous pages that nobody else maps are freed.

    *task*: whose split RSS counts are folded first (0: nobody's).
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
        if not pte & PTE_SPECIAL:
            pfn = pte >> 12
            check_tag(s, t.tag[at], pfn, CHECK_AT_UNMAP)
            m.rss[MM_ANONPAGES if s.pages[pfn].owner == OWNER_ANON else MM_FILEPAGES] -= 1
            page_remove_rmap(s, pfn)
            put_page(s, pfn)
            zapped += 1
        t.tag[at] = 0
    charge(s, zapped * s.cost_ns[COST_UNMAP_PAGE])


def zap_page_range(s: State, task: u32, mm: u32, start: u64, end: u64):
    """Unmap a range of pages; page tables stay."""
    vpn: u64 = start
    limit: u64
    table: u32
    lru_add_drain(s)
    while vpn < end:
        limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, end)
        table = walk(s, mm, vpn)
        if table:
            zap_pte_range(s, task, mm, table, vpn, limit)
        vpn = limit


def free_pgtables(s: State, mm: u32, floor: u64, ceiling: u64):
    """Free the tables that lie wholly between *floor* and *ceiling*, where no area is left."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    free_tables_below(s, mm, m.pgd, 0, floor, ceiling, 27)


def free_tables_below(s: State, mm: u32, table: u32, base: u64, floor: u64, ceiling: u64, shift: u32):
    """Free what hangs below *table*, which maps pages from *base* on, *shift* bits of page number an entry."""
    i: u32
    below: u32
    start: u64
    end: u64
    for i in range(PTRS_PER_TABLE):
        start = base + (cython.cast(u64, i) << shift)
        end = start + (cython.cast(u64, 1) << shift)
        below = cython.cast(u32, table_at(s, table).entry[i])
        if not below or end <= floor or start >= ceiling:
            continue
        if shift > 9:
            free_tables_below(s, mm, below, start, floor, ceiling, shift - 9)
        if start >= floor and end <= ceiling:
            table_at(s, table).entry[i] = 0
            free_table(s, below, shift < 27)
            mm_at(s, mm).nr_tables -= 1


def corrupt_page(s: State, task: int, vpn: int) -> None:
    """Change the content of a mapped page behind its owner's back: for tests of the checks themselves."""
    table: u32 = walk(s, task_at(s, task).mm, vpn)
    s.pages[table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] >> 12].tag ^= GOLDEN
