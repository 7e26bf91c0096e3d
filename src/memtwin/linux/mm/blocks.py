"""Blocks of pages that the kernel itself allocates and frees: what drivers do, and what fragments memory.

They belong in pageblocks of one type, and can be neither moved nor reclaimed. Each is cleared before it is handed out
(CONFIG_INIT_ON_ALLOC_DEFAULT_ON, as in Debian).

Follows ``alloc_pages`` and ``__free_pages`` of mm/page_alloc.c as lab/blocks.c calls them on a real kernel.
"""

import cython
from cython.cimports.libc.stdlib import free, malloc
from cython.cimports.memtwin.linux.core.state import State, hooks, is_cut_off, spend_ns
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page

from memtwin.errors import HostMemoryError
from memtwin.linux.core.state import raise_if_broken

SOURCE = "mm/page_alloc.c", "v6.1"
GFP = {
    "movable": GFP_HIGHUSER_MOVABLE, "unmovable": GFP_KERNEL, "reclaimable": GFP_KERNEL | GFP_RECLAIMABLE,
    "atomic": GFP_ATOMIC,
}  # fmt: skip
"""What a block's request may do, by the type of its pageblock."""


def take(s: State, order: u32, count: u32, gfp: u32, blocks: cython.pointer(u32)) -> u32:
    """Allocate up to *count* blocks; returns how many there were before one was refused."""
    got: u32 = 0
    pfn: u32
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    while got < count and not is_cut_off(s):
        pfn = alloc_pages(s, order, gfp)
        if not pfn:
            break
        prep_new_page(s, pfn, order, OWNER_KERNEL)
        spend_ns(s, s.cost_ns[COST_CLEAR_PAGE] << order)
        blocks[got] = pfn
        got += 1
        if s.rq.resched:
            hooks.cond_resched(s)
    return got


def give_back(s: State, order: u32, pfn: u32):
    """Free one block; single pages inside it cannot be freed on their own."""
    s.pages[pfn].flags = 0
    free_unref_page(s, pfn, order)


def allocate(s: State, order: int, count: int, kind: str) -> list[int]:
    """Allocate up to *count* blocks of 2^*order* pages; returns their first frames, fewer where one was refused."""
    gfp: u32 = GFP[kind]
    o: u32 = order
    n: u32 = count
    got: u32
    blocks: cython.pointer(u32) = cython.cast(cython.pointer(u32), malloc(count * cython.sizeof(u32)))
    if blocks == cython.NULL:
        raise HostMemoryError(f"{count:,} blocks", count * cython.sizeof(u32))
    with cython.nogil:
        got = take(s, o, n, gfp, blocks)
    found = [blocks[i] for i in range(got)]
    free(blocks)
    raise_if_broken(s)
    return found


def release(s: State, order: int, blocks: list[int]) -> None:
    """Free blocks that :func:`allocate` gave, in that order."""
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    for pfn in blocks:
        give_back(s, order, pfn)
    raise_if_broken(s)
