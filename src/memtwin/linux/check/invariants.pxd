from memtwin.linux.core.mm_types cimport i64
from memtwin.linux.check.huge_pages cimport HugeCheck

cdef class MachineCheck(HugeCheck):
    cdef i64 owners[16]
