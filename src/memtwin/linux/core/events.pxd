from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u64 FOREVER
cdef bint earlier(Event *a, Event *b) noexcept nogil
cdef void push_event(State s, u64 time_ns, u32 priority, u32 kind, u32 arg) noexcept nogil
cdef void pop_event(State s, Event *first) noexcept nogil
cdef void schedule_event(State s, u64 time_ns, u32 kind, u32 arg) noexcept nogil
