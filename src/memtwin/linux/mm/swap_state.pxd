from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 lookup_swap_cache(State s, u32 entry) noexcept nogil
cdef bint add_to_swap_cache(State s, u32 pfn, u32 entry, u32 gfp) noexcept nogil
cdef void delete_from_swap_cache(State s, u32 pfn, u64 shadow) noexcept nogil
cdef u64 get_shadow(State s, u32 entry) noexcept nogil
cdef void clear_shadow(State s, u32 entry) noexcept nogil
cdef bint vm_swap_full(State s) noexcept nogil
