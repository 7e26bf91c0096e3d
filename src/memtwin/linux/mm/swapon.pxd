from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void init_area(State s, u32 area, u32 pages, bint ssd, bint synchronous) noexcept nogil
cdef u64 *entry_at(State s, u32 mm, u64 vpn) noexcept nogil
cdef u32 unuse_page(State s, u32 vma, u64 vpn, u32 entry) noexcept nogil
cdef u32 unuse_mm(State s, u32 mm, u32 area) noexcept nogil
cdef void unuse_cache(State s, u32 area) noexcept nogil
cdef u32 try_to_unuse(State s, u32 area) noexcept nogil
