from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u64 zone_reclaimable_pages(State s, u32 zone) noexcept nogil
cdef bint allow_direct_reclaim(State s) noexcept nogil
cdef void rouse_kswapd(State s) noexcept nogil
cdef void throttle_direct_reclaim(State s) noexcept nogil
cdef bint skip_throttle_noprogress(State s) noexcept nogil
cdef void reclaim_throttle(State s, ScanControl *sc) noexcept nogil
cdef void throttle_runner(State s, Runner *r) noexcept nogil
