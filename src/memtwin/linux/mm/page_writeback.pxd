from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *

cdef void wb_list_del(State s, u32 file) noexcept nogil
cdef void wb_list_add(State s, u32 file, u32 which) noexcept nogil
cdef void mark_inode_dirty(State s, u32 file) noexcept nogil
cdef void arm_flusher(State s) noexcept nogil
cdef void wake_flusher(State s) noexcept nogil
cdef i64 stat_threshold(State s) noexcept nogil
cdef void vmstat_update(State s, Cpu *cpu) noexcept nogil
cdef void count_by_itself(State s, u32 item, i64 pages) noexcept nogil
cdef u64 counted(State s, u32 item) noexcept nogil
cdef bint is_accounted(State s, u32 file) noexcept nogil
cdef void set_page_dirty(State s, u32 pfn) noexcept nogil
cdef void clear_dirty(State s, u32 pfn) noexcept nogil
cdef bint clear_page_dirty_for_io(State s, u32 pfn) noexcept nogil
cdef void set_page_writeback(State s, u32 pfn) noexcept nogil
cdef void note_slot_content(State s, u32 pfn) noexcept nogil
cdef void end_page_writeback(State s, u32 pfn) noexcept nogil
cdef void age_completions(State s) noexcept nogil
cdef bint over_bground_thresh(State s) noexcept nogil
cdef void update_bandwidth(State s) noexcept nogil
cdef void update_dirty_ratelimit(State s, u64 dirty, u64 setpoint, u64 ratio) noexcept nogil
cdef u64 position_ratio(u64 dirty, u64 freerun, u64 limit) noexcept nogil
cdef void balance_dirty_pages_ratelimited(State s) noexcept nogil
cdef void balance_dirty_pages(State s, u32 task) noexcept nogil
cdef u64 wb_stat_error(State s) noexcept nogil
cdef u64 max_pause(State s, u64 dirty) noexcept nogil
cdef u64 log2_of(u64 value) noexcept nogil
cdef u64 min_pause(State s, u64 rate, u64 longest, u64 *pages) noexcept nogil
cdef void owe_pause(Task *t, u64 now, i64 period, i64 pause) noexcept nogil
cdef bint pause_writer(State s, u32 task, u64 dirty, u64 limit, u64 freerun) noexcept nogil
