from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint is_idle_cpu(State s, u32 cpu) noexcept nogil
cdef void count_running(State s, u32 *load) noexcept nogil
cdef void set_task_cpu(State s, u32 who, u32 cpu) noexcept nogil
cdef u32 select_task_rq(State s, u32 who) noexcept nogil
cdef bint is_hot(State s, u32 who) noexcept nogil
cdef u32 detach_task(State s, u32 cpu, bint hot) noexcept nogil
cdef u32 find_busiest(State s, u32 *load) noexcept nogil
cdef bint pull_task(State s, u32 busiest, u32 cpu, bint hot) noexcept nogil
cdef u32 newidle_balance(State s) noexcept nogil
cdef void load_balance(State s) noexcept nogil
cdef u64 imbalance(State s, u32 *load, u32 busiest, u32 cpu) noexcept nogil
