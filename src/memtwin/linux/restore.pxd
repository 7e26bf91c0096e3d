from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cpdef enum:              # AnonState: where a restored anonymous page is
    INACTIVE
    ACTIVE
    LOCKED              # mlocked: on the unevictable list
    LAZYFREE            # given up with MADV_FREE: on the inactive file list, clean

cdef u64 content_of(u64 task, u64 vpn, u32 kind) noexcept nogil
