from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.mm_types cimport *
from memtwin.linux.check.page_tables cimport Check

cdef class LruCheck(Check):
    pass
