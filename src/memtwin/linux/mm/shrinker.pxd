from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # Shrinker
    SHRINK_SHADOWS
    SHRINK_DENTRIES
    SHRINK_HUGE_ZERO
    SHRINK_DEFERRED_SPLIT
    SHRINK_ZRAM_POOL
    SHRINK_ZSWAP_POOL
    NR_SHRINKERS

cdef u64 count_objects(State s, u32 shrinker) noexcept nogil
cdef u64 scan_objects(State s, u32 shrinker, u64 objects) noexcept nogil
cdef u64 do_shrink_slab(State s, u32 shrinker, u32 gfp, int priority) noexcept nogil
cdef u64 shrink_slab(State s, u32 gfp, int priority) noexcept nogil
