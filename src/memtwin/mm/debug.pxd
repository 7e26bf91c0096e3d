from memtwin.mm.mm_types cimport i64
from memtwin.mm.page_table_check cimport Check

cdef class MachineCheck(Check):
    cdef i64 owners[16]
