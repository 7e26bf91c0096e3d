from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void leave_shadow(State s, u32 file, u32 slot) noexcept nogil
cdef void take_slot(State s, u32 area, u32 slot, u64 tag) noexcept nogil
cdef bint are_linked(State s, u32 task, u32 other, u64 vpn) noexcept nogil
