from memtwin.mm.mm_types cimport File, NR_MM_COUNTERS, Page, XaNode, i32, i64, u8, u32, u64
from memtwin.mm.state cimport State

cdef class Check:
    cdef State s
    cdef tuple story
    cdef i32 *mapped            # mappings of each frame, as the page tables have them
    cdef i64 owners[8]
