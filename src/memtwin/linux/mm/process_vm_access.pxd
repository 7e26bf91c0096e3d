from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint ptrace_may_access(State s, u32 task, u32 other) noexcept nogil
cdef u32 get_remote_page(State s, u32 task, u32 other, u32 mm, u64 vpn) noexcept nogil
cdef bint is_reaped(State s, u32 other, u32 mm, u64 vpn) noexcept nogil
cdef u32 process_vm_rw(State s, u32 task, u32 other, u64 start, u64 pages, u64 buffer, u64 buffer_pages) noexcept nogil
