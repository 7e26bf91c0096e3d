from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u64 fill_balloon(State s, u64 pages) noexcept nogil
