from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 swapin_nr_pages(State s, SwapRa *ra, u64 here) noexcept nogil
cdef u32 get_swap_cache_page(State s, u32 entry, u32 gfp, bint *fresh) noexcept nogil
cdef u32 read_swap_cache(State s, u32 entry, u32 *bio, bint *fresh) noexcept nogil
cdef u32 read_ahead_slot(State s, u32 entry, u32 wanted, u32 *bio) noexcept nogil
cdef u32 swap_cluster_readahead(State s, u32 entry) noexcept nogil
cdef u32 swap_vma_readahead(State s, u32 vma, u64 vpn, u32 entry) noexcept nogil
cdef u32 finish_readahead(State s, u32 entry, u32 bio, u32 window) noexcept nogil
cdef u32 drop_unless_cached(State s, u32 pfn) noexcept nogil
cdef u32 read_synchronous(State s, u32 entry) noexcept nogil
cdef void note_hit(State s, u32 vma, u64 vpn, u32 pfn) noexcept nogil
cdef bint should_try_to_free_swap(State s, u32 vma, u32 pfn, bint write) noexcept nogil
cdef u32 swapin_readahead(State s, u32 vma, u64 vpn, u32 entry) noexcept nogil
cdef u32 swapin_page(State s, u32 vma, u64 vpn, u32 entry) noexcept nogil
cdef void map_swapped_page(State s, u32 task, u32 vma, u64 vpn, u64 *entry, u32 pfn, bint write) noexcept nogil
cdef u32 find_page(State s, u32 task, u32 vma, u64 vpn, u64 *entry, bint *major) noexcept nogil
cdef u32 do_swap_page(State s, u32 task, u32 vma, u64 vpn, u32 table, bint write) noexcept nogil
cdef void read_swap_cache_async(State s, u32 entry) noexcept nogil
