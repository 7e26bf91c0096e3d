from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.mm_types cimport *
from memtwin.linux.check.huge_pages cimport HugeCheck

cdef class SlotCheck(HugeCheck):
    cdef i64 owners[16]         # frames by who owns them
