from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u64 init_ra_size(u64 size, u64 most) noexcept nogil
cdef u64 next_ra_size(Filp *ra, u64 most) noexcept nogil
cdef u64 read_pages(State s, u32 filp, u64 start, u64 pages, u64 lookahead) noexcept nogil
cdef u32 send(State s, u32 bio) noexcept nogil
cdef void end_holes(State s, u32 file, u64 start, u64 end) noexcept nogil
cdef void initial_window(State s, u32 filp, u64 index, u64 wanted, u64 most) noexcept nogil
cdef u64 count_history_pages(State s, u32 file, u64 index, u64 most) noexcept nogil
cdef bint try_context_readahead(State s, u32 filp, u64 index, u64 wanted, u64 most) noexcept nogil
cdef void ondemand_readahead(State s, u32 filp, u64 index, u64 wanted, bint marked) noexcept nogil
cdef void read_clipped(State s, u32 filp) noexcept nogil
cdef void submit_window(State s, u32 filp, u64 index, u64 most) noexcept nogil
cdef bint chain_window(State s, u32 filp, u64 index, u64 wanted, u64 most) noexcept nogil
cdef void sync_readahead(State s, u32 filp, u64 index, u64 wanted) noexcept nogil
cdef void async_readahead(State s, u32 filp, u32 pfn, u64 wanted) noexcept nogil
cdef u32 read_cache_page(State s, u32 file, u64 index, u32 gfp) noexcept nogil
cdef bint mmap_sync_readahead(State s, u32 filp, u64 index) noexcept nogil
cdef bint mmap_async_readahead(State s, u32 filp, u32 pfn, u64 index) noexcept nogil
