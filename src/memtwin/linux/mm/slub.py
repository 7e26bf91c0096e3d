"""The slab allocator (SLUB): kernel objects of one size, packed into slabs of 1 to 8 pages.

A cache hands out objects of one kind: a slab is a block of pages cut into equal objects.  Pages come back only when
*every* object of a slab is free, so freeing many scattered objects frees no memory::

    slab of 4 pages   [ dentry ][ free ][ dentry ][ free ] …    2 of 21 in use: 4 pages in use

Objects of the slab that the cpu allocates from count as active in /proc/slabinfo, in use or not; free objects of
slabs on the partial list do not.  A slab that becomes empty is kept while the cache has fewer than ``min_partial``
slabs with room.

Follows mm/slub.c and mm/slab_common.c of Linux 6.1.  Slab pages are Unmovable, or Reclaimable for caches that shrinkers
can empty (dentries, inodes, page-cache nodes); they count in nr_slab_unreclaimable and nr_slab_reclaimable.

A full slab of which an object is freed goes to its cpu's own **partial list**, where it stays whatever comes free in it
(it is *frozen*), until it is allocated from. When that list has as many slabs as its cache allows, all go to the node's
partial list. So a cache keeps more empty slabs than ``min_partial``, and their free objects count as active::

    full ──free──► cpu's partial list ──it is full──► node's partial list ──empty, and min_partial others──► freed
                     │ allocated from first                  │ then this: one to allocate from, and half a list more

Not modelled: a slab and a list for each cpu (a cache has one of each), which object of a slab is free, merging of
caches, debugging options.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.pool import pool_get
from cython.cimports.memtwin.linux.core.state import SlabCache, State, cache_at, mod_node_page_state
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page

from memtwin.linux.records import SlabFigures


def min_partial(object_size: int) -> int:
    """Slabs with room that a cache keeps, even empty: half the logarithm of the object's size, 5 to 10.

    >>> min_partial(192), min_partial(8384)
    (5, 6)
    """
    return min(max((object_size.bit_length() - 1) // 2, 5), 10)


def cpu_partial_slabs(object_size: int, per_slab: int) -> int:
    """Slabs on a cpu's partial list when it is full: by objects of this size, taken as half of a slab each.

    >>> cpu_partial_slabs(192, 21), cpu_partial_slabs(1128, 29), cpu_partial_slabs(4096, 8)
    (12, 2, 2)
    """
    objects = 6 if object_size >= 4096 else 24 if object_size >= 1024 else 52 if object_size >= 256 else 120
    return -(-2 * objects // per_slab)


def calculate_order(object_size: int, cpus: int) -> tuple[int, int]:
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
    c.cpu_partial_slabs = cpu_partial_slabs(object_size, per_slab)
    return cache


def slab_objects(s: State, slab: u32) -> u32:
    """Objects that a slab has room for: fewer where memory was short and it got fewer pages than usual."""
    c: cython.pointer(SlabCache) = cache_at(s, s.pages[slab].mapping)
    if s.pages[slab].order == c.order:
        return c.per_slab
    return (cython.cast(u32, 4096) << s.pages[slab].order) // c.object_size


def count_slab(s: State, slab: u32, slabs: i64):
    """Count a slab gained (1) or lost (-1), in the cache and in the node's counters."""
    c: cython.pointer(SlabCache) = cache_at(s, s.pages[slab].mapping)
    pages: i64 = slabs << s.pages[slab].order
    c.nr_slabs += slabs
    c.nr_pages += pages
    c.room += slabs * slab_objects(s, slab)
    mod_node_page_state(s, NR_SLAB_RECLAIMABLE if c.reclaimable else NR_SLAB_UNRECLAIMABLE, pages)


def new_slab(s: State, cache: u32, gfp: u32) -> u32:
    """Allocate a slab and return its head frame; 0: no memory.

    A large one is only taken where it is there; otherwise the smallest that holds an object will do.
    """
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    order: u32 = c.order
    pfn: u32
    gfp |= GFP_RECLAIMABLE if c.reclaimable else 0
    if order and gfp & GFP_DIRECT_RECLAIM:
        pfn = alloc_pages(
            s, order, (gfp | GFP_NOMEMALLOC) & ~cython.cast(u32, GFP_DIRECT_RECLAIM | GFP_KSWAPD_RECLAIM | GFP_NOFAIL)
        )
        while not pfn and order and (cython.cast(u32, 4096) << (order - 1)) >= c.object_size:
            order -= 1
        if not pfn:
            pfn = alloc_pages(s, order, gfp)
    else:
        pfn = alloc_pages(s, order, gfp)
    if not pfn:
        return 0
    prep_new_page(s, pfn, order, OWNER_SLAB)
    s.pages[pfn].mapping = cache
    count_slab(s, pfn, 1)
    return pfn


def kmem_cache_alloc(s: State, cache: u32, gfp: u32) -> u32:
    """Allocate one object; return the head frame of its slab, which is what frees it; 0: no memory.

    From the cpu's slab; when that is full, from the next of the cpu's partial list, of the node's, then from a new one.
    """
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    slab: u32 = c.cpu_slab
    if slab and s.pages[slab].index == slab_objects(s, slab):
        c.cpu_slab = 0
        slab = 0
    if not slab:
        slab = c.cpu_partial.head
        if slab:
            list_del(s.pages, cython.address(c.cpu_partial), slab)
            s.pages[slab].flags &= ~cython.cast(u32, PG_FROZEN)
        else:
            slab = get_partial_node(s, c)
        if not slab:
            slab = new_slab(s, cache, gfp)
            if not slab:
                return 0
            if c.cpu_slab:
                add_partial(s, c, c.cpu_slab)
        c.cpu_slab = slab
    s.pages[slab].index += 1
    c.nr_objects += 1
    return slab


def del_partial(s: State, c: cython.pointer(SlabCache), slab: u32):
    """Take a slab off its node's partial list."""
    list_del(s.pages, cython.address(c.partial), slab)
    s.pages[slab].flags &= ~cython.cast(u32, PG_PARTIAL)
    c.free_partial -= slab_objects(s, slab) - s.pages[slab].index


def get_partial_node(s: State, c: cython.pointer(SlabCache)) -> u32:
    """Take the first slab of the node's partial list, and some more for the cpu's; 0: there is none."""
    slab: u32 = c.partial.head
    other: u32 = 0
    more: u32 = c.cpu_partial_slabs // 2 + 1
    if slab:
        del_partial(s, c, slab)
        other = c.partial.head
    while other and more:
        del_partial(s, c, other)
        put_cpu_partial(s, c, other)
        other = c.partial.head
        more -= 1
    return slab


def put_cpu_partial(s: State, c: cython.pointer(SlabCache), slab: u32):
    """Put a slab on the cpu's partial list."""
    s.pages[slab].flags |= PG_FROZEN
    list_add(s.pages, cython.address(c.cpu_partial), slab)


def unfreeze_partials(s: State, c: cython.pointer(SlabCache)):
    """Bring the cpu's partial list to the node's; empty slabs are freed where that has enough."""
    slab: u32 = c.cpu_partial.head
    after: u32
    while slab:
        after = s.pages[slab].next
        list_del(s.pages, cython.address(c.cpu_partial), slab)
        s.pages[slab].flags &= ~cython.cast(u32, PG_FROZEN)
        if s.pages[slab].index == 0 and c.partial.nr >= c.min_partial:
            discard_slab(s, slab)
        else:
            add_partial(s, c, slab)
        slab = after


def add_partial(s: State, c: cython.pointer(SlabCache), slab: u32):
    """Put a slab that has room on its node's partial list."""
    if s.pages[slab].index < slab_objects(s, slab):
        s.pages[slab].flags |= PG_PARTIAL
        list_add_tail(s.pages, cython.address(c.partial), slab)
        c.free_partial += slab_objects(s, slab) - s.pages[slab].index


def kmem_cache_free(s: State, slab: u32):
    """Free one object of *slab*; the slab's pages go back when it was the last and enough others have room."""
    page: cython.pointer(Page) = cython.address(s.pages[slab])
    c: cython.pointer(SlabCache) = cache_at(s, page.mapping)
    page.index -= 1
    c.nr_objects -= 1
    if slab == c.cpu_slab or page.flags & PG_FROZEN:
        return
    if not page.flags & PG_PARTIAL:
        if c.cpu_partial.nr >= c.cpu_partial_slabs:
            unfreeze_partials(s, c)
        put_cpu_partial(s, c, slab)
        return
    c.free_partial += 1
    if page.index == 0 and c.partial.nr >= c.min_partial:
        del_partial(s, c, slab)
        discard_slab(s, slab)


def object_alloc_gfp(s: State, kind: u32, gfp: u32) -> u32:
    """As :func:`object_alloc`, as *gfp* allows."""
    return kmem_cache_alloc(s, s.known_cache[kind], gfp) if s.known_cache[kind] else 0


def object_alloc(s: State, kind: u32) -> u32:
    """Allocate an object of a known kind (KnownCache); 0: this machine's caches are not known, or no memory."""
    return object_alloc_gfp(s, kind, GFP_KERNEL)


def object_free(s: State, slab: u32):
    """Free what :func:`object_alloc` gave; 0 is nothing."""
    if slab:
        kmem_cache_free(s, slab)


def discard_slab(s: State, slab: u32):
    """Give the pages of an empty slab back, which is on no list any more."""
    count_slab(s, slab, -1)
    free_unref_page(s, slab, s.pages[slab].order)


def cache_info(s: State, cache: u32) -> SlabFigures:
    """What /proc/slabinfo says of a cache: objects, slabs and the shape of a slab."""
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    return SlabFigures(c.room - c.free_partial, c.room, c.object_size, c.per_slab, 1 << c.order, c.nr_slabs)


def allocate_object(s: State, cache: int) -> int:
    """Allocate one object of a cache from Python; returns its slab, 0: no memory."""
    return kmem_cache_alloc(s, cache, GFP_KERNEL)


def free_object(s: State, slab: int) -> None:
    """Free one object of a slab."""
    kmem_cache_free(s, slab)
