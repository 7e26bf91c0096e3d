from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 huge_table(State s, u32 mm, u64 vpn) noexcept nogil
cdef bint is_huge_pmd(State s, u32 table) noexcept nogil
cdef bint is_huge_zero_pmd(State s, u32 table) noexcept nogil
cdef u32 pmd_page(State s, u32 table) noexcept nogil
cdef bint pmd_gather(State s, u32 table, u64 bit, bint clear) noexcept nogil
cdef void set_huge_pmd(State s, u32 mm, u32 vma, u64 vpn, u32 table, u32 pfn) noexcept nogil
cdef void set_huge_zero_pmd(State s, u32 table) noexcept nogil
cdef void split_huge_pmd(State s, u32 vma, u32 table, bint freeze) noexcept nogil
cdef void split_huge_pmd_address(State s, u32 vma, u64 vpn) noexcept nogil
cdef void zap_deposited_table(State s, u32 mm, u64 vpn) noexcept nogil
cdef void remove_compound_rmap(State s, u32 pfn) noexcept nogil
cdef void zap_huge_pmd(State s, u32 mm, u64 vpn, u32 table, bint locked) noexcept nogil
cdef void copy_huge_pmd(State s, u32 dst_mm, u32 dst, u32 src) noexcept nogil
cdef void wrprotect_huge_pmd(State s, u32 table) noexcept nogil
