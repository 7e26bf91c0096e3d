from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef inline bint is_paced(Pace *p) noexcept nogil:
    return p.bytes_per_s != 0 or p.think_ns != 0

cdef void pace_step(State s, Pace *p, u64 done) noexcept nogil
cdef bint keep_pace(State s, Pace *p, u64 until_ns) noexcept nogil
