from memtwin.linux.core.mm_types cimport u64
from memtwin.linux.core.state cimport State

cdef u64 calc_load(u64 load, u64 exp, u64 active) noexcept nogil
cdef void calc_global_load(State s) noexcept nogil
