from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void run_events(State s) noexcept nogil
cdef void dispatch(State s, Event *event) noexcept nogil
