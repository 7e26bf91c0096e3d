from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 order_to_pindex(u32 migratetype, u32 order) noexcept nogil
cdef u32 pindex_to_order(u32 pindex) noexcept nogil
cdef i32 rmqueue_bulk(State s, u32 z, u32 order, u32 mt, i32 count, u32 alloc_flags) noexcept nogil
cdef i32 nr_pcp_alloc(State s, u32 zone, PerCpuPages *pcp, u32 order) noexcept nogil
cdef u32 rmqueue(State s, u32 zone, u32 order, u32 migratetype, u32 alloc_flags) noexcept nogil
cdef void free_pcppages_bulk(State s, PerCpuPages *pcp, i32 count, i32 pindex) noexcept nogil
cdef void free_unref_page(State s, u32 pfn, u32 order) noexcept nogil
cdef void pcp_tune(State s, u32 zone, PerCpuPages *pcp, u32 order, u32 pindex) noexcept nogil
cdef bint is_above_high(State s, u32 zone) noexcept nogil
cdef i32 pcp_auto_high(State s, u32 zone, PerCpuPages *pcp, bint free_high) noexcept nogil
cdef i32 pcp_auto_free(PerCpuPages *pcp, i32 high, bint free_high) noexcept nogil
cdef void decay_pcp_high(State s) noexcept nogil
cdef i32 nr_pcp_high(State s, u32 zone, PerCpuPages *pcp, u32 order) noexcept nogil
cdef void drain_pages(State s) noexcept nogil
cdef void drain_zone_pages(State s, u32 zone) noexcept nogil
cdef i32 nr_pcp_free(PerCpuPages *pcp, i32 high) noexcept nogil
