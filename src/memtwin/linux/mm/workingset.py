"""Refaults: telling a page that was evicted too early from one that was not worth keeping.

A page that comes in is given a chance on the inactive list.  If the list is short the page may be evicted before its
second use, though the active list holds pages that are used less.  To find that out every eviction leaves a
**shadow**, and time is counted in evictions and activations (``nonresident_age``)::

    refault distance = age at refault - age at eviction

is how many more pages the inactive list would have needed to keep this one.  If the pages that it competes with are
more than that, giving it one of their places would have avoided the read::

    file:  distance <= active_file (+ inactive_anon + active_anon where swap has room)
    anon:  distance <= active_file + inactive_file (+ active_anon where swap has room)

Then it goes straight to the active list (``workingset_activate_*``).  A page that had been on the active list before
its eviction is marked *workingset*; its return (``workingset_restore_*``) means that what is really in use does not
fit: the wait for it counts as a memory stall, and its kind of page pays a **cost**, which makes reclaim look for the
other kind first::

    anon_cost, file_cost   += pages written out, or refaulted with the mark; both halve when
                              their sum passes a quarter of the lists

Under the multi-gen LRU a shadow holds the oldest generation and the page's uses instead of an age.  A page that comes
back while that generation is still the oldest counts against the eviction of its tier (``lru_gen.py``).

Follows mm/workingset.c and mm/swap.c (``lru_note_cost``) of Linux 6.1.

Not modelled: memory cgroups, the rounding of ages on machines whose ages do not fit a tree entry.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    global_node_page_state,
    mod_lruvec_page_state,
    mod_node_page_state,
    node_at,
    nr_pages,
    page_lruvec,
)
from cython.cimports.memtwin.linux.lib.xarray import xa_erase_shadow
from cython.cimports.memtwin.linux.mm.lru_gen import lru_tier_from_refs, page_lru_refs, page_type
from cython.cimports.memtwin.linux.mm.memcontrol import lruvec_page_state
from cython.cimports.memtwin.linux.mm.swap import lru_gen_in_fault

USES_OF_TIER_2 = cython.declare(u32, 3)
MIN_SEQ_MASK = cython.declare(u64, (1 << 60) - 1)


def lru_note_cost(s: State, lruvec: cython.pointer(Lruvec), file: cython.bint, pages: u64, rotated: u64):
    """Add the I/O that reclaiming one kind of page caused to the cost of that kind.

    Since 6.2 *rotated* pages count too, which reclaim scanned and kept, and I/O weighs 32 times as much.
    """
    lists: u64 = (
        lruvec_page_state(lruvec, LRU_INACTIVE_ANON)
        + lruvec_page_state(lruvec, LRU_ACTIVE_ANON)
        + lruvec_page_state(lruvec, LRU_INACTIVE_FILE)
        + lruvec_page_state(lruvec, LRU_ACTIVE_FILE)
    )
    if s.features.rotations_cost:
        pages = pages * SWAP_CLUSTER_MAX + rotated
    if file:
        lruvec.file_cost += pages
    else:
        lruvec.anon_cost += pages
    if lruvec.file_cost + lruvec.anon_cost > lists // 4:
        lruvec.file_cost //= 2
        lruvec.anon_cost //= 2


def workingset_eviction(s: State, pfn: u32) -> u64:
    """The shadow of a page that is evicted now; never 0."""
    if page_lruvec(s, pfn).gen.enabled:
        return lru_gen_eviction(s, pfn)
    return classic_eviction(s, pfn)


def classic_eviction(s: State, pfn: u32) -> u64:
    """The shadow by the node's age: evictions and activations so far."""
    lruvec: cython.pointer(Lruvec) = page_lruvec(s, pfn)
    marked: u64 = 1 if s.pages[pfn].flags & PG_WORKINGSET else 0
    shadow: u64 = (lruvec.nonresident_age << 2) | (marked << 1) | 1
    lruvec.nonresident_age += nr_pages(s, pfn)
    return shadow


def lru_gen_eviction(s: State, pfn: u32) -> u64:
    """The shadow by the oldest generation, and by how often the page was used; the eviction counts for its tier."""
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    kind: u32 = page_type(s, pfn)
    refs: u32 = page_lru_refs(s, pfn)
    gen.evicted[kind][lru_tier_from_refs(refs)] += nr_pages(s, pfn)
    return (((gen.min_seq[kind] << 2) | (refs - 1 if refs else 0)) << 2) | (2 if refs else 0) | 1


def lru_gen_refault(s: State, pfn: u32, shadow: u64):
    """Count a refault for its tier, if the generation that it was evicted from is still the oldest.

    Before 6.5 no other counts as a refault, and none as an activation.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    gen: cython.pointer(LruGen) = cython.address(page_lruvec(s, pfn).gen)
    kind: u32 = page_type(s, pfn)
    refs: u32 = ((shadow >> 2) & 3) + (1 if shadow & 2 else 0)
    recent: cython.bint = shadow >> 4 == gen.min_seq[kind] & MIN_SEQ_MASK
    if recent or s.features.gen_refaults_all:
        mod_lruvec_page_state(s, pfn, WORKINGSET_REFAULT_ANON + kind, nr_pages(s, pfn))
    if not recent:
        return
    gen.refaulted[kind][lru_tier_from_refs(refs)] += nr_pages(s, pfn)
    if s.features.gen_refaults_all:
        mod_lruvec_page_state(s, pfn, WORKINGSET_ACTIVATE_ANON + kind, nr_pages(s, pfn))
    if lru_gen_in_fault(s) or refs >= USES_OF_TIER_2:
        page.flags |= PG_REFS_MASK | PG_WORKINGSET
        mod_lruvec_page_state(s, pfn, WORKINGSET_RESTORE_ANON + kind, nr_pages(s, pfn))


def workingset_size(s: State, lruvec: cython.pointer(Lruvec), file: cython.bint) -> u64:
    """The pages that a refaulting page competes with."""
    size: u64 = lruvec_page_state(lruvec, LRU_ACTIVE_FILE)
    if not file:
        size += lruvec_page_state(lruvec, LRU_INACTIVE_FILE)
    if s.nr_swap_pages > 0:
        size += lruvec_page_state(lruvec, LRU_ACTIVE_ANON)
        if file:
            size += lruvec_page_state(lruvec, LRU_INACTIVE_ANON)
    return size


def workingset_refault(s: State, pfn: u32, shadow: u64):
    """Judge a page that comes back; called before it goes to its list."""
    if page_lruvec(s, pfn).gen.enabled:
        lru_gen_refault(s, pfn, shadow)
    else:
        classic_refault(s, pfn, shadow)


def classic_refault(s: State, pfn: u32, shadow: u64):
    """Judge a page by the distance of its refault."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    lruvec: cython.pointer(Lruvec) = page_lruvec(s, pfn)
    nr: u32 = nr_pages(s, pfn)
    file: u32 = 0 if page.flags & PG_SWAPBACKED else 1
    mod_lruvec_page_state(s, pfn, WORKINGSET_REFAULT_ANON + file, nr)
    if lruvec.nonresident_age - (shadow >> 2) > workingset_size(s, lruvec, file != 0):
        return
    page.flags |= PG_ACTIVE
    lruvec.nonresident_age += nr
    mod_lruvec_page_state(s, pfn, WORKINGSET_ACTIVATE_ANON + file, nr)
    if shadow & 2:
        page.flags |= PG_WORKINGSET
        lru_note_cost(s, lruvec, file != 0, nr, 0)
        mod_lruvec_page_state(s, pfn, WORKINGSET_RESTORE_ANON + file, nr)


def count_shadow_nodes(s: State) -> u64:
    """Tree nodes full of shadows that are too many: beyond an eighth of the pages that are on the lists."""
    lru: u32
    pages: u64 = 0
    for lru in range(NR_LRU_LISTS):
        pages += global_node_page_state(s, lru)
    return s.shadow_nodes.nr - (pages >> 3) if s.shadow_nodes.nr > pages >> 3 else 0


def drop_shadow_node(s: State, node: u32):
    """Forget all shadows of a node, which frees it."""
    file: u32 = node_at(s, node).file
    first: u64 = node_at(s, node).number * XA_CHUNK
    index: u64
    mod_node_page_state(s, WORKINGSET_NODERECLAIM, 1)
    for index in range(first, min(first + XA_CHUNK, file_at(s, file).cap_pages)):
        xa_erase_shadow(s, file, index)


def scan_shadow_nodes(s: State, nodes: u64) -> u64:
    """Drop up to *nodes* of the nodes that have stood longest on the list; returns how many."""
    done: u64 = 0
    while done < nodes and s.shadow_nodes.tail:
        drop_shadow_node(s, s.shadow_nodes.tail)
        done += 1
    return done
