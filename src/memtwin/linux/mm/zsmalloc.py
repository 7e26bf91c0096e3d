"""The allocator under zram: objects of any size up to a page, packed into groups of one to four pages, since 6.3 eight.

zswap can have a pool of its own here (``zpool=zsmalloc``).

Sizes are rounded up to a class, 16 bytes apart; each object is kept with a handle of 8 bytes.  For each class the
group of pages that wastes least is chosen; classes that come out alike are merged into the largest::

    len 1,500 + 8  -> class 1,536: 8 objects in 3 pages
    len 2,500 + 8  -> class 2,720: 3 objects in 2 pages
    len 3,257 + 8  -> class 4,096: one object in one page; zram stores such a page as it is ("huge")

Since 6.3 the second is of class 2,512 (13 objects in 8 pages), and pages are stored as they are from 3,625 bytes on.

An object goes into the fullest group with room.  A group's pages come back only when its last object is freed, so
a pool can be larger than what is in it, until it is compacted (``zs_compact.py``).

Follows mm/zsmalloc.c of Linux 6.1 and 6.12 (``zs_malloc``, ``get_fullness_group``, ``zs_can_compact``).
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import State, zone_at, zone_of, zspage_at
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.slub import object_alloc_gfp, object_free

ZS_HANDLE_SIZE = cython.declare(u32, 8)
ZS_MIN_ALLOC_SIZE = cython.declare(u32, 32)
ZS_SIZE_CLASS_DELTA = cython.declare(u32, 16)
ZS_MAX_PAGES_BEFORE_6_3 = cython.declare(u32, 4)
PAGE = cython.declare(u32, 4096)


def class_index(length: u32) -> u32:
    """The size class for *length* bytes, handle included; what is too large goes to the last."""
    if length <= ZS_MIN_ALLOC_SIZE:
        return 0
    return min(
        (length - ZS_MIN_ALLOC_SIZE + ZS_SIZE_CLASS_DELTA - 1) // ZS_SIZE_CLASS_DELTA,
        cython.cast(u32, ZS_SIZE_CLASSES - 1),
    )


def get_pages_per_zspage(size: u32) -> u32:
    """How many pages a group of this class has: the fewest of those that use most of their space, in percent."""
    best: u32 = 1
    best_used: u32 = 0
    pages: u32
    used: u32
    for pages in range(1, ZS_MAX_PAGES_BEFORE_6_3 + 1):
        used = (pages * PAGE - pages * PAGE % size) * 100 // (pages * PAGE)
        if used > best_used:
            best_used = used
            best = pages
    return best


def calculate_zspage_chain_size(size: u32) -> u32:
    """The same since 6.3: the fewest pages of those that leave the fewest bytes unused; one for a power of two."""
    best: u32 = 1
    least: u32 = PAGE
    pages: u32
    if size & (size - 1) == 0:
        return 1
    for pages in range(1, cython.cast(u32, ZS_MAX_PAGES_PER_ZSPAGE) + 1):
        if pages * PAGE % size < least:
            least = pages * PAGE % size
            best = pages
    return best


def zs_init_classes(s: State):
    """Set the size classes up, from the largest down; those alike in pages and objects are one."""
    i: u32 = ZS_SIZE_CLASSES
    above: u32 = 0
    c: cython.pointer(ZsClass)
    while i:
        i -= 1
        c = cython.address(s.zs_class[i])
        c.size = ZS_MIN_ALLOC_SIZE + i * ZS_SIZE_CLASS_DELTA
        c.pages = calculate_zspage_chain_size(c.size) if s.features.zs_chain_8 else get_pages_per_zspage(c.size)
        c.objects = c.pages * PAGE // c.size
        c.merged = i
        if above and s.zs_class[above].pages == c.pages and s.zs_class[above].objects == c.objects:
            c.merged = above
        else:
            above = i


def huge_class_size(s: State) -> u32:
    """The compressed length from which a page is stored as it is: 3,257 bytes, since 6.3 3,625."""
    i: u32 = ZS_SIZE_CLASSES
    while i:
        i -= 1
        if s.zs_class[i].merged == i and s.zs_class[i].objects > 1 and s.zs_class[i].pages > 1:
            return s.zs_class[i].size - ZS_HANDLE_SIZE + 1
    return PAGE


def pool_of(area: u32) -> u32:
    """Which pool an area's objects are in: zram's, or zswap's."""
    return 1 if area == ZS_POOL_ZSWAP else 0


def count_pool(s: State, area: u32, pages: i64):
    """Count pages that a pool gained or lost."""
    if area == ZS_POOL_ZSWAP:
        s.zswap.pool_pages += pages
        return
    s.areas[area].zram_pool_pages += pages
    s.areas[area].zram_pool_max = max(s.areas[area].zram_pool_max, s.areas[area].zram_pool_pages)


def zs_can_compact(c: cython.pointer(ZsClass), pool: u32) -> u32:
    """The pages of groups that would be empty if all objects of a class stood as close as they can."""
    return (c.allocated[pool] - c.used[pool]) // c.objects * c.pages


def count_objects_of(s: State, z: cython.pointer(ZsPage), allocated: i32, used: i32):
    """Count room for objects, and objects, that a pool gained or lost."""
    c: cython.pointer(ZsClass) = cython.address(s.zs_class[z.size_class])
    pool: u32 = pool_of(z.area)
    s.zs_freeable[pool] -= zs_can_compact(c, pool)
    c.allocated[pool] += allocated
    c.used[pool] += used
    s.zs_freeable[pool] += zs_can_compact(c, pool)


def get_fullness_group(s: State, c: cython.pointer(ZsClass), inuse: u32) -> u32:
    """How full a group with *inuse* objects is."""
    if inuse == 0:
        return ZS_EMPTY
    if s.features.zs_inuse_ratio:
        return ZS_INUSE_RATIO_100 if inuse == c.objects else 100 * inuse // c.objects // 10 + 1
    if inuse == c.objects:
        return ZS_FULL
    return ZS_ALMOST_EMPTY if inuse <= 3 * c.objects // 4 else ZS_ALMOST_FULL


def find_get_zspage(s: State, c: cython.pointer(ZsClass), area: u32) -> u32:
    """The first of the fullest groups with room; 0: there is none."""
    fullness: u32 = ZS_INUSE_RATIO_99 if s.features.zs_inuse_ratio else ZS_ALMOST_FULL
    while fullness:
        if c.head[pool_of(area)][fullness]:
            return c.head[pool_of(area)][fullness]
        fullness -= 1
    return 0


def insert_zspage(s: State, zspage: u32):
    """Put a group first on the list of its fullness; before 6.4 behind the first if that has more objects."""
    z: cython.pointer(ZsPage) = zspage_at(s, zspage)
    c: cython.pointer(ZsClass) = cython.address(s.zs_class[z.size_class])
    first: u32
    z.fullness = get_fullness_group(s, c, z.inuse)
    first = c.head[pool_of(z.area)][z.fullness]
    if first and z.inuse < zspage_at(s, first).inuse and not s.features.zs_inuse_ratio:
        z.prev = first
        z.next = zspage_at(s, first).next
        zspage_at(s, first).next = zspage
    else:
        z.prev = 0
        z.next = first
        c.head[pool_of(z.area)][z.fullness] = zspage
    if z.next:
        zspage_at(s, z.next).prev = zspage


def remove_zspage(s: State, zspage: u32):
    """Take a group off its list."""
    z: cython.pointer(ZsPage) = zspage_at(s, zspage)
    if z.prev:
        zspage_at(s, z.prev).next = z.next
    else:
        s.zs_class[z.size_class].head[pool_of(z.area)][z.fullness] = z.next
    if z.next:
        zspage_at(s, z.next).prev = z.prev


def alloc_zspage(s: State, area: u32, size_class: u32, gfp: u32) -> u32:
    """Make an empty group; 0: no memory."""
    pages: u32[ZS_MAX_PAGES_PER_ZSPAGE]
    nr: u32 = 0
    zspage: u32
    slab: u32 = object_alloc_gfp(s, CACHE_ZSPAGE, gfp & ~cython.cast(u32, GFP_MOVABLE))
    while nr < s.zs_class[size_class].pages:
        pages[nr] = alloc_pages(s, 0, gfp)
        if not pages[nr]:
            while nr:
                nr -= 1
                zone_at(s, zone_of(s, pages[nr])).stat[NR_ZSPAGES] -= 1
                free_unref_page(s, pages[nr], 0)
            object_free(s, slab)
            return 0
        prep_new_page(s, pages[nr], 0, OWNER_ZSMALLOC)
        zone_at(s, zone_of(s, pages[nr])).stat[NR_ZSPAGES] += 1
        nr += 1
    zspage = pool_get(cython.address(s.zspages))
    zspage_at(s, zspage).slab = slab
    zspage_at(s, zspage).size_class = size_class
    zspage_at(s, zspage).area = area
    for nr in range(s.zs_class[size_class].pages):
        zspage_at(s, zspage).pages[nr] = pages[nr]
        s.pages[pages[nr]].mapping = zspage
    count_pool(s, area, s.zs_class[size_class].pages)
    count_objects_of(s, zspage_at(s, zspage), s.zs_class[size_class].objects, 0)
    return zspage


def zs_malloc(s: State, area: u32, length: u32, gfp: u32) -> u32:
    """Find room for an object of *length* bytes of a zram area (or of zswap); returns its group, 0: no memory."""
    index: u32 = s.zs_class[class_index(length + ZS_HANDLE_SIZE)].merged
    c: cython.pointer(ZsClass) = cython.address(s.zs_class[index])
    zspage: u32 = find_get_zspage(s, c, area)
    if zspage:
        remove_zspage(s, zspage)
    else:
        zspage = alloc_zspage(s, area, index, gfp)
        if not zspage:
            return 0
    zspage_at(s, zspage).inuse += 1
    count_objects_of(s, zspage_at(s, zspage), 0, 1)
    insert_zspage(s, zspage)
    return zspage


def zs_free(s: State, zspage: u32):
    """Free an object of a group; with the last its pages come back."""
    remove_zspage(s, zspage)
    zspage_at(s, zspage).inuse -= 1
    count_objects_of(s, zspage_at(s, zspage), 0, -1)
    if zspage_at(s, zspage).inuse:
        insert_zspage(s, zspage)
    else:
        free_zspage(s, zspage)


def free_zspage(s: State, zspage: u32):
    """Give a group's pages back."""
    z: cython.pointer(ZsPage) = zspage_at(s, zspage)
    i: u32
    for i in range(s.zs_class[z.size_class].pages):
        zone_at(s, zone_of(s, z.pages[i])).stat[NR_ZSPAGES] -= 1
        free_unref_page(s, z.pages[i], 0)
    count_pool(s, z.area, -cython.cast(i64, s.zs_class[z.size_class].pages))
    count_objects_of(s, z, -cython.cast(i32, s.zs_class[z.size_class].objects), 0)
    object_free(s, z.slab)
    pool_put(cython.address(s.zspages), zspage)
