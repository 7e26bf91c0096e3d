from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint close_io(State s, u32 device) noexcept nogil
cdef u32 get_limit(State s, u32 device, bint background) noexcept nogil
cdef bint wbt_may_queue(State s, u32 device, bint background) noexcept nogil
