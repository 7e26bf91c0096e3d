from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint vm_enough_memory(State s, u32 mm, u64 pages) noexcept nogil
cdef i64 vm_commit_limit(State s) noexcept nogil
cdef void vm_unacct_memory(State s, u64 pages) noexcept nogil
cdef i64 totalram_pages(State s) noexcept nogil
