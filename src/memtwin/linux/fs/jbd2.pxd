from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void start_transaction(State s, u32 blocks) noexcept nogil
cdef bint journal_due(State s) noexcept nogil
cdef void commit_transaction(State s) noexcept nogil
