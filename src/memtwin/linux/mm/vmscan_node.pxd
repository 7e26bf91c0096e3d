from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef bint lru_gen_enabled(State s, ScanControl *sc) noexcept nogil
cdef bint has_own_pass(State s, ScanControl *sc) noexcept nogil
cdef u64 lru_size(State s, u32 lru, u32 highest_zone) noexcept nogil
cdef void prepare_scan(State s, ScanControl *sc) noexcept nogil
cdef u32 scan_balance(State s, ScanControl *sc) noexcept nogil
cdef void get_scan_count(State s, ScanControl *sc) noexcept nogil
cdef void shrink_list(State s, ScanControl *sc, u32 lru, u64 nr_to_scan) noexcept nogil
cdef void shrink_lruvec_adjust(ScanControl *sc) noexcept nogil
cdef void shrink_node_begin(State s, ScanControl *sc) noexcept nogil
cdef bint shrink_lruvec_round(State s, ScanControl *sc) noexcept nogil
cdef void shrink_node_end(State s, ScanControl *sc) noexcept nogil
cdef void shrink_node(State s, ScanControl *sc) noexcept nogil
cdef void snapshot_refaults(State s) noexcept nogil
cdef void init_scan(ScanControl *sc, u32 gfp, u32 order, u32 reclaim_idx) noexcept nogil
cdef u64 do_try_to_free_pages(State s, ScanControl *sc) noexcept nogil
cdef u64 try_to_free_pages(State s, u32 order, u32 gfp) noexcept nogil
cdef bint in_reclaim_compaction(ScanControl *sc) noexcept nogil
cdef bint should_continue_reclaim(State s, ScanControl *sc) noexcept nogil
cdef bint shrink_node_again(State s, ScanControl *sc) noexcept nogil
cdef bint compaction_ready(State s, u32 zone, ScanControl *sc) noexcept nogil
cdef bint shrink_zones(State s, ScanControl *sc) noexcept nogil
cdef void reclaim_pass(State s, ScanControl *sc) noexcept nogil
