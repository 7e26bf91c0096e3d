from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef bint zswap_writeback_entry(State s, u32 entry, u32 handle) noexcept nogil
cdef bint is_object_of(State s, u32 entry, u32 handle) noexcept nogil
cdef bint zbud_reclaim_page(State s) noexcept nogil
cdef bint shrink_oldest(State s) noexcept nogil
cdef void shrink_to_threshold(State s) noexcept nogil
cdef void end_job(Zswap *z) noexcept nogil
cdef void shrink_pool(State s) noexcept nogil
cdef void shrink_worker(State s) noexcept nogil
cdef bint shrink_runnable(State s) noexcept nogil
