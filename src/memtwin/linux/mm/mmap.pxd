from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint may_expand_vm(State s, u32 mm, u32 flags, u64 pages, u64 data_pages) noexcept nogil
cdef u32 acct_stack_growth(State s, u32 mm, u64 size, u64 grow) noexcept nogil
cdef u32 expand_stack(State s, u32 mm, u32 vma, u64 vpn) noexcept nogil
cdef u32 do_mmap(State s, u32 mm, u64 start, u64 pages, u32 flags, u32 file, u32 filp, u64 pgoff) noexcept nogil
cdef u32 do_munmap(State s, u32 task, u64 start, u64 pages) noexcept nogil
cdef u32 do_brk(State s, u32 task, u64 old, u64 new) noexcept nogil
cdef void exit_mmap(State s, u32 mm) noexcept nogil
cdef void mmput(State s, u32 mm) noexcept nogil
cdef u32 dup_mmap(State s, u32 child, u32 parent) noexcept nogil
