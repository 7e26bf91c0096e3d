"""Processes as a snapshot shows them: tasks, areas, pages and swap slots that are there before the first operation.

Nothing is allocated here and no time passes: the caller (``memtwin.machine``) says which frames are whose. Objects of
slab caches that such a process has (its task_struct, its areas) are among those that slabinfo counts, and are not tied
to it: when it ends they stay.

Not a kernel file: a running kernel came to its state step by step, and CRIU has the kernel do it again.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    file_page,
    mm_at,
    mod_node_page_state,
    table_at,
    table_get,
    task_at,
    vma_at,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.filemap import filemap_get
from cython.cimports.memtwin.linux.mm.huge_page import deferred_split_page, prep_transhuge_page
from cython.cimports.memtwin.linux.mm.huge_pmd import copy_huge_pmd, is_huge_pmd, set_huge_pmd
from cython.cimports.memtwin.linux.mm.lru_gen_walk import lru_gen_add_mm
from cython.cimports.memtwin.linux.mm.mprotect import change_protection
from cython.cimports.memtwin.linux.mm.page_writeback import set_page_dirty
from cython.cimports.memtwin.linux.mm.pgtable import PGD_ALLOCATION_ORDER, mm_counter_of, walk
from cython.cimports.memtwin.linux.mm.rmap import (
    anon_vma_fork,
    anon_vma_prepare,
    page_add_file_rmap,
    page_add_new_anon_rmap,
)
from cython.cimports.memtwin.linux.mm.swap import lru_add, lru_del
from cython.cimports.memtwin.linux.mm.vma import find_vma, insert_vma, new_vma, vm_stat_account

PAGE = cython.declare(u32, 4096)
ZS_HANDLE_SIZE = cython.declare(u32, 8)
GOLDEN = cython.declare(u64, 0x9E3779B97F4A7C15)


# --- tasks and their areas -------------------------------------------------------------------------------------------


def add_task(s: State, pid: int, oom_score_adj: int, pgd_pfn: int, stack: tuple[int, ...]) -> int:
    """Make a task with an empty address space: its top table in *pgd_pfn* and the next frame, *stack* its frames.

    Without *stack* it is one that never ends.
    """
    task: u32 = pool_get(cython.address(s.tasks))
    mm: u32 = pool_get(cython.address(s.mms))
    t: cython.pointer(Task) = task_at(s, task)
    prep_new_page(s, pgd_pfn, PGD_ALLOCATION_ORDER, OWNER_TOP_TABLE)
    mm_at(s, mm).pgd = table_get(s)
    s.table_pfn[mm_at(s, mm).pgd] = pgd_pfn
    mm_at(s, mm).users = 1
    t.mm = mm
    t.pid = pid
    t.oom_score_adj = oom_score_adj
    t.started = bool(stack)
    lru_gen_add_mm(s, mm)
    for i, pfn in enumerate(stack[:STACK_PAGES]):
        prep_new_page(s, pfn, 0, OWNER_KERNEL)
        t.stack[i] = pfn
    return task


def set_times(s: State, task: int, min_flt: int, maj_flt: int, utime_ns: int, stime_ns: int, start_ns: int) -> None:
    """Say how many faults a task had, how long it ran, and when it began."""
    t: cython.pointer(Task) = task_at(s, task)
    t.min_flt = min_flt
    t.maj_flt = maj_flt
    t.utime_ns = utime_ns
    t.stime_ns = stime_ns
    t.start_ns = start_ns


def set_user(s: State, task: int, uid: int, limits: tuple[int, int, int, int]) -> None:
    """Say whose a task is, and its own limits in pages: address space, data, stack, locked memory; below 0: none."""
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    task_at(s, task).uid = uid
    m.rlimit_as, m.rlimit_data, m.rlimit_stack, m.rlimit_memlock = (max(limit + 1, 0) for limit in limits)


def add_area(s: State, task: int, start: int, pages: int, flags: int, file: int, pgoff: int) -> None:
    """Map pages *start* … of a task; private writable ones are promised already."""
    vma: u32 = new_vma(s)
    area: cython.pointer(Vma) = vma_at(s, vma)
    mm: u32 = task_at(s, task).mm
    if flags & VM_WRITE and not flags & VM_SHARED:
        flags |= VM_ACCOUNT
    area.mm = mm
    area.start = start
    area.end = area.start + cython.cast(u64, pages)
    area.flags = flags
    area.file = file
    area.pgoff = pgoff if file else start
    insert_vma(s, mm, vma)
    vm_stat_account(s, mm, flags, pages)


def link_areas(s: State, child: int, parent: int) -> None:
    """Let areas of *child* map pages of *parent*'s areas at the same place, as after a fork."""
    i: u32
    mine: u32
    mm: u32 = task_at(s, child).mm
    for i in range(mm_at(s, task_at(s, parent).mm).nr_vmas):
        theirs: u32 = mm_at(s, task_at(s, parent).mm).vmas[i]
        if not vma_at(s, theirs).anon_vma:
            continue
        mine = find_vma(s, mm, vma_at(s, theirs).start)
        if not mine or vma_at(s, mine).start != vma_at(s, theirs).start or vma_at(s, mine).anon_vma:
            continue
        if vma_at(s, mine).pgoff == vma_at(s, theirs).pgoff:
            anon_vma_fork(s, mine, theirs)


# --- page tables -----------------------------------------------------------------------------------------------------


def make_tables(s: State, task: int, vpn: int, frames: list[int]) -> int:
    """Make the tables that map page *vpn*, in frames popped from *frames*; returns the PTE table."""
    mm: u32 = task_at(s, task).mm
    t: u32 = mm_at(s, mm).pgd
    below: u32
    for shift in (27, 18, 9):
        slot = (vpn >> shift) & (PTRS_PER_TABLE - 1)
        below = cython.cast(u32, table_at(s, t).entry[slot])
        if not below:
            pfn = frames.pop()
            prep_new_page(s, pfn, 0, OWNER_TABLE if shift < 27 else OWNER_TOP_TABLE)
            below = table_get(s)
            s.table_pfn[below] = pfn
            table_at(s, t).entry[slot] = below
            mm_at(s, mm).nr_tables += 1
            if shift < 27:
                mod_node_page_state(s, NR_PAGE_TABLE_PAGES, 1)
        t = below
    return t


def add_empty_tables(s: State, task: int, wanted: int, frames: list[int]) -> None:
    """Make tables that map nothing any more, within the areas of a task, until it has *wanted*, or no area lacks one.

    A table stays when its pages are reclaimed or given up with madvise: only munmap and exit free it.
    """
    mm: u32 = task_at(s, task).mm
    i: u32
    vpn: u64
    for i in range(mm_at(s, mm).nr_vmas):
        vpn = vma_at(s, mm_at(s, mm).vmas[i]).start
        while vpn < vma_at(s, mm_at(s, mm).vmas[i]).end:
            if mm_at(s, mm).nr_tables >= wanted or len(frames) < 4:
                return
            if not walk(s, mm, vpn):
                make_tables(s, task, vpn, frames)
            vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1


# --- anonymous pages -------------------------------------------------------------------------------------------------


def content_of(task: u64, vpn: u64, kind: u32) -> u64:
    """A content tag of its own for a page whose content no snapshot has; *kind* says how well it compresses."""
    return (((task << 40) ^ (vpn + 1)) * GOLDEN & ~cython.cast(u64, CONTENT_MASK)) | kind


def add_anon_pages(
    s: State, task: int, vpn: int, pfn: int, count: int, state: int, content: int, frames: list[int]
) -> None:
    """Map frames *pfn* … as anonymous pages at *vpn* …, on the list that *state* (AnonState) says.

    mlock() touches all pages of an area, which marks them as referenced; reclaim marks a page before it activates it.
    """
    page: cython.pointer(Page)
    at: u64
    frame: u32 = pfn
    t: u32 = 0
    vma: u32 = 0
    kind: u32 = content
    where: u32 = state
    writable: cython.bint = False
    i: u32
    for i in range(cython.cast(u32, count)):
        at = cython.cast(u64, vpn) + i
        frame = cython.cast(u32, pfn) + i
        if not i or not at & (PTRS_PER_TABLE - 1):
            t = make_tables(s, task, at, frames)
        if not i or at >= vma_at(s, vma).end:
            vma = find_vma(s, task_at(s, task).mm, at)
            writable = vma_at(s, vma).flags & VM_WRITE != 0
            anon_vma_prepare(s, vma)
        prep_new_page(s, frame, 0, OWNER_ANON)
        page_add_new_anon_rmap(s, frame, vma, at)
        page = cython.address(s.pages[frame])
        if where == LOCKED:
            page.flags |= PG_UNEVICTABLE | PG_MLOCKED
            zone_at(s, zone_of(s, frame)).stat[NR_MLOCK] += 1
            if vma_at(s, vma).flags & VM_LOCKED:
                page.flags |= PG_REFERENCED
        elif where == ACTIVE:
            page.flags |= PG_ACTIVE | PG_REFERENCED
        elif where == LAZYFREE:
            page.flags &= ~cython.cast(u32, PG_SWAPBACKED)
        lru_add(s, frame)
        page.tag = content_of(task, at, kind) if kind else 0
        table_at(s, t).entry[at & (PTRS_PER_TABLE - 1)] = (
            (cython.cast(u64, frame) << 12) | PTE_PRESENT | (PTE_WRITE if writable else 0)
        )
        if where != LAZYFREE:
            table_at(s, t).entry[at & (PTRS_PER_TABLE - 1)] |= PTE_ACCESSED | PTE_DIRTY
        table_at(s, t).tag[at & (PTRS_PER_TABLE - 1)] = page.tag
        mm_at(s, task_at(s, task).mm).rss[MM_ANONPAGES] += 1


def batch_pages(s: State, pfn: int, count: int) -> None:
    """Take pages that were just made off their lists again, into batches in front of them, as far as there is room."""
    vec: cython.pointer(PageVec)
    frame: u32
    cpu: u32
    for frame in range(cython.cast(u32, pfn), cython.cast(u32, pfn) + cython.cast(u32, count)):
        for cpu in range(s.nr_cpus):
            vec = cython.address(s.cpus[cpu].vecs[VEC_LRU_ADD])
            if vec.nr + 1 < s.features.lru_batch and s.pages[frame].flags & PG_LRU:
                lru_del(s, frame)
                s.pages[frame].refcount += 1
                vec.pages[vec.nr] = frame
                vec.nr += 1


def add_huge_page(s: State, task: int, vpn: int, pfn: int, active: bool, content: int, frames: list[int]) -> None:
    """Map frames *pfn* … as one huge page at the aligned page *vpn*, on the active or the inactive list."""
    mm: u32 = task_at(s, task).mm
    t: u32 = make_tables(s, task, vpn, frames)
    vma: u32 = find_vma(s, mm, vpn)
    head: u32 = pfn
    at: u64 = vpn
    kind: u32 = content
    i: u32
    anon_vma_prepare(s, vma)
    prep_transhuge_page(s, head)
    for i in range(HPAGE_PMD_NR):
        s.pages[head + i].tag = content_of(task, at + i, kind) if kind else 0
    set_huge_pmd(s, mm, vma, at, t, head)
    if active:
        s.pages[head].flags |= PG_ACTIVE
    lru_add(s, head)
    mm_at(s, mm).rss[MM_ANONPAGES] += HPAGE_PMD_NR
    if s.features.deferred_if_mapped:
        deferred_split_page(s, head, False)


def share_huge_page(s: State, task: int, theirs: u32, vpn: u64, frames: list[int]):
    """Map a huge page that an elder has, by its table *theirs*, at the same place in *task*."""
    copy_huge_pmd(s, task_at(s, task).mm, make_tables(s, task, vpn, frames), theirs)


def share_anon_pages(s: State, task: int, owner: int, vpn: int, count: int, frames: list[int]) -> int:
    """Map the anonymous pages that *owner* has at *vpn* … at the same place in *task*, up to the first that it lacks.

    Returns how many. As after a fork neither may write to them without a copy. The areas must be linked.
    """
    i: u32
    at: u64
    shared: u32 = 0
    theirs: u32
    mine: u32
    entry: cython.pointer(u64)
    page: cython.pointer(Page)
    for i in range(cython.cast(u32, count)):
        at = cython.cast(u64, vpn) + i
        theirs = walk(s, task_at(s, owner).mm, at)
        if not theirs:
            break
        if is_huge_pmd(s, theirs):
            if at & (PTRS_PER_TABLE - 1) == 0 and count - i >= HPAGE_PMD_NR:
                share_huge_page(s, task, theirs, at, frames)
                shared += HPAGE_PMD_NR
            elif at & (PTRS_PER_TABLE - 1) == 0 or not shared:
                break
            continue
        entry = cython.address(table_at(s, theirs).entry[at & (PTRS_PER_TABLE - 1)])
        if not entry[0] & PTE_PRESENT or s.pages[entry[0] >> 12].owner != OWNER_ANON:
            break
        page = cython.address(s.pages[entry[0] >> 12])
        entry[0] &= ~cython.cast(u64, PTE_WRITE)
        page.flags &= ~cython.cast(u32, PG_ANON_EXCLUSIVE)
        page.mapcount += 1
        page.refcount += 1
        mine = make_tables(s, task, at, frames)
        table_at(s, mine).entry[at & (PTRS_PER_TABLE - 1)] = entry[0]
        table_at(s, mine).tag[at & (PTRS_PER_TABLE - 1)] = page.tag
        mm_at(s, task_at(s, task).mm).rss[MM_ANONPAGES] += 1
        shared += 1
    return shared


def next_page_of(s: State, task: int, vpn: int, end: int, swapped: bool) -> int:
    """The first page from *vpn* on that a task has in memory as its own, or *swapped* out; *end*: it has none."""
    at: u64 = vpn
    last: u64 = end
    table: u32
    pte: u64
    while at < last:
        table = walk(s, task_at(s, task).mm, at)
        if not table:
            at = (at | (PTRS_PER_TABLE - 1)) + 1
            continue
        if is_huge_pmd(s, table):
            if not swapped:
                return at
            at = (at | (PTRS_PER_TABLE - 1)) + 1
            continue
        pte = table_at(s, table).entry[at & (PTRS_PER_TABLE - 1)]
        if pte & PTE_SWAP if swapped else pte & PTE_PRESENT and s.pages[pte >> 12].owner == OWNER_ANON:
            return at
        at += 1
    return end


def age_pages(s: State, task: int, count: int) -> None:
    """Let the first *count* anonymous pages of a task that are not active be neither used nor marked as referenced."""
    page: cython.pointer(Page)
    mm: u32 = task_at(s, task).mm
    i: u32
    vpn: u64
    table: u32
    entry: cython.pointer(u64)
    left: i64 = count
    for i in range(mm_at(s, mm).nr_vmas):
        vpn = vma_at(s, mm_at(s, mm).vmas[i]).start
        while vpn < vma_at(s, mm_at(s, mm).vmas[i]).end and left > 0:
            table = walk(s, mm, vpn)
            if not table:
                vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
                continue
            entry = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
            page = cython.address(s.pages[entry[0] >> 12])
            if entry[0] & PTE_PRESENT and page.owner == OWNER_ANON and not page.flags & (PG_ACTIVE | PG_HUGE | PG_TAIL):
                entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
                page.flags &= ~cython.cast(u32, PG_REFERENCED)
                left -= 1
            vpn += 1


def protect_areas(s: State, task: int) -> None:
    """Let the pages of areas without any right not be present to the processor."""
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    i: u32
    for i in range(m.nr_vmas):
        if not vma_at(s, m.vmas[i]).flags & VM_ACCESS:
            change_protection(s, m.vmas[i])


def delay_counts(s: State, task: int, anon: int, file: int, swap: int) -> None:
    """Say how many pages a task has counted by itself and not yet folded into its address space, by kind."""
    t: cython.pointer(Task) = task_at(s, task)
    for kind, pages in ((MM_ANONPAGES, anon), (MM_FILEPAGES, file), (MM_SWAPENTS, swap)):
        t.rss_delta[kind] += pages
        mm_at(s, t.mm).rss[kind] -= pages


def set_peaks(s: State, task: int, vm: int, rss: int) -> None:
    """Say how large a task's address space (VmPeak) and resident set (VmHWM) have been, in pages."""
    mm_at(s, task_at(s, task).mm).hiwater_vm = vm
    mm_at(s, task_at(s, task).mm).hiwater_rss = rss


# --- files -----------------------------------------------------------------------------------------------------------


def map_file_pages(s: State, task: int, vpn: int, file: int, index: int, count: int, frames: list[int]) -> int:
    """Map those of a file's pages *index* … that are cached at *vpn* …; returns how many those are."""
    pfn: u32
    at: u64
    i: u32
    t: u32
    mapped: u32 = 0
    prot: u64 = vma_at(s, find_vma(s, task_at(s, task).mm, vpn)).prot
    for i in range(cython.cast(u32, count)):
        at = cython.cast(u64, vpn) + i
        pfn = filemap_get(s, file, index + i)
        if not pfn:
            continue
        t = make_tables(s, task, at, frames)
        table_at(s, t).entry[at & (PTRS_PER_TABLE - 1)] = (cython.cast(u64, pfn) << 12) | prot
        s.pages[pfn].refcount += 1
        page_add_file_rmap(s, pfn)
        mm_at(s, task_at(s, task).mm).rss[mm_counter_of(s, pfn)] += 1
        mapped += 1
    return mapped


def charge_shared(s: State, file: int, promised: bool, sysv: bool) -> None:
    """Say how a file of shared memory is charged, as it is already: *promised* as a whole, or each page as it comes."""
    f: cython.pointer(File) = file_at(s, file)
    f.no_reserve = not promised
    f.nr_promised = f.nr_pages if promised else 0
    f.sysv = sysv
    s.shm_tot += f.nr_pages if sysv else 0


def dirty_file_pages(s: State, file: int, index: int, count: int) -> None:
    """Let cached pages *index* … of a file differ from their copies on the device."""
    i: u64
    pfn: u32
    s.in_thread = True  # no task is charged for them
    for i in range(cython.cast(u64, index), cython.cast(u64, index + count)):
        pfn = file_page(file_at(s, file), i)
        if not s.pages[pfn].flags & PG_DIRTY:
            set_page_dirty(s, pfn)
            mod_node_page_state(s, NR_DIRTIED, -1)
    s.in_thread = False
