from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef bint can_migrate(State s, u32 pfn) noexcept nogil
cdef void move_mappings(State s, u32 old, u32 new) noexcept nogil
cdef void move_cached(State s, u32 old, u32 new) noexcept nogil
cdef void move_zspage(State s, u32 old, u32 new) noexcept nogil
cdef bint migrate_page(State s, u32 old, u32 new) noexcept nogil
cdef void putback_movable_page(State s, u32 pfn) noexcept nogil
