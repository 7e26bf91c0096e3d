from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void mem_cgroup_flush_stats(State s) noexcept nogil

cdef inline u64 lruvec_page_state(Lruvec *lruvec, u32 lru) noexcept nogil:
    """Pages of a list as of the last flush."""
    return lruvec.flushed_lists[lru]
