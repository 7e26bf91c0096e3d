from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef inline bint on_rq(SchedEntity *e) noexcept nogil:
    """Whether an entity competes: it wants to run, or slept with more than its share behind it."""
    return e.queued or e.delayed

cdef u32 curr_of(State s, u32 cpu) noexcept nogil
cdef u32 nr_running(State s, u32 cpu) noexcept nogil
cdef u64 avg_vruntime(State s, u32 cpu) noexcept nogil
cdef bint entity_eligible(State s, u32 who) noexcept nogil
cdef bint update_deadline(State s, u32 cpu) noexcept nogil
cdef u64 scaled(State s, u64 ns) noexcept nogil
cdef void leave(SchedEntity *e) noexcept nogil
cdef u32 pick_eevdf(State s, u32 cpu) noexcept nogil
cdef u32 pick_next_eevdf(State s, u32 cpu) noexcept nogil
cdef void drop_overtaken(State s, u32 but) noexcept nogil
cdef void place_entity(State s, u32 who) noexcept nogil
cdef void enqueue_eevdf(State s, u32 who) noexcept nogil
cdef void dequeue_eevdf(State s, u32 who) noexcept nogil
cdef bint wakeup_preempts_eevdf(State s, u32 who) noexcept nogil
