from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef void mlock_fixup(State s, u32 mm, u32 index, u64 start, u64 end, bint lock) noexcept nogil
cdef void mlock_range(State s, u32 mm, u64 start, u64 end, bint lock) noexcept nogil
cdef void mlock_huge_pmd(State s, u32 table, bint lock) noexcept nogil
cdef u32 populate(State s, u32 task, u64 start, u64 end) noexcept nogil
cdef bint mlock_future_check(State s, u32 task, u32 flags, u64 pages) noexcept nogil
cdef u64 count_mm_mlocked_page_nr(State s, u32 mm, u64 start, u64 end) noexcept nogil
cdef u32 may_lock(State s, u32 task, u64 start, u64 end) noexcept nogil
cdef u32 do_mlock(State s, u32 task, u64 start, u64 end, bint lock) noexcept nogil
