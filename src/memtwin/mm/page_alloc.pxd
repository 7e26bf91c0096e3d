from memtwin.mm.mm_types cimport i64, u32, u64
from memtwin.mm.state cimport State

cdef enum:
    ALLOC_WMARK_MIN
    ALLOC_WMARK_LOW
    ALLOC_WMARK_HIGH
    ALLOC_NO_WATERMARKS

cdef bint zone_watermark_ok(State s, u32 zone, u32 order, u64 mark, u32 highest_zone) noexcept nogil
cdef u32 get_page_from_freelist(State s, u32 order, u32 migratetype, u32 highest_zone, u32 alloc_flags) noexcept nogil
cdef u32 alloc_pages_slowpath(State s, u32 order, u32 migratetype, u32 highest_zone) noexcept nogil
cdef u64 nr_free_pages(State s) noexcept nogil
cdef u32 alloc_user_page(State s) noexcept nogil
cdef u32 alloc_kernel_pages(State s, u32 order, u32 migratetype) noexcept nogil
cdef u64 wmark_pages(State s, u32 zone, u32 alloc_flags) noexcept nogil
cdef u32 alloc_pages(State s, u32 order, u32 migratetype, u32 highest_zone) noexcept nogil
