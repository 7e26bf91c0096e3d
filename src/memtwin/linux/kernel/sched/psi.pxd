from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:                  # for a step of 2 s, in fixed point of 11 bits
    EXP_10S = 1677          # FIXED_1 / exp(2 s / 10 s)
    EXP_60S = 1981          # FIXED_1 / exp(2 s / 60 s)
    EXP_300S = 2034         # FIXED_1 / exp(2 s / 300 s)

cdef struct PsiTasks:       # of one CPU: how many of its entities are in each state
    u32 running             # run, or want to
    u32 on_cpu              # 1: one of these is on it
    u32 iowait
    u32 memstall
    u32 memstall_running
    u32 memstall_on_cpu

cdef void update_averages(State s) noexcept nogil
cdef void update_one(State s, u32 resource, u32 state, u64 period) noexcept nogil
cdef void psi_account(State s) noexcept nogil
cdef void psi_memstall_enter(State s) noexcept nogil
cdef void psi_memstall_leave(State s) noexcept nogil
cdef void count_entity(State s, u32 who, PsiTasks *tasks) noexcept nogil
cdef void record_times(State s, u32 cpu, PsiTasks *tasks, u64 ns) noexcept nogil
cdef void book(State s, u32 cpu, u32 resource, u32 state, u64 ns) noexcept nogil
cdef void percpu_mean(State s, u64 *stalled) noexcept nogil
cdef void collect_percpu_times(State s) noexcept nogil
