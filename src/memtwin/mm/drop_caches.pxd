from memtwin.mm.mm_types cimport u32, u64
from memtwin.mm.state cimport State

cdef void drop_pagecache(State s) noexcept nogil
