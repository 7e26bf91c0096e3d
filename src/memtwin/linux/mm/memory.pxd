from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u32 handle_pte_fault(State s, u32 task, u32 vma, u64 vpn, bint write) noexcept nogil
cdef u32 handle_mm_fault(State s, u32 task, u32 vma, u64 vpn, bint write) noexcept nogil
cdef u32 access_remote_page(State s, u32 task, u32 mm, u64 vpn, bint write) noexcept nogil
cdef u32 access_page(State s, u32 task, u64 vpn, bint write) noexcept nogil
cdef u32 new_anon_page(State s, u32 task, u32 vma, u64 vpn, u64 tag) noexcept nogil
cdef u32 do_anonymous_page(State s, u32 task, u32 vma, u64 vpn, u32 table, bint write) noexcept nogil
cdef void map_file_page(State s, u32 task, u32 vma, u32 table, u64 vpn, u32 pfn) noexcept nogil
cdef bint do_fault_around(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef void count_retry(State s, u32 task, u32 tries) noexcept nogil
cdef u32 filemap_fault(State s, u32 vma, u64 vpn, u32 *tries) noexcept nogil
cdef u32 take_tries(State s, u32 task) noexcept nogil
cdef u32 file_page(State s, u32 task, u32 vma, u64 vpn) noexcept nogil
cdef u32 do_read_fault(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef bint page_mkwrite(State s, u32 pfn) noexcept nogil
cdef u32 do_shared_fault(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 do_cow_fault(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 wp_page_copy(State s, u32 task, u32 vma, u64 vpn, u32 table, u32 source) noexcept nogil
cdef u32 do_wp_page(State s, u32 task, u32 vma, u64 vpn, u32 table) noexcept nogil
cdef u32 wp_page_reuse(State s, u64 *entry) noexcept nogil
cdef u32 wp_page_shared(State s, u64 *entry, u32 pfn) noexcept nogil
cdef bint may_reuse(State s, u32 pfn) noexcept nogil
cdef u32 do_fault(State s, u32 task, u32 vma, u64 vpn, u32 table, bint write) noexcept nogil
