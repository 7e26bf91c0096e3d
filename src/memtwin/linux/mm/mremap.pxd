from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u32 vma_to_resize(State s, u32 task, u64 start, u64 pages, u64 wanted) noexcept nogil
cdef bint vma_expandable(State s, u32 mm, u64 start, u64 pages, u64 grow) noexcept nogil
cdef u32 expand_vma(State s, u32 task, u32 vma, u64 grow) noexcept nogil
cdef u32 copy_vma(State s, u32 vma, u64 start, u64 to, u64 wanted) noexcept nogil
cdef bint move_ptes(State s, u32 mm, u32 vma, u64 start, u64 to, u64 pages) noexcept nogil
cdef u64 move_page_tables(State s, u32 mm, u32 vma, u64 start, u64 to, u64 pages) noexcept nogil
cdef u32 move_vma(State s, u32 task, u32 vma, u64 start, u64 pages, u64 wanted, u64 to) noexcept nogil
cdef u32 grow_vma(State s, u32 task, u32 vma, u64 start, u64 pages, u64 wanted, u64 to) noexcept nogil
cdef u32 do_mremap(State s, u32 task, u64 start, u64 pages, u64 wanted, u64 to) noexcept nogil
