from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 bio_alloc(State s) noexcept nogil
cdef void bio_free(State s, u32 slab) noexcept nogil
cdef u32 new_bio(State s, u32 device, bint write) noexcept nogil
cdef u32 bio_add_page(State s, u32 bio, u32 pfn) noexcept nogil
cdef bint reads_swap(State s, Bio *b) noexcept nogil
cdef u64 request_ns(State s, Bio *b) noexcept nogil
cdef void miss_rotation(State s, Bio *b) noexcept nogil
cdef void submit_bio(State s, u32 bio, bint last=*) noexcept nogil
cdef void bio_endio(State s, u32 bio) noexcept nogil
cdef void end_page_read(State s, u32 pfn) noexcept nogil
cdef void join_io_end(State s, u32 bio, u32 io_end) noexcept nogil
cdef void spend_in_interrupt(State s, u64 ns) noexcept nogil
cdef void finish_bio(State s, u32 bio) noexcept nogil
cdef void open_io_end(State s, u32 io_end) noexcept nogil
cdef void close_io_end(State s, u32 io_end) noexcept nogil
cdef void finish_io_end(State s, u32 io_end) noexcept nogil
