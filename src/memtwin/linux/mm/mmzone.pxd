from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u64 low_wmark_pages(State s, u32 zone) noexcept nogil
cdef u64 min_wmark_pages(State s, u32 zone) noexcept nogil
cdef u64 high_wmark_pages(State s, u32 zone) noexcept nogil
cdef void setup_per_zone_wmarks(State s) noexcept nogil
cdef void setup_per_zone_lowmem_reserve(State s) noexcept nogil
cdef void calculate_totalreserve_pages(State s) noexcept nogil
cdef void set_pageset_limits(State s, u32 zone, PerCpuPages *pcp) noexcept nogil
cdef void zone_set_pageset_high_and_batch(State s, u32 zone) noexcept nogil
cdef void boost_watermark(State s, u32 zone, bint kswapd) noexcept nogil
cdef i32 zone_batchsize(u64 managed) noexcept nogil
