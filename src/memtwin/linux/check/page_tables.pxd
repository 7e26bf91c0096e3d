from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef class Check:
    cdef State s
    cdef tuple story
    cdef i32 *mapped            # mappings of each frame, as the page tables have them
    cdef dict entries           # page-table entries that hold each swap entry
    cdef dict huge_entries      # PMD entries that map each huge page
    cdef i64 mapped_by_huge_entries
    cdef i64 deferred           # huge pages that say they wait to be split

cdef bint holds_what_was_written(State s, u32 entry, u64 tag) noexcept nogil
