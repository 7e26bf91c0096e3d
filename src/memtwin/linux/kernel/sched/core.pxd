from memtwin.core.mm_types cimport Device, Event, u32, u64
from memtwin.core.state cimport State

cdef bint earlier(Event *a, Event *b) noexcept nogil
cdef void schedule(State s, u64 time_ns, u32 priority, u32 kind, u32 arg) noexcept nogil
cdef void pop_event(State s, Event *first) noexcept nogil
cdef void run_events(State s) noexcept nogil
cdef void dispatch(State s, Event *event) noexcept nogil
cdef void schedule_event(State s, u64 time_ns, u32 kind, u32 arg) noexcept nogil
cdef bint kswapd_runnable(State s) noexcept nogil
cdef bint flusher_runnable(State s) noexcept nogil
cdef bint shrink_runnable(State s) noexcept nogil
cdef bint background_runnable(State s) noexcept nogil
cdef bint threads_wake(State s) noexcept nogil
cdef void run_thread(State s, u32 who) noexcept nogil
cdef bint thread_step(State s) noexcept nogil
cdef void task_wakes(State s) noexcept nogil
cdef void cond_resched(State s) noexcept nogil
cdef void idle_until(State s, u64 until_ns) noexcept nogil
cdef void io_schedule(State s) noexcept nogil
cdef void schedule_timeout(State s, u64 until_ns) noexcept nogil
cdef void advance_to(State s, u64 until_ns) noexcept nogil
cdef u64 submit(State s, u32 device, u64 pages, bint write) noexcept nogil
