from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef u64 disk_content(State s, u32 file, u64 index) noexcept nogil
cdef u32 filemap_get(State s, u32 file, u64 index) noexcept nogil
cdef void filemap_place(State s, u32 file, u64 index, u32 pfn, bint active) noexcept nogil
cdef bint filemap_add(State s, u32 file, u64 index, u32 pfn, u32 gfp) noexcept nogil
cdef u32 filemap_alloc(State s, u32 file, u64 index, u32 gfp) noexcept nogil
cdef void filemap_remove(State s, u32 pfn, u64 shadow) noexcept nogil
cdef bint create_buffers(State s, u32 pfn) noexcept nogil
cdef bint try_to_free_buffers(State s, u32 pfn) noexcept nogil
cdef void pin_buffer(State s, u32 pfn) noexcept nogil
cdef void wait_on_page_locked(State s, u32 pfn) noexcept nogil
cdef bint invalidate_page(State s, u32 pfn) noexcept nogil
cdef u64 invalidate_mapping(State s, u32 file) noexcept nogil
cdef bint needs_block(State s, u32 file, u64 index) noexcept nogil
cdef bint reserve_block(State s) noexcept nogil
cdef bint is_hole(State s, u32 file, u64 index) noexcept nogil
