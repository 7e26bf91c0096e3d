from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    PIECE_NS = 20000            # a piece of a runner's work, about

cdef bint runner_runnable(State s, u32 entity) noexcept nogil
cdef u32 work_step(State s, Work *w, u64 until_ns) noexcept nogil
cdef void end_work(State s, Runner *r) noexcept nogil
cdef u64 runner_step(State s, u32 entity) noexcept nogil
cdef u32 find_runner(State s, u32 task) noexcept nogil
cdef bint give_work(State s, Work *w) noexcept nogil
