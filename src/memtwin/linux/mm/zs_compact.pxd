from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef struct Objects:        # of a pool, while it is compacted
    u32 *first              # of each group: the entry of its first object, plus 1
    u32 *following          # of each slot: the entry of the next object of its group, plus 1
    u64 base[MAX_SWAPFILES] # of each area: where its slots begin in following

cdef u32 *handles_of(State s, u32 pool, u32 area) noexcept nogil
cdef void list_objects(State s, u32 pool, Objects *objects) noexcept nogil
cdef void move_object(State s, u32 pool, Objects *objects, u32 source, u32 target) noexcept nogil
cdef void migrate_zspage(State s, u32 pool, Objects *objects, u32 source, u32 target) noexcept nogil
cdef u32 isolate(State s, ZsClass *c, u32 pool, bint emptiest) noexcept nogil
cdef u32 put_back(State s, u32 group) noexcept nogil
cdef u64 compact_class(State s, ZsClass *c, u32 pool, Objects *objects) noexcept nogil
cdef u64 compact_class_by_tenths(State s, ZsClass *c, u32 pool, Objects *objects) noexcept nogil
cdef u64 zs_compact(State s, u32 pool) noexcept nogil
