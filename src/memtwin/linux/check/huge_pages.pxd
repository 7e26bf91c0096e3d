from memtwin.linux.check.shared_memory cimport SharedCheck

cdef class HugeCheck(SharedCheck):
    pass
