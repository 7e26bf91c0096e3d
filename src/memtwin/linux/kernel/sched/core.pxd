from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

ctypedef bint (*Runnable)(State s) noexcept nogil
ctypedef void (*Step)(State s) noexcept nogil

cdef enum:
    NR_KTHREADS = 6

cdef struct Kthread:        # a thread of the kernel that works in pieces
    u32 entity              # what it is scheduled as
    Runnable runnable       # whether it has work now
    Step step               # one piece of work

cdef Kthread kthreads[NR_KTHREADS]

cdef bint entity_runnable(State s, u32 entity) noexcept nogil
cdef bint threads_wake(State s) noexcept nogil
cdef void wake_up_idle_cpu(State s, u32 cpu) noexcept nogil
cdef void run_thread(State s, u32 entity, u32 cpu) noexcept nogil
cdef bint thread_step(State s, bint task_runs=*) noexcept nogil
cdef void task_wakes(State s) noexcept nogil
cdef void cond_resched(State s) noexcept nogil
cdef void resched_shrinker(State s) noexcept nogil
cdef void idle_until(State s, u64 until_ns) noexcept nogil
cdef void io_schedule(State s) noexcept nogil
cdef void io_schedule_timeout(State s, u64 until_ns) noexcept nogil
cdef void thread_waits(State s) noexcept nogil
cdef void schedule_timeout(State s, u64 until_ns) noexcept nogil
cdef void nanosleep(State s, u64 until_ns) noexcept nogil
cdef void kthread_step(State s, u32 entity) noexcept nogil
cdef void on_cpu(State s, u32 cpu) noexcept nogil
cdef void end_piece_aside(State s, u32 entity, u32 cpu, u64 user_ns) noexcept nogil
cdef bint step_aside(State s) noexcept nogil
cdef u32 cpu_with_work(State s) noexcept nogil
cdef void run_beside(State s) noexcept nogil
cdef u32 next_on(State s, u32 cpu) noexcept nogil
cdef void spend_interrupts(State s) noexcept nogil
cdef void share_first_cpu(State s) noexcept nogil
cdef u64 interrupt_with(State s, u32 entity, u32 task) noexcept nogil
cdef void book_iowait(State s, u64 ns) noexcept nogil
cdef void advance_to(State s, u64 until_ns) noexcept nogil
cdef bint shrinker_preempts(State s) noexcept nogil
