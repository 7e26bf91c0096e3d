from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void wakeup_kcompactd(State s, i32 order, i32 highest_zone) noexcept nogil
cdef bint kcompactd_node_suitable(State s) noexcept nogil
cdef void kcompactd_arm(State s, u64 delay_ns) noexcept nogil
cdef bint kcompactd_runnable(State s) noexcept nogil
cdef void kcompactd_begin(State s) noexcept nogil
cdef bint kcompactd_next_zone(State s) noexcept nogil
cdef void kcompactd_end_zone(State s, u32 status) noexcept nogil
cdef void kcompactd_end(State s) noexcept nogil
cdef void kcompactd_step(State s) noexcept nogil
cdef void write_proactiveness(State s) noexcept nogil
