from memtwin.linux.core.mm_types cimport i64
from memtwin.linux.check.page_tables cimport Check

cdef class MachineCheck(Check):
    cdef i64 owners[16]
