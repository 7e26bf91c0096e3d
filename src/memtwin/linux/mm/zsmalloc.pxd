from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # how full a group of pages is
    ZS_EMPTY
    ZS_ALMOST_EMPTY
    ZS_ALMOST_FULL
    ZS_FULL
    ZS_INUSE_RATIO_99 = 10      # since 6.4: 90 to 99 percent, the fullest with room
    ZS_INUSE_RATIO_100
    ZS_POOL_ZSWAP = 31          # instead of a zram area's number: zswap's pool

cdef u32 pool_of(u32 area) noexcept nogil
cdef void count_pool(State s, u32 area, i64 pages) noexcept nogil
cdef u32 class_index(u32 length) noexcept nogil
cdef u32 get_pages_per_zspage(u32 size) noexcept nogil
cdef u32 calculate_zspage_chain_size(u32 size) noexcept nogil
cdef void zs_init_classes(State s) noexcept nogil
cdef u32 zs_can_compact(ZsClass *c, u32 pool) noexcept nogil
cdef void count_objects_of(State s, ZsPage *z, i32 allocated, i32 used) noexcept nogil
cdef u32 get_fullness_group(State s, ZsClass *c, u32 inuse) noexcept nogil
cdef u32 find_get_zspage(State s, ZsClass *c, u32 area) noexcept nogil
cdef void insert_zspage(State s, u32 zspage) noexcept nogil
cdef void remove_zspage(State s, u32 zspage) noexcept nogil
cdef void free_zspage(State s, u32 zspage) noexcept nogil
cdef u32 alloc_zspage(State s, u32 area, u32 size_class, u32 gfp) noexcept nogil
cdef u32 zs_malloc(State s, u32 area, u32 length, u32 gfp) noexcept nogil
cdef void zs_free(State s, u32 zspage) noexcept nogil
cdef u32 huge_class_size(State s) noexcept nogil
