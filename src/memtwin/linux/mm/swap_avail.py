"""Swap areas with free slots, by priority: the next to use comes first among equals, which take turns.

A huge page takes a whole free cluster of the first, if it has one.

Follows mm/swapfile.c of Linux 6.1 (``add_to_avail_list``, ``del_from_avail_list``, ``plist_requeue``,
``swap_range_alloc``, ``swap_alloc_cluster``).
"""

import cython
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.mm.swap_cluster import NO_CLUSTER, inc_cluster
from cython.cimports.memtwin.linux.mm.swap_state import clear_shadow
from cython.cimports.memtwin.linux.mm.zswap import invalidate_slot

SOURCE = "mm/swapfile.c", "v6.1"


def add_to_avail_list(s: State, area: u32):
    """Put an area with free slots into its place by priority, behind its equals."""
    at: u32 = s.nr_avail
    while at and s.areas[s.avail[at - 1]].prio < s.areas[area].prio:
        s.avail[at] = s.avail[at - 1]
        at -= 1
    s.avail[at] = area
    s.nr_avail += 1


def del_from_avail_list(s: State, area: u32):
    """Take an area off that list."""
    i: u32
    found: cython.bint = False
    for i in range(s.nr_avail):
        if found:
            s.avail[i - 1] = s.avail[i]
        elif s.avail[i] == area:
            found = True
    if found:
        s.nr_avail -= 1


def avail_requeue(s: State, area: u32):
    """It was an area's turn: behind its equals."""
    del_from_avail_list(s, area)
    add_to_avail_list(s, area)


def entry_of(area: u32, slot: u32) -> u32:
    """The swap entry of a slot."""
    return (area << SWAP_TYPE_SHIFT) | slot


def swap_range_alloc(s: State, area: u32, slot: u32):
    """Count a slot as taken; a full area leaves the list of available ones."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    if slot == a.lowest_bit:
        a.lowest_bit += 1
    if slot == a.highest_bit:
        a.highest_bit -= 1
    a.inuse += 1
    if a.inuse == a.pages:
        a.lowest_bit = a.max
        a.highest_bit = 0
        del_from_avail_list(s, area)


def swap_range_free(s: State, area: u32, slot: u32):
    """Count a slot as free again."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    was_full: cython.bint = a.highest_bit == 0
    a.lowest_bit = min(a.lowest_bit, slot)
    a.highest_bit = max(a.highest_bit, slot)
    if was_full and a.writeok:
        add_to_avail_list(s, area)
    a.inuse -= 1
    s.nr_swap_pages += 1
    invalidate_slot(s, area, slot)
    clear_shadow(s, entry_of(area, slot))


def get_swap_cluster(s: State) -> u32:
    """Take a free cluster for a huge page (THP_SWAP): its first slot; 0: the first area with free slots has none."""
    order: u32[32]
    tried: u32 = s.nr_avail
    entry: u32 = 0
    i: u32
    if s.nr_swap_pages < SWAPFILE_CLUSTER:
        return 0
    for i in range(tried):
        order[i] = s.avail[i]
    for i in range(tried):
        if not s.areas[order[i]].writeok or not s.areas[order[i]].highest_bit:
            continue
        avail_requeue(s, order[i])
        entry = swap_alloc_cluster(s, order[i])
        break
    s.nr_swap_pages -= SWAPFILE_CLUSTER if entry else 0
    return entry


def swap_alloc_cluster(s: State, area: u32) -> u32:
    """Take an area's first free cluster as a whole; 0: it has none, or knows of none (a rotating disk)."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    first: u32
    slot: u32
    if not a.ssd or a.free_head == NO_CLUSTER or (a.free_head + 1) * SWAPFILE_CLUSTER > a.max:
        return 0
    first = a.free_head * SWAPFILE_CLUSTER
    for slot in range(first, first + SWAPFILE_CLUSTER):
        a.map[slot] = SWAP_HAS_CACHE
        inc_cluster(a, slot)
        swap_range_alloc(s, area, slot)
    return entry_of(area, first)
