from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u64 fls(u64 x) noexcept nogil
cdef void set_initial_priority(State s, ScanControl *sc) noexcept nogil
cdef void lru_gen_age_node(State s, ScanControl *sc) noexcept nogil
cdef bint lruvec_is_reclaimable(State s, ScanControl *sc) noexcept nogil
cdef void age_before_pass(State s, ScanControl *sc) noexcept nogil
cdef bint age_lruvec(State s, ScanControl *sc) noexcept nogil
cdef bint should_abort_pass(State s, ScanControl *sc) noexcept nogil
cdef bint shrink_lruvec_round(State s, ScanControl *sc) noexcept nogil
cdef bint should_run_aging(LruGen *gen, bint can_swap, u64 *nr_to_scan) noexcept nogil
cdef bint should_abort_scan(State s, ScanControl *sc) noexcept nogil
cdef void lru_gen_shrink_begin(State s, ScanControl *sc) noexcept nogil
cdef bint lru_gen_shrink_round(State s, ScanControl *sc) noexcept nogil
cdef void lru_gen_shrink_end(State s, ScanControl *sc) noexcept nogil
