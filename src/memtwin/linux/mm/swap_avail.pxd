from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void add_to_avail_list(State s, u32 area) noexcept nogil
cdef void del_from_avail_list(State s, u32 area) noexcept nogil
cdef void avail_requeue(State s, u32 area) noexcept nogil
cdef u32 entry_of(u32 area, u32 slot) noexcept nogil
cdef void swap_range_alloc(State s, u32 area, u32 slot) noexcept nogil
cdef void swap_range_free(State s, u32 area, u32 slot) noexcept nogil
cdef u32 get_swap_cluster(State s) noexcept nogil
cdef u32 swap_alloc_cluster(State s, u32 area) noexcept nogil
