from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:                  # fixed point of 11 bits
    FIXED_1 = 2048
    EXP_1 = 1884            # FIXED_1 / exp(5 s / 1 min)
    EXP_5 = 2014            # FIXED_1 / exp(5 s / 5 min)
    EXP_15 = 2037           # FIXED_1 / exp(5 s / 15 min)

cdef u64 calc_load(u64 load, u64 exp, u64 active) noexcept nogil
cdef void calc_global_load(State s) noexcept nogil
cdef u64 nr_busy_runners(State s) noexcept nogil
