from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport SlabCache, State
from memtwin.linux.core.vmstat cimport *

cdef u32 kmem_cache_alloc(State s, u32 cache, u32 gfp) noexcept nogil
cdef void kmem_cache_free(State s, u32 slab) noexcept nogil
cdef u32 object_alloc_gfp(State s, u32 kind, u32 gfp) noexcept nogil
cdef u32 object_alloc(State s, u32 kind) noexcept nogil
cdef void object_free(State s, u32 slab) noexcept nogil
cdef u32 slab_objects(State s, u32 slab) noexcept nogil
cdef void count_slab(State s, u32 slab, i64 slabs) noexcept nogil
cdef u32 new_slab(State s, u32 cache, u32 gfp) noexcept nogil
cdef void add_partial(State s, SlabCache *c, u32 slab) noexcept nogil
cdef void del_partial(State s, SlabCache *c, u32 slab) noexcept nogil
cdef u32 get_partial_node(State s, SlabCache *c) noexcept nogil
cdef void put_cpu_partial(State s, SlabCache *c, u32 slab) noexcept nogil
cdef void unfreeze_partials(State s, SlabCache *c) noexcept nogil
cdef void discard_slab(State s, u32 slab) noexcept nogil
