"""zbud: compressed pages two to a page, one from the front and one from the back.

A page is cut into 64 chunks of 64 bytes, of which the first is zbud's own header; sizes are rounded up to chunks::

    | header 1 | first object ......... |  free  | ......... last object |      63 chunks for both

    text under lzo    1,829 + 8 bytes: 29 chunks    two to a page, 5 chunks are lost
    half              2,213 + 8 bytes: 35 chunks    alone: 28 chunks are lost unless something small comes
    over 3,968 bytes  refused

The **first** page that has room is taken, from those with the fewest free chunks that are enough; a page that an object
went into is the newest of all (*lru*).  A page whose two objects are freed goes back to the allocator.

**Reclaim** takes the oldest page and has both its objects written back (``zswap_writeback.py``); a page that an object
stays in becomes the newest, and the next oldest is tried, eight in all.

Follows mm/zbud.c of Linux 6.1 (``zbud_alloc``, ``zbud_free``, ``zbud_reclaim_page``).
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import State, zbud_at
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page

CHUNK = cython.declare(u32, 64)


def size_to_chunks(size: u32) -> u32:
    """Chunks that *size* bytes take.

    For example: 52 -> 1; 1,837 -> 29; 3,968 -> 62
    """
    return (size + CHUNK - 1) // CHUNK


def num_free_chunks(z: cython.pointer(ZbudPage)) -> u32:
    """Chunks of a page that no object has."""
    return ZBUD_NCHUNKS - z.chunks[0] - z.chunks[1]


def add_unbuddied(s: State, zbud: u32):
    """A page with one object: put it first among those with as much room."""
    z: cython.pointer(ZbudPage) = zbud_at(s, zbud)
    free: u32 = num_free_chunks(z)
    z.prev = 0
    z.next = s.zswap.unbuddied[free]
    if z.next:
        zbud_at(s, z.next).prev = zbud
    s.zswap.unbuddied[free] = zbud


def del_unbuddied(s: State, zbud: u32):
    """Take a page with one object off its list."""
    z: cython.pointer(ZbudPage) = zbud_at(s, zbud)
    if z.prev:
        zbud_at(s, z.prev).next = z.next
    else:
        s.zswap.unbuddied[num_free_chunks(z)] = z.next
    if z.next:
        zbud_at(s, z.next).prev = z.prev


def lru_add(s: State, zbud: u32):
    """Make a page the newest."""
    z: cython.pointer(ZbudPage) = zbud_at(s, zbud)
    z.lru_prev = 0
    z.lru_next = s.zswap.lru_head
    if z.lru_next:
        zbud_at(s, z.lru_next).lru_prev = zbud
    else:
        s.zswap.lru_tail = zbud
    s.zswap.lru_head = zbud


def lru_del(s: State, zbud: u32):
    """Take a page off the list by age."""
    z: cython.pointer(ZbudPage) = zbud_at(s, zbud)
    if z.lru_prev:
        zbud_at(s, z.lru_prev).lru_next = z.lru_next
    else:
        s.zswap.lru_head = z.lru_next
    if z.lru_next:
        zbud_at(s, z.lru_next).lru_prev = z.lru_prev
    else:
        s.zswap.lru_tail = z.lru_prev


def find_unbuddied(s: State, chunks: u32) -> u32:
    """The page with the least room that is enough, taken off its list; 0: none."""
    free: u32
    zbud: u32
    for free in range(chunks, ZBUD_NCHUNKS):
        zbud = s.zswap.unbuddied[free]
        if zbud:
            del_unbuddied(s, zbud)
            return zbud
    return 0


def zbud_alloc(s: State, size: u32, entry: u32, gfp: u32) -> u32:
    """Find room for an object of *size* bytes that belongs to a swap entry; returns its handle, 0: no memory."""
    chunks: u32 = size_to_chunks(size)
    zbud: u32 = find_unbuddied(s, chunks)
    pfn: u32
    if not zbud:
        pfn = alloc_pages(s, 0, gfp)
        if not pfn:
            return 0
        zbud = init_zbud_page(s, pfn)
    return zbud_put(s, zbud, chunks, entry)


def init_zbud_page(s: State, pfn: u32) -> u32:
    """Let a frame be an empty page of the pool, the newest, on no list of those with room."""
    zbud: u32 = pool_get(cython.address(s.zbud_pages))
    prep_new_page(s, pfn, 0, OWNER_ZBUD)
    zbud_at(s, zbud).pfn = pfn
    s.zswap.pool_pages += 1
    lru_add(s, zbud)
    return zbud


def zbud_put(s: State, zbud: u32, chunks: u32, entry: u32) -> u32:
    """Put an object into a page that :func:`find_unbuddied` found or that is empty; returns its handle."""
    last: u32 = 1 if zbud_at(s, zbud).chunks[0] else 0
    lru_del(s, zbud)
    zbud_at(s, zbud).chunks[last] = chunks
    zbud_at(s, zbud).entry[last] = entry
    if not zbud_at(s, zbud).chunks[1 - last]:
        add_unbuddied(s, zbud)
    lru_add(s, zbud)
    return zbud * 2 + last


def free_zbud_page(s: State, zbud: u32):
    """Give an empty page back."""
    free_unref_page(s, zbud_at(s, zbud).pfn, 0)
    pool_put(cython.address(s.zbud_pages), zbud)
    s.zswap.pool_pages -= 1


def zbud_free(s: State, handle: u32):
    """Free an object; with the last its page goes back, unless the page is being reclaimed: then that does it."""
    zbud: u32 = handle >> 1
    z: cython.pointer(ZbudPage) = zbud_at(s, zbud)
    other: u32 = z.chunks[1 - (handle & 1)]
    if not z.under_reclaim and not other:
        del_unbuddied(s, zbud)
    z.chunks[handle & 1] = 0
    if z.under_reclaim:
        return
    if other:
        add_unbuddied(s, zbud)
        return
    lru_del(s, zbud)
    free_zbud_page(s, zbud)


def zbud_isolate_oldest(s: State) -> u32:
    """Take the oldest page off all lists, to be reclaimed; 0: there is none."""
    zbud: u32 = s.zswap.lru_tail
    if not zbud:
        return 0
    lru_del(s, zbud)
    if not zbud_at(s, zbud).chunks[0] or not zbud_at(s, zbud).chunks[1]:
        del_unbuddied(s, zbud)
    zbud_at(s, zbud).under_reclaim = True
    return zbud


def zbud_putback(s: State, zbud: u32) -> cython.bint:
    """A page was tried: if it is empty it goes back to the allocator (True), else it is the newest now."""
    z: cython.pointer(ZbudPage) = zbud_at(s, zbud)
    z.under_reclaim = False
    if not z.chunks[0] and not z.chunks[1]:
        free_zbud_page(s, zbud)
        return True
    if not z.chunks[0] or not z.chunks[1]:
        add_unbuddied(s, zbud)
    lru_add(s, zbud)
    return False
