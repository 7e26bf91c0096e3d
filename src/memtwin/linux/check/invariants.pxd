from memtwin.linux.core.vmstat cimport *
from memtwin.linux.core.mm_types cimport *
from memtwin.linux.check.swap_slots cimport SlotCheck
from memtwin.linux.core.state cimport State

cdef class MachineCheck(SlotCheck):
    pass

cdef bint is_sound(State s, u32 pfn, i32 mappings) noexcept nogil
cdef i32 references(State s, u32 pfn) noexcept nogil
cdef bint is_where_its_file_has_it(State s, u32 pfn) noexcept nogil
cdef bint is_what_its_device_has(State s, u32 pfn) noexcept nogil
