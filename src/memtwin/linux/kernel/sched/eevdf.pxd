from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef inline bint on_rq(SchedEntity *e) noexcept nogil:
    """Whether an entity competes: it wants to run, or slept with more than its share behind it."""
    return e.queued or e.delayed

cdef u32 nr_running(Rq *rq) noexcept nogil
cdef u64 avg_vruntime(Rq *rq) noexcept nogil
cdef bint entity_eligible(Rq *rq, u32 who) noexcept nogil
cdef bint update_deadline(Rq *rq) noexcept nogil
cdef u32 pick_eevdf(Rq *rq) noexcept nogil
cdef u32 pick_next_eevdf(Rq *rq) noexcept nogil
cdef void place_entity(Rq *rq, u32 who) noexcept nogil
cdef void enqueue_eevdf(Rq *rq, u32 who) noexcept nogil
cdef void dequeue_eevdf(Rq *rq, u32 who) noexcept nogil
cdef bint wakeup_preempts_eevdf(Rq *rq, u32 who) noexcept nogil
