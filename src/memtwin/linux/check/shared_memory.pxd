from memtwin.linux.check.lru_lists cimport LruCheck

cdef class SharedCheck(LruCheck):
    pass
