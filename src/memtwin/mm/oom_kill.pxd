from memtwin.mm.mm_types cimport i64, u32
from memtwin.mm.state cimport State

cdef i64 totalpages(State s) noexcept nogil
cdef i64 oom_badness(State s, u32 task) noexcept nogil
