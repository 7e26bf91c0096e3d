from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    LENGTH_SAME = 1             # of a stored page: all its words are the same, nothing is kept

cdef u32 compressed_length(State s, u32 algorithm, u64 tag) noexcept nogil
cdef u32 content_of(u64 tag) noexcept nogil
cdef bint store_object(State s, u32 area, u32 slot, u32 length) noexcept nogil
cdef bint zram_write(State s, u32 area, u32 slot, u64 tag) noexcept nogil
cdef void zram_read(State s, u32 area, u32 slot) noexcept nogil
cdef void zram_free(State s, u32 area, u32 slot) noexcept nogil
cdef void zram_slot_free_notify(State s, u32 area, u32 slot) noexcept nogil
