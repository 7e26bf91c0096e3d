from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef bint transhuge_vma_suitable(State s, u32 vma, u64 vpn) noexcept nogil
cdef bint hugepage_vma_check(State s, u32 vma, u32 vm_flags, bint in_fault) noexcept nogil
cdef void prep_transhuge_page(State s, u32 pfn) noexcept nogil
cdef void deferred_split_page(State s, u32 pfn, bint partly_mapped) noexcept nogil
cdef void undefer_split(State s, u32 pfn) noexcept nogil
cdef void free_transhuge_page(State s, u32 pfn) noexcept nogil
