from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.mm_types cimport *
from memtwin.linux.check.shared_memory cimport SharedCheck
from memtwin.linux.core.state cimport State

cdef class HugeCheck(SharedCheck):
    pass

cdef i32 reverse_mappings(State s, u32 pfn) noexcept nogil
