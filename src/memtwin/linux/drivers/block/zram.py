"""zram: a swap device that keeps its pages in memory, compressed.

A page that is written is checked first: if all its words are the same nothing is kept but that word.  Otherwise it
is compressed, and the result goes into ``zsmalloc.py``'s pool; what compresses to 3,257 bytes or more is stored as it
is ("huge"), for nothing would be gained.  ``disksize`` is how much may be stored before compression: it is not RAM,
and not a limit on the memory used.

::

    mm_stat:  orig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages … huge_pages huge_since
              pages stored   their lengths    pool pages     (none)    its most    …              now         so far

The pool is in no line of /proc/meminfo: ``free`` shows it as used.

Writing and reading are the cpu's work, done at once: no I/O to wait for, and swapping in by one reader needs no swap
cache.  A write needs memory for the pool, in the middle of reclaim: it takes pages below every watermark, and fails
only where there is none at all; then the page stays in memory.

How long a page becomes depends on its content: the machine's table of lengths has means and spreads for each kind of
content and algorithm.

Follows drivers/block/zram/zram_drv.c of Linux 6.1 (``__zram_bvec_write``, ``zram_free_page``,
``zram_slot_free_notify``).

Not modelled: mem_limit, writeback to another device, several zram devices.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, file_at, file_block, spend_ns
from cython.cimports.memtwin.linux.mm.slub import object_alloc_gfp, object_free
from cython.cimports.memtwin.linux.mm.zsmalloc import huge_class_size, zs_free, zs_init_classes, zs_malloc

SOURCE = "drivers/block/zram/zram_drv.c", "v6.1"

PAGE = cython.declare(u32, 4096)
GFP_ZRAM = cython.declare(u32, GFP_KSWAPD_RECLAIM | GFP_MOVABLE)
SPREAD_STEPS = cython.declare(u32, 12)


def compressed_length(s: State, algorithm: u32, tag: u64) -> u32:
    """Bytes that a page with content *tag* compresses to: the same for the same content.

    Twelve bits of the content, counted, stand for a roughly normal draw around the kind's mean.
    """
    kind: u32 = tag & CONTENT_MASK
    mean: i64 = s.compressed_length[algorithm][kind][0]
    spread: i64 = s.compressed_length[algorithm][kind][1]
    mixed: u64 = tag * cython.cast(u64, 0x9E3779B97F4A7C15)
    sum_: i64 = 0
    for _ in range(SPREAD_STEPS):
        mixed = (mixed ^ (mixed >> 29)) * cython.cast(u64, 0xBF58476D1CE4E5B9)
        sum_ += cython.cast(i64, (mixed >> 32) & 1023) - 512
    return cython.cast(u32, mean + sum_ * spread // 1024)


def content_of(tag: u64) -> u32:
    """Which kind of content a page has, as tables of lengths and times know it."""
    return cython.cast(u32, min(tag & CONTENT_MASK, cython.cast(u64, NR_CONTENTS - 1)))


def store_object(s: State, area: u32, slot: u32, length: u32) -> cython.bint:
    """Keep an object of *length* bytes for a slot; False: no memory."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    handle: u32 = object_alloc_gfp(s, CACHE_ZS_HANDLE, GFP_KSWAPD_RECLAIM | GFP_IO)
    zspage: u32
    if not handle and s.known_cache[CACHE_ZS_HANDLE]:
        return False
    zspage = zs_malloc(s, area, length, GFP_ZRAM)
    if not zspage:
        object_free(s, handle)
        return False
    a.handle[slot] = handle
    a.zspage[slot] = zspage
    a.length[slot] = length
    return True


def zram_write(s: State, area: u32, slot: u32, tag: u64) -> cython.bint:
    """Store a page; what the slot held before is freed first.  False: no memory, the slot holds nothing."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    length: u32
    a.zram_writes += 1
    spend_ns(s, s.compress_ns[a.algorithm][content_of(tag)])
    zram_free(s, area, slot)
    if tag & CONTENT_MASK == CONTENT_ZERO:
        a.length[slot] = LENGTH_SAME
        a.zram_same += 1
        a.zram_pages += 1
        return True
    length = compressed_length(s, a.algorithm, tag)
    if length >= huge_class_size(s):
        length = PAGE
        a.zram_huge_since += 1
    if not store_object(s, area, slot, length):
        a.zram_failed_writes += 1
        return False
    if length == PAGE:
        a.zram_huge += 1
    a.zram_compressed += length
    a.zram_pages += 1
    return True


def zram_read(s: State, area: u32, slot: u32):
    """Read a page back: its content stands with the area's slots."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    a.zram_reads += 1
    spend_ns(s, s.decompress_ns[a.algorithm][content_of(file_block(file_at(s, a.file), slot) - 1)])


def zram_free(s: State, area: u32, slot: u32):
    """Drop what a slot holds."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    if not a.length[slot]:
        return
    a.zram_pages -= 1
    if a.length[slot] == LENGTH_SAME:
        a.zram_same -= 1
    else:
        a.zram_compressed -= a.length[slot]
        a.zram_huge -= a.length[slot] == PAGE
        spend_ns(s, s.cost_ns[COST_ZS_FREE])
        zs_free(s, a.zspage[slot])
        object_free(s, a.handle[slot])
        a.zspage[slot] = 0
        a.handle[slot] = 0
    a.length[slot] = 0


def zram_slot_free_notify(s: State, area: u32, slot: u32):
    """The slot's last user is gone: what it holds is of no use any more."""
    s.areas[area].zram_notify_free += 1
    zram_free(s, area, slot)


def mm_stat(s: State, area: int) -> dict[str, int]:
    """The columns of /sys/block/zram0/mm_stat: bytes, but for the pages of same, huge and compacted."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    return {
        "orig_data_size": a.zram_pages << 12,
        "compr_data_size": a.zram_compressed,
        "mem_used_total": a.zram_pool_pages << 12,
        "mem_limit": 0,
        "mem_used_max": a.zram_pool_max << 12,
        "same_pages": a.zram_same,
        "pages_compacted": a.zram_compacted,
        "huge_pages": a.zram_huge,
        "huge_pages_since": a.zram_huge_since,
    }


def io_stat(s: State, area: int) -> dict[str, int]:
    """The columns of /sys/block/zram0/io_stat: counts."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    return {
        "failed_reads": 0,
        "failed_writes": a.zram_failed_writes,
        "invalid_io": 0,
        "notify_free": a.zram_notify_free,
    }


def set_lengths(s: State, algorithm: int, table: tuple[tuple[int, int], ...]) -> None:
    """Say how long the pages of each content become under an algorithm: (mean, spread) in bytes, by Content."""
    zs_init_classes(s)
    for kind, (mean, spread) in enumerate(table):
        s.compressed_length[algorithm][kind][0] = mean
        s.compressed_length[algorithm][kind][1] = spread


def set_times(s: State, algorithm: int, compress_ns: tuple[int, ...], decompress_ns: tuple[int, ...]) -> None:
    """Say how long compressing a page of each content takes, and getting it back: nanoseconds, by Content."""
    for kind in range(NR_CONTENTS):
        s.compress_ns[algorithm][kind] = compress_ns[kind]
        s.decompress_ns[algorithm][kind] = decompress_ns[kind]
