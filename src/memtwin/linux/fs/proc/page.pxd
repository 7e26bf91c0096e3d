from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    MAP_HOLE                # not managed, or beyond the zone
    MAP_FREE
    MAP_PCP
    MAP_ANON                # mapped
    MAP_SWAPCACHE           # anonymous, in the swap cache alone
    MAP_FILE
    MAP_SHMEM
    MAP_SLAB
    MAP_TABLE
    MAP_KERNEL
    MAP_COMPRESSED          # zram's and zswap's pools
    MAP_ISOLATED
    NR_MAP_CLASSES

cdef struct BlockCounts:
    u32 frames[NR_MAP_CLASSES]
    u32 young
    u32 aged
    u32 largest             # order of the largest free block that lies here, plus 1; 0: nothing is free

cdef u32 map_class(State s, u64 pfn) noexcept nogil
cdef bint is_young(State s, u64 pfn) noexcept nogil
cdef u64 count_frame(State s, u64 pfn, u64 end, BlockCounts *counts, u64 *heads) noexcept nogil
cdef void count_block(State s, u64 pfn, u64 end, u64 *free_until, BlockCounts *counts, u64 *heads) noexcept nogil
