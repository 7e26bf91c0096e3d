from memtwin.linux.core.mm_types cimport List, Page, ScanControl, Vma, u32, u64
from memtwin.linux.core.state cimport State

cdef enum:                  # Advice, as the scenario language has it
    MADV_DONTNEED
    MADV_FREE
    MADV_WILLNEED
    MADV_COLD
    MADV_PAGEOUT

cdef void free_entry(State s, u32 mm, u32 table, u64 vpn) noexcept nogil
cdef void cold_entry(State s, u64 *entry, List *pageout) noexcept nogil
cdef void madvise_walk(State s, u32 vma, u64 start, u64 end, u32 advice) noexcept nogil
cdef void madvise_willneed(State s, u32 vma, u64 start, u64 end) noexcept nogil
cdef void shmem_willneed(State s, u32 vma, u64 start, u64 end) noexcept nogil
cdef void reclaim_pages(State s, List *chain) noexcept nogil
cdef u32 do_madvise(State s, u32 task, u64 start, u64 end, u32 advice) noexcept nogil
