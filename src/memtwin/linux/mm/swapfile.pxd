from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    LATENCY_LIMIT = 256         # slots that a search scans before it reschedules

cdef struct Scan:               # one search for slots in an area
    u32 offset
    u32 base                    # where it started: behind that it has wrapped
    int latency
    bint scanned_many
    u32 nr
    u32 goal
    u32 *slots

cdef void begin_rotating(State s, u32 area, Scan *scan) noexcept nogil
cdef bint scan_swap_map_pause(Scan *scan) noexcept nogil
cdef bint tire_of_cluster(Scan *scan) noexcept nogil
cdef bint all_held(SwapArea *a, u32 slot, u32 end) noexcept nogil
cdef bint scan_swap_map_usable(State s, u32 area, u32 slot) noexcept nogil
cdef bint scan_swap_map_next(State s, u32 area, Scan *scan) noexcept nogil
cdef bint next_in_run(State s, u32 area, Scan *scan) noexcept nogil
cdef bint next_near(SwapArea *a, Scan *scan) noexcept nogil
cdef u32 check_slot(State s, u32 area, Scan *scan) noexcept nogil
cdef u32 scan_swap_map_slots(State s, u32 area, u32 goal, u32 *slots) noexcept nogil
cdef void free_swap_entry(State s, u32 entry) noexcept nogil
cdef bint page_swapped(State s, u32 pfn) noexcept nogil
cdef void put_swap_slots(State s, u32 entry, u32 nr) noexcept nogil
cdef u32 get_swap_pages(State s, u32 goal, u32 *entries) noexcept nogil
cdef void swapcache_free_entries(State s, u32 *entries, u32 nr) noexcept nogil
cdef void drain_slots(State s) noexcept nogil
cdef bint check_cache_active(State s) noexcept nogil
cdef u32 get_swap_page(State s) noexcept nogil
cdef void free_swap_slot(State s, u32 entry) noexcept nogil
cdef u32 swap_count(State s, u32 entry) noexcept nogil
cdef void swap_duplicate(State s, u32 entry) noexcept nogil
cdef void swap_free(State s, u32 entry) noexcept nogil
cdef void put_swap_page(State s, u32 entry) noexcept nogil
cdef bint try_to_free_swap(State s, u32 pfn) noexcept nogil
cdef bint try_to_reclaim_swap(State s, u32 entry, bint anyway) noexcept nogil
cdef void free_swap_and_cache(State s, u32 entry) noexcept nogil
cdef bint add_to_swap(State s, u32 pfn) noexcept nogil
