from memtwin.linux.core.mm_types cimport u64

cdef u64 int_sqrt(u64 x) noexcept nogil
