from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:
    MOST_NODES = 12             # made for one page: a new root and a node a level

cdef void *grown(void *old, u64 before, u64 after, u64 size) noexcept nogil
cdef bint grow_array(void **array, u64 before, u64 after, u64 size) noexcept nogil
cdef u64 level_nodes(u64 pages, u32 level) noexcept nogil
cdef bint file_reserve(State s, u32 file, u64 pages) noexcept nogil
cdef FileChunk *make_chunk(File *f, u64 index) noexcept nogil
cdef u32 xa_node(State s, u32 file, u64 index) noexcept nogil
cdef u32 nodes_missing(State s, u32 file, u64 index) noexcept nogil
cdef u32 xa_grow(State s, u32 file, u64 index, u32 *slabs) noexcept nogil
cdef u32 xa_new_node(State s, u32 file, u32 level, u64 number, u32 slab) noexcept nogil
cdef u32 xa_make_path(State s, u32 file, u64 index, u32 *slabs) noexcept nogil
cdef void xa_prune(State s, u32 file, u64 index) noexcept nogil
cdef bint xa_store(State s, u32 file, u64 index, u32 pfn, u32 gfp) noexcept nogil
cdef void xa_erase(State s, u32 file, u64 index, u64 shadow) noexcept nogil
cdef void xa_erase_shadow(State s, u32 file, u64 index) noexcept nogil
cdef void update_shadow_node(State s, u32 node) noexcept nogil
cdef void shadow_list_del(State s, u32 node) noexcept nogil
cdef void xa_count_dirty(State s, u32 file, u64 index, int delta) noexcept nogil
cdef u64 xa_skip(State s, u32 file, u64 index) noexcept nogil
cdef u64 xa_next_dirty(State s, u32 file, u64 index) noexcept nogil
