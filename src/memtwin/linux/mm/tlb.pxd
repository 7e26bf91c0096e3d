from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef bint main_line_runs(State s) noexcept nogil
cdef bint runs_on(State s, u32 entity, u32 mm) noexcept nogil
cdef void set_tlb_ubc_flush_pending(State s, u32 mm, bint writable) noexcept nogil
cdef void flush_tlb_func(State s, u32 cpu) noexcept nogil
cdef void try_to_unmap_flush(State s) noexcept nogil
cdef void try_to_unmap_flush_dirty(State s) noexcept nogil
