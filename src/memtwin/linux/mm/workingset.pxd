from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void lru_note_cost(State s, Lruvec *lruvec, bint file, u64 pages, u64 rotated) noexcept nogil
cdef u64 workingset_eviction(State s, u32 pfn) noexcept nogil
cdef u64 classic_eviction(State s, u32 pfn) noexcept nogil
cdef u64 lru_gen_eviction(State s, u32 pfn) noexcept nogil
cdef void classic_refault(State s, u32 pfn, u64 shadow) noexcept nogil
cdef void lru_gen_refault(State s, u32 pfn, u64 shadow) noexcept nogil
cdef u64 workingset_size(State s, Lruvec *lruvec, bint file) noexcept nogil
cdef void workingset_refault(State s, u32 pfn, u64 shadow) noexcept nogil
cdef u64 count_shadow_nodes(State s) noexcept nogil
cdef void drop_shadow_node(State s, u32 node) noexcept nogil
cdef u64 scan_shadow_nodes(State s, u64 nodes) noexcept nogil
