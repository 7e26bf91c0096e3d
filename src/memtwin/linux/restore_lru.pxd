from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 mm_of_page(State s, u32 pfn) noexcept nogil
cdef void move_tail(State s, List *source, List *target) noexcept nogil
