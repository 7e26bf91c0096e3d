from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef enum:                  # what became of a page that was to be written to swap
    SWAP_STARTED            # it is on its way
    SWAP_WRITTEN            # it is there already
    SWAP_DROPPED            # its slot was not needed any more and is freed
    SWAP_FAILED             # the device has no room for it

cdef BlkPlug *plug_of(State s) noexcept nogil
cdef u32 mergeable_bio(State s, u32 entry) noexcept nogil
cdef bint finish_plug(State s) noexcept nogil
cdef bint finish_plugs(State s) noexcept nogil
cdef bint flush_plug(State s, BlkPlug *plug) noexcept nogil
cdef void add_object(State s, u32 bio, u32 pfn, u32 slab) noexcept nogil
cdef void plug_page(State s, u32 pfn) noexcept nogil
cdef u32 swap_writepage(State s, u32 pfn) noexcept nogil
cdef bint store_locked(State s, u32 pfn, u32 entry) noexcept nogil
cdef bint is_zeroes(State s, u32 pfn) noexcept nogil
cdef u32 write_to_device(State s, u32 pfn) noexcept nogil
cdef void read_from_slot(State s, u32 pfn, u32 *bio) noexcept nogil
cdef void swap_readpage(State s, u32 pfn, u32 *bio) noexcept nogil
