from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:
    FALLBACK = 2001             # no huge page: an ordinary one has to do

cdef u32 vma_thp_gfp_mask(State s, u32 vma) noexcept nogil
cdef u32 alloc_huge_page(State s, u32 gfp) noexcept nogil
cdef bint get_huge_zero_page(State s, u32 mm) noexcept nogil
cdef void put_huge_zero_page(State s, u32 mm) noexcept nogil
cdef u64 shrink_huge_zero_page(State s, bint count_only) noexcept nogil
cdef u32 do_huge_pmd_anonymous_page(State s, u32 task, u32 vma, u64 vpn, bint write) noexcept nogil
cdef u32 map_huge_zero_page(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 new_huge_page(State s, u32 vma, u32 gfp) noexcept nogil
cdef void add_huge_page(State s, u32 vma, u64 vpn, u32 table, u32 pfn) noexcept nogil
cdef u32 do_huge_pmd_wp_page(State s, u32 vma, u32 table) noexcept nogil
cdef bint may_reuse_huge(State s, u32 head) noexcept nogil
cdef void set_recommended_min_free_kbytes(State s) noexcept nogil
cdef u32 handle_pmd_fault(State s, u32 task, u32 vma, u64 vpn, bint write) noexcept nogil
