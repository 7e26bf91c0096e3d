from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void truncate_page(State s, u32 pfn) noexcept nogil
cdef void truncate_inode_pages(State s, u32 file) noexcept nogil
cdef u64 blocks_of(State s, u32 file) noexcept nogil
cdef void free_blocks(State s, u64 blocks) noexcept nogil
cdef void truncate_file(State s, u32 file) noexcept nogil
cdef void truncate_shmem(State s, u32 file) noexcept nogil
