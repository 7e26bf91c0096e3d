"""The five lists of pages by age, and the per-cpu batches in front of them.

A page that user space or the page cache owns stands on one of inactive_anon, active_anon, inactive_file, active_file
or unevictable.  New pages go to the head of an inactive list, in batches of 15 per cpu: until its batch is full or
drained a page is on no list and in no LRU counter, though it is in nr_anon_pages and in its owner's RSS.

Follows mm/swap.c and include/linux/mm_inline.h of Linux 6.1.

Not modelled: multi-gen LRU, memory cgroups' own lists.
"""

import cython
from cython.cimports.memtwin.mm.list import list_add, list_del
from cython.cimports.memtwin.mm.mm_types import (
    LRU_ACTIVE_ANON,
    LRU_INACTIVE_ANON,
    LRU_INACTIVE_FILE,
    LRU_UNEVICTABLE,
    PAGEVEC_SIZE,
    PG_ACTIVE,
    PG_LRU,
    PG_SWAPBACKED,
    PG_UNEVICTABLE,
    Page,
    PageVec,
    u32,
)
from cython.cimports.memtwin.mm.state import State, zone_of
from cython.cimports.memtwin.mm.vmstat import NR_ZONE_INACTIVE_ANON

SOURCE = "mm/swap.c", "v6.1"


def page_lru(s: State, pfn: u32) -> u32:
    """The list that a page belongs on, by its flags."""
    flags: u32 = s.pages[pfn].flags
    if flags & PG_UNEVICTABLE:
        return LRU_UNEVICTABLE
    active: u32 = LRU_ACTIVE_ANON - LRU_INACTIVE_ANON if flags & PG_ACTIVE else 0
    return (LRU_INACTIVE_ANON if flags & PG_SWAPBACKED else LRU_INACTIVE_FILE) + active


def lru_count(s: State, pfn: u32, lru: u32, delta: cython.long):
    """Move the node's and the zone's counter of a list; both stand in the order of the lists."""
    s.node[lru] += delta
    s.zones[zone_of(s, pfn)].stat[NR_ZONE_INACTIVE_ANON + lru] += delta


def lru_add(s: State, pfn: u32):
    """Put a page at the head of its list."""
    lru: u32 = page_lru(s, pfn)
    list_add(s.pages, cython.address(s.lru[lru]), pfn)
    s.pages[pfn].flags |= PG_LRU
    lru_count(s, pfn, lru, 1)


def lru_del(s: State, pfn: u32):
    """Take a page off its list."""
    lru: u32 = page_lru(s, pfn)
    list_del(s.pages, cython.address(s.lru[lru]), pfn)
    s.pages[pfn].flags &= ~PG_LRU
    lru_count(s, pfn, lru, -1)


def lru_cache_add(s: State, pfn: u32):
    """Queue a new page for its list; the queue holds a reference until the 15th page empties it."""
    vec: cython.pointer(PageVec) = cython.address(s.lru_add_vec[s.cpu])
    s.pages[pfn].refcount += 1
    vec.pages[vec.nr] = pfn
    vec.nr += 1
    if vec.nr == PAGEVEC_SIZE:
        lru_add_drain(s)


def lru_add_drain(s: State):
    """Empty this cpu's batch onto the lists."""
    vec: cython.pointer(PageVec) = cython.address(s.lru_add_vec[s.cpu])
    page: cython.pointer(Page)
    i: u32
    for i in range(vec.nr):
        page = cython.address(s.pages[vec.pages[i]])
        page.refcount -= 1
        lru_add(s, vec.pages[i])
    vec.nr = 0
