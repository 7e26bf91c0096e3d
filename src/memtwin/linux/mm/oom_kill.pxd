from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef i64 totalpages(State s) noexcept nogil
cdef i64 oom_badness(State s, u32 task) noexcept nogil
cdef bint killable(State s, u32 task) noexcept nogil
cdef u32 select_bad_process(State s) noexcept nogil
cdef void reap(State s, u32 mm) noexcept nogil
cdef void oom_kill_process(State s, u32 victim) noexcept nogil
cdef void oom_reap(State s) noexcept nogil
cdef bint out_of_memory(State s, u32 order, u32 gfp) noexcept nogil
cdef void exit_victim(State s, u32 victim) noexcept nogil
