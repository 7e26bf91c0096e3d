"""zswap: a compressed store in front of every swap area, so that a page that goes out need not go to its device.

A page that reclaim writes to its slot is offered to zswap first.  If it is taken, it is "written" at once, without I/O:
``zswpout`` counts it, ``pswpout`` does not.  The slot stays in use all the same: zswap saves the device's time, not its
space.  A fault on such a page decompresses it (``zswpin``); what is stored stays until the slot is freed or
overwritten.

::

    pool > max_pool_percent of RAM          refused (pool_limit_hit), a worker is to write something back, and
      from then on refused                  until the pool is below accept_threshold_percent of that
    all words of the page are the same      stored as that word: no memory of the pool
    compresses to more than a page          refused, in no counter
    more than the allocator takes           refused (reject_compress_poor): zbud takes up to 3,968 bytes
    no memory for the pool                  refused (reject_alloc_fail)

Since 6.9 the limit itself is refused, a refusal for a full pool wakes the worker, which writes back down to the
threshold (``zswap_writeback.py``), and what is loaded into the swap cache leaves zswap: the page is dirty.  Each page
that is stored stands at the tail of a list, with a second chance.  One that compresses to more than a page is poor.

With zbud 8 bytes in front of each object say which slot it belongs to, so that it can be written back
(``zswap_writeback.py``); zsmalloc cannot write back in 6.1, so that its full pool only refuses.

::

    Zswap      pool pages        what it costs: in no other line of meminfo, and not available
    Zswapped   pages stored      what it holds, those of one word among them

Follows mm/zswap.c and mm/frontswap.c of Linux 6.1 (``zswap_frontswap_store``, ``zswap_frontswap_load``,
``zswap_free_entry``, ``__frontswap_store``); and mm/zswap.c of 6.12 (``zswap_check_limits``,
``zswap_store``, ``zswap_load``).

Not modelled: z3fold, several pools (a change of compressor or allocator while something is stored), cgroups' limits
and lists, the shrinker of 6.8 (``shrinker_enabled``, off by default).
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, area_of, file_at, file_block, slot_of, spend_ns
from cython.cimports.memtwin.linux.drivers.block.zram import (
    LENGTH_SAME,
    compressed_length,
    content_of,
    zram_slot_free_notify,
)
from cython.cimports.memtwin.linux.mm.slub import object_alloc_gfp, object_free
from cython.cimports.memtwin.linux.mm.util import totalram_pages
from cython.cimports.memtwin.linux.mm.zbud import ZBUD_MAX_SIZE, zbud_alloc, zbud_free
from cython.cimports.memtwin.linux.mm.zsmalloc import ZS_POOL_ZSWAP, zs_free, zs_malloc

PAGE = cython.declare(u32, 4096)
HEADER = cython.declare(u32, 8)
GFP_POOL = cython.declare(u32, GFP_KSWAPD_RECLAIM | GFP_NORETRY)


def zswap_is_full(s: State) -> cython.bint:
    """Whether the pool is larger than it may be.

    For example: 52,682 pages of RAM, 20 %: more than 10,536 pages
    """
    return cython.cast(u64, totalram_pages(s)) * s.zswap.max_pool_percent // 100 < s.zswap.pool_total


def zswap_can_accept(s: State) -> cython.bint:
    """Whether a pool that was full has shrunk enough.

    For example: 52,682 pages of RAM, 90 % of 20 %: fewer than 9,482 pages
    """
    accept: u64 = cython.cast(u64, totalram_pages(s)) * s.zswap.accept_threshold_percent // 100
    return accept * s.zswap.max_pool_percent // 100 > s.zswap.pool_total


def zswap_accept_thr_pages(s: State) -> u64:
    """Pages to which a pool that was full has to shrink."""
    return zswap_max_pages(s) * s.zswap.accept_threshold_percent // 100


def zswap_max_pages(s: State) -> u64:
    """Pages that the pool may have."""
    return cython.cast(u64, totalram_pages(s)) * s.zswap.max_pool_percent // 100


def zswap_check_limits(s: State) -> cython.bint:
    """Whether the pool is full, or was and has not shrunk to its threshold: then the worker is due."""
    z: cython.pointer(Zswap) = cython.address(s.zswap)
    if z.pool_pages >= zswap_max_pages(s):
        z.pool_limit_hit += 1
        z.reached_full = True
    elif z.reached_full and z.pool_pages <= zswap_accept_thr_pages(s):
        z.reached_full = False
    return z.reached_full


def queue_shrink(s: State):
    """Let the worker run; if it is under way, once more behind that."""
    z: cython.pointer(Zswap) = cython.address(s.zswap)
    if z.shrink_queued:
        z.shrink_again |= z.started
        return
    z.shrink_queued = True
    z.started = False
    z.failures = z.attempts = 0
    s.rq.resched = True


def accepts(s: State) -> cython.bint:
    """Whether a page may be stored now; a full pool wants the worker to write something back."""
    z: cython.pointer(Zswap) = cython.address(s.zswap)
    if s.features.zswap_lru:
        return not zswap_check_limits(s)
    if zswap_is_full(s):
        z.pool_limit_hit += 1
        z.reached_full = True
        z.shrink_queued = True
        s.rq.resched = True
        return False
    if z.reached_full and not zswap_can_accept(s):
        return False
    z.reached_full = False
    return True


def pool_malloc(s: State, area: u32, slot: u32, length: u32) -> u32:
    """Find room in the pool for a page of *length* bytes, compressed; returns its handle, 0: none, and it is counted.

    zsmalloc's is the number of the group of pages; it has a handle of its own, too, of 8 bytes.
    """
    z: cython.pointer(Zswap) = cython.address(s.zswap)
    handle: u32 = 0
    own: u32
    if length > PAGE:
        z.reject_compress_poor += s.features.zswap_lru
        return 0
    if z.zpool == ZPOOL_ZBUD:
        if length + HEADER > ZBUD_MAX_SIZE:
            z.reject_compress_poor += 1
            return 0
        handle = zbud_alloc(s, length + HEADER, (area << SWAP_TYPE_SHIFT) | slot, GFP_POOL)
    else:
        own = object_alloc_gfp(s, CACHE_ZS_HANDLE, GFP_POOL)
        if own or not s.known_cache[CACHE_ZS_HANDLE]:
            handle = zs_malloc(s, ZS_POOL_ZSWAP, length, GFP_POOL | GFP_MOVABLE)
        if handle:
            s.areas[area].zswap_zs_slab[slot] = own
        else:
            object_free(s, own)
    z.reject_alloc_fail += handle == 0
    return handle


def pool_free(s: State, a: cython.pointer(SwapArea), slot: u32):
    """Give a slot's object back to the pool."""
    if s.zswap.zpool == ZPOOL_ZBUD:
        zbud_free(s, a.zswap_handle[slot])
        return
    zs_free(s, a.zswap_handle[slot])
    object_free(s, a.zswap_zs_slab[slot])
    a.zswap_zs_slab[slot] = 0


def update_total_size(s: State):
    """Look how large the pool is: pages."""
    s.zswap.pool_total = s.zswap.pool_pages


# --- zswap's list ----------------------------------------------------------------------------------------------------


def zswap_lru_add(s: State, entry: u32):
    """Put what is stored for a slot at the tail of the list, with a second chance."""
    a: cython.pointer(SwapArea) = area_of(s, entry)
    slot: u32 = slot_of(entry)
    last: u32 = s.zswap.list_tail
    a.zswap_prev[slot] = last
    a.zswap_next[slot] = 0
    if last:
        area_of(s, last).zswap_next[slot_of(last)] = entry
    else:
        s.zswap.list_head = entry
    s.zswap.list_tail = entry


def zswap_lru_del(s: State, entry: u32):
    """Take it off the list."""
    a: cython.pointer(SwapArea) = area_of(s, entry)
    before: u32 = a.zswap_prev[slot_of(entry)]
    after: u32 = a.zswap_next[slot_of(entry)]
    if before:
        area_of(s, before).zswap_next[slot_of(before)] = after
    else:
        s.zswap.list_head = after
    if after:
        area_of(s, after).zswap_prev[slot_of(after)] = before
    else:
        s.zswap.list_tail = before


def compress(s: State, area: u32, slot: u32, tag: u64) -> cython.bint:
    """Put a page's content into the pool, or note its word; False: refused."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    length: u32
    handle: u32
    if s.zswap.same_filled and not s.features.zeromap and tag & CONTENT_MASK == CONTENT_ZERO:
        s.zswap.same_filled_pages += 1
        a.zswap_length[slot] = LENGTH_SAME
        return True
    spend_ns(s, s.compress_ns[s.zswap.algorithm][content_of(tag)])
    length = compressed_length(s, s.zswap.algorithm, tag)
    handle = pool_malloc(s, area, slot, length)
    if not handle:
        return False
    a.zswap_handle[slot] = handle
    a.zswap_length[slot] = length
    return True


def zswap_store(s: State, area: u32, slot: u32, tag: u64) -> cython.bint:
    """Take a page that is on its way to its slot; False: its device has to.  What zswap has of the slot goes first."""
    z: cython.pointer(Zswap) = cython.address(s.zswap)
    slab: u32
    if not s.areas[area].zswap_length:
        return False
    zswap_invalidate(s, area, slot)
    if not z.enabled:
        return False
    if not accepts(s):
        if s.features.zswap_lru:
            queue_shrink(s)
        return False
    slab = object_alloc_gfp(s, CACHE_ZSWAP_ENTRY, GFP_KERNEL)
    if not slab and s.known_cache[CACHE_ZSWAP_ENTRY]:
        z.reject_kmemcache_fail += 1
        return False
    if not compress(s, area, slot, tag):
        object_free(s, slab)
        return False
    s.areas[area].zswap_slab[slot] = slab
    s.areas[area].zswap_referenced[slot] = True
    zswap_lru_add(s, (area << SWAP_TYPE_SHIFT) | slot)
    z.stored_pages += 1
    update_total_size(s)
    s.event[ZSWPOUT] += 1
    return True


def spend_decompression(s: State, area: u32, slot: u32):
    """Let the time pass that decompressing a slot's page takes."""
    tag: u64 = file_block(file_at(s, s.areas[area].file), slot) - 1
    spend_ns(s, s.decompress_ns[s.zswap.algorithm][content_of(tag)])


def zswap_load(s: State, pfn: u32, area: u32, slot: u32) -> cython.bint:
    """Whether zswap has what belongs to a slot: then it is decompressed into *pfn*, and kept.

    Since 6.9 it goes, and the page is dirty, if it is one of the swap cache.
    """
    if not zswap_has(s, area, slot):
        return False
    if s.areas[area].zswap_length[slot] != LENGTH_SAME:
        spend_decompression(s, area, slot)
    s.event[ZSWPIN] += 1
    if s.features.zswap_lru and s.pages[pfn].flags & PG_SWAPCACHE:
        zswap_invalidate(s, area, slot)
        s.pages[pfn].flags |= PG_DIRTY
    return True


def zswap_has(s: State, area: u32, slot: u32) -> cython.bint:
    """Whether zswap holds a slot's page."""
    return s.areas[area].zswap_length != cython.NULL and s.areas[area].zswap_length[slot] != 0


def zswap_invalidate(s: State, area: u32, slot: u32):
    """Forget what zswap has of a slot: it is free, or about to be overwritten."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    if not zswap_has(s, area, slot):
        return
    zswap_lru_del(s, (area << SWAP_TYPE_SHIFT) | slot)
    if a.zswap_length[slot] == LENGTH_SAME:
        s.zswap.same_filled_pages -= 1
    else:
        pool_free(s, a, slot)
    object_free(s, a.zswap_slab[slot])
    a.zswap_slab[slot] = 0
    a.zswap_handle[slot] = 0
    a.zswap_length[slot] = 0
    s.zswap.stored_pages -= 1
    update_total_size(s)


def invalidate_slot(s: State, area: u32, slot: u32):
    """A slot is free: neither zswap nor zram need what it held."""
    zswap_invalidate(s, area, slot)
    if s.areas[area].synchronous:
        zram_slot_free_notify(s, area, slot)


def configure(
    s: State, zpool: int, algorithm: int, max_pool_percent: int, accept_threshold_percent: int, same_filled: bool
) -> None:
    """Switch zswap on, before the areas are turned on; *algorithm*: which row of compressed lengths."""
    s.zswap.enabled = True
    s.zswap.zpool = zpool
    s.zswap.algorithm = algorithm
    s.zswap.max_pool_percent = max_pool_percent
    s.zswap.accept_threshold_percent = accept_threshold_percent
    s.zswap.same_filled = same_filled


def start_pool(s: State, stored: int, pool_pages: int) -> None:
    """Say what a snapshot's zswap holds beyond its processes' slots, of owners that are not known: both in pages."""
    s.zswap.boot_stored = stored
    s.zswap.stored_pages += stored
    s.zswap.boot_pool = pool_pages
    s.zswap.pool_pages += pool_pages
    s.zswap.pool_total = s.zswap.pool_pages


def stats(s: State) -> dict[str, int]:
    """What /sys/kernel/debug/zswap has: counts, pages, and the pool in bytes."""
    if s.features.zswap_lru:
        return {
            "pool_limit_hit": s.zswap.pool_limit_hit,
            "pool_total_size": s.zswap.pool_pages << 12,
            "reject_alloc_fail": s.zswap.reject_alloc_fail,
            "reject_compress_fail": 0,
            "reject_compress_poor": s.zswap.reject_compress_poor,
            "reject_kmemcache_fail": s.zswap.reject_kmemcache_fail,
            "reject_reclaim_fail": s.zswap.reject_reclaim_fail,
            "stored_pages": s.zswap.stored_pages,
            "written_back_pages": s.zswap.written_back_pages,
        }
    return {
        "duplicate_entry": s.zswap.duplicate_entry,
        "pool_limit_hit": s.zswap.pool_limit_hit,
        "pool_total_size": s.zswap.pool_total << 12,
        "reject_alloc_fail": s.zswap.reject_alloc_fail,
        "reject_compress_poor": s.zswap.reject_compress_poor,
        "reject_kmemcache_fail": s.zswap.reject_kmemcache_fail,
        "reject_reclaim_fail": s.zswap.reject_reclaim_fail,
        "same_filled_pages": s.zswap.same_filled_pages,
        "stored_pages": s.zswap.stored_pages,
        "written_back_pages": s.zswap.written_back_pages,
    }


def is_on(s: State) -> bool:
    """Whether this machine has zswap and it is on."""
    return s.zswap.enabled != 0
