from memtwin.core.mm_types cimport Event
from memtwin.core.state cimport State

cdef void run_events(State s) noexcept nogil
cdef void dispatch(State s, Event *event) noexcept nogil
