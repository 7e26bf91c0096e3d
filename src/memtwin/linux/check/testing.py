"""Doors for tests: what a model's tests ask or break, and nothing else of memtwin does."""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    file_page,
    file_shadow,
    mm_at,
    mod_node_page_state,
    pool_at,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_account
from cython.cimports.memtwin.linux.lib.xarray import file_reserve, make_chunk, xa_erase, xa_erase_shadow, xa_store
from cython.cimports.memtwin.linux.mm.filemap import disk_content, filemap_get
from cython.cimports.memtwin.linux.mm.memcontrol import mem_cgroup_flush_stats
from cython.cimports.memtwin.linux.mm.page_writeback import clear_page_dirty_for_io, set_page_dirty
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.swap_avail import entry_of
from cython.cimports.memtwin.linux.mm.swapfile import free_swap_slot
from cython.cimports.memtwin.linux.mm.vmscan import inactive_is_low
from cython.cimports.memtwin.linux.mm.vmscan_node import get_scan_count, init_scan, scan_balance
from cython.cimports.memtwin.linux.mm.zbud import size_to_chunks
from cython.cimports.memtwin.linux.mm.zsmalloc import class_index, huge_class_size, zs_init_classes
from cython.cimports.memtwin.linux.restore_swap import leave_shadow

ZS_HANDLE_SIZE = cython.declare(u32, 8)


def pool_addresses(s: State) -> dict[int, tuple[int, int]]:
    """Where the arrays of tasks, address spaces, areas and so on stand in this process, and how many entries each has.

    By the number of the pool in the State's header.
    """
    return {
        i: (cython.cast(cython.size_t, pool_at(s, i).items), pool_at(s, i).nr)
        for i in range(cython.cast(int, NR_POOLS))
    }


def plan(s: State, priority: int, anon_cost: int, file_cost: int) -> tuple[int, ...]:
    """Pages of each list that a pass at *priority* would look at now with these costs, in order; changes nothing."""
    sc: ScanControl
    init_scan(cython.address(sc), GFP_FS, 0, MAX_NR_ZONES - 1)
    sc.priority = priority
    sc.anon_cost = anon_cost
    sc.file_cost = file_cost
    balance: u32 = scan_balance(s, cython.address(sc))
    get_scan_count(s, cython.address(sc))
    s.scan_balance[balance] -= 1
    return tuple(sc.nr[i] for i in range(4))


def costs(s: State) -> tuple[int, int]:
    """What reclaim of anonymous pages and of files has cost lately."""
    return s.node_data[0].lruvec.anon_cost, s.node_data[0].lruvec.file_cost


def would_be_low(s: State, inactive: int, active: int) -> bool:
    """Whether an inactive file list of that many pages would be too short for such an active one; changes nothing."""
    low: cython.bint
    s.node_data[0].lruvec.flushed_lists[LRU_INACTIVE_FILE] = inactive
    s.node_data[0].lruvec.flushed_lists[LRU_ACTIVE_FILE] = active
    low = inactive_is_low(s, True)
    mem_cgroup_flush_stats(s)
    return low


def size_class_of(s: State, length: int) -> tuple[int, ...]:
    """(size, pages, objects) of the class that an object of *length* bytes comes into.

    For example: 1,500 -> (1536, 3, 8); 3,256 -> (3264, 4, 5); 3,257 -> (4096, 1, 1)
    """
    zs_init_classes(s)
    c = s.zs_class[s.zs_class[class_index(length + ZS_HANDLE_SIZE)].merged]
    return c.size, c.pages, c.objects


def stored_whole_from(s: State) -> int:
    """The compressed length from which zram stores a page as it is; 3,257 in 6.1, 3,625 since 6.3."""
    zs_init_classes(s)
    return huge_class_size(s)


def chunks_of(size: int) -> int:
    """Chunks that *size* bytes take, for tests.

    For example: 52 -> 1; 1,837 -> 29; 3,968 -> 62
    """
    return size_to_chunks(size)


def give_slot(s: State, area: int, slot: int) -> None:
    """A slot that was taken has lost its last user."""
    free_swap_slot(s, entry_of(area, slot))


def set_state(s: State, who: int, cpu: int, states: str, ns: int) -> None:
    """Put an entity on a CPU: "r" it wants to run, "c" it runs for *ns*, "i" waits for I/O, "m" stalls for memory."""
    psi_account(s)
    s.entities[who].cpu = cpu
    s.entities[who].queued = "r" in states
    s.entities[who].busy_until_ns = s.now_ns + cython.cast(u64, ns) if "c" in states else 0
    s.entities[who].iowait = "i" in states
    s.entities[who].memstall = 1 if "m" in states else 0
    s.nr_entities = max(s.nr_entities, cython.cast(u32, who) + 1)


def let_pass(s: State, ns: int) -> None:
    """Let time pass, and nothing else happen."""
    s.now_ns += cython.cast(u64, ns)
    psi_account(s)


def corrupt_page(s: State, task: int, vpn: int) -> None:
    """Change the content of a mapped page behind its owner's back: for tests of the checks themselves."""
    table: u32 = walk(s, task_at(s, task).mm, vpn)
    s.pages[table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] >> 12].tag ^= 0x9E3779B97F4A7C15


def file_frame(s: State, file: int, index: int) -> int:
    """The frame of a page of a file."""
    return file_page(file_at(s, file), index)


def kernel_frames(s: State, count: int) -> list[int]:
    """The first *count* single frames that the kernel took at boot and no counter owns."""
    found = []
    pfn: u32
    for pfn in range(1, cython.cast(u32, s.max_pfn)):
        if s.pages[pfn].owner == OWNER_KERNEL and len(found) < count:
            found.append(pfn)
    return found


def pages_by_flags(s: State) -> dict[tuple[int, int], int]:
    """Return how many frames on LRU lists have each owner and flags, the list's number and generation left out."""
    pfn: u64
    found: dict[tuple[int, int], int] = {}
    for pfn in range(s.max_pfn):
        if s.pages[pfn].flags & PG_LRU:
            key = (s.pages[pfn].owner, s.pages[pfn].flags & ((1 << 18) - 1))
            found[key] = found.get(key, 0) + 1
    return found


def pages_by_pageblock(s: State) -> dict[tuple[int, int], int]:
    """Return how many frames in use each owner has in pageblocks of each type; the kernel's own are left out."""
    pfn: u64
    found: dict[tuple[int, int], int] = {}
    for pfn in range(s.max_pfn):
        if OWNER_ANON <= s.pages[pfn].owner <= OWNER_ZSMALLOC and s.pages[pfn].owner != OWNER_KERNEL:
            key = (s.pages[pfn].owner, s.pageblock[pfn >> PAGEBLOCK_ORDER])
            found[key] = found.get(key, 0) + 1
    return found


def hand_over(s: State, source: int, since: int, target: int, first: int, end: int, most: int) -> int:
    """Let what one file has in memory or in swap from page *since* on be another's, at *first* ... below *end*.

    In their order; places that the other file has already are left out, and pages that are mapped. Returns how many
    were handed over, *most* at most.
    """
    at: u64 = since
    index: u64 = first
    count: u32 = 0
    f: cython.pointer(File) = file_at(s, source)
    while index < cython.cast(u64, end) and count < cython.cast(u32, most):
        if filemap_get(s, target, index) or holds_slot(s, target, index):
            index += 1
            continue
        while at < f.nr_pages and not is_to_hand_over(s, source, at):
            at += 1
        if at >= f.nr_pages or not hand_over_page(s, source, at, target, index):
            break
        count += 1
        index += 1
    return count


def holds_slot(s: State, file: u32, index: u64) -> cython.bint:
    """Whether a page of shared memory is in swap."""
    return file_at(s, file).kind == FILE_SHMEM and file_shadow(file_at(s, file), index) != 0


def is_to_hand_over(s: State, file: u32, index: u64) -> cython.bint:
    """Whether a file has a page that nothing maps at a place, or, of shared memory, a slot."""
    pfn: u32 = filemap_get(s, file, index)
    return s.pages[pfn].mapcount == 0 if pfn else holds_slot(s, file, index)


def hand_over_page(s: State, source: u32, at: u64, target: u32, index: u64) -> cython.bint:
    """Let a page, or a slot, be at another place of another file; False: no memory for its tree."""
    pfn: u32 = file_page(file_at(s, source), at)
    value: u64 = file_shadow(file_at(s, source), at)
    tag: u64 = make_chunk(file_at(s, source), at).disk[at & (XA_CHUNK - 1)]
    dirty: cython.bint = False
    if not xa_store(s, target, index, pfn if pfn else 1, GFP_KERNEL):
        return False
    if not pfn:
        xa_erase(s, target, index, value)
        xa_erase_shadow(s, source, at)
        make_chunk(file_at(s, target), index).disk[index & (XA_CHUNK - 1)] = tag
        make_chunk(file_at(s, source), at).disk[at & (XA_CHUNK - 1)] = 0
        file_at(s, source).nr_swapped -= 1
        file_at(s, target).nr_swapped += 1
        return True
    if file_at(s, source).kind != FILE_SHMEM and s.pages[pfn].flags & PG_DIRTY:
        dirty = clear_page_dirty_for_io(s, pfn)
    xa_erase(s, source, at, 0)
    file_at(s, source).nr_cached -= 1
    file_at(s, target).nr_cached += 1
    s.pages[pfn].mapping = target
    s.pages[pfn].index = index
    if dirty:
        s.in_thread = True  # no task is charged for it
        set_page_dirty(s, pfn)
        mod_node_page_state(s, NR_DIRTIED, -1)
        s.in_thread = False
    elif file_at(s, target).kind != FILE_SHMEM:
        s.pages[pfn].tag = disk_content(s, target, index)
    return True


def held(s: State, file: int) -> list[tuple[int, int]]:
    """(first page, end) of all that a file of shared memory has in memory or in swap."""
    index: u64
    start: u64 = 0
    is_there: cython.bint
    was_there: cython.bint = False
    found = []
    for index in range(file_at(s, file).nr_pages + 1):
        is_there = index < file_at(s, file).nr_pages and (
            filemap_get(s, file, index) != 0 or holds_slot(s, file, index)
        )
        if was_there and not is_there:
            found.append((start, index))
        elif is_there and not was_there:
            start = index
        was_there = is_there
    return found


def clean(s: State, file: int) -> int:
    """Let the disk have what the cached pages of a file have; returns how many differed."""
    index: u64
    pfn: u32
    count: u32 = 0
    for index in range(file_at(s, file).nr_pages):
        pfn = filemap_get(s, file, index)
        if pfn and clear_page_dirty_for_io(s, pfn):
            make_chunk(file_at(s, file), index).disk[index & (XA_CHUNK - 1)] = s.pages[pfn].tag + 1
            count += 1
    return count


def dirty_last(s: State, file: int, first: int, end: int, most: int) -> int:
    """Let the last cached pages of a file below *end* differ from the disk, *most* at most; returns how many do now."""
    index: u64 = end
    pfn: u32
    count: u32 = 0
    s.in_thread = True  # no task is charged for it
    while index > cython.cast(u64, first) and count < cython.cast(u32, most):
        index -= 1
        pfn = filemap_get(s, file, index)
        if pfn and not s.pages[pfn].flags & PG_DIRTY:
            set_page_dirty(s, pfn)
            mod_node_page_state(s, NR_DIRTIED, -1)
            count += 1
    s.in_thread = False
    return count


def dirty_for(s: State, file: int) -> int:
    """Nanoseconds since a file was dirtied first."""
    return s.now_ns - file_at(s, file).dirtied_when_ns


def dirtied_before(s: State, file: int, ns: int) -> None:
    """Let a file have been dirtied first so long ago, as far as the machine was up then."""
    file_at(s, file).dirtied_when_ns = max(s.now_ns - cython.cast(i64, ns), 0)


def lengthen(s: State, file: int, pages: int) -> None:
    """Let a file be *pages* long, if it is shorter; what is new is not in memory."""
    f: cython.pointer(File) = file_at(s, file)
    if file_reserve(s, file, max(pages, 1)):
        f.nr_pages = max(f.nr_pages, cython.cast(u64, pages))


def set_length(s: State, file: int, pages: int) -> None:
    """Let a file be *pages* long; what lies beyond is not in memory."""
    lengthen(s, file, pages)
    file_at(s, file).nr_pages = pages


def lie_on(s: State, file: int, tmpfs: int) -> None:
    """Let a file of shared memory lie on a tmpfs, to whose size its pages count."""
    file_at(s, file).tmpfs = tmpfs
    file_at(s, file).no_reserve = True
    if s.tmpfs_max_blocks[tmpfs]:
        s.tmpfs_used_blocks[tmpfs] += file_at(s, file).nr_cached + file_at(s, file).nr_swapped


def leave_shadows(s: State, file: int, first: int, end: int) -> None:
    """Leave what pages *first* ... below *end* of a file leave that reclaim evicted, in this order."""
    for index in range(cython.cast(u32, first), cython.cast(u32, end)):
        if not filemap_get(s, file, index):
            leave_shadow(s, file, index)


def contents(s: State, task: int) -> list[tuple[int, int, int]]:
    """(first page, pages, Content) of all that a task has written in its own pages, by address."""
    i: u32
    table: u32
    vpn: u64
    kind: u64
    first: u64 = 0
    count: u64 = 0
    before: u64 = 0
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    found = []
    for i in range(m.nr_vmas):
        vpn = vma_at(s, m.vmas[i]).start
        while vpn < vma_at(s, m.vmas[i]).end:
            table = walk(s, task_at(s, task).mm, vpn)
            if not table:
                vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
                continue
            if table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] & (PTE_PRESENT | PTE_SWAP):
                kind = table_at(s, table).tag[vpn & (PTRS_PER_TABLE - 1)] & CONTENT_MASK
                if count and kind == before and vpn == first + count:
                    count += 1
                else:
                    if count:
                        found.append((first, count, before))
                    first = vpn
                    count = 1
                    before = kind
            vpn += 1
    if count:
        found.append((first, count, before))
    return found


def active_pages(s: State, file: int) -> int:
    """Pages of a file that are on the active list."""
    index: u64
    active: u32 = 0
    pfn: u32
    for index in range(file_at(s, file).nr_pages):
        pfn = filemap_get(s, file, index)
        active += pfn != 0 and s.pages[pfn].flags & PG_ACTIVE != 0
    return active
