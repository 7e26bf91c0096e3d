from memtwin.linux.core.mm_types cimport *

cdef u64 int_sqrt(u64 x) noexcept nogil
