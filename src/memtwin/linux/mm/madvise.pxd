from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:                  # Advice, as the scenario language has it
    MADV_DONTNEED
    MADV_FREE
    MADV_WILLNEED
    MADV_COLD
    MADV_PAGEOUT
    MADV_HUGEPAGE
    MADV_NOHUGEPAGE

cdef bint advise_huge_pmd(State s, u32 vma, u32 table, u64 nr, u32 advice, List *pageout) noexcept nogil
cdef bint is_part_of_huge(State s, u64 pte) noexcept nogil
cdef bint advise_huge(State s, u32 vma, u32 table, u64 vpn, u64 limit, u32 advice, List *pageout) noexcept nogil
cdef bint split_for_advice(State s, u32 pfn) noexcept nogil
cdef void give_huge_pmd_up(State s, u32 table) noexcept nogil
cdef void cold_huge_pmd(State s, u32 table, List *pageout) noexcept nogil
cdef u32 hugepage_madvise(State s, u32 mm, u32 index, u64 start, u64 end, u32 advice) noexcept nogil
cdef void free_entry(State s, u32 mm, u32 table, u64 vpn) noexcept nogil
cdef void cool_page(State s, u32 pfn, List *pageout) noexcept nogil
cdef void cold_entry(State s, u64 *entry, List *pageout) noexcept nogil
cdef void madvise_walk(State s, u32 vma, u64 start, u64 end, u32 advice) noexcept nogil
cdef void madvise_willneed(State s, u32 vma, u64 start, u64 end) noexcept nogil
cdef void shmem_willneed(State s, u32 vma, u64 start, u64 end) noexcept nogil
cdef void reclaim_pages(State s, List *chain) noexcept nogil
cdef u32 do_madvise(State s, u32 task, u64 start, u64 end, u32 advice) noexcept nogil
