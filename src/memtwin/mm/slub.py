"""The slab allocator (SLUB): kernel objects of one size, packed into slabs of 1 to 8 pages.

A cache hands out objects of one kind: a slab is a block of pages cut into equal objects.  Pages come back only when
*every* object of a slab is free, so freeing many scattered objects frees no memory::

    slab of 4 pages   [ dentry ][ free ][ dentry ][ free ] …    2 of 21 in use: 4 pages in use

Objects of the slab that the cpu allocates from count as active in /proc/slabinfo, in use or not; free objects of
slabs on the partial list do not.  A slab that becomes empty is kept while the cache has fewer than ``min_partial``
slabs with room.

Follows mm/slub.c of Linux 6.1.  Slab pages are Unmovable, or Reclaimable for caches that shrinkers can empty
(dentries, inodes, page-cache nodes); they count in nr_slab_unreclaimable and nr_slab_reclaimable.

Not modelled: the per-cpu *partial* lists (their slabs stand on the node's list here), which object of a slab is free,
merging of caches, debugging options.
"""

import cython
from cython.cimports.memtwin.mm.buddy import free_frame, own
from cython.cimports.memtwin.mm.list import list_add_tail, list_del
from cython.cimports.memtwin.mm.mm_types import (
    MIGRATE_RECLAIMABLE,
    MIGRATE_UNMOVABLE,
    OWNER_SLAB,
    PG_PARTIAL,
    Page,
    i64,
    u32,
)
from cython.cimports.memtwin.mm.page_alloc import alloc_kernel_pages
from cython.cimports.memtwin.mm.state import SlabCache, State, cache_at, pool_get
from cython.cimports.memtwin.mm.vmstat import NR_SLAB_RECLAIMABLE, NR_SLAB_UNRECLAIMABLE

SOURCE = "mm/slub.c", "v6.1"


def min_partial(object_size: int) -> int:
    """Slabs with room that a cache keeps, even empty: half the logarithm of the object's size, 5 to 10.

    >>> min_partial(192), min_partial(8384)
    (5, 6)
    """
    return min(max((object_size.bit_length() - 1) // 2, 5), 10)


def calculate_order(object_size: int, cpus: int) -> tuple:
    """Return (order, objects) of a cache's slabs: the smallest order that wastes little.

    >>> calculate_order(192, 2), calculate_order(1128, 4), calculate_order(4096, 2)
    ((0, 21), (3, 29), (3, 8))
    """
    wanted = min(4 * (cpus.bit_length() + 1), (4096 << 3) // object_size)
    for objects in range(wanted, 1, -1):
        for fraction in (16, 8, 4):
            least = max(0, (objects * object_size - 1) // 4096).bit_length()
            for order in range(least, 4):
                slab = 4096 << order
                if slab % object_size <= slab // fraction:
                    return order, slab // object_size
    for order in range(11):
        if object_size <= 4096 << order:
            return order, (4096 << order) // object_size
    raise ValueError(object_size)


def create_cache(s: State, object_size: int, per_slab: int, order: int, reclaimable: bool) -> int:
    """Make a cache of objects of *object_size* bytes (padding included) and return its number."""
    cache: u32 = pool_get(cython.address(s.caches))
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    c.object_size = object_size
    c.per_slab = per_slab
    c.order = order
    c.reclaimable = reclaimable
    c.min_partial = min_partial(object_size)
    return cache


def count_slab(s: State, c: cython.pointer(SlabCache), slabs: i64):
    """Count slabs gained or lost, in the cache and in the node's counters."""
    c.nr_slabs += slabs
    s.node[NR_SLAB_RECLAIMABLE if c.reclaimable else NR_SLAB_UNRECLAIMABLE] += slabs << c.order


def new_slab(s: State, cache: u32) -> u32:
    """Allocate a slab and return its head frame; 0: no memory."""
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    pfn: u32 = alloc_kernel_pages(s, c.order, MIGRATE_RECLAIMABLE if c.reclaimable else MIGRATE_UNMOVABLE)
    if not pfn:
        return 0
    own(s, pfn, c.order, OWNER_SLAB)
    s.pages[pfn].mapping = cache
    count_slab(s, c, 1)
    return pfn


def kmem_cache_alloc(s: State, cache: u32) -> u32:
    """Allocate one object; return the head frame of its slab, which is what frees it; 0: no memory.

    From the cpu's slab; when that is full, from the first slab with room, then from a new one.
    """
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    slab: u32 = c.cpu_slab
    if slab and s.pages[slab].index == c.per_slab:
        c.cpu_slab = 0
        slab = 0
    if not slab:
        slab = c.partial.head
        if slab:
            list_del(s.pages, cython.address(c.partial), slab)
            s.pages[slab].flags &= ~PG_PARTIAL
            c.free_partial -= c.per_slab - s.pages[slab].index
        else:
            slab = new_slab(s, cache)
            if not slab:
                return 0
        c.cpu_slab = slab
    s.pages[slab].index += 1
    c.nr_objects += 1
    return slab


def kmem_cache_free(s: State, slab: u32):
    """Free one object of *slab*; the slab's pages go back when it was the last and enough others have room."""
    page: cython.pointer(Page) = cython.address(s.pages[slab])
    c: cython.pointer(SlabCache) = cache_at(s, page.mapping)
    page.index -= 1
    c.nr_objects -= 1
    if slab == c.cpu_slab:
        return
    if not page.flags & PG_PARTIAL:
        page.flags |= PG_PARTIAL
        list_add_tail(s.pages, cython.address(c.partial), slab)
        c.free_partial += c.per_slab - page.index
    else:
        c.free_partial += 1
    if page.index == 0 and c.partial.nr > c.min_partial:
        discard_slab(s, page.mapping, slab)


def object_alloc(s: State, kind: u32) -> u32:
    """Allocate an object of a known kind (KnownCache); 0: this machine's caches are not known, or no memory."""
    return kmem_cache_alloc(s, s.known_cache[kind]) if s.known_cache[kind] else 0


def object_free(s: State, slab: u32):
    """Free what :func:`object_alloc` gave; 0 is nothing."""
    if slab:
        kmem_cache_free(s, slab)


def discard_slab(s: State, cache: u32, slab: u32):
    """Take an empty slab off the partial list and give its pages back."""
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    list_del(s.pages, cython.address(c.partial), slab)
    c.free_partial -= c.per_slab
    count_slab(s, c, -1)
    free_frame(s, slab, c.order)


def cache_info(s: State, cache: u32) -> dict:
    """What /proc/slabinfo says of a cache: objects, slabs and the shape of a slab."""
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    objects = c.nr_slabs * c.per_slab
    return {
        "active_objs": objects - c.free_partial,
        "num_objs": objects,
        "objsize": c.object_size,
        "objperslab": c.per_slab,
        "pagesperslab": 1 << c.order,
        "num_slabs": c.nr_slabs,
    }


def allocate_object(s: State, cache: int) -> int:
    """Allocate one object of a cache from Python; returns its slab, 0: no memory."""
    return kmem_cache_alloc(s, cache)


def free_object(s: State, slab: int) -> None:
    """Free one object of a slab."""
    kmem_cache_free(s, slab)
