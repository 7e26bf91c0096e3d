from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # what came of a range that was scanned
    SCAN_FAIL
    SCAN_SUCCEED
    SCAN_ALLOC_HUGE_PAGE_FAIL

cdef struct PteScan:        # what khugepaged counted in a table
    u32 none_or_zero
    u32 swapped
    u32 shared
    u32 referenced
    bint writable

cdef void khugepaged_enter_vma(State s, u32 vma, u32 vm_flags) noexcept nogil
cdef void khugepaged_enter(State s, u32 mm) noexcept nogil
cdef void khugepaged_exit(State s, u32 mm) noexcept nogil
cdef bint khugepaged_runnable(State s) noexcept nogil
cdef void khugepaged_step(State s) noexcept nogil
cdef void khugepaged_begin(State s) noexcept nogil
cdef void khugepaged_sleep(State s) noexcept nogil
cdef void khugepaged_advance(State s, Khugepaged *k) noexcept nogil
cdef u32 next_range(State s, Khugepaged *k) noexcept nogil
cdef bint count_entry(State s, u64 pte, PteScan *scan) noexcept nogil
cdef bint is_refcount_suitable(State s, u32 head) noexcept nogil
cdef bint scan_table(State s, u32 table, PteScan *scan) noexcept nogil
cdef bint mmap_is_locked(State s, u32 mm) noexcept nogil
cdef u32 scan_range(State s, u32 vma, u64 vpn) noexcept nogil
cdef bint swapin_range(State s, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 collapse_huge_page(State s, u32 vma, u64 vpn, u32 table, bint swapped) noexcept nogil
cdef bint isolate_table(State s, u32 table) noexcept nogil
cdef u32 copy_to_huge(State s, u32 mm, u32 table, u32 pfn) noexcept nogil
cdef void start_stop_khugepaged(State s) noexcept nogil
