from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void init_compact(CompactControl *cc, u32 zone, i32 order, u32 gfp, u32 mode) noexcept nogil
cdef u32 compact_zone_begin(State s, CompactControl *cc) noexcept nogil
cdef bint migrate_pages(State s, CompactControl *cc, bint *failed) noexcept nogil
cdef void drain_behind(State s, CompactControl *cc) noexcept nogil
cdef u32 compact_zone_step(State s, CompactControl *cc) noexcept nogil
cdef void compact_zone_end(State s, CompactControl *cc) noexcept nogil
cdef u32 compact_zone(State s, CompactControl *cc) noexcept nogil
cdef u32 compact_zone_order(State s, u32 zone, i32 order, u32 gfp, u32 prio, u32 alloc_flags, u32 highest_zone, u32 *captured) noexcept nogil
cdef u32 try_to_compact_pages(State s, i32 order, u32 gfp, u32 alloc_flags, u32 prio, u32 *captured) noexcept nogil
cdef void compact_node(State s) noexcept nogil
