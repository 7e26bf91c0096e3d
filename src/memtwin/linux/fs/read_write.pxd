from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef class FileIo:
    cdef State s
    cdef Work work

cdef u32 io_batch(State s, Work *w, u64 until_ns) noexcept nogil
cdef void put_read_batch(State s, Work *w) noexcept nogil
cdef u32 io_call(State s, Work *w, u64 start, u64 until_ns) noexcept nogil
cdef bint goes_back(State s, Work *w, u64 position, u64 until_ns) noexcept nogil
cdef u32 pread(State s, Work *w, u64 start, u64 until_ns) noexcept nogil
cdef u32 copy_to_buffer(State s, Work *w, u64 start) noexcept nogil
cdef u32 shmem_read(State s, Work *w, u64 start, u64 until_ns) noexcept nogil
cdef u32 shmem_write(State s, Work *w, u64 start, u64 until_ns) noexcept nogil
cdef u64 written(State s, Work *w, u64 before, u64 start, u64 position) noexcept nogil
cdef u32 pwrite(State s, Work *w, u64 start, u64 until_ns) noexcept nogil
cdef u32 get_read_batch(State s, u32 filp, u64 index, u64 last, u32 *pages) noexcept nogil
cdef u32 filemap_get_pages(State s, u32 filp, u64 index, u64 last, u32 *pages) noexcept nogil
cdef u32 fresh_page(State s, u32 pfn) noexcept nogil
cdef u32 write_begin(State s, u32 file, u64 index, bint whole) noexcept nogil
