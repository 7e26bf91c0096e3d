from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    NO_CLUSTER = 0xffffffff

cdef void free_cluster_push(SwapArea *a, u32 cluster) noexcept nogil
cdef void inc_cluster(SwapArea *a, u32 slot) noexcept nogil
cdef void dec_cluster(SwapArea *a, u32 slot) noexcept nogil
cdef bint scan_swap_map_try_ssd_cluster(State s, u32 area, u32 *offset) noexcept nogil
