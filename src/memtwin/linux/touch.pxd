from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef class Touch:
    cdef State s
    cdef Work work

cdef void forget_leaves(State s, Work *w) noexcept nogil
cdef void remember_walks(State s, Work *w) noexcept nogil
cdef Table *find_leaf(State s, Work *w, u64 vpn) noexcept nogil
cdef u32 fault_in(State s, Work *w, u64 vpn) noexcept nogil
cdef bint touch_pace(State s, Work *w, u64 until_ns) noexcept nogil
cdef u64 touch_ns(State s, Work *w) noexcept nogil
cdef bint is_over(State s, Work *w, u64 ns, u64 until_ns) noexcept nogil
cdef u64 hits_before(State s, Work *w, u64 hit_ns, u64 until_ns) noexcept nogil
cdef u32 touch_on(State s, Work *w, u64 until_ns) noexcept nogil
cdef u32 touch_batch(State s, Work *w, u64 until_ns) noexcept nogil

cdef u64 next_touch(Work *w) noexcept nogil
cdef u64 content_tag(u64 old, u64 opno, u64 page, u32 content) noexcept nogil
cdef u64 splitmix64(u64 *state) noexcept nogil
cdef u64 draw(Pattern *pattern, u64 number) noexcept nogil
cdef void fill_pattern(Pattern *pattern, u32 kind, u64 npages, u64 touches, u64 seed) noexcept nogil
cdef void set_shape(Pattern *pattern, u64 hot_percent, u64 prob_percent, u64 exponent) noexcept nogil
