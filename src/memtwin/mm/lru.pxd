from memtwin.mm.mm_types cimport u32
from memtwin.mm.state cimport State

cdef u32 page_lru(State s, u32 pfn) noexcept nogil
cdef void lru_count(State s, u32 pfn, u32 lru, long delta) noexcept nogil
cdef void lru_add(State s, u32 pfn) noexcept nogil
cdef void lru_del(State s, u32 pfn) noexcept nogil
cdef void lru_cache_add(State s, u32 pfn) noexcept nogil
cdef void lru_add_drain(State s) noexcept nogil
