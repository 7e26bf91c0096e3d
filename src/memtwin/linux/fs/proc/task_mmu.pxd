from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef struct SmapsTotals:
    u64 resident
    u64 pss                 # fixed point, 12 bits, as all pss_*
    u64 pss_dirty
    u64 pss_anon
    u64 pss_file
    u64 pss_shmem
    u64 shared_clean
    u64 shared_dirty
    u64 private_clean
    u64 private_dirty
    u64 referenced
    u64 anonymous
    u64 lazyfree
    u64 swap
    u64 swap_pss
    u64 locked
    u64 huge                # of which in huge entries

cdef void smaps_account(State s, u64 pte, bint locked, SmapsTotals *totals) noexcept nogil
cdef void smaps_range(State s, u32 mm, u32 vma, SmapsTotals *totals) noexcept nogil
cdef bint thp_eligible(State s, u32 vma) noexcept nogil
cdef void clear_totals(SmapsTotals *totals) noexcept nogil
cdef dict totals_by_label(SmapsTotals *totals)
cdef u32 kind_of_pte(State s, u64 pte) noexcept nogil
cdef void clear_refs_range(State s, u32 mm, u32 vma) noexcept nogil
