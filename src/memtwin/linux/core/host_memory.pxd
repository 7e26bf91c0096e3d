from memtwin.linux.core.mm_types cimport *

cdef struct HostMemory:     # of the computer that this runs on, one for all machines
    u64 missing             # bytes of the first array that could not grow since the last check; 0: all could
    u64 counted             # bytes of the arrays that COUNT has come by
    void *spare             # freed then, so that what is under way can end

cdef HostMemory host_memory

cdef void give_up(u64 size) noexcept nogil
cdef void miss_memory(u64 size) noexcept nogil
cdef void *host_zeroed(u64 count, u64 size) noexcept nogil
cdef void *longer(void *array, u64 size) noexcept nogil
cdef u64 host_grow(void **array, u64 cap, u64 size) noexcept nogil
cdef void *host_reserve(u64 *room) noexcept nogil
cdef u64 host_commit(void *at, u64 room, u64 size) noexcept nogil
cdef void host_release(void *at, u64 room) noexcept nogil
