from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # what is to become of a page that reclaim scanned
    PAGEREF_RECLAIM
    PAGEREF_RECLAIM_CLEAN
    PAGEREF_KEEP
    PAGEREF_ACTIVATE

cdef struct ReclaimStat:    # of one batch
    u64 nr_dirty
    u64 nr_unqueued_dirty
    u64 nr_congested
    u64 nr_writeback
    u64 nr_immediate
    u64 nr_pageout
    u64 nr_activated

cdef bint page_is_file_lru(State s, u32 pfn) noexcept nogil
cdef bint is_file_lru(u32 lru) noexcept nogil
cdef u64 isolate_lru_pages(State s, ScanControl *sc, u32 lru, u64 nr_to_scan, List *taken, u64 *nr_scanned) noexcept nogil
cdef void splice_head(State s, List *skipped, List *lru) noexcept nogil
cdef void putback_lru_pages(State s, List *chain) noexcept nogil
cdef bint is_locked_by_split(State s, u32 pfn) noexcept nogil
cdef u32 check_references(State s, u32 pfn) noexcept nogil
cdef u32 check_dirty_writeback(State s, ScanControl *sc, u32 pfn, ReclaimStat *stat) noexcept nogil
cdef u32 pageout(State s, ScanControl *sc, u32 pfn, ReclaimStat *stat) noexcept nogil
cdef bint remove_mapping(State s, u32 pfn) noexcept nogil
cdef u32 referenced(State s, u32 pfn, u32 *vm_flags) noexcept nogil
cdef bint add_huge_to_swap(State s, u32 pfn, List *chain) noexcept nogil
cdef bint unmapped_dirty(State s, u32 pfn) noexcept nogil
cdef u32 add_to_swap_and_unmap(State s, ScanControl *sc, u32 pfn, List *chain) noexcept nogil
cdef u32 check_page(State s, ScanControl *sc, u32 pfn, ReclaimStat *stat) noexcept nogil
cdef u32 shrink_page(State s, ScanControl *sc, u32 pfn, ReclaimStat *stat, List *chain) noexcept nogil
cdef u64 shrink_page_list(State s, ScanControl *sc, List *chain, ReclaimStat *stat) noexcept nogil
cdef u64 shrink_inactive_list(State s, ScanControl *sc, u32 lru, u64 nr_to_scan) noexcept nogil
cdef void shrink_active_list(State s, ScanControl *sc, u32 lru, u64 nr_to_scan) noexcept nogil
cdef bint inactive_is_low(State s, bint file) noexcept nogil
