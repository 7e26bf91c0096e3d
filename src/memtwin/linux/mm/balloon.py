"""A balloon: memory that is taken from a running machine, page by page, and no longer managed.

Each page is allocated like any other, in the name of a process that is never chosen, so that reclaim, swap and the OOM
killer make room for it as they would for a program; then it has no owner, and MemTotal is a page less.

Follows drivers/virtio/virtio_balloon.c and mm/page_alloc.c (``adjust_managed_page_count``) of Linux 6.1, but for one
thing: a balloon of virtio gives up before the OOM killer is called.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, is_cut_off, set_current, zone_at, zone_of
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages

from memtwin.linux.core.state import raise_if_broken

SOURCE = "drivers/virtio/virtio_balloon.c", "v6.1"


def inflate(s: State, task: int, pages: int) -> int:
    """Take *pages* pages from the machine in the name of *task*; returns how many were available."""
    taken: u64 = 0
    wanted: u64 = pages
    set_current(s, task)
    with cython.nogil:
        taken = fill_balloon(s, wanted)
    raise_if_broken(s)
    return taken


def fill_balloon(s: State, pages: u64) -> u64:
    """Allocate pages until there are enough or none is available."""
    taken: u64 = 0
    pfn: u32
    while taken < pages and not s.panicked and not is_cut_off(s):
        pfn = alloc_pages(s, 0, GFP_HIGHUSER_MOVABLE)
        if not pfn:
            break
        prep_new_page(s, pfn, 0, OWNER_NONE)
        zone_at(s, zone_of(s, pfn)).managed -= 1
        taken += 1
    return taken
