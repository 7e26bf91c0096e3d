from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u32 find_vma_index(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 find_vma(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 new_vma(State s) noexcept nogil
cdef u32 vm_get_page_prot(State s, u32 vma) noexcept nogil
cdef void insert_vma(State s, u32 mm, u32 vma) noexcept nogil
cdef void vm_stat_account(State s, u32 mm, u32 flags, i64 pages) noexcept nogil
cdef bint is_mergeable(State s, u32 low, u32 high) noexcept nogil
cdef void merge_two(State s, u32 mm, u32 index) noexcept nogil
cdef void merge_neighbours(State s, u32 mm, u32 index) noexcept nogil
cdef u32 split_vma(State s, u32 vma, u64 at) noexcept nogil
cdef void remove_vma(State s, u32 mm, u32 index) noexcept nogil
cdef bint merge_vma(State s, u32 mm, u64 start, u64 end, u32 flags) noexcept nogil
cdef u32 open_filp(State s, u32 file) noexcept nogil
cdef u32 get_filp(State s, u32 filp) noexcept nogil
cdef void put_filp(State s, u32 filp) noexcept nogil
