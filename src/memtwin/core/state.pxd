from memtwin.core.mm_types cimport (
    AnonVma, AnonVmaChain, BH_LRU_SIZE, BIO_POOL_SIZE, Bio, BlkPlug, Device, Event, File, Filp, Flusher, Kswapd, NR_SCHED_ENTITIES, SchedEntity, List, MAX_NR_ZONES, Mm, NR_COSTS, NR_KNOWN_CACHES, NR_LRU_LISTS, NR_SCAN_BALANCES, NR_WB_LISTS, NR_CONTENTS, Page, PageVec, PerCpuPages, SwapArea, SwapRa, SwapSlots, Table, Task, Vma, WbList, XaNode, Zone, ZsClass, ZbudPage, ZsPage, Zswap, ZS_SIZE_CLASSES, MAX_CPUS, i32, i64, u16, u8, u32, u64,
)
from memtwin.core.vmstat cimport NR_VM_EVENT_ITEMS, NR_VM_NODE_STAT_ITEMS

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


cdef struct Pool:           # an array of structs that grows; entry 0 is "none"
    void *items
    u32 nr                  # entries ever used, 0 included
    u32 cap
    u32 free                # head of the list of entries given back, linked through their first word
    u32 size                # bytes of one entry


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
    List partial            # slabs with free objects, through the head frames
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
    i64 lowmem_reserve_ratio[MAX_NR_ZONES]


cdef class State:
    cdef public object listener_error   # what on_oom or on_reap raised: raised again when the operation ends
    cdef public object on_reap      # called with the victim whose memory the reaper took
    cdef public object on_oom       # called with what was asked for and who will be killed, before it happens
    # Everything between first_ and last_ is plain memory: copy() copies it whole and then the arrays behind pointers.
    cdef u64 first_
    cdef u64 now_ns
    cdef u64 max_pfn
    cdef u32 nr_cpus
    cdef u32 cpu                    # the one that runs now
    cdef u32 current                # the task that runs now
    cdef Page *pages                # [max_pfn]
    cdef u8 *pageblock              # migratetype of each pageblock
    cdef Zone zones[MAX_NR_ZONES]
    cdef PerCpuPages *pcp           # [zone * nr_cpus + cpu]
    cdef i64 node[NR_VM_NODE_STAT_ITEMS]
    cdef u64 event[NR_VM_EVENT_ITEMS]
    cdef List lru[NR_LRU_LISTS]
    cdef PageVec *vecs              # [cpu * NR_VECS + kind]
    cdef u64 nonresident_age        # evictions and activations so far: the clock of refault distances
    cdef u64 anon_cost              # how much I/O reclaiming anonymous pages and files has lately caused
    cdef u64 file_cost
    cdef u64 refaults[2]            # WORKINGSET_ACTIVATE_ANON and _FILE when the last reclaim ended
    cdef List shadow_nodes          # tree nodes that hold nothing but shadows, the newest first; through XaNode
    cdef List dentry_lru            # names that nobody uses, the newest first; through Dentry
    cdef u32 dentry_serial
    cdef u64 shrink_deferred[2]     # objects that a pass did not come to, by shrinker
    cdef u64 scan_balance[NR_SCAN_BALANCES]  # decisions of reclaim so far, by reason
    cdef Kswapd kswapd
    cdef Flusher flusher
    cdef u64 ratelimit_pages         # of any writers on a cpu, until the one that writes comes to a balance point
    cdef u32 ratelimits[MAX_CPUS]   # pages dirtied on a cpu since
    cdef WbList wb[NR_WB_LISTS]
    cdef u32 memalloc               # PF_MEMALLOC depth: the running thread reclaims
    cdef bint resched               # a thread was woken that should run before the task goes on
    cdef bint in_thread             # a background thread runs, not the task
    cdef u64 thread_ns              # what its piece of work took, on another cpu
    cdef SchedEntity sched[NR_SCHED_ENTITIES]
    cdef u32 running                # who has the cpu
    cdef u64 exec_start_ns          # until when its time is booked
    cdef u64 min_vruntime           # where who wakes up starts, about
    cdef u64 tick                   # number of the last that was looked at
    cdef u64 journal_due_ns         # when the running transaction is committed; 0: there is none
    cdef u32 journal_blocks
    cdef u32 journal_bdev
    cdef bint journal_used
    cdef u32 bh_lru[BH_LRU_SIZE]    # device pages whose buffers the cpu remembers: they cannot be dropped
    cdef u32 bh_next
    cdef bint panicked              # the machine stopped: nobody could be killed, or vm.panic_on_oom
    cdef u64 first_reclaim_ns       # when kswapd was woken first; 0: never
    cdef u64 totalreserve_pages
    cdef u64 total_swap_pages
    cdef i64 nr_swap_pages          # free ones, as SwapFree counts them
    cdef SwapArea areas[32]
    cdef u32 avail[32]              # areas with free slots, by priority, the next to use first among equals
    cdef u32 nr_avail
    cdef u32 nr_areas               # ever used
    cdef SwapSlots swap_slots[MAX_CPUS]
    cdef bint swap_slots_active
    cdef u32 nr_rotating            # areas that make readahead go by slots
    cdef SwapRa swap_ra             # of all, where it goes by slots
    cdef u32 bio_pool[BIO_POOL_SIZE]
    cdef u32 bio_pool_nr
    cdef BlkPlug plug[2]            # swap writes of the task, of a thread, that neighbours may still join
    cdef ZsClass zs_class[ZS_SIZE_CLASSES]
    cdef Zswap zswap
    cdef u16 compressed_length[8][NR_CONTENTS][2]   # by algorithm and content: mean bytes, and how far they spread
    cdef i64 committed_as           # pages
    cdef u32 stack_cache[128][4]    # frames of kernel stacks kept for the next thread
    cdef u32 nr_stacks_cached
    cdef u32 known_cache[NR_KNOWN_CACHES]  # KnownCache -> cache; 0: not known
    cdef u32 nr_threads
    cdef i64 vmalloc_used           # pages
    cdef u64 cost_ns[NR_COSTS]
    cdef Sysctls sysctl
    cdef Pool tasks
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
    cdef u32 free_table             # head of the list of tables given back, through entry[0]
    cdef u32 cap_tables
    cdef u32 need                   # why the last allocation failed: an Outcome
    cdef u64 broken                 # which check of a page's content failed first; 0: none
    cdef u64 next_event_ns          # time of the first event in the queue
    cdef Event *events              # a binary heap, entry 1 first
    cdef u32 nr_events
    cdef u32 cap_events
    cdef u32 event_serial
    cdef Device devices[32]
    cdef u32 nr_devices
    cdef u32 nr_active              # tasks running or in uninterruptible sleep
    cdef u64 avenrun[3]             # load averages, fixed point with 11 bits
    cdef u64 psi_avg[3][2][3]       # pressure of memory, io, cpu; some, full; over 10, 60, 300 s; fixed point
    cdef u64 psi_total_ns[3][2]
    cdef u64 psi_last_ns[3][2]
    cdef u64 cpu_user_ns
    cdef u64 cpu_system_ns
    cdef u64 cpu_idle_ns
    cdef u64 cpu_iowait_ns
    cdef u64 thread_time_ns         # of kswapd and the flusher, on the task's cpu
    cdef u64 thread_time_before_ns  # when the operation began
    cdef u64 task_wait_ns           # time that the running operation spent waiting
    cdef u64 last_

    cpdef State copy(self)


ctypedef void (*Hook)(State s) noexcept nogil
ctypedef u32 (*AllocHook)(State s, u32 order, u32 gfp) noexcept nogil
ctypedef void (*TimeHook)(State s, u64 ns) noexcept nogil
ctypedef void (*EventHook)(State s, u64 time_ns, u32 kind, u32 arg) noexcept nogil
ctypedef u64 (*SubmitHook)(State s, u32 device, u64 pages, bint write) noexcept nogil

cdef struct Hooks:          # calls upwards, set once when the module above is imported
    Hook run_events
    Hook cond_resched       # let threads that were woken run
    Hook io_schedule        # the task waits: something else happens, or time passes to the next event
    TimeHook schedule_timeout   # the task sleeps until a point in time
    EventHook schedule_event
    SubmitHook submit
    AllocHook alloc_slow    # the allocator's slow path
    Hook shrink_zswap       # zswap's worker was queued: it takes the cpu at once

cdef Hooks hooks

cdef void pool_init(Pool *pool, u32 size) noexcept nogil
cdef u32 pool_get(Pool *pool) noexcept nogil
cdef void pool_put(Pool *pool, u32 item) noexcept nogil
cdef u32 table_get(State s) noexcept nogil
cdef void table_put(State s, u32 table) noexcept nogil

cdef inline void charge(State s, u64 ns) noexcept nogil:
    """Let *ns* of the running task's time pass, and what is due happen; a thread has a cpu of its own if there is one."""
    if s.in_thread and s.nr_cpus > 1:
        s.thread_ns += ns
        return
    s.now_ns += ns
    if s.now_ns >= s.next_event_ns:
        hooks.run_events(s)

cdef inline Table *table_at(State s, u32 table) noexcept nogil:
    return &s.tables[table >> 8][table & 255]

cdef inline Task *task_at(State s, u32 task) noexcept nogil:
    return &(<Task *> s.tasks.items)[task]

cdef inline Mm *mm_at(State s, u32 mm) noexcept nogil:
    return &(<Mm *> s.mms.items)[mm]

cdef inline Vma *vma_at(State s, u32 vma) noexcept nogil:
    return &(<Vma *> s.vmas.items)[vma]

cdef inline AnonVma *anon_vma_at(State s, u32 anon_vma) noexcept nogil:
    return &(<AnonVma *> s.anon_vmas.items)[anon_vma]

cdef inline AnonVmaChain *avc_at(State s, u32 avc) noexcept nogil:
    return &(<AnonVmaChain *> s.avcs.items)[avc]

cdef inline File *file_at(State s, u32 file) noexcept nogil:
    return &(<File *> s.files.items)[file]

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
    """The zone that holds *pfn*: DMA below 16 MiB, DMA32 below 4 GiB."""
    return 0 if pfn < 4096 else (1 if pfn < 1048576 else 2)
cdef void *duplicate(void *old, u64 size) noexcept nogil
cdef u64 plain_bytes(State s) noexcept nogil
cdef void free_arrays(State s) noexcept nogil
cdef void copy_arrays(State old, State new) noexcept nogil
cdef void copy_pool(Pool *old, Pool *new) noexcept nogil
cdef void copy_pools(State old, State new) noexcept nogil
cdef void copy_file(File *file) noexcept nogil
cdef void free_area(SwapArea *area) noexcept nogil
cdef void copy_area(SwapArea *area) noexcept nogil
