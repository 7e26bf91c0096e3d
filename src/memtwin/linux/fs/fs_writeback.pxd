from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u64 chunk_size(State s) noexcept nogil
cdef void queue_io(State s, u64 older_than_ns) noexcept nogil
cdef bint begin_work(State s) noexcept nogil
cdef u64 write_pages(State s, u32 file, u64 most, bint cyclic) noexcept nogil
cdef bint begin_turn(State s) noexcept nogil
cdef void end_turn(State s) noexcept nogil
cdef void flusher_done(State s) noexcept nogil
cdef void flusher_step(State s) noexcept nogil
cdef void write_all(State s, u32 file) noexcept nogil
cdef void forget_clean(State s, u32 file) noexcept nogil
cdef void filemap_flush(State s, u32 file, bint may_wait) noexcept nogil
cdef bint has_delayed_blocks(State s, u32 file) noexcept nogil
cdef u32 release_file(State s, u32 filp) noexcept nogil
cdef void join_extent(State s, u32 file, u32 bio, u64 pages) noexcept nogil
cdef void close_extent(State s, u32 file) noexcept nogil
cdef bint flusher_runnable(State s) noexcept nogil
