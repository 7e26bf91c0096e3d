from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 new_task(State s, u32 pid, i32 adj) noexcept nogil
cdef u32 new_mm(State s) noexcept nogil
cdef bint alloc_stack(State s, u32 task) noexcept nogil
cdef void free_stack(State s, u32 task) noexcept nogil
cdef void put_task(State s, u32 task) noexcept nogil
cdef u32 copy_process(State s, u32 parent, u32 pid, u32 *child) noexcept nogil
cdef void do_exit(State s, u32 task) noexcept nogil
