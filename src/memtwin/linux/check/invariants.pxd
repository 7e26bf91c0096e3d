from memtwin.linux.core.mm_types cimport i64
from memtwin.linux.check.lru_lists cimport LruCheck

cdef class MachineCheck(LruCheck):
    cdef i64 owners[16]
