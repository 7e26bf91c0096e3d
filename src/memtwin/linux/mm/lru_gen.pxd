from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef struct CtrlPos:        # how many pages of a tier came back, of how many that went
    u64 refaulted
    u64 total
    u64 gain

cdef inline u32 lru_gen_from_seq(u64 seq) noexcept nogil:
    """The place of a generation among the lists."""
    return seq & 3

cdef inline u32 page_lru_gen(State s, u32 pfn) noexcept nogil:
    """The place of a page's generation, plus 1; 0: it is on no list of the multi-gen LRU."""
    return (s.pages[pfn].flags & 0x1c0000) >> 18

cdef inline bint lru_gen_is_active(LruGen *gen, u32 place) noexcept nogil:
    """Whether a generation is one of the two youngest: those that count as active."""
    return place == (gen.max_seq & 3) or place == ((gen.max_seq - 1) & 3)

cdef inline u64 get_nr_gens(LruGen *gen, u32 kind) noexcept nogil:
    """How many generations of a type there are."""
    return gen.max_seq - gen.min_seq[kind] + 1

cdef u32 page_type(State s, u32 pfn) noexcept nogil
cdef u32 list_of(Page *page) noexcept nogil
cdef void note_list(Page *page, u32 place) noexcept nogil
cdef u32 page_lru_refs(State s, u32 pfn) noexcept nogil
cdef u32 lru_tier_from_refs(u32 refs) noexcept nogil
cdef void update_lru_size(State s, u32 zone, u32 lru, i64 delta) noexcept nogil
cdef void lru_gen_update_size(State s, u32 pfn, u32 old, u32 new) noexcept nogil
cdef bint lru_gen_add_page(State s, u32 pfn, bint reclaiming) noexcept nogil
cdef bint lru_gen_del_page(State s, u32 pfn, bint reclaiming) noexcept nogil
cdef void page_inc_refs(State s, u32 pfn) noexcept nogil
cdef bint page_update_gen(State s, u32 pfn, u32 place) noexcept nogil
cdef u32 page_inc_gen(State s, u32 pfn, bint reclaiming) noexcept nogil
cdef void lru_gen_move(State s, u32 pfn, u32 place, bint tail) noexcept nogil
cdef void read_ctrl_pos(LruGen *gen, u32 kind, u32 tier, u64 gain, CtrlPos *pos) noexcept nogil
cdef void reset_ctrl_pos(LruGen *gen, u32 kind) noexcept nogil
cdef bint positive_ctrl_err(CtrlPos *sp, CtrlPos *pv) noexcept nogil
cdef void inc_min_seq(State s, LruGen *gen, u32 kind, bint can_swap) noexcept nogil
cdef bint try_to_inc_min_seq(State s, LruGen *gen, bint can_swap) noexcept nogil
cdef bint inc_max_seq(State s, LruGen *gen, u64 seq, bint can_swap) noexcept nogil
cdef bint is_empty_gen(LruGen *gen, u32 place, u32 kind) noexcept nogil
