"""Compaction of a pool of compressed pages: objects move together, and the groups that they leave are freed.

Reclaim asks for it as it asks other shrinkers, in proportion to the pages that it could free: hardly ever at low
pressure, and where reclaim scans half of its lists or more. Then, class by class from the largest, objects of the
emptiest group move into the fullest with room until the class has no group too many.

Follows mm/zsmalloc.c of Linux 6.1 and 6.12 (``zs_compact``, ``isolate_zspage``; since 6.4 ``isolate_src_zspage``,
``isolate_dst_zspage``).

Not modelled: the time that moving objects takes.
"""

import cython
from cython.cimports.libc.stdlib import free
from cython.cimports.memtwin.linux.core.host_memory import host_zeroed
from cython.cimports.memtwin.linux.core.state import State, zspage_at
from cython.cimports.memtwin.linux.mm.zsmalloc import (
    ZS_ALMOST_EMPTY,
    ZS_ALMOST_FULL,
    ZS_INUSE_RATIO_99,
    free_zspage,
    insert_zspage,
    remove_zspage,
    zs_can_compact,
)

SOURCE = "mm/zsmalloc.c", "v6.1"


def handles_of(s: State, pool: u32, area: u32) -> cython.pointer(u32):
    """The group of each slot of an area in a pool; NULL: it has none there."""
    return s.areas[area].zswap_handle if pool else s.areas[area].zspage


def list_objects(s: State, pool: u32, objects: cython.pointer(Objects)):
    """List the slots that have an object in each group, the lowest first."""
    area: u32 = s.nr_areas
    slot: u32
    handles: cython.pointer(u32)
    total: u64 = 0
    while area:
        area -= 1
        objects.base[area] = total
        if handles_of(s, pool, area) != cython.NULL:
            total += s.areas[area].max
    objects.first = cython.cast(cython.pointer(u32), host_zeroed(s.zspages.cap, cython.sizeof(u32)))
    objects.following = cython.cast(cython.pointer(u32), host_zeroed(total, cython.sizeof(u32)))
    area = s.nr_areas
    while area:
        area -= 1
        handles = handles_of(s, pool, area)
        slot = s.areas[area].max if handles != cython.NULL else 0
        while slot:
            slot -= 1
            if handles[slot]:
                objects.following[objects.base[area] + slot] = objects.first[handles[slot]]
                objects.first[handles[slot]] = ((area << SWAP_TYPE_SHIFT) | slot) + 1


def move_object(s: State, pool: u32, objects: cython.pointer(Objects), source: u32, target: u32):
    """Move the first object of a group into another of its class, which has as many objects as before."""
    entry: u32 = objects.first[source] - 1
    area: u32 = entry >> SWAP_TYPE_SHIFT
    slot: u32 = entry & ((cython.cast(u32, 1) << SWAP_TYPE_SHIFT) - 1)
    at: u64 = objects.base[area] + slot
    objects.first[source] = objects.following[at]
    objects.following[at] = objects.first[target]
    objects.first[target] = entry + 1
    handles_of(s, pool, area)[slot] = target
    zspage_at(s, source).inuse -= 1
    zspage_at(s, target).inuse += 1


def migrate_zspage(s: State, pool: u32, objects: cython.pointer(Objects), source: u32, target: u32):
    """Move objects of a group into another until that is full or none are left."""
    room: u32 = s.zs_class[zspage_at(s, target).size_class].objects
    while objects.first[source] and zspage_at(s, target).inuse < room:
        move_object(s, pool, objects, source, target)


def isolate(s: State, c: cython.pointer(ZsClass), pool: u32, emptiest: cython.bint) -> u32:
    """Take the first of the emptiest or the fullest groups with room off its list; 0: there is none."""
    fullest: u32 = ZS_INUSE_RATIO_99 if s.features.zs_inuse_ratio else ZS_ALMOST_FULL
    i: u32
    group: u32
    for i in range(fullest):
        group = c.head[pool][ZS_ALMOST_EMPTY + i if emptiest else fullest - i]
        if group:
            remove_zspage(s, group)
            return group
    return 0


def put_back(s: State, group: u32) -> u32:
    """Put a group on the list of its fullness, or free it if it is empty; returns the pages that came free."""
    z: cython.pointer(ZsPage) = zspage_at(s, group)
    pages: u32 = s.zs_class[z.size_class].pages
    if z.inuse:
        insert_zspage(s, group)
        return 0
    if z.area < MAX_SWAPFILES:
        s.areas[z.area].zram_compacted += pages
    free_zspage(s, group)
    return pages


def compact_class(s: State, c: cython.pointer(ZsClass), pool: u32, objects: cython.pointer(Objects)) -> u64:
    """Compact one class by halves; returns the pages freed."""
    source: u32
    target: u32
    freed: u64 = 0
    while zs_can_compact(c, pool):
        source = isolate(s, c, pool, True)
        if not source:
            break
        target = isolate(s, c, pool, False)
        while target:
            migrate_zspage(s, pool, objects, source, target)
            if not objects.first[source]:
                break
            insert_zspage(s, target)
            target = isolate(s, c, pool, False)
        if target:
            insert_zspage(s, target)
        freed += put_back(s, source)
        if not target or objects.first[source]:
            break
    return freed


def compact_class_by_tenths(s: State, c: cython.pointer(ZsClass), pool: u32, objects: cython.pointer(Objects)) -> u64:
    """Compact one class as kernels since 6.4 do: one group is filled until it is full; returns the pages freed."""
    source: u32
    target: u32 = 0
    freed: u64 = 0
    while zs_can_compact(c, pool):
        if not target:
            target = isolate(s, c, pool, False)
        if not target:
            break
        source = isolate(s, c, pool, True)
        if not source:
            break
        migrate_zspage(s, pool, objects, source, target)
        freed += put_back(s, source)
        if zspage_at(s, target).inuse == c.objects:
            insert_zspage(s, target)
            target = 0
    if target:
        insert_zspage(s, target)
    return freed


def zs_compact(s: State, pool: u32) -> u64:
    """Compact zram's pool (0) or zswap's (1); returns the pages freed."""
    objects: Objects
    i: u32 = ZS_SIZE_CLASSES
    c: cython.pointer(ZsClass)
    freed: u64 = 0
    list_objects(s, pool, cython.address(objects))
    while i:
        i -= 1
        c = cython.address(s.zs_class[i])
        if c.merged != i:
            continue
        if s.features.zs_inuse_ratio:
            freed += compact_class_by_tenths(s, c, pool, cython.address(objects))
        else:
            freed += compact_class(s, c, pool, cython.address(objects))
    free(objects.first)
    free(objects.following)
    return freed
