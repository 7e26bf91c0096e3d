from memtwin.linux.core.mm_types cimport u32, u64
from memtwin.linux.core.state cimport State

cdef void update_averages(State s) noexcept nogil
cdef void update_one(State s, u32 resource, u32 state) noexcept nogil
cdef void psi_account(State s) noexcept nogil
cdef void psi_memstall_enter(State s) noexcept nogil
cdef void psi_memstall_leave(State s) noexcept nogil
