from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    ZBUD_MAX_SIZE = 4096 - 64 - 64  # a larger object is refused: the header's chunk, and one more

cdef u32 size_to_chunks(u32 size) noexcept nogil
cdef u32 num_free_chunks(ZbudPage *z) noexcept nogil
cdef void add_unbuddied(State s, u32 zbud) noexcept nogil
cdef void del_unbuddied(State s, u32 zbud) noexcept nogil
cdef void lru_add(State s, u32 zbud) noexcept nogil
cdef void lru_del(State s, u32 zbud) noexcept nogil
cdef u32 find_unbuddied(State s, u32 chunks) noexcept nogil
cdef u32 init_zbud_page(State s, u32 pfn) noexcept nogil
cdef u32 zbud_put(State s, u32 zbud, u32 chunks, u32 entry) noexcept nogil
cdef u32 zbud_alloc(State s, u32 size, u32 entry, u32 gfp) noexcept nogil
cdef void free_zbud_page(State s, u32 zbud) noexcept nogil
cdef void zbud_free(State s, u32 handle) noexcept nogil
cdef u32 zbud_isolate_oldest(State s) noexcept nogil
cdef bint zbud_putback(State s, u32 zbud) noexcept nogil
