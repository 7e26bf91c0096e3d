from memtwin.linux.core.mm_types cimport List, Page, PerCpuPages, Zone, i32, u8, u32, u64
from memtwin.linux.core.state cimport State

cdef u32 rmqueue(State s, u32 zone, u32 order, u32 migratetype) noexcept nogil
cdef void free_unref_page(State s, u32 pfn, u32 order) noexcept nogil
cdef void free_one_page(State s, u32 pfn, u32 order, u32 migratetype) noexcept nogil
cdef bint can_split_to(State s, u32 zone, u32 order) noexcept nogil
cdef void prep_new_page(State s, u32 pfn, u32 order, u8 owner) noexcept nogil
cdef void prep_new_frame(Page *page, u8 owner) noexcept nogil
cdef u32 order_to_pindex(u32 migratetype, u32 order) noexcept nogil
cdef void mark_block(State s, u32 pfn, u32 order, u32 migratetype, u8 owner) noexcept nogil
cdef void relabel_block(State s, u32 pfn, u32 order, u32 migratetype) noexcept nogil
cdef void del_page_from_free_list(State s, Zone *zone, u32 pfn) noexcept nogil
cdef void expand(State s, Zone *zone, u32 pfn, u32 low, u32 high, u32 mt) noexcept nogil
cdef u32 rmqueue_smallest(State s, Zone *zone, u32 order, u32 mt) noexcept nogil
cdef u32 fallback_type(u32 mt, u32 attempt) noexcept nogil
cdef bint can_steal(u32 order, u32 mt) noexcept nogil
cdef u32 move_freepages_block(State s, Zone *zone, u32 pfn, u32 mt) noexcept nogil
cdef u32 movable_pages_in_block(State s, u32 pfn) noexcept nogil
cdef void steal_suitable_fallback(State s, u32 z, u32 pfn, u32 mt, bint whole) noexcept nogil
cdef bint rmqueue_fallback(State s, u32 z, u32 order, u32 mt) noexcept nogil
cdef bint steal_smallest(State s, u32 z, u32 order, u32 mt) noexcept nogil
cdef u32 rmqueue_buddy(State s, u32 z, u32 order, u32 mt) noexcept nogil
cdef u32 pindex_to_order(u32 pindex) noexcept nogil
cdef i32 rmqueue_bulk(State s, u32 z, u32 order, u32 mt, i32 count) noexcept nogil
cdef bint is_free_buddy(State s, Zone *zone, u32 pfn, u32 order) noexcept nogil
cdef bint mergeable(State s, u32 buddy, u32 mt) noexcept nogil
cdef void free_pcppages_bulk(State s, PerCpuPages *pcp, i32 count, i32 pindex) noexcept nogil
cdef i32 nr_pcp_high(State s, u32 zone, PerCpuPages *pcp, u32 order) noexcept nogil
cdef i32 nr_pcp_free(PerCpuPages *pcp, i32 high) noexcept nogil
cdef void drain_pages(State s) noexcept nogil
cdef void drain_zone_pages(State s, u32 zone) noexcept nogil
cdef bint capture(State s, u32 pfn, u32 migratetype) noexcept nogil
