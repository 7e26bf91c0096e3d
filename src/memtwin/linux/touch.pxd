from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef class Touch:
    cdef State s
    cdef u32 task
    cdef u64 start_vpn
    cdef u64 first_page         # number of the first page within its region
    cdef bint write
    cdef u32 content
    cdef u64 opno
    cdef Pattern pattern
    cdef Pace pace
    cdef u64 hits_per_charge    # touches between two charges; 0: each is charged, for the pace is kept after it
    cdef readonly u64 done      # touches made
    cdef i64 pending            # page drawn but not yet touched, or -1
    cdef u64 nr_leaves
    cdef u64 walks              # of page tables, when tables were looked up
    cdef Table **leaves         # PTE table of each 2 MiB of the range, once it was looked up

cdef void forget_leaves(State s, Touch t) noexcept nogil
cdef void remember_walks(State s, Touch t) noexcept nogil
cdef Table *find_leaf(State s, Touch t, u64 vpn) noexcept nogil
cdef u32 fault_in(State s, Touch t, u64 vpn) noexcept nogil
cdef bint touch_pace(State s, Touch t, u64 until_ns) noexcept nogil
cdef void begin_touches(State s, Touch t) noexcept nogil
cdef u32 touch_batch(State s, Touch t, u64 until_ns) noexcept nogil

cdef u64 next_touch(Touch t) noexcept nogil
cdef u64 content_tag(u64 old, u64 opno, u64 page, u32 content) noexcept nogil
cdef u64 splitmix64(u64 *state) noexcept nogil
cdef u64 draw(Pattern *pattern, u64 number) noexcept nogil
cdef void fill_pattern(Pattern *pattern, u32 kind, u64 npages, u64 touches, u64 seed) noexcept nogil
cdef void set_shape(Pattern *pattern, u64 hot_percent, u64 prob_percent, u64 exponent) noexcept nogil
