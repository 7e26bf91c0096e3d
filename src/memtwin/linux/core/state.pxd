from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.pool cimport Pool
from memtwin.linux.core.vmstat cimport *

cdef extern from *:
    """
    #ifdef MEMTWIN_DEBUG
    enum { memtwin_debug = 1 };
    #else
    enum { memtwin_debug = 0 };
    #endif
    """
    const int DEBUG "memtwin_debug"    # the debug build checks contents at every touch, everything after every operation


cdef enum:                  # Event.kind
    EVENT_LOADAVG
    EVENT_PSI
    EVENT_BIO               # a request to a device, Event.arg, is complete
    EVENT_IO_END            # the requests that end with Event.arg are complete
    EVENT_THREAD            # a background thread's sleep is over
    EVENT_VMSTAT            # a cpu's own lists are trimmed, once a second
    EVENT_FLUSH_STATS       # the counters that reclaim goes by are flushed


cdef struct SlabCache:
    u32 object_size         # as slabinfo prints it, padding included
    u32 per_slab
    u32 order
    u32 reclaimable
    u64 nr_slabs
    u64 nr_pages
    u64 room                # objects that all slabs have room for
    u64 nr_objects          # in use, as callers see it
    u64 free_partial        # free objects of the slabs on the node's partial list
    List partial            # the node's slabs with free objects, through the head frames
    List cpu_partial        # the cpu's own: nothing leaves it but to be allocated from, or all of it when it is full
    u32 cpu_partial_slabs   # when that is
    u32 cpu_slab            # head frame of the slab that allocations come from
    u32 min_partial


cdef struct Sysctls:        # what the model reads, in the order of mm_init.SYSCTL_FIELDS; sysctl.py has the meaning
    i64 min_free_kbytes
    i64 watermark_scale_factor
    i64 watermark_boost_factor
    i64 percpu_pagelist_high_fraction
    i64 overcommit_memory
    i64 overcommit_ratio
    i64 overcommit_kbytes
    i64 admin_reserve_kbytes
    i64 user_reserve_kbytes
    i64 max_map_count
    i64 dirty_ratio
    i64 dirty_background_ratio
    i64 dirty_bytes
    i64 dirty_background_bytes
    i64 dirty_expire_centisecs
    i64 dirty_writeback_centisecs
    i64 swappiness
    i64 vfs_cache_pressure
    i64 page_cluster
    i64 panic_on_oom
    i64 oom_kill_allocating_task
    i64 oom_dump_tasks
    i64 compaction_proactiveness
    i64 extfrag_threshold
    i64 lowmem_reserve_ratio[MAX_NR_ZONES]


cdef class State:
    # Everything between first_ and last_ is plain memory: copy() copies it whole and then the arrays behind pointers.
    cdef u64 first_
    cdef u64 now_ns
    cdef u64 max_pfn
    cdef u32 nr_cpus
    cdef u32 cpu                    # the one whose turn it is
    cdef Page *pages                # [max_pfn]
    cdef u8 *pageblock              # migratetype of each pageblock
    cdef u8 *pageblock_skip         # whether compaction passes it over
    cdef u32 capture_zone           # a direct compaction takes the next block of capture_order that comes free in it
    cdef i32 capture_order          # 0: none does
    cdef u32 captured               # the block that it got
    cdef Pgdat node_data[MAX_NUMNODES]
    cdef Cpu *cpus                  # [nr_cpus]
    cdef Cpu *cpu_now               # &cpus[cpu]
    cdef Rq rq
    cdef SchedEntity entities[NR_SCHED_ENTITIES + MAX_RUNNERS]
    cdef u32 nr_entities            # ever used
    cdef Bdi bdi                    # the disk that files lie on
    cdef u64 event[NR_VM_EVENT_ITEMS]
    cdef List shadow_nodes          # tree nodes that hold nothing but shadows, the newest first; through XaNode
    cdef List dentry_lru            # unused dentries, the newest first; through Dentry
    cdef u32 dentry_serial
    cdef u64 shrink_deferred[6]     # objects that a pass did not come to, by shrinker
    cdef u64 scan_balance[NR_SCAN_BALANCES]  # decisions of reclaim so far, by reason
    cdef u64 ratelimit_pages         # of any writers on a cpu, until the one that writes comes to a balance point
    cdef u64 zone_end[2]            # one past the last frame of DMA, of DMA32
    cdef Runner runners[MAX_RUNNERS]    # runner i is the entity NR_SCHED_ENTITIES + i
    cdef u32 nr_runners             # that have work
    cdef u32 nr_ended               # whose work has ended, and is not collected yet
    cdef u32 runner                 # the entity of the runner whose piece of work is done now; 0: none's
    cdef bint main_idles            # the main line waits for nothing but time, or for runners
    cdef u32 suspended              # the task that it interrupts
    cdef bint in_thread             # a background thread runs, not the task
    cdef bint aside                 # a thread or runner works on another cpu: the time that it takes is not this cpu's
    cdef bint tlb_flush_pending     # entries were cleared that a task on another CPU may still use
    cdef bint tlb_writable          # a page of those had been written to
    cdef u64 interrupted_ns         # what interrupts took of the first CPU, and its task has not spent yet
    cdef u64 thread_ns              # what its piece of work took so far, on another cpu
    cdef u64 journal_due_ns         # when the running transaction is committed; 0: there is none
    cdef u32 journal_blocks
    cdef u32 journal_bdev
    cdef bint journal_used
    cdef bint panicked              # the machine stopped: no process could be killed, or vm.panic_on_oom
    cdef u64 first_reclaim_ns       # when kswapd was woken first; 0: never
    cdef u64 totalreserve_pages
    cdef u64 total_swap_pages
    cdef i64 nr_swap_pages          # free ones, as SwapFree counts them
    cdef SwapArea areas[32]
    cdef u32 avail[32]              # areas with free slots, by priority, the next to use first among equals
    cdef u32 nr_avail
    cdef u32 nr_areas               # ever used
    cdef bint swap_slots_active
    cdef u32 nr_rotating            # areas that make readahead go by slots
    cdef SwapRa swap_ra             # of all, where it goes by slots
    cdef u32 bio_pool[BIO_POOL_SIZE]
    cdef u32 bio_pool_nr
    cdef ZsClass zs_class[ZS_SIZE_CLASSES]
    cdef u64 zs_freeable[2]         # pages that compaction of zram's pool could free, and of zswap's
    cdef Zswap zswap
    cdef u32 split_anon_vma         # root whose lock is held by who splits a huge page and does not run; 0: none
    cdef u16 compressed_length[8][NR_CONTENTS][2]   # by algorithm and content: mean bytes, and how far they spread
    cdef u32 compress_ns[8][NR_CONTENTS]            # how long that takes, by the same
    cdef u32 decompress_ns[8][NR_CONTENTS]
    cdef i64 committed_as           # pages
    cdef u64 tmpfs_max_blocks[9]    # pages that each tmpfs may have, from 1; 0: there is no limit
    cdef u64 tmpfs_used_blocks[9]
    cdef u32 full_tmpfs             # the one that was full last
    cdef u64 disk_max_blocks        # pages that may be written beside what files have; 0: there is no limit
    cdef u64 disk_used_blocks
    cdef u64 shm_ctlmax             # kernel.shmmax, bytes
    cdef u64 shm_ctlall             # kernel.shmall, pages
    cdef u64 shm_tot                # pages of all System V segments
    cdef u32 stack_cache[128][4]    # frames of kernel stacks kept for the next thread
    cdef u32 nr_stacks_cached
    cdef u32 known_cache[NR_KNOWN_CACHES]  # KnownCache -> cache; 0: not known
    cdef u32 nr_threads
    cdef i64 vmalloc_used           # pages
    cdef u64 cost_ns[NR_COSTS]
    cdef Sysctls sysctl
    cdef Pool tasks                 # NR_POOLS pools stand side by side, tasks first
    cdef Pool mms
    cdef Pool vmas
    cdef Pool anon_vmas
    cdef Pool avcs
    cdef Pool files
    cdef Pool filps
    cdef Pool nodes
    cdef Pool bios
    cdef Pool dentries
    cdef Pool zspages
    cdef Pool zbud_pages
    cdef Pool caches
    cdef Table **tables             # page tables, in chunks that never move
    cdef u32 *table_pfn             # the frame of each table
    cdef u32 nr_tables              # ever used, entry 0 included
    cdef u32 free_table             # head of the list of freed tables, through entry[0]
    cdef u32 cap_tables
    cdef u32 refusal                # of the running operation: a Refusal
    cdef u32 alloc_error            # why the last allocation failed: an Outcome
    cdef u64 broken                 # which check of a page's content failed first; 0: none
    cdef u64 next_event_ns          # time of the first event in the queue
    cdef Event *events              # a binary heap, entry 1 first
    cdef u32 nr_events
    cdef u32 cap_events
    cdef u32 event_serial
    cdef NoticeItem *notices        # what was reported since it was last asked for
    cdef u32 nr_notices
    cdef u32 cap_notices
    cdef Device devices[32]
    cdef u32 nr_devices
    cdef u32 nr_active              # tasks running or in uninterruptible sleep
    cdef u64 avenrun[3]             # load averages, fixed point with 11 bits
    cdef u64 psi_avg[3][2][3]       # pressure of memory, io, cpu; some, full; over 10, 60, 300 s; fixed point
    cdef u64 psi_total_ns[3][2]
    cdef u64 psi_avg_last_ns        # when the averages took their last step; 0: they did not yet
    cdef u64 psi_last_ns[3][2]
    cdef u64 cpu_user_ns
    cdef u64 cpu_system_ns
    cdef u64 cpu_idle_ns
    cdef u64 cpu_iowait_ns
    cdef u64 thread_time_ns         # of kswapd and the flusher, on the task's cpu
    cdef u64 runner_user_ns         # of runners' programs, on the task's cpu
    cdef u64 thread_time_before_ns  # when the operation began
    cdef u64 task_wait_ns           # time that the running operation spent waiting
    cdef u64 task_sleep_ns          # time that it slept of its own will
    cdef u64 idle_iowait_ns         # of the running operation: what iowait has of the time in which nothing ran
    cdef u64 task_queue_ns          # time that it waited for a cpu, with more than one
    cdef u64 accounted_ns           # time that was accounted to each CPU
    cdef u64 stall_since_ns         # when the piece of work aside began to reclaim, on its own clock
    cdef Features features          # what this kernel does otherwise than 6.1
    cdef u32 lru_gen_caps           # /sys/kernel/mm/lru_gen/enabled: what the multi-gen LRU uses; 0: it is off
    cdef u64 lru_gen_min_ttl_ns     # working set that is kept, or the OOM killer runs
    cdef i64 user_min_free_kbytes   # as an administrator wrote it; -1: it is the kernel's own
    cdef u32 thp                    # /sys/kernel/mm/transparent_hugepage: THP_…
    cdef u32 huge_zero_page         # its first frame; 0: there is none
    cdef u32 huge_zero_users        # address spaces that map it, and its shrinker
    cdef Khugepaged khugepaged
    cdef u64 last_
    cdef u32 looks_left             # of is_cut_off(), before Python is asked for a signal again
    cdef bint cut_off               # one has come: what is under way ends early, and is no whole operation
    cdef object cut_off_by          # the exception that its handler raised

    cpdef State copy(self)


ctypedef void (*Hook)(State s) noexcept nogil
ctypedef u32 (*AllocHook)(State s, u32 order, u32 gfp) noexcept nogil
ctypedef void (*TimeHook)(State s, u64 ns) noexcept nogil

cdef struct Hooks:          # calls upwards, all of them set by linux/init.py
    Hook run_events         # carry out what is due
    Hook cond_resched       # let threads that were woken run
    Hook io_schedule        # the task waits: another runs, or time passes to the next event
    TimeHook schedule_timeout   # the task sleeps until a point in time
    TimeHook io_schedule_timeout    # the same, and it is a device that it waits for
    TimeHook nanosleep      # the program sleeps of its own will until a point in time
    AllocHook alloc_slow    # the allocator's slow path
    Hook shrink_zswap       # zswap's worker was queued: it takes the CPU at once

cdef Hooks hooks

cdef u32 table_get(State s) noexcept nogil
cdef void table_put(State s, u32 table) noexcept nogil

cdef inline void spend_ns(State s, u64 ns) noexcept nogil:
    """Let *ns* of the running task's time pass, and what is due happen; a thread has a cpu of its own if there is one."""
    if s.aside:
        s.thread_ns += ns
        return
    s.now_ns += ns
    if s.now_ns >= s.next_event_ns:
        hooks.run_events(s)

cdef inline u64 local_clock(State s) noexcept nogil:
    """The time for who runs now, which may be ahead on a cpu of its own."""
    return s.now_ns + s.thread_ns

cdef inline Runner *this_runner(State s) noexcept nogil:
    """The runner whose piece of work is done now."""
    return &s.runners[s.runner - NR_SCHED_ENTITIES]

cdef inline bint in_pieces(State s) noexcept nogil:
    """Whether who runs now must return where it has to wait: a runner, and no thread in its place."""
    return s.runner != 0 and not s.in_thread

cdef inline bint must_return(State s) noexcept nogil:
    """Whether the runner that runs now waits for something: it returns up the stack, and its step is retried."""
    return s.runner != 0 and s.runners[s.runner - NR_SCHED_ENTITIES].wait != WAIT_NONE

cdef void look_for_signal(State s) noexcept with gil

cdef inline bint is_cut_off(State s) noexcept nogil:
    """Whether a signal of the host (^C) ends what is under way: to be asked in every loop that may go on for long."""
    if s.looks_left:
        s.looks_left -= 1
        return s.cut_off
    look_for_signal(s)
    return s.cut_off

cdef inline Cpu *this_cpu(State s) noexcept nogil:
    """The CPU whose turn it is."""
    return s.cpu_now

cdef inline Zone *zone_at(State s, u32 zone) noexcept nogil:
    """A zone by its number among those of all nodes."""
    return &s.node_data[0].zones[zone]

cdef inline Pgdat *scanned_pgdat(State s, ScanControl *sc) noexcept nogil:
    """The node that a reclaim works on."""
    return &s.node_data[0]

cdef inline Pgdat *page_pgdat(State s, u32 pfn) noexcept nogil:
    """The node that a frame belongs to."""
    return &s.node_data[0]

cdef inline Lruvec *page_lruvec(State s, u32 pfn) noexcept nogil:
    """The lists that a page is on (folio_lruvec): its node's."""
    return &page_pgdat(s, pfn).lruvec

cdef inline i64 nr_pages(State s, u32 pfn) noexcept nogil:
    """How many pages a frame in use stands for: 1, or those of the block that it heads."""
    return (<i64> 1) << s.pages[pfn].order

cdef inline bint is_huge(State s, u32 pfn) noexcept nogil:
    """Whether a frame is the first of a huge page (folio_test_large)."""
    return s.pages[pfn].flags & PG_HUGE != 0

cdef inline bint is_compound(State s, u32 pfn) noexcept nogil:
    """Whether a frame is one of a huge page's (PageCompound)."""
    return s.pages[pfn].flags & (PG_HUGE | PG_TAIL) != 0

cdef inline u32 compound_head(State s, u32 pfn) noexcept nogil:
    """The frame that has a page's references, list and flags: itself, or the first of its huge page."""
    return pfn & ~(<u32> HPAGE_PMD_NR - 1) if s.pages[pfn].flags & PG_TAIL else pfn

cdef inline u32 *entire_mapcount(State s, u32 head) noexcept nogil:
    """PMD entries that map a huge page."""
    return &s.pages[head + 2].next

cdef inline u32 *ptes_mapcount(State s, u32 head) noexcept nogil:
    """Page-table entries of single pages that map one of a huge page's frames."""
    return &s.pages[head + 2].prev

cdef inline i32 page_mapped(State s, u32 pfn) noexcept nogil:
    """How many entries of either level map a page, as a whole or in parts (folio_mapcount)."""
    if not is_huge(s, pfn):
        return s.pages[pfn].mapcount
    return <i32> (entire_mapcount(s, pfn)[0] + ptes_mapcount(s, pfn)[0])

cdef inline i64 global_node_page_state(State s, u32 item) noexcept nogil:
    """A node counter, over all nodes."""
    return s.node_data[0].stat[item]

cdef inline void mod_node_page_state(State s, u32 item, i64 n) noexcept nogil:
    """Move a node counter of what is no page on a list: stacks in KiB, tables, slabs, tree nodes."""
    s.node_data[0].stat[item] += n

cdef inline void mod_lruvec_page_state(State s, u32 pfn, u32 item, i64 n) noexcept nogil:
    """Move a counter of a page's node by *n*: a page that comes or goes counts for nr_pages()."""
    page_pgdat(s, pfn).stat[item] += n

cdef inline Table *table_at(State s, u32 table) noexcept nogil:
    return &s.tables[table >> 8][table & 255]

cdef inline Task *task_at(State s, u32 task) noexcept nogil:
    return &(<Task *> s.tasks.items)[task]

cdef inline Mm *mm_at(State s, u32 mm) noexcept nogil:
    return &(<Mm *> s.mms.items)[mm]

cdef inline void set_current(State s, u32 task) noexcept nogil:
    """Let *task* be who runs: its page tables are worth a walk from now on."""
    s.cpu_now.current = task
    mm_at(s, task_at(s, task).mm).gen_used = True

cdef inline Vma *vma_at(State s, u32 vma) noexcept nogil:
    return &(<Vma *> s.vmas.items)[vma]

cdef inline AnonVma *anon_vma_at(State s, u32 anon_vma) noexcept nogil:
    return &(<AnonVma *> s.anon_vmas.items)[anon_vma]

cdef inline AnonVmaChain *avc_at(State s, u32 avc) noexcept nogil:
    return &(<AnonVmaChain *> s.avcs.items)[avc]

cdef inline File *file_at(State s, u32 file) noexcept nogil:
    return &(<File *> s.files.items)[file]

cdef inline u32 file_page(File *f, u64 index) noexcept nogil:
    """The frame of a page of a file; 0: it is not cached."""
    cdef FileChunk *chunk = f.chunks[index >> 6]
    return chunk.pages[index & 63] if chunk else 0

cdef inline u64 file_shadow(File *f, u64 index) noexcept nogil:
    """What is remembered of a page that was evicted; 0: nothing."""
    cdef FileChunk *chunk = f.chunks[index >> 6]
    return chunk.shadows[index & 63] if chunk else 0

cdef inline u64 file_block(File *f, u64 index) noexcept nogil:
    """The content of a page on the device, plus 1; 0: as it was created."""
    cdef FileChunk *chunk = f.chunks[index >> 6]
    return chunk.disk[index & 63] if chunk else 0

cdef inline ZsPage *zspage_at(State s, u32 zspage) noexcept nogil:
    return &(<ZsPage *> s.zspages.items)[zspage]

cdef inline ZbudPage *zbud_at(State s, u32 zbud) noexcept nogil:
    return &(<ZbudPage *> s.zbud_pages.items)[zbud]

cdef inline SwapArea *area_of(State s, u32 entry) noexcept nogil:
    """The area of a swap entry."""
    return &s.areas[entry >> 27]

cdef inline u32 slot_of(u32 entry) noexcept nogil:
    """The slot of a swap entry."""
    return entry & 0x7ffffff

cdef inline Filp *filp_at(State s, u32 filp) noexcept nogil:
    return &(<Filp *> s.filps.items)[filp]

cdef inline XaNode *node_at(State s, u32 node) noexcept nogil:
    return &(<XaNode *> s.nodes.items)[node]

cdef inline Bio *bio_at(State s, u32 bio) noexcept nogil:
    return &(<Bio *> s.bios.items)[bio]

cdef inline SlabCache *cache_at(State s, u32 cache) noexcept nogil:
    return &(<SlabCache *> s.caches.items)[cache]

cdef inline u32 zone_of(State s, u64 pfn) noexcept nogil:
    """The zone that holds *pfn*: on x86-64 DMA below 16 MiB, DMA32 below 4 GiB."""
    return 0 if pfn < s.zone_end[0] else (1 if pfn < s.zone_end[1] else 2)

cdef void *duplicate(void *old, u64 size) noexcept nogil
cdef u64 plain_bytes(State s) noexcept nogil
ctypedef void **Array
cdef void on_array(Array array, u64 size, u32 what) noexcept nogil
cdef Pool *pool_at(State s, u32 number) noexcept nogil
cdef void on_pool(Pool *pool, u32 what) noexcept nogil
cdef void on_arrays(State s, u32 what) noexcept nogil
cdef void on_nested_arrays(State s, u32 what) noexcept nogil
cdef void on_runner(Runner *r, u32 what) noexcept nogil
cdef void on_area(SwapArea *area, u32 what) noexcept nogil
cdef u64 array_bytes(State s) noexcept nogil
cdef void on_file(File *f, u32 what) noexcept nogil
cdef void free_arrays(State s) noexcept nogil
