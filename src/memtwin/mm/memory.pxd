from memtwin.mm.mm_types cimport Mm, Page, Pattern, Table, Task, Vma, i64, u32, u64
from memtwin.mm.state cimport State

cdef enum:
    FAULT_AROUND_PAGES = 16
    TASK_RSS_EVENTS_THRESH = 64
    PGD_ALLOCATION_ORDER = 1    # built with page-table isolation: room for two, in use or not

cdef u32 walk(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 walk_alloc(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 alloc_table(State s, u32 order) noexcept nogil
cdef void free_table(State s, u32 table, bint counted) noexcept nogil
cdef void sync_mm_rss(State s, u32 task) noexcept nogil
cdef i64 mm_rss(State s, u32 mm) noexcept nogil
cdef void update_hiwater_rss(State s, u32 mm) noexcept nogil
cdef u32 handle_mm_fault(State s, u32 task, u32 vma, u64 vpn, bint write) noexcept nogil
cdef u32 access_page(State s, u32 task, u64 vpn, bint write) noexcept nogil
cdef u32 do_anonymous_page(State s, u32 task, u32 vma, u64 vpn, u32 table, bint write) noexcept nogil
cdef u32 do_read_fault(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 do_cow_fault(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 do_wp_page(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 wp_page_copy(State s, u32 task, u32 vma, u64 vpn, u32 table, u64 tag) noexcept nogil
cdef void map_file_page(State s, u32 task, u32 table, u64 vpn, u32 pfn) noexcept nogil
cdef void put_page(State s, u32 pfn) noexcept nogil
cdef void check_tag(State s, u64 expected, u32 pfn, u32 check) noexcept nogil
cdef u32 copy_page_range(State s, u32 dst_mm, u32 src_mm, u32 dst_vma, u32 src_vma) noexcept nogil
cdef void copy_pte(State s, u32 dst_mm, u64 *dst, u64 *src, bint wrprotect) noexcept nogil
cdef void zap_page_range(State s, u32 task, u32 mm, u64 start, u64 end) noexcept nogil
cdef void zap_pte_range(State s, u32 task, u32 mm, u32 table, u64 start, u64 end) noexcept nogil
cdef void free_pgtables(State s, u32 mm, u64 floor, u64 ceiling) noexcept nogil
cdef u32 next_level(State s, u32 table, u64 vpn, u32 shift) noexcept nogil
cdef u32 new_anon_page(State s, u32 task, u32 vma, u64 vpn, u64 tag) noexcept nogil
cdef void free_tables_below(State s, u32 mm, u32 table, u64 base, u64 floor, u64 ceiling, u32 shift) noexcept nogil
