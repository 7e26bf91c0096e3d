from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u32 take(State s, u32 order, u32 count, u32 gfp, u32 *blocks) noexcept nogil
cdef void give_back(State s, u32 order, u32 pfn) noexcept nogil
