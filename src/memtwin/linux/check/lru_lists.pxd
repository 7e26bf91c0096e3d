from memtwin.linux.check.page_tables cimport Check

cdef class LruCheck(Check):
    pass
