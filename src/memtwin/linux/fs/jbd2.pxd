from memtwin.linux.core.mm_types cimport File, u32, u64
from memtwin.linux.core.state cimport State

cdef void start_transaction(State s, u32 blocks) noexcept nogil
cdef bint journal_due(State s) noexcept nogil
cdef void commit_transaction(State s) noexcept nogil
