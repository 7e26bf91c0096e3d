from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State, compound_head
from memtwin.linux.core.vmstat cimport *

cdef inline bint lru_gen_in_fault(State s) noexcept nogil:
    """Whether a task handles a fault of its own now, and no thread is in between."""
    return s.cpu_now.in_lru_fault and not s.in_thread

cdef u32 page_lru(State s, u32 pfn) noexcept nogil
cdef void lru_count(State s, u32 pfn, u32 lru, long delta) noexcept nogil
cdef void lru_add(State s, u32 pfn) noexcept nogil
cdef void lru_add_evictable(State s, u32 pfn) noexcept nogil
cdef void lru_add_tail(State s, u32 pfn) noexcept nogil
cdef void lru_del(State s, u32 pfn) noexcept nogil
cdef void put_last_reference(State s, u32 pfn) noexcept nogil

cdef inline void put_page(State s, u32 pfn) noexcept nogil:
    """Drop a reference to a page of user memory; the last frees it."""
    pfn = compound_head(s, pfn)
    s.pages[pfn].refcount -= 1
    if s.pages[pfn].refcount == 0:
        put_last_reference(s, pfn)

cdef void lru_cache_add(State s, u32 pfn) noexcept nogil
cdef void lru_add_drain(State s) noexcept nogil
cdef PageVec *vec_of(State s, u32 kind) noexcept nogil
cdef void vec_add(State s, u32 kind, u32 pfn) noexcept nogil
cdef void vec_drain(State s, u32 kind) noexcept nogil
cdef void move_page(State s, u32 kind, u32 pfn) noexcept nogil
cdef void move_deactivated(State s, u32 pfn) noexcept nogil
cdef void activate_page(State s, u32 pfn) noexcept nogil
cdef void activate_in_batch(State s, u32 pfn) noexcept nogil
cdef void mark_page_accessed(State s, u32 pfn) noexcept nogil
cdef void deactivate_file_page(State s, u32 pfn) noexcept nogil
cdef void rotate_reclaimable_page(State s, u32 pfn) noexcept nogil
cdef void move_activated(State s, u32 pfn) noexcept nogil
cdef void move_cold(State s, u32 pfn) noexcept nogil
cdef void move_lazyfree(State s, u32 pfn) noexcept nogil
cdef void move_mlocked(State s, u32 pfn) noexcept nogil
cdef void mlock_page(State s, u32 pfn) noexcept nogil
cdef void mlock_new_page(State s, u32 pfn) noexcept nogil
cdef void munlock_page(State s, u32 pfn) noexcept nogil
cdef void deactivate_page(State s, u32 pfn) noexcept nogil
cdef void mark_page_lazyfree(State s, u32 pfn) noexcept nogil
