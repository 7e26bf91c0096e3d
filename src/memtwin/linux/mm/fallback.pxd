from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # how a request may take blocks of other types
    ALLOC_OOM = 16          # a victim of the OOM killer: half of what it was held to
    ALLOC_NON_BLOCK = 32    # it cannot wait: of what ALLOC_MIN_RESERVE left a quarter less
    ALLOC_HIGHATOMIC = 0x200    # a block for one that cannot wait: from the pageblocks that are kept for those
    ALLOC_NOFRAGMENT = 0x100 # whole pageblocks only
    ALLOC_KSWAPD = 0x800    # mixing a pageblock may wake kswapd

cdef enum:                  # what a block of another type took last
    RMQUEUE_NORMAL
    RMQUEUE_STEAL

cdef u32 fallback_type(u32 mt, u32 attempt) noexcept nogil
cdef bint can_steal(u32 order, u32 mt) noexcept nogil
cdef i32 least_order(u32 order, u32 alloc_flags) noexcept nogil
cdef u32 first_in_block(State s, Zone *zone, u32 pfn) noexcept nogil
cdef u32 move_freepages_block(State s, Zone *zone, u32 pfn, u32 mt) noexcept nogil
cdef u32 movable_pages_in_block(State s, Zone *zone, u32 pfn) noexcept nogil
cdef u32 free_pages_in_block(State s, u32 pfn) noexcept nogil
cdef void steal_suitable_fallback(State s, u32 z, u32 pfn, u32 mt, bint whole, u32 alloc_flags) noexcept nogil
cdef bint rmqueue_fallback(State s, u32 z, u32 order, u32 mt, u32 alloc_flags) noexcept nogil
cdef bint steal_smallest(State s, u32 z, u32 order, u32 mt, u32 alloc_flags) noexcept nogil
cdef u32 try_to_steal_block(State s, u32 z, u32 pfn, u32 order, u32 mt, u32 alloc_flags) noexcept nogil
cdef u32 rmqueue_claim(State s, u32 z, u32 order, u32 mt, u32 alloc_flags) noexcept nogil
cdef u32 rmqueue_steal(State s, u32 z, u32 order, u32 mt) noexcept nogil
cdef u32 rmqueue_mode(State s, u32 z, u32 order, u32 mt, u32 alloc_flags, u32 *mode) noexcept nogil
cdef u32 rmqueue_types(State s, u32 z, u32 order, u32 mt, u32 alloc_flags, u32 *mode) noexcept nogil
cdef void reserve_highatomic_pageblock(State s, u32 z, u32 pfn) noexcept nogil
cdef u64 most_reserved(State s, u32 z) noexcept nogil
cdef bint unreserve_zone(State s, u32 z, u32 mt) noexcept nogil
cdef bint unreserve_highatomic_pageblock(State s, u32 highest_zone, u32 mt, bint force) noexcept nogil
cdef u32 rmqueue_buddy(State s, u32 z, u32 order, u32 mt, u32 alloc_flags, u32 *mode) noexcept nogil
