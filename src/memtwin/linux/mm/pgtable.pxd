from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:
    TASK_RSS_EVENTS_THRESH = 64
    PERCPU_COUNTER_BATCH = 32
    PGD_ALLOCATION_ORDER = 1    # built with page-table isolation: room for two, in use or not

cdef enum:                  # where a page's content was found to be wrong
    CHECK_AT_WRITE_FAULT = 1
    CHECK_AT_UNMAP
    CHECK_AT_TOUCH
    CHECK_AT_DROP
    CHECK_AT_SWAP_IN

cdef bint pmdp_test_and_clear_young(State s, u32 table, u64 vpn) noexcept nogil
cdef u32 pmd_table(State s, u32 mm, u64 vpn) noexcept nogil
cdef void pmd_mkyoung(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 walk(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 walk_alloc(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 alloc_tables(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 alloc_table(State s, u32 order, u32 owner) noexcept nogil
cdef void free_table(State s, u32 table, bint counted) noexcept nogil
cdef u32 next_level(State s, u32 table, u64 vpn, u32 shift) noexcept nogil
cdef void free_pgtables(State s, u32 mm, u64 floor, u64 ceiling) noexcept nogil
cdef void free_tables_below(State s, u32 mm, u32 table, u64 base, u64 floor, u64 ceiling, u32 shift) noexcept nogil
cdef void add_mm_counter_fast(State s, u32 task, u32 mm, u32 kind, i64 pages) noexcept nogil
cdef void sync_mm_rss(State s, u32 task) noexcept nogil
cdef i64 mm_counter(State s, u32 mm, u32 kind) noexcept nogil

cdef inline u32 mm_counter_of(State s, u32 pfn) noexcept nogil:
    """Which of an address space's counters a mapped page is in (the kernel's ``mm_counter``)."""
    if s.pages[pfn].owner == OWNER_ANON:
        return MM_ANONPAGES
    return MM_SHMEMPAGES if s.pages[pfn].flags & PG_SWAPBACKED else MM_FILEPAGES

cdef i64 mm_rss(State s, u32 mm) noexcept nogil
cdef void update_hiwater_rss(State s, u32 mm) noexcept nogil

cdef inline void check_tag(State s, u64 expected, u32 pfn, u32 check) noexcept nogil:
    """Note an anonymous page whose content is not what the address's owner last wrote."""
    if s.pages[pfn].owner == OWNER_ANON and s.pages[pfn].tag != expected and not s.broken:
        s.broken = check

cdef void fold_rss_batch(State s, Task *t) noexcept nogil
cdef void count_retried_fault(State s, u32 task) noexcept nogil
cdef void count_fault(State s, u32 task) noexcept nogil
cdef u64 content_at(State s, u32 task, u64 vpn) noexcept nogil
cdef void store_content(State s, u32 task, u64 vpn, u64 tag) noexcept nogil
