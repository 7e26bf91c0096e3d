from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:                  # for a step of 2 s, in fixed point of 11 bits
    EXP_10S = 1677          # FIXED_1 / exp(2 s / 10 s)
    EXP_60S = 1981          # FIXED_1 / exp(2 s / 60 s)
    EXP_300S = 2034         # FIXED_1 / exp(2 s / 300 s)

cdef void update_averages(State s) noexcept nogil
cdef void update_one(State s, u32 resource, u32 state, u64 period) noexcept nogil
cdef void psi_account(State s) noexcept nogil
cdef void psi_memstall_enter(State s) noexcept nogil
cdef void psi_memstall_leave(State s) noexcept nogil
cdef void account_cpu(State s, u32 cpu, u64 ns) noexcept nogil
cdef void book(State s, u32 cpu, u32 resource, u32 state, u64 ns) noexcept nogil
cdef void percpu_mean(State s, u64 *stalled) noexcept nogil
cdef void collect_percpu_times(State s) noexcept nogil
cdef bint has_state(State s, u32 who) noexcept nogil
cdef bint is_first_of_cpu(State s, u32 who) noexcept nogil
