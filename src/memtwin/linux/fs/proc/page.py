"""What every frame is used for, as /proc/kpageflags says, counted by blocks of frames: the map of memory.

One call goes through a zone once; of a block it gives the class that has most frames and how many, the largest free
order, and how old its pages are. Its totals are the kernel's counters to the page. Follows fs/proc/page.c of Linux 6.1.
"""

import cython
from cython.cimports.cpython.bytes import PyBytes_AsString, PyBytes_FromStringAndSize
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.state import State, file_at, zone_at
from cython.cimports.memtwin.linux.mm.lru_gen import lru_gen_is_active, page_lru_gen

from memtwin.linux.records import FrameBlocks

SHADES = cython.declare(u32, 255)
QUARTERS = cython.declare(u32, 4)


def map_class(s: State, pfn: u64) -> u32:
    """What a frame that is not free is used for."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    owner: u32 = page.owner
    kind: u32 = MAP_COMPRESSED
    if owner == OWNER_ANON:
        kind = MAP_ANON if page.mapcount > 0 else MAP_SWAPCACHE
    elif owner == OWNER_FILE:
        kind = MAP_SHMEM if page.flags & PG_SWAPBACKED else MAP_FILE
        if file_at(s, page.mapping).kind == FILE_VDSO:
            kind = MAP_KERNEL
    elif owner == OWNER_SLAB:
        kind = MAP_SLAB
    elif owner in (OWNER_KERNEL, OWNER_TOP_TABLE):
        kind = MAP_KERNEL
    elif owner == OWNER_NONE:
        kind = MAP_HOLE
    elif owner == OWNER_TABLE:
        kind = MAP_TABLE
    elif owner == OWNER_PCP:
        kind = MAP_PCP
    elif owner == OWNER_ISOLATED:
        kind = MAP_ISOLATED
    return kind


def is_young(s: State, pfn: u64) -> cython.bint:
    """Whether a page counts as active: on an active list, or of one of the two youngest generations."""
    gen: u32 = page_lru_gen(s, cython.cast(u32, pfn))
    if gen:
        return lru_gen_is_active(cython.address(s.node_data[0].lruvec.gen), gen - 1)
    return s.pages[pfn].flags & PG_ACTIVE != 0


def count_frame(s: State, pfn: u64, end: u64, counts: cython.pointer(BlockCounts), heads: cython.pointer(u64)) -> u64:
    """Count the frame, or the free block that begins with it; return what comes after, maybe beyond *end*."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    after: u64
    kind: u32
    if page.owner == OWNER_BUDDY:
        after = pfn + (cython.cast(u64, 1) << page.order) if page.flags & PG_HEAD else pfn + 1
        heads[page.order if page.flags & PG_HEAD else 0] += 1
        counts.largest = max(counts.largest, cython.cast(u32, page.order) + 1)
        counts.frames[MAP_FREE] += cython.cast(u32, (after if after < end else end) - pfn)
        return after
    kind = map_class(s, pfn)
    counts.frames[kind] += 1
    if MAP_ANON <= kind <= MAP_SHMEM and (page.flags & PG_LRU or page_lru_gen(s, cython.cast(u32, pfn))):
        counts.aged += 1
        counts.young += is_young(s, pfn)
    return pfn + 1


def count_block(
    s: State,
    pfn: u64,
    end: u64,
    free_until: cython.pointer(u64),
    counts: cython.pointer(BlockCounts),
    heads: cython.pointer(u64),
) -> cython.void:
    """Count the frames from *pfn* up to *end*; a free block may have begun before, and go on after."""
    if free_until[0] > pfn:
        counts.frames[MAP_FREE] += cython.cast(u32, min(free_until[0], end) - pfn)
        counts.largest = NR_ORDERS
        pfn = min(free_until[0], end)
    while pfn < end:
        pfn = count_frame(s, pfn, end, counts, heads)
    if pfn > end:
        free_until[0] = pfn


def frame_blocks(s: State, zone: int, order: int) -> FrameBlocks:
    """Count the frames of *zone* by blocks of 2**order, from the lowest address on."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    shift: u32 = order
    step: u64 = cython.cast(u64, 1) << shift
    first: u64 = z.start_pfn & ~(step - 1)
    last: u64 = z.start_pfn + z.spanned
    total: u64 = (last - first + step - 1) >> shift if z.spanned else 0
    use: bytes = PyBytes_FromStringAndSize(cython.NULL, total)
    share: bytes = PyBytes_FromStringAndSize(cython.NULL, total)
    largest: bytes = PyBytes_FromStringAndSize(cython.NULL, total)
    age: bytes = PyBytes_FromStringAndSize(cython.NULL, total)
    into_use: cython.p_char = PyBytes_AsString(use)
    into_share: cython.p_char = PyBytes_AsString(share)
    into_largest: cython.p_char = PyBytes_AsString(largest)
    into_age: cython.p_char = PyBytes_AsString(age)
    counts: BlockCounts
    totals: u64[NR_MAP_CLASSES]
    heads: u64[NR_ORDERS]
    free_until: u64 = 0
    begin: u64
    block: u64
    kind: u32
    most: u32
    memset(totals, 0, cython.sizeof(totals))
    memset(heads, 0, cython.sizeof(heads))
    with cython.nogil:
        for block in range(total):
            memset(cython.address(counts), 0, cython.sizeof(BlockCounts))
            begin = first + (block << shift)
            count_block(
                s, max(begin, z.start_pfn), min(begin + step, last), cython.address(free_until),
                cython.address(counts), heads,
            )  # fmt: skip
            most = MAP_HOLE
            for kind in range(NR_MAP_CLASSES):
                totals[kind] += counts.frames[kind]
                if counts.frames[kind] > counts.frames[most] or (most == MAP_HOLE and counts.frames[kind]):
                    most = kind
            into_use[block] = cython.cast(cython.char, most)
            into_share[block] = cython.cast(cython.char, counts.frames[most] * SHADES >> shift)
            into_largest[block] = cython.cast(cython.char, counts.largest)
            into_age[block] = cython.cast(
                cython.char, 1 + min(counts.young * QUARTERS // counts.aged, QUARTERS - 1) if counts.aged else 0
            )
    return FrameBlocks(
        first,
        use,
        share,
        largest,
        age,
        tuple(totals[kind] for kind in range(NR_MAP_CLASSES)),
        tuple(heads[i] for i in range(NR_ORDERS)),
    )
