from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void add_notice(State s, u32 kind, u32 order, u32 gfp, u32 victim) noexcept nogil
cdef void restore_moment(State new, void *moment) noexcept nogil
