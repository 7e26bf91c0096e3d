"""Turning swap areas on and off.

An area without a priority of its own gets the next negative one: -2, -3, … in order.  The first slot is the header.

Turning one off brings everything in it back: no more slots are allocated from it, then shared memory's pages go back
to their files, each process's entries are read in and mapped, and what only the swap cache holds is dropped.  If memory
runs out on the way, the process with the most memory is killed: the caller runs as init, which the OOM killer never
selects.

Follows mm/swapfile.c of Linux 6.1 (``SYSCALL_DEFINE2(swapon)``, ``SYSCALL_DEFINE1(swapoff)``, ``try_to_unuse``).

Not modelled: discard.
"""

import cython
from cython.cimports.memtwin.linux.core.host_memory import host_zeroed
from cython.cimports.memtwin.linux.core.pool import pool_get
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    file_at,
    hooks,
    is_cut_off,
    mm_at,
    set_current,
    slot_of,
    table_at,
    vma_at,
)
from cython.cimports.memtwin.linux.lib.xarray import file_reserve
from cython.cimports.memtwin.linux.mm.filemap import wait_on_page_locked
from cython.cimports.memtwin.linux.mm.mmap import mmput
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.rmap import page_add_anon_rmap
from cython.cimports.memtwin.linux.mm.shmem import shmem_unuse
from cython.cimports.memtwin.linux.mm.swap import put_page
from cython.cimports.memtwin.linux.mm.swap_avail import add_to_avail_list, del_from_avail_list, entry_of
from cython.cimports.memtwin.linux.mm.swap_cluster import NO_CLUSTER, free_cluster_push, inc_cluster
from cython.cimports.memtwin.linux.mm.swap_state import lookup_swap_cache
from cython.cimports.memtwin.linux.mm.swapfile import drain_slots, get_swap_page, swap_free, try_to_reclaim_swap
from cython.cimports.memtwin.linux.mm.swapin import note_hit, swapin_readahead
from cython.cimports.memtwin.linux.mm.util import totalram_pages

from memtwin.linux.core.host_memory import raise_if_short, require_memory
from memtwin.linux.core.state import raise_if_broken
from memtwin.linux.records import AreaFigures

SOURCE = "mm/swapfile.c", "v6.1"

MAX_AREAS = 29
KIB_PER_PAGE = cython.declare(u64, 4)
IDLE_ROUNDS = cython.declare(u32, 16)
COLUMNS = cython.declare(u32, 32)
SLOT_BYTES = 72
"""Of all arrays that have an entry for each slot, at most."""


def init_area(s: State, area: u32, pages: u32, ssd: cython.bint, synchronous: cython.bint):
    """Give a new area its arrays; *pages*: slots that can be used."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    clusters: u32
    column: u32
    cluster: u32
    a.pages = pages
    a.max = pages + 1
    a.ssd = ssd
    a.synchronous = synchronous
    a.lowest_bit = a.cluster_next = 1
    a.highest_bit = a.max - 1
    a.map = cython.cast(cython.pointer(u16), host_zeroed(a.max, cython.sizeof(u16)))
    a.map[0] = SWAP_HAS_CACHE
    a.cluster_held = cython.cast(cython.pointer(u16), host_zeroed(a.max // SWAPFILE_CLUSTER + 1, cython.sizeof(u16)))
    a.file = pool_get(cython.address(s.files))
    file_reserve(s, a.file, a.max)
    file_at(s, a.file).nr_pages = a.max
    file_at(s, a.file).kind = FILE_SWAP
    for column in range(s.nr_cpus):
        a.percpu_cluster[column] = NO_CLUSTER
        a.next_cpu[column] = 1
    a.free_head = a.free_tail = NO_CLUSTER
    if synchronous:
        a.zspage = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.handle = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.length = cython.cast(cython.pointer(u16), host_zeroed(a.max, cython.sizeof(u16)))
    if s.zswap.enabled:
        a.zswap_handle = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.zswap_slab = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.zswap_zs_slab = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.zswap_prev = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.zswap_next = cython.cast(cython.pointer(u32), host_zeroed(a.max, cython.sizeof(u32)))
        a.zswap_referenced = cython.cast(cython.pointer(u8), host_zeroed(a.max, cython.sizeof(u8)))
        a.zswap_length = cython.cast(cython.pointer(u16), host_zeroed(a.max, cython.sizeof(u16)))
    if not ssd:
        return
    clusters = a.max // SWAPFILE_CLUSTER + 1
    a.cluster_count = cython.cast(cython.pointer(u32), host_zeroed(clusters, cython.sizeof(u32)))
    a.cluster_link = cython.cast(cython.pointer(u32), host_zeroed(clusters, cython.sizeof(u32)))
    a.cluster_count[0] = 1
    for column in range(COLUMNS):
        cluster = column
        while cluster < a.max // SWAPFILE_CLUSTER:
            if cluster:
                free_cluster_push(a, cluster)
            cluster += COLUMNS


def swapon(s: State, pages: int, prio: int, ssd: bool, zram: bool, device: int, algorithm: int = 0) -> int:
    """Make an area of *pages* usable slots, turn it on and return its number.

    *device*: which one a disk is; *algorithm*: which compressor zram has.  Priorities as for :func:`turn_on`.
    """
    area: u32 = s.nr_areas
    if area >= MAX_AREAS:
        raise ValueError(f"no more than {MAX_AREAS} swap areas")
    if not 0 < pages < 1 << SWAP_TYPE_SHIFT:
        raise ValueError(f"a swap area of {pages} slots")
    require_memory((pages + 1) * SLOT_BYTES, f"a swap area of {pages:,} pages")
    init_area(s, area, pages, ssd, zram)
    s.nr_areas += 1
    raise_if_short()
    s.areas[area].device = device
    s.areas[area].algorithm = algorithm
    turn_on(s, area, prio)
    return area


def turn_on(s: State, area: int, prio: int) -> None:
    """Turn an area on; *prio* below 0: the kernel chooses, one below the lowest that it chose, the first time -2."""
    number: u32 = area
    a: cython.pointer(SwapArea) = cython.address(s.areas[number])
    if prio < 0:
        prio = -1
        for i in range(s.nr_areas):
            if s.areas[i].used and i != number:
                prio = min(prio, s.areas[i].prio)
        prio -= 1
    a.prio = prio
    a.used = a.writeok = True
    s.nr_rotating += not a.ssd
    s.total_swap_pages += a.pages
    s.nr_swap_pages += a.pages - a.inuse
    add_to_avail_list(s, number)


def read_header(s: State) -> None:
    """Count what swapon(2) reads: the first page of the device, which says that it is swap."""
    s.event[PGPGIN] += KIB_PER_PAGE


def set_priority(s: State, area: int, prio: int) -> None:
    """Give an area the priority that a snapshot says it has."""
    number: u32 = area
    del_from_avail_list(s, number)
    s.areas[number].prio = prio
    add_to_avail_list(s, number)


def hold_slots(s: State, area: int, slots: int) -> None:
    """Say that slots were in use already, by processes that are not known: they stay so."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[cython.cast(u32, area)])
    if not 0 <= slots <= a.pages:
        raise ValueError(f"{slots} slots of an area that has {a.pages}")
    for slot in range(1, slots + 1):
        s.areas[area].map[slot] = 1
        a.cluster_held[slot // SWAPFILE_CLUSTER] += 1
        inc_cluster(a, slot)
        s.areas[area].inuse += 1
        s.nr_swap_pages -= 1
    s.areas[area].held = slots
    s.areas[area].lowest_bit = slots + 1
    s.areas[area].highest_bit = s.areas[area].highest_bit if slots < s.areas[area].pages else 0


def held_slots(s: State, area: int) -> int:
    """Slots in use of processes that are not known: 1 and on."""
    return s.areas[cython.cast(u32, area)].held


def entry_at(s: State, mm: u32, vpn: u64) -> cython.pointer(u64):
    """The page-table entry of page *vpn*; NULL: no table holds it."""
    table: u32 = walk(s, mm, vpn)
    return cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]) if table else cython.NULL


def unuse_page(s: State, vma: u32, vpn: u64, entry: u32) -> u32:
    """Bring one page back and map it where its entry stands, if it still does then; returns an Outcome."""
    pfn: u32
    head: u32
    at: cython.pointer(u64) = entry_at(s, vma_at(s, vma).mm, vpn)
    before: u64 = at[0]
    while at[0] == before:
        pfn = lookup_swap_cache(s, entry)
        if pfn:
            note_hit(s, vma, vpn, compound_head(s, pfn))
        else:
            pfn = swapin_readahead(s, vma, vpn, entry)
        if not pfn:
            return ENOMEM if at[0] == before else OK
        head = compound_head(s, pfn)
        s.pages[head].refcount += 1 if s.pages[head].flags & PG_SWAPCACHE else 0
        if not s.pages[head].flags & (PG_LOCKED | PG_WRITEBACK):
            break
        wait_on_page_locked(s, head)
        while s.pages[head].flags & PG_WRITEBACK:
            hooks.io_schedule(s)
        put_page(s, head)
    else:
        return OK
    if at[0] != before:
        put_page(s, pfn)
        return OK
    if at[0] & PTE_SWP_EXCLUSIVE:
        s.pages[pfn].flags |= PG_ANON_EXCLUSIVE
    at[0] = (cython.cast(u64, pfn) << 12) | (vma_at(s, vma).prot & (PTE_PRESENT | PTE_PROTNONE))
    mm_at(s, vma_at(s, vma).mm).rss[MM_ANONPAGES] += 1
    mm_at(s, vma_at(s, vma).mm).rss[MM_SWAPENTS] -= 1
    page_add_anon_rmap(s, pfn, vma, vpn)
    swap_free(s, entry)
    try_to_reclaim_swap(s, entry, True)
    return OK


def unuse_mm(s: State, mm: u32, area: u32) -> u32:
    """Bring back all that one process has in an area; returns an Outcome."""
    i: u32
    vma: u32
    table: u32
    vpn: u64
    pte: u64
    code: u32
    for i in range(mm_at(s, mm).nr_vmas):
        vma = mm_at(s, mm).vmas[i]
        vpn = vma_at(s, vma).start
        while vpn < vma_at(s, vma).end:
            table = walk(s, mm, vpn)
            if not table:
                vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
                continue
            pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
            if pte & PTE_SWAP and cython.cast(u32, pte >> 12) >> SWAP_TYPE_SHIFT == area:
                code = unuse_page(s, vma, vpn, cython.cast(u32, pte >> 12))
                if code != OK:
                    return code
                if is_cut_off(s):
                    return EINTR
                if s.rq.resched:
                    hooks.cond_resched(s)
            vpn += 1
    return OK


def unuse_cache(s: State, area: u32):
    """Drop what only the swap cache holds in an area, and what is parked."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    slot: u32
    pfn: u32
    for slot in range(1, a.max):
        if not slot % SWAPFILE_CLUSTER and is_cut_off(s):
            return
        if a.map[slot] != SWAP_HAS_CACHE:
            continue
        pfn = compound_head(s, lookup_swap_cache(s, entry_of(area, slot)))
        while pfn and s.pages[pfn].flags & (PG_LOCKED | PG_WRITEBACK):
            hooks.io_schedule(s)
        try_to_reclaim_swap(s, entry_of(area, slot), True)
    drain_slots(s)


def try_to_unuse(s: State, area: u32) -> u32:
    """Empty an area; returns an Outcome.

    Again and again: where memory is short, a page that is still in the swap cache may be taken from a process that was
    visited already, whose entry then holds the slot once more.  The kernel goes on until it is interrupted; here it is
    (EINTR) when nothing has come of many rounds.
    """
    mm: u32
    code: u32
    before: u32
    idle: u32 = 0
    while idle < IDLE_ROUNDS and not is_cut_off(s):
        before = s.areas[area].inuse
        code = shmem_unuse(s, area)
        if code != OK:
            return code
        for mm in range(1, s.mms.nr):
            if mm_at(s, mm).users:
                mm_at(s, mm).users += 1
                code = unuse_mm(s, mm, area)
                mmput(s, mm)
                if code != OK:
                    return code
        unuse_cache(s, area)
        if s.areas[area].inuse <= s.areas[area].held:
            return OK
        idle = idle + 1 if s.areas[area].inuse >= before else 0
    return EINTR


def swapoff(s: State, task: int, area: int) -> int:
    """Turn an area off; returns an Outcome.  On failure it is as it was."""
    number: u32 = area
    a: cython.pointer(SwapArea) = cython.address(s.areas[number])
    code: u32
    if not a.used:
        return EINVAL
    if s.sysctl.overcommit_memory == 0 and a.pages > totalram_pages(s) + s.total_swap_pages:
        s.refusal = REFUSED_SWAPOFF
        return ENOMEM
    set_current(s, task)
    del_from_avail_list(s, number)
    a.writeok = False
    s.nr_swap_pages -= a.pages
    s.total_swap_pages -= a.pages
    drain_slots(s)
    with cython.nogil:
        code = try_to_unuse(s, number)
    raise_if_broken(s)
    if code != OK:
        a.writeok = True
        s.nr_swap_pages += a.pages
        s.total_swap_pages += a.pages
        add_to_avail_list(s, number)
        return code
    forget_priority(s, area)
    a.used = False
    s.nr_rotating -= not a.ssd
    return OK


def forget_priority(s: State, area: int) -> None:
    """Areas whose priority the kernel chose after this one's move up by one."""
    if s.areas[area].prio >= 0:
        return
    for i in range(s.nr_areas):
        if s.areas[i].used and s.areas[i].prio < s.areas[area].prio:
            s.areas[i].prio += 1


def area_info(s: State, area: int) -> AreaFigures:
    """What /proc/swaps says of an area: pages in all and used, priority; and the pages ever written to it."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[cython.cast(u32, area)])
    return AreaFigures(a.used != 0, a.pages, a.inuse, a.prio, a.written_pages)


def take_slot(s: State) -> tuple[int, int]:
    """Take the slot that the next page would get: (area, slot); (0, 0): swap is full."""
    entry: u32 = get_swap_page(s)
    return entry >> SWAP_TYPE_SHIFT, slot_of(entry)
