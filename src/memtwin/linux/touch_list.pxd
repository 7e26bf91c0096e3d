from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef struct Step:           # one batch of touches
    u64 first               # its first page, from the start of the range
    u32 pages
    bint is_read            # a list that writes only reads these

cdef class TouchList:
    cdef State s
    cdef Work work          # the step that is under way
    cdef Step *steps
    cdef u64 nr
    cdef u64 at
    cdef bint is_under_way
    cdef u64 began
    cdef u64 until
    cdef u64 done_before    # touches of the steps before
    cdef u32 task
    cdef u64 start
    cdef u64 first_page
    cdef bint write
    cdef u32 content
    cdef u64 opno

    cdef void begin(self) noexcept nogil
