from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef bint prepare_kswapd_sleep(State s) noexcept nogil
cdef void begin_run(State s) noexcept nogil
cdef void end_run(State s) noexcept nogil
cdef u64 kswapd_target(State s, u32 highest_zone) noexcept nogil
cdef void kswapd_age_node(State s) noexcept nogil
cdef bint begin_pass(State s) noexcept nogil
cdef bint end_pass(State s) noexcept nogil
cdef void kswapd_throttle(State s) noexcept nogil
cdef void kswapd_go_to_sleep(State s) noexcept nogil
cdef void kswapd_nap_over(State s) noexcept nogil
cdef void kswapd_step(State s) noexcept nogil
cdef bint kswapd_runnable(State s) noexcept nogil
