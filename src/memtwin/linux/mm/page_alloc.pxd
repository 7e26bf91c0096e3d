from memtwin.linux.core.mm_types cimport i64, u32, u64
from memtwin.linux.core.state cimport State

cdef u32 gfp_to_alloc_flags(State s, u32 gfp) noexcept nogil
cdef bint should_reclaim_retry(State s, u32 order, u32 gfp, u64 progress, u32 *no_progress) noexcept nogil
cdef u32 alloc_pages_direct_reclaim(State s, u32 order, u32 gfp, u64 *progress) noexcept nogil
cdef u32 alloc_pages_may_oom(State s, u32 order, u32 gfp, bint *again) noexcept nogil
cdef u32 alloc_pages_slowpath(State s, u32 order, u32 gfp) noexcept nogil
