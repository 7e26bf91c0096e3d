from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.mm_types cimport *
from memtwin.linux.check.shared_memory cimport SharedCheck

cdef class HugeCheck(SharedCheck):
    pass
