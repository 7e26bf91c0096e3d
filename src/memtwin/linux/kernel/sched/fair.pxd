from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void update_min_vruntime(State s, u32 cpu) noexcept nogil
cdef u64 least_vruntime(State s, u32 cpu, u32 but) noexcept nogil
cdef u32 nr_waiting(State s, u32 cpu) noexcept nogil
cdef void update_curr(State s) noexcept nogil
cdef void enqueue_entity(State s, u32 who) noexcept nogil
cdef u32 pick_next_cfs(State s, u32 cpu) noexcept nogil
cdef void dequeue_entity(State s, u32 who) noexcept nogil
cdef bint wakeup_preempts(State s, u32 who) noexcept nogil
cdef bint tick_preempts(State s, u32 cpu) noexcept nogil
cdef void begin_turn(State s, u32 cpu, u32 who) noexcept nogil
cdef u32 pick_next_entity(State s, u32 cpu) noexcept nogil
cdef void switch_to(State s, u32 who) noexcept nogil
cdef void charge_entity(State s, u32 who, u64 ns) noexcept nogil
