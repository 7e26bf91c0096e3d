"""The swap cache: pages that are in memory and have a slot in a swap area at the same time.

A page is in it while it is on its way out (it has its slot, and is being written) and after it came back, as long as
its slot is kept: if it is evicted again unchanged it need not be written.  Each area has a tree from slot to page, like
a file's; a page that is reclaimed leaves a shadow there (``workingset.py``), until its slot is freed.

``SwapCached`` counts these pages; they are in ``Cached`` by no rule of their own, for meminfo subtracts them.

Slots are kept until swap is more than half full (``vm_swap_full``): then a page that comes back gives its slot up at
once.

Follows mm/swap_state.c of Linux 6.1 (``add_to_swap_cache``, ``__delete_from_swap_cache``).

Not modelled: one tree for each 64 MiB of an area (the slab that they cost differs by a node or two).
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    file_at,
    file_page,
    file_shadow,
    mod_lruvec_page_state,
    nr_pages,
    slot_of,
)
from cython.cimports.memtwin.linux.lib.xarray import xa_erase, xa_erase_shadow, xa_store


def lookup_swap_cache(s: State, entry: u32) -> u32:
    """The frame that stands for a slot; 0: none."""
    return file_page(file_at(s, area_of(s, entry).file), slot_of(entry))


def get_shadow(s: State, entry: u32) -> u64:
    """What is remembered of the page that was evicted to a slot; 0: nothing."""
    return file_shadow(file_at(s, area_of(s, entry).file), slot_of(entry))


def clear_shadow(s: State, entry: u32):
    """Forget it: the slot is free."""
    xa_erase_shadow(s, area_of(s, entry).file, slot_of(entry))


def add_to_swap_cache(s: State, pfn: u32, entry: u32, gfp: u32) -> cython.bint:
    """Let a page stand for a slot, a huge one for as many; False: no memory for the tree."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    nr: u32 = nr_pages(s, pfn)
    i: u32
    stored: u32
    for i in range(nr):
        if not xa_store(s, area_of(s, entry).file, slot_of(entry) + i, pfn + i, gfp):
            for stored in range(i):
                xa_erase(s, area_of(s, entry).file, slot_of(entry) + stored, 0)
            return False
        s.pages[pfn + i].private = entry + i
    page.flags |= PG_SWAPCACHE
    page.refcount += nr
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, nr_pages(s, pfn))
    mod_lruvec_page_state(s, pfn, NR_SWAPCACHED, nr_pages(s, pfn))
    return True


def delete_from_swap_cache(s: State, pfn: u32, shadow: u64):
    """A page no longer stands for its slot; the slot is the caller's business, and so is the reference."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    nr: u32 = nr_pages(s, pfn)
    i: u32
    for i in range(nr):
        xa_erase(s, area_of(s, page.private).file, slot_of(s.pages[pfn + i].private), shadow)
    for i in range(nr):
        s.pages[pfn + i].private = 0
    page.flags &= ~cython.cast(u32, PG_SWAPCACHE)
    page.refcount -= nr
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, -nr_pages(s, pfn))
    mod_lruvec_page_state(s, pfn, NR_SWAPCACHED, -nr_pages(s, pfn))


def vm_swap_full(s: State) -> cython.bint:
    """Whether swap is more than half full."""
    return s.nr_swap_pages * 2 < cython.cast(i64, s.total_swap_pages)
