from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef struct HugeMapping:        # where an area may map a huge page: start with all 0
    u32 avc
    u32 vma
    u64 first                   # page number of the address of the first frame that the area may map
    u64 end                     # one past the last
    u32 pfn                     # that first frame

cdef bint next_huge_mapping(State s, u32 head, HugeMapping *m) noexcept nogil
cdef u64 *mapped_entry(State s, HugeMapping *m, u64 vpn) noexcept nogil
cdef u32 huge_mapping_table(State s, u32 head, HugeMapping *m) noexcept nogil
cdef u32 huge_page_referenced(State s, u32 head, u32 *vm_flags) noexcept nogil
cdef bint mapping_referenced(State s, u32 head, HugeMapping *m) noexcept nogil
cdef bint try_to_unmap_huge(State s, u32 head) noexcept nogil
cdef bint unmap_huge_mapping(State s, u32 head, HugeMapping *m, bint lazy, bint *dirty) noexcept nogil
cdef bint can_split_huge_page(State s, u32 head) noexcept nogil
cdef void unmap_to_split(State s, u32 head) noexcept nogil
cdef void split_tail(State s, u32 head, u32 tail, List *chain) noexcept nogil
cdef bint split_huge_page(State s, u32 head, List *chain) noexcept nogil
cdef void hold_anon_vma(State s, u32 root, u64 begun_ns) noexcept nogil
cdef void list_add_older(State s, List *chain, u32 head, u32 pfn) noexcept nogil
cdef List *list_of_page(State s, u32 pfn) noexcept nogil
cdef bint is_underused(State s, u32 head) noexcept nogil
cdef u64 deferred_split_count(State s) noexcept nogil
cdef u64 deferred_split_scan(State s, u64 nr_to_scan) noexcept nogil
