from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:
    BANDWIDTH_INTERVAL_NS = 200000000   # between two steps of what follows slowly

cdef u64 dirty_limit_of(State s, u64 dirtyable) noexcept nogil
cdef u64 dirty_limit(State s) noexcept nogil
cdef void set_ratelimit(State s, u64 dirtyable) noexcept nogil
cdef u64 early_pages(State s) noexcept nogil
cdef u64 domain_dirty_limit(State s) noexcept nogil
cdef void update_dirty_limit(State s, u64 thresh, u64 dirty) noexcept nogil
cdef u64 background_limit(State s) noexcept nogil
