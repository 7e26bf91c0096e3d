from memtwin.linux.core.mm_types cimport List, Page, PerCpuPages, Zone, i32, u8, u32, u64
from memtwin.linux.core.state cimport State

cdef void free_one_page(State s, u32 pfn, u32 order, u32 migratetype) noexcept nogil
cdef bint can_split_to(State s, u32 zone, u32 order) noexcept nogil
cdef void prep_new_page(State s, u32 pfn, u32 order, u8 owner) noexcept nogil
cdef void prep_new_frame(Page *page, u8 owner) noexcept nogil
cdef void mark_block(State s, u32 pfn, u32 order, u32 migratetype, u8 owner) noexcept nogil
cdef void relabel_block(State s, u32 pfn, u32 order, u32 migratetype) noexcept nogil
cdef void del_page_from_free_list(State s, Zone *zone, u32 pfn) noexcept nogil
cdef void expand(State s, Zone *zone, u32 pfn, u32 low, u32 high, u32 mt) noexcept nogil
cdef u32 rmqueue_smallest(State s, Zone *zone, u32 order, u32 mt) noexcept nogil
cdef bint is_free_buddy(State s, Zone *zone, u32 pfn, u32 order) noexcept nogil
cdef bint mergeable(State s, u32 buddy, u32 mt) noexcept nogil

cdef bint capture(State s, u32 pfn, u32 migratetype) noexcept nogil
