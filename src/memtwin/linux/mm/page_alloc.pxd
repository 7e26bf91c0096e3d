from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 plain_alloc_flags(u32 order, u32 gfp) noexcept nogil
cdef u32 gfp_to_alloc_flags(State s, u32 order, u32 gfp) noexcept nogil
cdef bint should_reclaim_retry(State s, u32 order, u32 gfp, u64 progress, u32 *no_progress) noexcept nogil
cdef u32 alloc_pages_direct_reclaim(State s, u32 order, u32 gfp, u64 *progress) noexcept nogil
cdef u32 alloc_pages_may_oom(State s, u32 order, u32 gfp, bint *again) noexcept nogil
cdef u32 alloc_pages_slowpath(State s, u32 order, u32 gfp) noexcept nogil
cdef u32 alloc_pages_direct_compact(State s, u32 order, u32 gfp, u32 alloc_flags, u32 prio, u32 *result) noexcept nogil
cdef bint could_be_suitable(State s, u32 order, u32 gfp, u32 alloc_flags) noexcept nogil
cdef bint should_compact_retry(State s, u32 order, u32 gfp, u32 alloc_flags, CompactTries *c) noexcept nogil
cdef u32 compact_first(State s, u32 order, u32 gfp, u32 alloc_flags, CompactTries *c) noexcept nogil
cdef u32 reclaim_and_compact(State s, u32 order, u32 gfp, u32 alloc_flags, CompactTries *c, u64 *progress) noexcept nogil
cdef bint may_compact_first(State s, u32 order, u32 gfp) noexcept nogil
cdef void wake_daemons(State s, u32 order, u32 gfp) noexcept nogil
cdef u32 slowpath_begin(State s, u32 order, u32 gfp, SlowPath *p) noexcept nogil
cdef u32 slowpath(State s, u32 order, u32 gfp, SlowPath *p) noexcept nogil
cdef bint should_retry(State s, SlowPath *p) noexcept nogil
cdef void end_round(State s) noexcept nogil
cdef u32 come_again(State s, SlowPath *p) noexcept nogil
cdef bint victim_is_suspended(State s) noexcept nogil
