from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 isolate_free_page(State s, CompactControl *cc, u32 pfn, u32 order) noexcept nogil
cdef u64 isolate_freepages_block(State s, CompactControl *cc, u64 *start, u64 end, u64 stride) noexcept nogil
cdef i32 next_search_order(CompactControl *cc, i32 order) noexcept nogil
cdef void fast_isolate_around(State s, CompactControl *cc, u64 pfn) noexcept nogil
cdef u32 fast_search_list(State s, CompactControl *cc, i32 order, u64 low, u64 least, u64 *limit, u64 *highest) noexcept nogil
cdef void fast_isolate_freepages(State s, CompactControl *cc) noexcept nogil
cdef void isolate_freepages(State s, CompactControl *cc) noexcept nogil
cdef bint is_migration_target(State s, CompactControl *cc, u64 pfn) noexcept nogil
cdef u32 compaction_alloc(State s, CompactControl *cc) noexcept nogil
cdef u64 fast_search_failed(State s, CompactControl *cc, u64 least, u64 highest, bint at_start) noexcept nogil
