from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef bint zswap_is_full(State s) noexcept nogil
cdef bint zswap_can_accept(State s) noexcept nogil
cdef u64 zswap_accept_thr_pages(State s) noexcept nogil
cdef u64 zswap_max_pages(State s) noexcept nogil
cdef bint zswap_check_limits(State s) noexcept nogil
cdef void queue_shrink(State s) noexcept nogil
cdef void zswap_lru_add(State s, u32 entry) noexcept nogil
cdef void zswap_lru_del(State s, u32 entry) noexcept nogil
cdef bint accepts(State s) noexcept nogil
cdef u32 pool_malloc(State s, u32 area, u32 slot, u32 length) noexcept nogil
cdef void pool_free(State s, SwapArea *a, u32 slot) noexcept nogil
cdef void update_total_size(State s) noexcept nogil
cdef bint compress(State s, u32 area, u32 slot, u64 tag) noexcept nogil
cdef bint zswap_store(State s, u32 area, u32 slot, u64 tag) noexcept nogil
cdef void spend_decompression(State s, u32 area, u32 slot) noexcept nogil
cdef bint zswap_load(State s, u32 pfn, u32 area, u32 slot) noexcept nogil
cdef bint zswap_has(State s, u32 area, u32 slot) noexcept nogil
cdef void zswap_invalidate(State s, u32 area, u32 slot) noexcept nogil
cdef void invalidate_slot(State s, u32 area, u32 slot) noexcept nogil
