from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void account_idle(State s, u64 ns) noexcept nogil
