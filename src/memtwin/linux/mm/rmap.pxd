from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void anon_vma_prepare(State s, u32 vma) noexcept nogil
cdef void anon_vma_chain_link(State s, u32 vma, u32 anon_vma) noexcept nogil
cdef void anon_vma_clone(State s, u32 dst, u32 src) noexcept nogil
cdef void anon_vma_share(State s, u32 dst, u32 src) noexcept nogil
cdef void anon_vma_fork(State s, u32 child, u32 parent) noexcept nogil
cdef void unlink_anon_vmas(State s, u32 vma) noexcept nogil
cdef u32 vma_of_page(State s, u32 pfn, u32 *avc, u64 *vpn) noexcept nogil
cdef void page_add_new_anon_rmap(State s, u32 pfn, u32 vma, u64 vpn) noexcept nogil
cdef void page_add_file_rmap(State s, u32 pfn) noexcept nogil
cdef void page_remove_rmap(State s, u32 pfn) noexcept nogil
cdef void put_anon_vma(State s, u32 anon_vma) noexcept nogil
cdef void vma_link_file(State s, u32 vma) noexcept nogil
cdef void vma_unlink_file(State s, u32 vma) noexcept nogil
cdef u32 next_share(State s, u32 pfn, u32 *cursor, u64 *vpn) noexcept nogil
cdef u64 *next_mapping(State s, u32 pfn, u32 *cursor, u32 *vma, u64 *vpn) noexcept nogil
cdef u32 page_referenced(State s, u32 pfn, u32 *vm_flags) noexcept nogil
cdef bint try_to_unmap(State s, u32 pfn) noexcept nogil
cdef void unmap_one(State s, u32 pfn, u32 mm, u64 vpn, u64 *entry) noexcept nogil
cdef void page_add_anon_rmap(State s, u32 pfn, u32 vma, u64 vpn) noexcept nogil
cdef bint page_mkclean(State s, u32 pfn) noexcept nogil
cdef void remove_part_rmap(State s, u32 pfn) noexcept nogil
