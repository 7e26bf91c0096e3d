from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u64 compact_gap(i32 order) noexcept nogil
cdef void defer_compaction(State s, u32 zone, i32 order) noexcept nogil
cdef bint compaction_deferred(State s, u32 zone, i32 order) noexcept nogil
cdef void compaction_defer_reset(State s, u32 zone, i32 order, bint success) noexcept nogil
cdef bint compaction_restarting(State s, u32 zone, i32 order) noexcept nogil
cdef bint reset_isolation_pfn(State s, u32 zone, u64 pfn, bint source, bint target) noexcept nogil
cdef void reset_isolation_suitable_zone(State s, u32 zone) noexcept nogil
cdef void reset_isolation_suitable(State s) noexcept nogil
cdef void free_blocks(State s, u32 zone, u32 order, u64 *pages, u64 *blocks, u64 *suitable) noexcept nogil
cdef i64 fragmentation_index(State s, u32 zone, u32 order) noexcept nogil
cdef u32 extfrag_for_order(State s, u32 zone, u32 order) noexcept nogil
cdef u32 fragmentation_score_node(State s) noexcept nogil
cdef u32 fragmentation_score_wmark(State s, bint low) noexcept nogil
cdef bint kswapd_is_running(State s) noexcept nogil
cdef u32 compaction_suitable_with(State s, u32 zone, i32 order, u32 alloc_flags, u32 highest_zone, i64 free) noexcept nogil
cdef u32 compaction_suitable(State s, u32 zone, i32 order, u32 alloc_flags, u32 highest_zone) noexcept nogil
cdef bint block_is_free(State s, CompactControl *cc) noexcept nogil
cdef u32 compact_finished(State s, CompactControl *cc) noexcept nogil
cdef u32 proactive_finished(State s, CompactControl *cc) noexcept nogil
