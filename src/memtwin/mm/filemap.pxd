from memtwin.mm.mm_types cimport u32, u64
from memtwin.mm.state cimport State

cdef u32 filemap_get(State s, u32 file, u64 index) noexcept nogil
cdef void filemap_add(State s, u32 file, u64 index, u32 pfn, bint active) noexcept nogil
