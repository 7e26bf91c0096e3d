from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    LRU_GEN_CORE = 1        # bits of /sys/kernel/mm/lru_gen/enabled
    LRU_GEN_MM_WALK = 2
    LRU_GEN_NONLEAF_YOUNG = 4

cdef void lru_gen_add_mm(State s, u32 mm) noexcept nogil
cdef void lru_gen_del_mm(State s, u32 mm) noexcept nogil
cdef u64 bloom_item(State s, u32 pmd_table, u64 vpn) noexcept nogil
cdef bint test_bloom_filter(LruGenMmState *state, u64 seq, u64 item) noexcept nogil
cdef void update_bloom_filter(LruGenMmState *state, u64 seq, u64 item) noexcept nogil
cdef void reset_bloom_filter(LruGenMmState *state, u64 seq) noexcept nogil
cdef bint suitable_to_scan(u64 total, u64 young) noexcept nogil
cdef bint should_skip_vma(State s, u32 vma, bint can_swap) noexcept nogil
cdef bint clear_young(State s, u64 *entry, u64 new_seq, bint can_swap, bint promote) noexcept nogil
cdef bint walk_pte_range(State s, ScanControl *sc, u32 mm, u32 index, u64 first, u32 table) noexcept nogil
cdef void walk_huge_pmd(State s, ScanControl *sc, u32 table) noexcept nogil
cdef void walk_pmd(State s, ScanControl *sc, u32 mm, u32 index, u64 first) noexcept nogil
cdef void walk_mm(State s, ScanControl *sc, u32 mm) noexcept nogil
cdef u32 next_mm(State s, LruGenMmState *state, u32 mm) noexcept nogil
cdef u32 iterate_mm_list(State s, ScanControl *sc, bint *last) noexcept nogil
cdef bint try_to_inc_max_seq(State s, ScanControl *sc, bint can_swap, bint force_scan) noexcept nogil
cdef bint inc_max_seq_step(State s, ScanControl *sc) noexcept nogil
cdef u64 count_young(State s, u64 *entry, u64 count) noexcept nogil
cdef bint lru_gen_look_around(State s, u32 pfn, u32 vma, u64 vpn, u64 *entry) noexcept nogil
