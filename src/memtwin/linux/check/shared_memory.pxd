from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.mm_types cimport *
from memtwin.linux.check.lru_lists cimport LruCheck

cdef class SharedCheck(LruCheck):
    pass
