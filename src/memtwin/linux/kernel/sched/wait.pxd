from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void wait_for(State s, u32 kind, u32 arg, bint stalled) noexcept nogil
cdef void wait_until(State s, u64 until_ns, bint is_io, bint stalled) noexcept nogil
cdef bint wait_is_over(State s, Runner *r) noexcept nogil
cdef void finish_wait(State s, u32 entity) noexcept nogil
