from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # how far an allocation may go
    ALLOC_WMARK_MIN
    ALLOC_WMARK_LOW
    ALLOC_WMARK_HIGH
    ALLOC_NO_WATERMARKS
    ALLOC_WMARK_MASK = 3
    ALLOC_MIN_RESERVE = 4   # half of the min mark
    ALLOC_SPREAD_DIRTY = 8  # not from a node over its share of dirty pages
    ALLOC_RESERVES = 0x234  # any that may use what is kept

cdef i64 unusable_highatomic(State s, u32 zone) noexcept nogil
cdef bint zone_watermark_ok(State s, u32 zone, u32 order, u64 mark, u32 highest_zone, u32 alloc_flags) noexcept nogil
cdef u64 wmark_pages(State s, u32 zone, u32 alloc_flags) noexcept nogil
cdef u64 node_dirtyable_memory(State s) noexcept nogil
cdef bint node_dirty_ok(State s) noexcept nogil
cdef u32 gfp_zone(u32 gfp) noexcept nogil
cdef u32 gfp_migratetype(u32 gfp) noexcept nogil
cdef u32 alloc_flags_nofragment(State s, u32 gfp) noexcept nogil
cdef void touch_fresh(State s, u32 pfn, u32 order) noexcept nogil
cdef u32 get_page_from_zones(State s, u32 order, u32 gfp, u32 alloc_flags) noexcept nogil
cdef u32 get_page_from_freelist(State s, u32 order, u32 gfp, u32 alloc_flags) noexcept nogil
cdef u32 alloc_pages(State s, u32 order, u32 gfp) noexcept nogil
cdef u64 nr_free_pages(State s) noexcept nogil
cdef bint pgdat_balanced(State s, u32 order, u32 highest_zone) noexcept nogil
cdef bint pgdat_watermark_boosted(State s, u32 highest_zone) noexcept nogil
cdef void wakeup_kswapd(State s, u32 order, u32 highest_zone) noexcept nogil
