from memtwin.linux.core.mm_types cimport *

cdef struct Pool:           # an array of structs that grows and does not move; entry 0 is "none"
    void *items
    u64 room                # bytes of addresses that it may grow over; 0: it is of one size
    u32 nr                  # entries ever used, 0 included
    u32 cap
    u32 free                # head of the list of freed entries, linked through their first word
    u32 size                # bytes of one entry

cdef void pool_init(Pool *pool, u32 size, u64 room) noexcept nogil
cdef bint pool_commit(Pool *pool, u64 items) noexcept nogil
cdef void pool_grow(Pool *pool) noexcept nogil
cdef u32 pool_get(Pool *pool) noexcept nogil
cdef void pool_put(Pool *pool, u32 item) noexcept nogil
cdef void pool_copy(Pool *pool) noexcept nogil
cdef void pool_free(Pool *pool) noexcept nogil
