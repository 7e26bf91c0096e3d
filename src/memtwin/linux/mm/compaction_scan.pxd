from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # what the migrate scanner came to
    ISOLATE_ABORT           # too many pages are isolated
    ISOLATE_NONE
    ISOLATE_SUCCESS

cdef u64 zone_end_pfn(State s, u32 zone) noexcept nogil
cdef u64 pageblock_start_pfn(u64 pfn) noexcept nogil
cdef u64 pageblock_end_pfn(u64 pfn) noexcept nogil
cdef u64 block_end_pfn(u64 pfn, i32 order) noexcept nogil
cdef bint scanners_met(CompactControl *cc) noexcept nogil
cdef u64 freelist_scan_limit(CompactControl *cc) noexcept nogil
cdef void list_rotate(State s, List *chain, u32 first) noexcept nogil
cdef void update_cached_migrate(State s, CompactControl *cc, u64 pfn) noexcept nogil
cdef bint is_isolation_suitable(State s, CompactControl *cc, u64 pfn) noexcept nogil
cdef bint too_many_isolated(State s) noexcept nogil
cdef bint is_movable(State s, CompactControl *cc, u32 pfn) noexcept nogil
cdef void isolate_page(State s, CompactControl *cc, u32 pfn) noexcept nogil
cdef void putback_movable_pages(State s, CompactControl *cc) noexcept nogil
cdef bint isolate_migratepages_block(State s, CompactControl *cc, u64 low, u64 end) noexcept nogil
cdef u64 fast_find_migrateblock(State s, CompactControl *cc) noexcept nogil
cdef u32 isolate_migratepages(State s, CompactControl *cc) noexcept nogil
cdef bint can_move_at_once(State s, u32 pfn) noexcept nogil
cdef void take_page(State s, CompactControl *cc, u32 pfn) noexcept nogil
cdef u64 pass_by(State s, CompactControl *cc, u32 pfn) noexcept nogil
cdef u64 scan_pageblock(State s, CompactControl *cc, u64 low, u64 end, u64 *scanned) noexcept nogil
cdef bint is_worth_fast_search(State s, CompactControl *cc) noexcept nogil
cdef u32 fast_find_in_list(State s, CompactControl *cc, i32 order, u64 high, u64 limit, u64 *scanned) noexcept nogil
