from memtwin.mm.mm_types cimport Event, u32, u64
from memtwin.mm.state cimport State

cdef enum:
    EVENT_LOADAVG
    EVENT_PSI

cdef bint earlier(Event *a, Event *b) noexcept nogil
cdef void schedule(State s, u64 time_ns, u32 priority, u32 kind, u32 arg) noexcept nogil
cdef void pop_event(State s, Event *first) noexcept nogil
cdef void run_events(State s) noexcept nogil
cdef void dispatch(State s, Event *event) noexcept nogil
cdef void advance_to(State s, u64 until_ns) noexcept nogil
cdef u64 submit(State s, u32 device, u64 pages, bint write) noexcept nogil
