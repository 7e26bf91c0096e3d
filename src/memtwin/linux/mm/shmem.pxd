from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:
    NO_SLOT = 4                 # beside what swap_writepage returns: the page could not be given a slot

cdef u64 swap_value(u32 entry) noexcept nogil
cdef u32 shmem_swap_entry(State s, u32 file, u64 index) noexcept nogil
cdef bint shmem_acct_block(State s, u32 file) noexcept nogil
cdef void shmem_unacct_block(State s, u32 file) noexcept nogil
cdef bint shmem_add_to_page_cache(State s, u32 pfn, u32 file, u64 index, u32 gfp) noexcept nogil
cdef void shmem_delete_from_page_cache(State s, u32 pfn, u64 value) noexcept nogil
cdef u32 shmem_alloc_page(State s, u32 file, u64 index, bint write) noexcept nogil
cdef void note_shmem_hit(State s, u32 pfn) noexcept nogil
cdef u32 wait_for_slot(State s, u32 pfn) noexcept nogil
cdef u32 shmem_read_slot(State s, u32 entry, bint *major) noexcept nogil
cdef u32 shmem_swapin_page(State s, u32 file, u64 index, bint *major) noexcept nogil
cdef u32 shmem_get_page(State s, u32 file, u64 index, bint write, bint *major) noexcept nogil
cdef u32 shmem_fault(State s, u32 file, u64 index) noexcept nogil
cdef u32 shmem_writepage(State s, u32 pfn) noexcept nogil
cdef void shmem_drop_clean(State s, u32 pfn) noexcept nogil
cdef u64 shmem_partial_swap_usage(State s, u32 file, u64 start, u64 pages) noexcept nogil
cdef u32 shmem_unuse(State s, u32 area) noexcept nogil
cdef u32 shmem_unuse_file(State s, u32 file, u32 area) noexcept nogil
cdef void shmem_truncate_range(State s, u32 file) noexcept nogil
cdef void shmem_evict(State s, u32 file) noexcept nogil
cdef void drop_slot(State s, u32 file, u64 index) noexcept nogil
cdef void shmem_put(State s, u32 file) noexcept nogil
cdef u32 shmem_file(State s, u64 pages, bint promised) noexcept nogil
