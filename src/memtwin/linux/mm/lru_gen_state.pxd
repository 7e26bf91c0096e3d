from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.state cimport State

cdef void fill_evictable(State s) noexcept nogil
cdef void drain_evictable(State s) noexcept nogil
cdef void lru_gen_change_state(State s, bint enabled) noexcept nogil
cdef void adopt_list(State s, u32 lru, u64 seq) noexcept nogil
