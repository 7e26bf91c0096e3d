from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 swappiness_of_pass(State s, ScanControl *sc) noexcept nogil
cdef u32 get_swappiness(State s, ScanControl *sc) noexcept nogil
cdef bint is_waiting(State s, u32 pfn) noexcept nogil
cdef bint sort_page(State s, ScanControl *sc, u32 pfn, u32 tier_limit) noexcept nogil
cdef bint isolate_page(State s, ScanControl *sc, u32 pfn) noexcept nogil
cdef u64 scan_pages(State s, ScanControl *sc, u32 kind, u32 tier_limit, List *taken) noexcept nogil
cdef u64 scan_zone(State s, ScanControl *sc, u32 kind, u32 tier_limit, u32 zone, List *taken, u64 *sorted_pages, u64 *remaining, u64 *isolated) noexcept nogil
cdef u32 get_tier_idx(LruGen *gen, u32 kind) noexcept nogil
cdef u32 get_type_to_scan(LruGen *gen, u32 swappiness, i64 *tier_limit) noexcept nogil
cdef u32 first_type(State s, ScanControl *sc, u32 swappiness, i64 *tier_limit) noexcept nogil
cdef u64 isolate_pages(State s, ScanControl *sc, u32 swappiness, u32 *kind, List *taken) noexcept nogil
cdef void sort_kept(State s, List *taken, List *clean, bint retried) noexcept nogil
cdef u64 evict_pages(State s, ScanControl *sc, u32 swappiness) noexcept nogil
