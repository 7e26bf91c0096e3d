from memtwin.linux.core.mm_types cimport i64
from memtwin.linux.check.shared_memory cimport SharedCheck

cdef class MachineCheck(SharedCheck):
    cdef i64 owners[16]
