from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u32 copy_page_range(State s, u32 dst_mm, u32 src_mm, u32 dst_vma, u32 src_vma) noexcept nogil
cdef void copy_pte(State s, u32 dst_mm, u64 *dst, u64 *src, bint wrprotect) noexcept nogil
cdef void zap_huge_range(State s, u32 task, u32 vma, u32 table, u64 start, u64 end, bint locked) noexcept nogil
cdef void zap_page_range(State s, u32 task, u32 mm, u64 start, u64 end) noexcept nogil
cdef void unmap_mapping_range(State s, u32 file) noexcept nogil
cdef void zap_file_page(State s, u32 pfn, u64 pte) noexcept nogil
cdef void zap_pte_range(State s, u32 task, u32 mm, u32 table, u64 start, u64 end, bint locked) noexcept nogil
cdef void discard_anon_page(State s, u32 task, u32 vma, u32 pfn) noexcept nogil
