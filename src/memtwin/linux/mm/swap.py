"""The five lists of pages by age, the per-cpu batches in front of them, and what counts as a use.

A page that user space or the page cache owns stands on one of inactive_anon, active_anon, inactive_file, active_file
or unevictable.  New pages come in at the head of an inactive list; reclaim takes from the tail::

                     second use                           reclaim: shrink_active_list
    new ──► │ inactive  (head … tail) │ ──► │ active (head … tail) │ ──┐
            └──────────▲──────────────┘                                │
                       └───────────────────────────────────────────────┘
                  tail ──► reclaimed: shrink_inactive_list

A page's state is two bits, active and referenced.  ``read()`` marks what it reads: *(inactive, not referenced) →
(inactive, referenced) → (active, not referenced) → (active, referenced)*.  So a file that is read once fills the
inactive list only, and what is read twice is protected.  A touch through a mapping sets a bit in the page table
alone; reclaim looks at that when it meets the page.

Moves are batched, 15 pages per cpu and kind (31 since 6.9).  Until its batch is full or drained a new page is on no
list and in no LRU counter, though it is in nr_anon_pages and in its owner's RSS; and a page in any batch has one
reference more, so it cannot be dropped.

Follows mm/swap.c and include/linux/mm_inline.h of Linux 6.1 (``mark_page_accessed``, ``folio_activate``,
``lru_deactivate_file_fn``, ``folio_rotate_reclaimable``, ``lru_add_drain_cpu``) and mm/mlock.c (``mlock_page``).

With the multi-gen LRU (``lru_gen.py``) the four lists are empty, and pages stand by generation.

Not modelled: memory cgroups' own lists, the batches of other cpus.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import (
    State,
    is_huge,
    mod_lruvec_page_state,
    nr_pages,
    page_lruvec,
    page_mapped,
    this_cpu,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.mm.huge_page import free_transhuge_page
from cython.cimports.memtwin.linux.mm.lru_gen import lru_gen_add_page, lru_gen_del_page, page_inc_refs
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page


def page_lru(s: State, pfn: u32) -> u32:
    """The list that a page belongs on, by its flags."""
    flags: u32 = s.pages[pfn].flags
    if flags & PG_UNEVICTABLE:
        return LRU_UNEVICTABLE
    active: u32 = LRU_ACTIVE_ANON - LRU_INACTIVE_ANON if flags & PG_ACTIVE else 0
    return (LRU_INACTIVE_ANON if flags & PG_SWAPBACKED else LRU_INACTIVE_FILE) + active


def lru_count(s: State, pfn: u32, lru: u32, delta: cython.long):
    """Move the node's and the zone's counter of a list; both stand in the order of the lists."""
    mod_lruvec_page_state(s, pfn, lru, delta)
    zone_at(s, zone_of(s, pfn)).stat[NR_ZONE_INACTIVE_ANON + lru] += delta


def lru_add(s: State, pfn: u32):
    """Put a page at the head of its list."""
    lru: u32
    if page_lruvec(s, pfn).gen.enabled and lru_gen_add_page(s, pfn, False):
        s.pages[pfn].flags |= PG_LRU
        return
    lru = page_lru(s, pfn)
    list_add(s.pages, cython.address(page_lruvec(s, pfn).lists[lru]), pfn)
    s.pages[pfn].flags |= PG_LRU
    lru_count(s, pfn, lru, nr_pages(s, pfn))


def lru_add_evictable(s: State, pfn: u32):
    """Put a page that is on no list at the head of its list; one that was locked meanwhile is unevictable."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & (PG_MLOCKED | PG_UNEVICTABLE) == PG_MLOCKED:
        page.flags &= ~cython.cast(u32, PG_ACTIVE)
        page.flags |= PG_UNEVICTABLE
        s.event[UNEVICTABLE_PGS_CULLED] += nr_pages(s, pfn)
    lru_add(s, pfn)


def lru_add_tail(s: State, pfn: u32):
    """Put a page at the tail of its list: it is reclaimed next."""
    lru: u32
    if page_lruvec(s, pfn).gen.enabled and lru_gen_add_page(s, pfn, True):
        s.pages[pfn].flags |= PG_LRU
        return
    lru = page_lru(s, pfn)
    list_add_tail(s.pages, cython.address(page_lruvec(s, pfn).lists[lru]), pfn)
    s.pages[pfn].flags |= PG_LRU
    lru_count(s, pfn, lru, nr_pages(s, pfn))


def lru_del(s: State, pfn: u32):
    """Take a page off its list."""
    lru: u32
    if s.pages[pfn].flags & PG_GEN_MASK and lru_gen_del_page(s, pfn, False):
        s.pages[pfn].flags &= ~cython.cast(u32, PG_LRU)
        return
    lru = page_lru(s, pfn)
    list_del(s.pages, cython.address(page_lruvec(s, pfn).lists[lru]), pfn)
    s.pages[pfn].flags &= ~cython.cast(u32, PG_LRU)
    lru_count(s, pfn, lru, -nr_pages(s, pfn))


def put_last_reference(s: State, pfn: u32):
    """Take a page that nothing refers to any more off its list, and free it."""
    if s.pages[pfn].flags & PG_LRU:
        lru_del(s, pfn)
    if s.pages[pfn].flags & PG_MLOCKED:
        zone_at(s, zone_of(s, pfn)).stat[NR_MLOCK] -= nr_pages(s, pfn)
        s.event[UNEVICTABLE_PGS_CLEARED] += nr_pages(s, pfn)
    if is_huge(s, pfn):
        free_transhuge_page(s, pfn)
    else:
        free_unref_page(s, pfn, 0)


# --- batches ---------------------------------------------------------------------------------------------------------


def vec_of(s: State, kind: u32) -> cython.pointer(PageVec):
    """This cpu's batch of a kind."""
    return cython.address(this_cpu(s).vecs[kind])


def vec_add(s: State, kind: u32, pfn: u32):
    """Queue a page; the batch holds a reference until it is emptied: when it is full, or gets a huge page."""
    vec: cython.pointer(PageVec) = vec_of(s, kind)
    s.pages[pfn].refcount += 1
    vec.pages[vec.nr] = pfn
    vec.nr += 1
    if vec.nr == s.features.lru_batch or is_huge(s, pfn):
        vec_drain(s, kind)


def vec_drain(s: State, kind: u32):
    """Carry out a batch, in the order in which its pages came."""
    vec: cython.pointer(PageVec) = vec_of(s, kind)
    i: u32
    for i in range(vec.nr):
        move_page(s, kind, vec.pages[i])
        put_page(s, vec.pages[i])
    vec.nr = 0


def move_page(s: State, kind: u32, pfn: u32):
    """What a batch of a kind does to one of its pages; a page that left its list meanwhile is passed over."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if kind == VEC_LRU_ADD:
        lru_add_evictable(s, pfn)
    elif kind == VEC_MLOCK:
        move_mlocked(s, pfn)
    elif not page.flags & PG_LRU or page.flags & PG_UNEVICTABLE:
        return
    elif kind == VEC_ROTATE:
        lru_del(s, pfn)
        page.flags &= ~cython.cast(u32, PG_ACTIVE)
        lru_add_tail(s, pfn)
        s.event[PGROTATED] += nr_pages(s, pfn)
    elif kind == VEC_ACTIVATE:
        move_activated(s, pfn)
    elif kind == VEC_LAZYFREE:
        move_lazyfree(s, pfn)
    elif kind == VEC_DEACTIVATE:
        move_cold(s, pfn)
    else:
        move_deactivated(s, pfn)


def move_activated(s: State, pfn: u32):
    """Move a page to the head of its active list."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if not page.flags & PG_ACTIVE:
        lru_del(s, pfn)
        page.flags |= PG_ACTIVE
        lru_add(s, pfn)
        s.event[PGACTIVATE] += nr_pages(s, pfn)


def move_cold(s: State, pfn: u32):
    """MADV_COLD: move an active page to the head of its inactive list, one of a generation to where it came in."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_ACTIVE or page_lruvec(s, pfn).gen.enabled:
        lru_del(s, pfn)
        page.flags &= ~cython.cast(u32, PG_ACTIVE | PG_REFERENCED)
        lru_add(s, pfn)
        s.event[PGDEACTIVATE] += nr_pages(s, pfn)


def move_lazyfree(s: State, pfn: u32):
    """MADV_FREE: the page may be thrown away; it goes to the inactive list of files, for no swap is needed."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.owner == OWNER_ANON and page.flags & (PG_SWAPBACKED | PG_SWAPCACHE) == PG_SWAPBACKED:
        lru_del(s, pfn)
        page.flags &= ~cython.cast(u32, PG_ACTIVE | PG_REFERENCED | PG_SWAPBACKED)
        lru_add(s, pfn)
        s.event[PGLAZYFREE] += nr_pages(s, pfn)


def move_mlocked(s: State, pfn: u32):
    """A page that was locked goes to the unevictable list; one that no longer is comes back to an inactive one.

    A page that reclaim holds, or that waits in another batch, is left to those who will put it on a list.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    was: cython.bint = page.flags & PG_UNEVICTABLE != 0
    if page.flags & PG_MLOCK_NEW:
        page.flags &= ~cython.cast(u32, PG_MLOCK_NEW)
        lru_add_evictable(s, pfn)
    elif page.flags & PG_LRU and (page.flags & PG_MLOCKED != 0) != was:
        lru_del(s, pfn)
        page.flags &= ~cython.cast(u32, PG_ACTIVE | PG_UNEVICTABLE)
        s.event[UNEVICTABLE_PGS_RESCUED] += nr_pages(s, pfn) if was else 0
        lru_add_evictable(s, pfn)


def move_deactivated(s: State, pfn: u32):
    """A page that could not be dropped goes where reclaim meets it soon, or as soon as its write has ended."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    active: cython.bint = page.flags & PG_ACTIVE != 0
    if page_mapped(s, pfn):
        return
    lru_del(s, pfn)
    page.flags &= ~cython.cast(u32, PG_ACTIVE | PG_REFERENCED)
    if page.flags & (PG_WRITEBACK | PG_DIRTY):
        lru_add(s, pfn)
        page.flags |= PG_RECLAIM
    else:
        lru_add_tail(s, pfn)
        s.event[PGROTATED] += nr_pages(s, pfn)
    if active:
        s.event[PGDEACTIVATE] += nr_pages(s, pfn)


def mlock_page(s: State, pfn: u32):
    """Count a page as locked and queue it for the unevictable list."""
    if s.pages[pfn].flags & PG_MLOCKED:
        return
    s.pages[pfn].flags |= PG_MLOCKED
    zone_at(s, zone_of(s, pfn)).stat[NR_MLOCK] += nr_pages(s, pfn)
    s.event[UNEVICTABLE_PGS_MLOCKED] += nr_pages(s, pfn)
    vec_add(s, VEC_MLOCK, pfn)


def mlock_new_page(s: State, pfn: u32):
    """Count a new page as locked; the batch of locked pages puts it on its first list."""
    s.pages[pfn].flags |= PG_MLOCK_NEW
    mlock_page(s, pfn)


def munlock_page(s: State, pfn: u32):
    """Queue a page that no area keeps locked any more for an inactive list."""
    if not s.pages[pfn].flags & PG_MLOCKED:
        return
    s.pages[pfn].flags &= ~cython.cast(u32, PG_MLOCKED)
    zone_at(s, zone_of(s, pfn)).stat[NR_MLOCK] -= nr_pages(s, pfn)
    s.event[UNEVICTABLE_PGS_MUNLOCKED] += nr_pages(s, pfn)
    vec_add(s, VEC_MLOCK, pfn)


def lru_cache_add(s: State, pfn: u32):
    """Queue a new page for its list; in a fault of a task, one for the youngest generation."""
    hot: cython.bint = page_lruvec(s, pfn).gen.enabled and lru_gen_in_fault(s) and not this_cpu(s).memalloc
    if hot and not s.pages[pfn].flags & PG_UNEVICTABLE:
        s.pages[pfn].flags |= PG_ACTIVE
    vec_add(s, VEC_LRU_ADD, pfn)


def lru_add_drain(s: State):
    """Carry out all of this cpu's batches."""
    kind: u32
    for kind in range(NR_VECS):
        if vec_of(s, kind).nr:
            vec_drain(s, kind)


# --- uses ------------------------------------------------------------------------------------------------------------


def activate_page(s: State, pfn: u32):
    """Queue a page of an inactive list for the active one."""
    if s.pages[pfn].flags & (PG_LRU | PG_ACTIVE | PG_UNEVICTABLE) == PG_LRU:
        vec_add(s, VEC_ACTIVATE, pfn)


def activate_in_batch(s: State, pfn: u32):
    """A page still on its way to a list will go to the active one."""
    vec: cython.pointer(PageVec) = vec_of(s, VEC_LRU_ADD)
    i: u32
    for i in range(vec.nr):
        if vec.pages[i] == pfn:
            s.pages[pfn].flags |= PG_ACTIVE


def mark_page_accessed(s: State, pfn: u32):
    """Note a use of a page of the page cache: the first sets *referenced*, the second activates.

    The multi-gen LRU counts uses instead.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page_lruvec(s, pfn).gen.enabled:
        page_inc_refs(s, pfn)
    elif not page.flags & PG_REFERENCED:
        page.flags |= PG_REFERENCED
    elif not page.flags & (PG_UNEVICTABLE | PG_ACTIVE):
        if page.flags & PG_LRU:
            activate_page(s, pfn)
        else:
            activate_in_batch(s, pfn)
        page.flags &= ~cython.cast(u32, PG_REFERENCED)
        page_lruvec(s, pfn).nonresident_age += nr_pages(s, pfn)


def deactivate_page(s: State, pfn: u32):
    """MADV_COLD: queue an active page for its inactive list."""
    flags: u32 = s.pages[pfn].flags
    if page_lruvec(s, pfn).gen.enabled:
        flags |= PG_ACTIVE
    if flags & (PG_LRU | PG_ACTIVE | PG_UNEVICTABLE) == PG_LRU | PG_ACTIVE:
        vec_add(s, VEC_DEACTIVATE, pfn)


def mark_page_lazyfree(s: State, pfn: u32):
    """MADV_FREE: queue a page for the list of those that can be thrown away."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & (PG_LRU | PG_SWAPBACKED | PG_SWAPCACHE | PG_UNEVICTABLE) == PG_LRU | PG_SWAPBACKED:
        vec_add(s, VEC_LAZYFREE, pfn)


def deactivate_file_page(s: State, pfn: u32):
    """Queue a page that should have been dropped, but was in use, for the inactive list's end."""
    if s.pages[pfn].flags & (PG_LRU | PG_UNEVICTABLE) == PG_LRU:
        vec_add(s, VEC_DEACTIVATE_FILE, pfn)


def rotate_reclaimable_page(s: State, pfn: u32):
    """A page whose write has ended, and which reclaim waits for, goes to the tail of its inactive list."""
    if s.pages[pfn].flags & (PG_LOCKED | PG_DIRTY | PG_UNEVICTABLE | PG_LRU) == PG_LRU:
        vec_add(s, VEC_ROTATE, pfn)


def batched(s: State) -> list[tuple[int, int]]:
    """(kind, frame) of every page in a batch, for checks."""
    return [
        (kind, s.cpus[cpu].vecs[kind].pages[i])
        for cpu in range(s.nr_cpus)
        for kind in range(NR_VECS)
        for i in range(s.cpus[cpu].vecs[kind].nr)
    ]
