from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    READ_BATCH = 15             # pages that read() takes at once

cdef class FileIo:
    cdef State s
    cdef u32 task
    cdef u32 filp
    cdef u64 offset             # bytes
    cdef u64 chunk
    cdef bint write
    cdef u64 buffer_vpn
    cdef u64 opno
    cdef u32 content
    cdef Pattern pattern
    cdef Pace pace
    cdef readonly u64 done      # calls made
    cdef i64 pending    # chunk drawn but not done, or -1

cdef u32 io_batch(State s, FileIo io, u64 until_ns) noexcept nogil
cdef u32 pread(State s, FileIo io, u64 position) noexcept nogil
cdef u32 shmem_read(State s, FileIo io, u64 position) noexcept nogil
cdef u32 shmem_write(State s, FileIo io, u64 position) noexcept nogil
cdef u32 pwrite(State s, FileIo io, u64 position) noexcept nogil
cdef u32 get_read_batch(State s, u32 filp, u64 index, u64 last, u32 *pages) noexcept nogil
cdef u32 filemap_get_pages(State s, u32 filp, u64 index, u64 last, u32 *pages) noexcept nogil
cdef u32 write_begin(State s, u32 file, u64 index, bint whole) noexcept nogil
