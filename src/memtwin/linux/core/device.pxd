from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef u64 submit(State s, u32 device, u64 pages, bint write) noexcept nogil
cdef u64 emulation_ns(State s, u32 device, u64 pages) noexcept nogil
cdef u64 transfer(Device *d, u64 start_ns, u64 takes_ns, bint write) noexcept nogil
