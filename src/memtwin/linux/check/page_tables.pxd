from memtwin.linux.core.mm_types cimport i32
from memtwin.linux.core.state cimport State

cdef class Check:
    cdef State s
    cdef tuple story
    cdef i32 *mapped            # mappings of each frame, as the page tables have them
    cdef dict entries           # page-table entries that hold each swap entry
