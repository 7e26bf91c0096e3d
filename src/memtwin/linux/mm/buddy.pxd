from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void free_one_page(State s, u32 pfn, u32 order, u32 migratetype) noexcept nogil
cdef bint can_split_to(State s, u32 zone, u32 order, bint highatomic) noexcept nogil
cdef void prep_new_page(State s, u32 pfn, u32 order, u8 owner) noexcept nogil
cdef void prep_new_frame(Page *page, u8 owner) noexcept nogil
cdef void del_page_from_free_list(State s, Zone *zone, u32 pfn) noexcept nogil
cdef void expand(State s, Zone *zone, u32 pfn, u32 low, u32 high, u32 mt) noexcept nogil
cdef u32 rmqueue_smallest(State s, Zone *zone, u32 order, u32 mt) noexcept nogil
cdef bint is_free_buddy(State s, Zone *zone, u32 pfn, u32 order) noexcept nogil
cdef bint mergeable(State s, u32 buddy, u32 mt) noexcept nogil

cdef bint capture(State s, u32 pfn, u32 migratetype) noexcept nogil

cdef inline void relabel_block(State s, u32 pfn, u32 order, u32 migratetype) noexcept nogil:
    """As mark_block() for frames that are the buddy allocator's already."""
    s.pages[pfn].flags = PG_HEAD
    s.pages[pfn].order = order
    s.pages[pfn].migratetype = migratetype

cdef inline void mark_block(State s, u32 pfn, u32 order, u32 migratetype, u8 owner) noexcept nogil:
    """Write down that a block is free, in its first frame; the frames behind it only get their owner."""
    cdef u32 i
    s.pages[pfn].owner = owner
    relabel_block(s, pfn, order, migratetype)
    for i in range(pfn + 1, pfn + (<u32> 1 << order)):
        s.pages[i].owner = owner
        s.pages[i].flags = 0
