from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint can_change_pte_writable(State s, u32 vma, u64 entry) noexcept nogil
cdef void change_pte(State s, u32 vma, u64 *entry) noexcept nogil
cdef void change_huge_pmd(State s, u32 vma, u32 table) noexcept nogil
cdef void change_protection(State s, u32 vma) noexcept nogil
cdef bint is_beyond_limits(State s, u32 mm, u32 old, u32 new, u64 pages) noexcept nogil
cdef u32 mprotect_fixup(State s, u32 task, u32 index, u64 start, u64 end, u32 rights) noexcept nogil
cdef u32 do_mprotect(State s, u32 task, u64 start, u64 end, u32 rights) noexcept nogil
