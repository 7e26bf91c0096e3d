# The structs and constants of the model, as include/linux/mm_types.h, mmzone.h and page-flags.h are the kernel's.
# A frame is known by its number (pfn); 0 is never a managed frame, so 0 ends every list and means "none".

from libc.stdint cimport int32_t as i32, int64_t as i64, uint8_t as u8, uint16_t as u16, uint32_t as u32, uint64_t as u64

from memtwin.linux.core.vmstat cimport NR_VM_NODE_STAT_ITEMS

cpdef enum:
    MAX_NUMNODES = 1
    NR_POOLS = 13           # of a State
    NR_ORDERS = 11          # orders 0..10: 4 KiB .. 4 MiB
    PAGEBLOCK_ORDER = 9
    PAGEBLOCK_NR = 512
    HPAGE_PMD_ORDER = 9     # a huge page: what one PMD entry maps
    HPAGE_PMD_NR = 512
    MAX_NR_ZONES = 5        # DMA DMA32 Normal Movable Device
    COSTLY_ORDER = 3        # PAGE_ALLOC_COSTLY_ORDER: per-cpu lists hold orders 0..3, and 9
    NR_PCP_LISTS = 14       # 3 types x orders 0..3, then order 9 not movable, order 9 movable
    PCP_BATCH_SCALE_MAX = 5
    PAGEVEC_SIZE = 31       # of kernels since 6.9; State.features.lru_batch says how many of them are used
    PTRS_PER_TABLE = 512
    MAX_CPUS = 1024
    STACK_PAGES = 4         # THREAD_SIZE of x86-64: 16 KiB
    NR_CACHED_STACKS = 2    # kept per cpu for the next thread
    NR_TASK_OBJECTS = 8

cpdef enum:              # of the multi-gen LRU
    LRU_GEN_ANON = 0
    LRU_GEN_FILE = 1
    MIN_NR_GENS = 2
    MAX_NR_GENS = 4
    MAX_NR_TIERS = 4
    MIN_LRU_BATCH = 64      # pages that one eviction takes
    MAX_LRU_BATCH = 4096    # and that are scanned before the lock is let go
    BLOOM_FILTER_SHIFT = 15
    BLOOM_FILTER_WORDS = 512    # of 64 bits

cpdef enum:
    ZONE_DMA
    ZONE_DMA32
    ZONE_NORMAL
    ZONE_MOVABLE
    ZONE_DEVICE

cpdef enum:
    MIGRATE_UNMOVABLE
    MIGRATE_MOVABLE
    MIGRATE_RECLAIMABLE
    MIGRATE_HIGHATOMIC      # = MIGRATE_PCPTYPES
    MIGRATE_ISOLATE
    MIGRATE_TYPES

cpdef enum:
    LRU_INACTIVE_ANON
    LRU_ACTIVE_ANON
    LRU_INACTIVE_FILE
    LRU_ACTIVE_FILE
    LRU_UNEVICTABLE
    NR_LRU_LISTS

cpdef enum:
    MM_FILEPAGES
    MM_ANONPAGES
    MM_SWAPENTS
    MM_SHMEMPAGES
    NR_MM_COUNTERS

cpdef enum:        # who owns a frame: exactly one of these
    OWNER_BUDDY             # in a block of a free list: what a frame that was never touched is
    OWNER_PCP               # in a block of a per-cpu list
    OWNER_ANON
    OWNER_FILE
    OWNER_SLAB
    OWNER_TABLE             # a page table of the two lowest levels, which PageTables counts
    OWNER_TOP_TABLE         # one above them, which no counter holds
    OWNER_KERNEL            # any other kernel use: stacks, percpu, drivers
    OWNER_ZSMALLOC          # holds compressed pages
    OWNER_ZBUD              # holds one or two
    OWNER_ISOLATED          # a free frame in compaction's hands: it takes a page that moves
    OWNER_NONE              # not managed: a hole, the kernel's image, firmware

cpdef enum:
    PG_HEAD = 1             # first frame of a free block, a slab or a kernel allocation; its order is valid
    PG_LRU = 2
    PG_ACTIVE = 4
    PG_REFERENCED = 8
    PG_UNEVICTABLE = 16
    PG_MLOCKED = 32
    PG_SWAPBACKED = 64
    PG_DIRTY = 128
    PG_UPTODATE = 256
    PG_ANON_EXCLUSIVE = 512
    PG_PARTIAL = 1024       # a slab on its node's partial list
    PG_FROZEN = 4           # a slab on its cpu's partial list; the same bit is PG_ACTIVE on a page of an LRU list
    PG_LOCKED = 0x800       # being read from a device, or in reclaim's hands
    PG_WRITEBACK = 0x1000
    PG_RECLAIM = 0x2000     # free it as soon as its write ends; the same bit is PG_READAHEAD on a clean page
    PG_READAHEAD = 0x2000   # touching this page starts the next window
    PG_WORKINGSET = 0x4000  # was active once: its refault counts as thrashing
    PG_SWAPCACHE = 0x8000
    PG_MLOCK_NEW = 0x20000  # locked before it was on a list: the batch of locked pages puts it there
    PG_PRIVATE = 0x10000    # has buffer heads; Page.private is the slab of the page's
    PG_GEN_SHIFT = 18
    PG_GEN_MASK = 0x1c0000  # generation of a page on a list of the multi-gen LRU, plus 1; 0: on none
    PG_REFS_SHIFT = 21
    PG_REFS_MASK = 0x600000 # uses through file descriptors beyond referenced and workingset
    PG_LIST_SHIFT = 23
    PG_LIST_MASK = 0x1800000    # which generation's list it stands on: that of before, where a walk has promoted it
    PG_HUGE = 0x2000000     # first frame of a huge page, which stands for all of them on lists and in caches
    PG_TAIL = 0x4000000     # another frame of one: it has its own mappings and content, all else the first frame has
    PG_DEFERRED = 0x8000000 # of a huge page: it waits to be split
    PG_PARTLY_MAPPED = 0x10000000   # and that is since a part of it was unmapped (6.12 queues new ones too)

cpdef enum:          # x86-64 bits; the frame number stands at bit 12
    PTE_PRESENT = 1
    PTE_WRITE = 2
    PTE_ACCESSED = 32
    PTE_DIRTY = 64
    PTE_HUGE = 128          # one of 512 of which the PMD entry is made: they come and go together
    PTE_PROTNONE = 256      # maps a page that may not be touched: not present to the processor
    PTE_SPECIAL = 512       # the shared zero page, the vdso: never in RSS as anonymous, never on a list
    PTE_SWAP = 1024         # not present: a swap entry stands where the frame number would
    PTE_SWP_EXCLUSIVE = 2048    # of a swap entry: this page table alone has the page

cpdef enum:           # include/linux/mm.h
    VM_READ = 1
    VM_WRITE = 2
    VM_EXEC = 4
    VM_ACCESS = 7           # read, write, execute
    VM_SHARED = 8
    VM_MAYNOTWRITE = 0x20   # VM_MAYWRITE is off: a shared mapping of a file that was opened for reading only
    VM_GROWSDOWN = 0x100
    VM_PFNMAP = 0x400       # special mappings: vvar, vdso
    VM_LOCKED = 0x2000
    VM_BSS = 0x8000         # ours: a program's bss never becomes one area with the heap behind it
    VM_RAND_READ = 0x10000  # no recency: what a fault gets here is not young; a stack while exec fills it
    VM_ACCOUNT = 0x100000
    VM_NORESERVE = 0x200000     # writable, and not promised
    VM_HUGEPAGE = 0x20000000    # madvise hugepage
    VM_NOHUGEPAGE = 0x40000000

cpdef enum:          # the low bits of a content tag
    CONTENT_ZERO
    CONTENT_MARK            # zeroes but for the first 8 bytes
    CONTENT_TEXT
    CONTENT_HALF
    CONTENT_RANDOM
    CONTENT_MASK = 7

cpdef enum:
    PATTERN_SEQ
    PATTERN_RAND
    PATTERN_HOT
    PATTERN_POW

cpdef enum:              # KnownCache: slab caches whose objects the model itself allocates
    CACHE_TASK_STRUCT
    CACHE_SIGNAL
    CACHE_SIGHAND
    CACHE_FILES
    CACHE_CRED
    CACHE_PID
    CACHE_MM_STRUCT
    CACHE_VMA
    CACHE_ANON_VMA
    CACHE_ANON_VMA_CHAIN
    CACHE_RADIX_TREE_NODE
    CACHE_BUFFER_HEAD
    CACHE_FILP
    CACHE_DENTRY
    CACHE_INODE
    CACHE_PROC_INODE
    CACHE_EXT4_INODE
    CACHE_LSM_INODE
    CACHE_ZS_HANDLE
    CACHE_ZSPAGE
    CACHE_ZSWAP_ENTRY
    CACHE_BIO
    CACHE_SHMEM_INODE
    CACHE_MM_SLOT
    NR_KNOWN_CACHES

cpdef enum:              # GFP flags, with the numbers of Linux 6.1: what a request may do, and where its page may be
    GFP_HIGHMEM = 0x2
    GFP_MOVABLE = 0x8       # page of a movable pageblock, from any zone
    GFP_RECLAIMABLE = 0x10
    GFP_HIGH = 0x20         # may dig into half of the min reserve
    GFP_IO = 0x40           # may start I/O
    GFP_FS = 0x80           # may call into file systems
    GFP_ZERO = 0x100        # cleared: said in reports only
    GFP_DIRECT_RECLAIM = 0x400
    GFP_KSWAPD_RECLAIM = 0x800
    GFP_WRITE = 0x1000      # page cache that is about to be dirtied: spread over zones
    GFP_NOFAIL = 0x8000
    GFP_NORETRY = 0x10000   # one round of reclaim, never the OOM killer
    GFP_COMP = 0x40000      # a folio: set by each allocation of one
    GFP_NOMEMALLOC = 0x80000    # no reserves, not even for reclaim itself
    GFP_HARDWALL = 0x100000
    GFP_KERNEL = 0xcc0
    GFP_NOFS = 0xc40
    GFP_ATOMIC = 0x820      # cannot wait, and must not fail easily: GFP_HIGH, and kswapd is woken
    GFP_THISNODE = 0x200000 # of the first attempt for a huge page: compaction alone, no reclaim
    GFP_TRANSHUGE_LIGHT = 0x1c20ca  # a huge page that waits for nothing, and wakes no thread
    GFP_TRANSHUGE = 0x1c24ca
    GFP_HIGHUSER_MOVABLE = 0x140cca # with GFP_COMP, as folio_alloc() asks for it

cpdef enum:              # /sys/kernel/mm/transparent_hugepage, as State.thp has it
    THP_ALWAYS = 1          # enabled: at every fault that a huge page suits
    THP_MADVISE = 2         # where a program asked for them
    THP_DEFRAG_DIRECT = 4   # defrag=always: each fault may reclaim and compact for one
    THP_DEFRAG_KSWAPD = 8   # =defer: kswapd and kcompactd are woken
    THP_DEFRAG_KSWAPD_OR_MADVISE = 16
    THP_DEFRAG_MADVISE = 32 # =madvise: faults where a program asked for them may wait
    THP_DEFRAG_KHUGEPAGED = 64
    THP_USE_ZERO_PAGE = 128
    THP_UNSUPPORTED = 256   # the kernel was built without
    THP_USED = 512          # they were enabled once: page tables may have some
    THP_ENABLED = 3

cpdef enum:              # FileKind
    FILE_REGULAR = 0        # on the data disk
    FILE_RAMFS = 1          # its pages are the only copy: unevictable and always dirty
    FILE_VDSO = 2           # the kernel's own pages, mapped into every process; not page cache
    FILE_SHMEM = 3          # tmpfs and shared memory: on the anonymous lists
    FILE_BDEV = 4           # a block device's own pages: Buffers
    FILE_SWAP = 5           # the swap cache of an area: anonymous pages by slot

cpdef enum:          # what an operation comes to; results, not exceptions
    OK = 0
    EPERM = 1
    ENOENT = 2
    EAGAIN = 11
    ENOMEM = 12             # the kernel refuses
    EACCES = 13
    EFAULT = 14
    EINTR = 4
    EINVAL = 22
    EFBIG = 27
    AGAIN = 1001            # the time slice is over: call again
    KILLED = 1002           # the task was killed while it did this
    SIGBUS = 1007           # a fault that ends the task: the page cannot be allocated (a full tmpfs, beyond the file's end)
    SIGSEGV = 1011          # the same: no area there, or one that does not allow it
    EBUSY = 16
    ENOSPC = 28

cpdef enum:              # Refusal: which rule of the kernel refused what an operation asked for
    REFUSED_NOT             # none did: no page was available
    REFUSED_LENGTH          # mmap of nothing
    REFUSED_MAP_COUNT       # vm.max_map_count
    REFUSED_TASK_SIZE       # no room among a process's addresses
    REFUSED_OVERCOMMIT      # vm.overcommit_memory
    REFUSED_SWAPOFF         # what lies in the area would find no room
    REFUSED_TMPFS           # the tmpfs is full
    REFUSED_DISK            # the file system on the data disk is full
    REFUSED_SHMMAX          # kernel.shmmax: a segment of System V shared memory
    REFUSED_SHMALL          # kernel.shmall: all of them together
    REFUSED_RLIMIT_AS       # a process's own limit: its address space
    REFUSED_RLIMIT_DATA     # its private writable memory
    REFUSED_RLIMIT_STACK    # its stack
    REFUSED_GUARD_GAP       # the stack would come too near to what lies below it
    REFUSED_HOLE            # the range has pages that are not mapped
    REFUSED_RLIMIT_MEMLOCK  # a process's own limit: its locked memory
    REFUSED_READ_ONLY       # the file was opened for reading only
    REFUSED_BOUNDARY        # mremap: the range is not part of one area
    REFUSED_NEIGHBOUR       # what lies behind an area is in the way of its growth
    REFUSED_FOREIGN         # the memory of another user's process

cpdef enum:             # index into State.cost_ns
    COST_HIT
    COST_ZERO_FAULT
    COST_ANON_FAULT
    COST_FILL               # five: by Content
    COST_FILL_MARK
    COST_FILL_TEXT
    COST_FILL_HALF
    COST_FILL_RANDOM
    COST_CLEAR_PAGE         # of a huge page, before it is mapped
    COST_COW_FAULT
    COST_REUSE_FAULT
    COST_FILE_FAULT
    COST_FORK
    COST_FORK_PAGE
    COST_UNMAP_PAGE
    COST_EXEC
    COST_SYSCALL
    COST_IO_CALL            # one pread or pwrite, beside its pages
    COST_WAKE               # from a device's interrupt on an idle cpu to who waited for it
    COST_READ_PAGE          # copying a cached page to the reader
    COST_WRITE_PAGE         # copying one from the writer, and its buffers
    COST_CACHE_PAGE         # allocating a page of the page cache and reading or writing it on the device: cpu time
    COST_WRITEBACK_PAGE     # queueing a dirty page's write
    COST_SHRINK             # a batch of a list's pages, beside what each costs
    COST_SCAN_PAGE          # reclaim looks at a page
    COST_RECLAIM_PAGE       # and frees it
    COST_SWAP_PAGE          # taking a page's slot, unmapping the page
    COST_SWAP_IO            # queueing its write to a disk
    COST_SWAP_REQUEST       # a request of such writes, and again its interrupt
    COST_SWAP_END           # what follows when that has ended, in the device's interrupt
    COST_RMAP               # asking one mapping of a page whether it was used
    COST_SWAP_FAULT         # mapping a page that came from swap, and freeing its slot
    COST_ZS_FREE            # freeing a compressed page
    COST_TLB_FLUSH          # an interrupt to other CPUs, and their answer
    COST_TLB_INTERRUPT      # what one that is interrupted so loses
    COST_FRESH_PAGE         # a frame's first use since the machine began
    COST_READ_REQUEST       # a request to read from swap, from before it has the device to after it has ended
    COST_KBLOCKD            # and having a kernel thread give the device one that was not gathered
    COST_WAKE_SOON          # from a wake-up to who has an idle cpu that did something lately
    NR_COSTS

cpdef enum:              # per-cpu batches in front of the lists, in the order in which they are drained
    VEC_LRU_ADD
    VEC_ROTATE
    VEC_DEACTIVATE_FILE
    VEC_DEACTIVATE          # MADV_COLD
    VEC_LAZYFREE            # MADV_FREE
    VEC_ACTIVATE
    VEC_MLOCK               # mlock, munlock and faults in locked areas
    NR_VECS

cpdef enum:              # why reclaim scans anonymous pages, files, or both (get_scan_count)
    SCAN_FILE_NO_SWAP
    SCAN_EQUAL
    SCAN_ANON_FILE_TINY
    SCAN_FILE_TRIM
    SCAN_FRACT
    NR_SCAN_BALANCES

cpdef enum:              # what a background thread of the kernel is doing
    THREAD_ASLEEP
    THREAD_NAP              # asleep until wake_ns, or until woken
    THREAD_RUNNING
    THREAD_THROTTLED        # waits until wake_ns

cpdef enum:              # the lists of inodes that the flusher works from
    WB_CLEAN
    WB_DIRTY                # dirtied, the longest ago first
    WB_IO                   # its turn comes in this run
    WB_MORE_IO              # had its turn and has more
    NR_WB_LISTS

cpdef enum:
    NR_XA_LEVELS = 6        # of the tree that holds a file's pages: 64 entries a node
    XA_CHUNK = 64
    PLUG_MAX_BIOS = 64
    BIO_POOL_SIZE = 2       # objects kept for when there is no memory for more
    BIO_MAX_PAGES = 254
    BH_LRU_SIZE = 16
    SWAP_CLUSTER_MAX = 32
    DEF_PRIORITY = 12
    MAX_RECLAIM_RETRIES = 16
    FAULT_AROUND_PAGES = 16
    MAX_SWAPFILES = 29      # MAX_SWAPFILES_SHIFT 5, less the types that are no areas
    SWAPFILE_CLUSTER = 512  # slots; half a cluster of huge-page swap
    SWAP_SLOTS_CACHE_SIZE = 64
    SWAP_TYPE_SHIFT = 27    # a swap entry: the area's number above the slot's
    SWAP_HAS_CACHE = 0x8000 # of a slot: its page is in the swap cache, or it is parked in a cpu's cache
    SWAP_MAP_COUNT = 0x7fff
    ZS_SIZE_CLASSES = 255
    ZS_FULLNESS_GROUPS = 12 # since 6.4 empty, by tenths, full; before that empty, almost empty, almost full, full
    ZS_MAX_PAGES_PER_ZSPAGE = 8 # since 6.3, before that four
    NR_CONTENTS = 5
    ZBUD_NCHUNKS = 63       # of 64 bytes in a page; the first holds the header
    ZPOOL_ZBUD = 0          # what zswap keeps its objects in
    ZPOOL_ZSMALLOC = 1

cdef struct Page:
    u64 tag                 # content: a write changes it, a fault and a move check it
    u64 index               # anon: page number of the address; file: page number in the file; slab: objects in use
    u32 next
    u32 prev
    u32 mapping             # anon: its anon_vma; file: its file; slab: its cache
    i32 mapcount            # page-table entries that map it
    i32 refcount
    u32 flags
    u32 private             # PG_PRIVATE: slab of its buffer head
    u8 owner
    u8 order                # of the block that starts here (PG_HEAD); of a single page in use 0
    u8 migratetype          # of a block on a free or per-cpu list: which list
    u8 fresh                # nothing has been in this frame yet

cdef struct List:
    u32 head
    u32 tail
    u64 nr

cdef struct PerCpuPages:
    List lists[NR_PCP_LISTS]
    i32 count               # pages, not blocks
    i32 high
    i32 batch
    i32 free_factor
    i32 high_min            # since 6.7 high moves between these
    i32 high_max
    u32 alloc_factor        # doublings of the batch that the next refill takes
    i32 free_count          # pages freed, less half at each allocation
    bint prev_free_high_order   # a larger block was freed last

cdef struct Zone:
    u64 start_pfn
    u64 spanned
    u64 present
    u64 managed
    u64 wmark_min           # stored values: the boost is kept apart
    u64 wmark_low
    u64 wmark_high
    u64 wmark_boost
    u64 lowmem_reserve[MAX_NR_ZONES]
    u64 nr_reserved_highatomic
    u64 compact_cached_migrate_pfn[2]   # where the next asynchronous, or other, compaction begins to look for pages
    u64 compact_cached_free_pfn         # and where for free frames
    u64 compact_init_migrate_pfn        # a compaction that begins at or below it sees the whole zone
    u64 compact_init_free_pfn
    u64 compact_considered  # requests since compaction failed last
    u32 compact_defer_shift # 2^this of them are turned away
    i32 compact_order_failed    # the least order that it failed for
    bint compact_blockskip_flush    # scanners met: kswapd clears the skip bits before it sleeps
    List free_area[NR_ORDERS][MIGRATE_TYPES]
    i64 stat[16]            # ZoneStat
    u64 numa[8]             # NumaStat
    u32 stat_threshold
    bint boosted            # ZONE_BOOSTED_WATERMARK: the next allocation wakes kswapd for this zone
    bint below_high         # ZONE_BELOW_HIGH: per-cpu lists shrink, since 6.7
    bint reclaim_active     # kswapd works on it: per-cpu lists are kept short

cdef struct ScanControl:    # one reclaim: what it wants, what it may do, what came of it
    u64 nr_to_reclaim
    u64 nr_reclaimed
    u64 nr_scanned
    i32 priority            # 12 first; each step down doubles the share of the lists that is scanned
    u32 order
    u32 reclaim_idx         # highest zone that the caller can use
    u32 gfp
    bint kswapd
    bint may_writepage
    bint may_swap
    bint ignore_references  # MADV_PAGEOUT: used or not
    bint may_deactivate_anon
    bint may_deactivate_file
    bint force_deactivate
    bint skipped_deactivate
    bint waited             # at the end of a pass: the next priority is due
    bint ready              # a zone is ready for compaction
    bint zs_chain_8         # zsmalloc's groups have up to eight pages
    bint zs_inuse_ratio     # zsmalloc knows groups by tenths of their objects
    bint full_walk          # it got nothing before
    bint cache_trim_mode
    bint file_is_tiny
    u64 anon_cost
    u64 file_cost
    u64 nr_dirty            # of the pass: what kswapd throttles itself by
    u64 nr_unqueued_dirty
    u64 nr_congested
    u64 nr_writeback
    u64 nr_immediate
    u64 nr_taken
    u64 nr_file_taken
    u64 nr[4]               # of the pass: pages still to be scanned, by list
    u64 targets[4]          # at its start
    u64 reclaimed_before    # of the run, when the pass began, or began again
    u64 gen_scanned         # of the pass: pages of generations scanned
    bint gen_idle           # it may not write, so that it does nothing
    u32 gen_swappiness      # 0: files only
    bint gen_aging          # it walks page tables to make a new generation
    u64 gen_seq             # the youngest generation when that walk began
    bint gen_can_swap
    u64 gen_first_seq       # the youngest generation when the pass began
    bint gen_swapped        # of the pass: it took anonymous pages
    bint gen_need_aging     # of kswapd's run (6.1): it looks before its passes whether a new generation is due
    bint gen_force_scan     # of the walk: tables are read whatever the filter says

cpdef enum:              # who can have the cpu
    SCHED_TASK
    SCHED_KSWAPD
    SCHED_FLUSHER           # and the journal's thread
    SCHED_KCOMPACTD
    SCHED_KHUGEPAGED        # nice 19
    SCHED_IDLE
    NR_SCHED_ENTITIES

cdef struct SchedEntity:
    u64 vruntime            # ns that it has run
    u64 picked_vruntime     # when its turn began
    bint queued             # it wants to run, or does
    bint delayed            # since 6.12: it sleeps, but had more than its share and competes on
    u64 deadline            # since 6.6: of its slice
    u64 protected_deadline  # the deadline that it was chosen with: until that is over it is not preempted
    i64 vlag                # time that it was owed when it went to sleep
    bint iowait             # it waits for a device
    u32 memstall            # sections that it is in, one in another, in which it works or waits for lack of memory
    u64 busy_until_ns       # with more than one CPU: it is at work on one of them until then
    u32 cpu                 # in whose queue it is: the one that it runs on, or ran on last
    u32 waker_cpu           # the one on which it was woken last

cdef struct Rq:             # who runs now, and on the first CPU until when
    u32 curr                # the entity that runs
    u64 exec_start_ns       # time up to which its runtime has been accounted
    u64 psi_since_ns        # time up to which pressure has been accounted
    bint resched            # a thread was woken that should run before the task goes on

cdef struct BlkPlug:        # requests gathered by who writes to swap
    u32 nr
    u32 bios[PLUG_MAX_BIOS]
    bint several_devices

cdef struct Kswapd:
    u32 state               # Thread
    u64 wake_ns
    u32 order               # asked for since the last run
    i32 highest_zone        # asked for since the last run; -1: nothing
    u32 run_order           # of this run
    u32 sleep_order         # that it decides on sleeping by
    u32 compact_order       # that kcompactd is woken for when it sleeps
    u32 run_zone
    bint woken_early        # from its nap: the low mark was hit quickly
    u32 failures            # runs in a row that reclaimed nothing
    bint in_run
    bint in_pass
    bint boosted
    u64 throttle_written    # pages written when it began to wait for writes
    u64 pass_reclaimed      # of the run, when the pass began
    u64 nr_boost_reclaim
    u64 zone_boosts[MAX_NR_ZONES]
    ScanControl sc

cpdef enum:              # how far compaction goes to move a page
    MIGRATE_ASYNC           # waits for nothing
    MIGRATE_SYNC_LIGHT      # waits, but not for writes
    MIGRATE_SYNC

cpdef enum:              # what became of a compaction; the greatest of all zones is returned
    COMPACT_NOT_SUITABLE_ZONE
    COMPACT_SKIPPED         # too little free memory to work with
    COMPACT_DEFERRED        # it failed lately
    COMPACT_NO_SUITABLE_PAGE
    COMPACT_CONTINUE
    COMPACT_COMPLETE        # the whole zone was scanned, for nothing
    COMPACT_PARTIAL_SKIPPED # the same from a cached position
    COMPACT_CONTENDED       # given up: no free frames available
    COMPACT_SUCCEEDED

cpdef enum:              # how hard a request may compact, the hardest first
    COMPACT_PRIO_SYNC_FULL
    COMPACT_PRIO_SYNC_LIGHT
    COMPACT_PRIO_ASYNC

cdef struct CompactControl: # one compaction of a zone
    u32 zone
    i32 order               # -1: the zone as a whole, until its scanners meet
    i32 search_order        # that the fast search for free frames begins with
    u32 gfp
    u32 mode
    u32 alloc_flags
    u32 highest_zone
    u32 migratetype
    bint direct             # for a request that waits for it
    bint whole_zone
    bint ignore_skip_hint
    bint ignore_block_suitable
    bint proactive
    bint rescan             # the pageblock is visited again: all of it is isolated
    bint update_cached
    bint skip_updated       # of the pageblock under way: its skip bit has been seen to
    u64 block_isolated      # pages of it that were taken
    u64 next_block          # end of the block of the order in it, for a request that wants whole ones; 0: none does
    u64 migrate_pfn         # the scanners' positions
    u64 free_pfn
    u64 fast_start_pfn      # least that the fast search for pages found; ~0: used
    u64 last_migrated_pfn
    u32 fast_search_fail
    u64 migrate_scanned
    u64 free_scanned
    List migratepages
    List freepages

cdef struct Kcompactd:
    u64 wake_ns             # when it looks at the node's score next; 0: at the next operation
    i32 max_order           # asked for; 0: nothing
    i32 highest_zone
    bint asked              # woken for a block
    bint trigger            # vm.compaction_proactiveness was written: look at once
    bint at_work
    bint in_zone
    u32 zone                # whose turn it is
    u32 score_before        # of a proactive run
    u64 seen_frees          # pages freed so far when it last looked: with no more its answer is the same
    CompactControl cc

cdef struct LruGen:         # struct lru_gen_folio: generations of pages, by type and zone, the youngest at max_seq
    bint enabled
    u64 max_seq
    u64 min_seq[2]
    u64 birth_ns[MAX_NR_GENS]
    List lists[MAX_NR_GENS][2][MAX_NR_ZONES]    # a page that a walk promoted stays on its old list until reclaim meets it
    i64 nr_pages[MAX_NR_GENS][2][MAX_NR_ZONES]  # by the generation that pages say
    u64 avg_refaulted[2][MAX_NR_TIERS]          # of generations evicted before, each worth half of the next
    u64 avg_total[2][MAX_NR_TIERS]
    u64 evicted[2][MAX_NR_TIERS]                # of the generation under eviction
    u64 refaulted[2][MAX_NR_TIERS]
    u64 protected_pages[2][MAX_NR_TIERS]

cdef struct LruGenMmState:  # how far the walks over page tables have come
    u64 seq                 # generations that walks were finished for
    u64 walks               # walks of one address space so far: a holder of a table looks it up again
    u32 first               # address spaces that are walked, the oldest first; through Mm.gen_next
    u32 last
    bint begun              # a walk over all has begun: head says where it is
    u32 head                # the one that was walked last; 0: none yet
    bint tail_set           # tail says from where on they are new
    u32 tail                # first one that came since the last walk over all began; 0: none
    bint filter_there[2]
    u64 filters[2][BLOOM_FILTER_WORDS]

cdef struct Lruvec:         # what one reclaim policy works on: one a node
    List lists[NR_LRU_LISTS]
    LruGen gen
    LruGenMmState mm_state
    u64 nonresident_age     # evictions and activations so far: the clock of refault distances
    u64 anon_cost           # how much I/O reclaiming anonymous pages and files has lately caused
    u64 file_cost
    u64 refaults[2]         # WORKINGSET_ACTIVATE_ANON and _FILE when the last reclaim ended
    u64 flushed_lists[4]    # pages of each evictable list when the counters were last flushed (memcontrol)
    u64 flushed_activations[2] # WORKINGSET_ACTIVATE_ANON and _FILE then
    bint congested          # LRUVEC_CONGESTED

cdef struct Pgdat:          # a node: pg_data_t
    Zone zones[MAX_NR_ZONES]
    i64 stat[NR_VM_NODE_STAT_ITEMS]
    Lruvec lruvec
    Kswapd kswapd
    Kcompactd kcompactd
    List deferred_split     # huge pages that wait to be split, the oldest first, through their second frames
    bint writeback          # PGDAT_WRITEBACK: too many pages under writeback at the tail
    bint dirty              # PGDAT_DIRTY: too many unqueued dirty pages

cdef struct Khugepaged:     # /sys/kernel/mm/transparent_hugepage/khugepaged, and how far its scan has come
    u32 pages_to_scan       # page-table entries, or areas, of one round
    u32 scan_sleep_ms       # between two rounds
    u32 alloc_sleep_ms      # after a huge page allocation failed
    u32 max_ptes_none       # of 512 entries: that may map nothing
    u32 max_ptes_swap       # that may be swapped out
    u32 max_ptes_shared     # whose page others map too
    u64 pages_collapsed
    u64 full_scans
    u32 first               # address spaces that are scanned, the oldest first; through Mm.scan_next
    u32 last
    u32 mm                  # whose turn it is; 0: the list begins again
    u64 vpn                 # where in it the scan goes on
    u64 wake_ns             # when the next round begins; 0: at the first address space that joins
    bint in_round
    bint has_slept          # of the round: a huge page allocation failed once
    bint waits              # and that is slept over now
    u32 progress            # of the round
    u32 passes              # of the round: how often the list was begun

cdef struct Features:       # what a kernel does otherwise than 6.1; set once, before boot (linux/features.py)
    u32 lru_batch           # pages of a per-cpu batch in front of the lists
    bint advice_workingset  # an active page that MADV_COLD or MADV_PAGEOUT meets was in real use
    bint plug_in_order      # gathered requests go out when the first of them is large, not the last
    bint highatomic_free    # of the reserve for atomic blocks only what is free counts as not usable; under 1 % of a zone none
    bint fallback_claims    # a list that runs dry takes a whole pageblock or a single piece, and mixes none half way
    bint pcp_auto_high      # per-cpu lists grow and shrink with their use
    bint rotations_cost     # a page that reclaim gives another round costs, and I/O costs 32 times as much
    bint swapin_unlocked    # a page read from swap into a locked area is locked when reclaim meets it
    bint zeromap            # a page of zeroes is noted in a bitmap instead of written to swap
    bint zs_chain_8         # zsmalloc's groups have up to eight pages
    bint zs_inuse_ratio     # zsmalloc knows groups by tenths of their objects
    bint full_walk          # direct reclaim that got nothing tries all groups once more
    bint fault_once         # a fault that is retried counts once
    bint swapin_writable    # a page that only its task has is mapped writable when it comes back, whatever the fault
    bint eevdf              # the earliest eligible virtual deadline is scheduled first
    bint zram_bios          # zram's pages are requests, which count as read and written
    bint rss_percpu         # a fault counts in its address space at once
    bint reclaimed_scanned  # what a pass reclaimed counts as scanned by it
    bint flush_ratelimited  # reclaim goes by counters that are flushed every two seconds
    bint requeue_expired    # after its turn a file that is not old yet waits for its age
    bint zswap_lru          # zswap's pages are written back by age and use, and go when they are loaded
    bint gen_node_lists     # generations age in the pass that finds it due, which ends by what it was to reclaim
    bint gen_refaults_all   # all refaults count, also those whose generation is gone
    bint deferred_if_mapped # a huge page waits to be split while a part of it is mapped; new ones are queued too

cdef struct Flusher:
    u32 state
    u64 wake_ns             # next periodic look, while anything is dirty; 0: none set
    u64 last_old_flush_ns
    u64 work_pages          # asked for by reclaim: pages to write
    bint background         # woken because the background limit is passed
    bint in_work
    bint for_background     # this work ends when the background limit is kept
    u64 older_than_ns       # this work's files were dirtied before
    u64 work_left           # pages
    u32 file                # whose turn it is
    u64 chunk_left          # pages of this turn
    u64 turn_written
    bint wrapped            # the search for dirty pages began again at the file's start
    u64 completions         # writes that ended lately: the device's share of all is 0 or 1
    u64 completions_ns      # when that was last halved
    bint dirty_exceeded     # over the limit when a writer last looked
    u64 bandwidth           # pages a second, as estimated
    u64 bandwidth_ns        # when
    u64 bandwidth_written   # pages written then
    u64 bandwidth_dirtied   # and pages dirtied
    u64 ratelimit           # pages a second that each writer may dirty, before the position ratio
    u64 balanced_ratelimit  # what it was to become at its last step

cdef struct WbList:
    u32 head
    u32 tail

cdef struct Bdi:            # a backing device: its flusher and the inodes that it works from
    Flusher flusher
    WbList lists[NR_WB_LISTS]
    u64 dirty_limit         # of the domain: follows the threshold down slowly
    u64 dirty_limit_ns      # when it last did
    u64 ra_pages            # readahead's limit
    bint no_buffer_heads    # its file system keeps none for the pages of its files

cdef struct PageVec:
    u32 nr
    u32 pages[PAGEVEC_SIZE]

cdef struct SwapRa:         # swap readahead's state
    u32 hits
    u32 last
    u64 previous            # slot, or page number of the address

cdef struct Vma:
    u64 start               # first page number
    u64 end                 # one past the last
    u64 pgoff
    u32 flags
    u32 prot                # vm_page_prot: the bits of an entry that maps one of its file's pages for a read
    u32 mm
    u32 file
    u32 filp                # the open file that it was mapped from: its readahead state
    u32 next_share          # other areas that map the same file
    u32 prev_share
    SwapRa swap_ra
    u32 anon_vma
    u32 avc                 # head of this area's chain links
    u32 slab                # of its vm_area_struct

cdef struct Mm:
    u32 free_link           # of the pool, once this entry is freed
    u32 *vmas               # sorted by start
    u32 nr_vmas
    u32 cap_vmas
    u32 vma_found           # index of the area that was found last
    u32 pgd
    u32 users
    u32 slab                # of its mm_struct
    i64 total_vm
    i64 data_vm
    i64 exec_vm
    i64 stack_vm
    i64 locked_vm
    i64 hiwater_vm
    i64 hiwater_rss
    u64 rlimit_as           # pages, plus 1; 0: no limit (RLIM_INFINITY)
    u64 rlimit_data
    u64 rlimit_stack
    u64 rlimit_memlock
    i64 rss[NR_MM_COUNTERS]
    i64 nr_tables           # PTE, PMD and PUD tables: mm_pgtables_bytes / 4096
    u64 nr_reclaimed        # mappings that reclaim took away
    u32 gen_next            # among those whose page tables are walked
    u32 gen_prev
    bint gen_listed
    bint gen_used           # its task ran since it was walked last
    u32 scan_next           # among those that khugepaged scans
    u32 scan_prev
    u32 scan_slab           # of its khugepaged_mm_slot
    bint scan_listed
    bint huge_zero_page     # it has a reference to the huge zero page

cdef struct Task:
    u32 pid
    u32 mm
    i32 oom_score_adj
    u32 uid                 # 0: root, whom limits of locked memory and other users' processes do not bind
    u64 fault_vpn           # the page whose fault is being handled
    u32 fault_tries         # of a file's fault that waits: how often it was retried
    bint fault_major        # of a fault on swap that waits: it is a major one
    bint fault_again        # its fault goes on: it is counted already
    u64 oom_reap_ns         # when the reaper takes a victim's memory; 0: not, or done
    bint oom_victim         # was killed for its memory, or gets it while it exits
    bint killed             # SIGKILL is pending, or its memory is gone already
    bint started            # visible: fork or exec is over
    u32 cpu
    u64 min_flt
    u64 maj_flt
    u64 utime_ns
    u64 stime_ns
    u64 start_ns
    u32 nr_dirtied          # pages, since it last came to a balance point
    u32 nr_dirtied_pause    # how many it may dirty before the next
    u64 paused_when         # jiffies up to which its pauses are made; 0: it has never been at a balance point
    u32 rss_events          # split RSS of kernels up to 6.1: folded into the mm after 64 events
    i64 rss_delta[NR_MM_COUNTERS]
    u32 stack[STACK_PAGES]
    u32 slabs[NR_TASK_OBJECTS]

cdef struct AnonVma:
    u32 root
    u32 parent
    u32 avc                 # the links to the areas that may map its pages, the oldest first
    u32 last_avc
    u32 nr_vmas             # areas whose own anon_vma this is
    u32 nr_children
    u32 slab

cdef struct AnonVmaChain:
    u32 vma
    u32 anon_vma
    u32 next_same_vma
    u32 next_same_av
    u32 prev_same_av
    u32 slab

cdef struct XaNode:         # 64 entries of the tree that holds a file's pages
    u32 free_link
    u32 slab                # of its radix_tree_node
    u32 file
    u32 level               # 0: its entries are pages
    u64 number              # index of its first page >> 6 * (level + 1)
    u32 count               # entries in use
    u32 nr_values           # of those, shadows
    u32 nr_dirty            # of those, dirty pages
    u32 prev                # on the list of nodes that hold nothing but shadows
    u32 next
    bint listed

cdef struct FileChunk:      # what is known of 64 pages of a file
    u32 pages[XA_CHUNK]     # frame of each, 0 where not cached
    u64 shadows[XA_CHUNK]   # what was remembered of a page that was evicted; 0: nothing
    u64 disk[XA_CHUNK]      # content of each page on the device, plus 1; 0: as it was created

cdef struct File:
    u32 free_link
    u32 kind                # FileKind
    FileChunk **chunks      # of the file's pages; NULL where none was ever cached
    u32 *nodes[NR_XA_LEVELS]
    u32 height              # levels of the tree; 0: page 0 alone, or nothing
    u32 device
    bint hole               # nothing of it was ever written: no blocks on the device
    u64 nr_pages
    u64 cap_pages
    u64 nr_cached
    u64 nr_dirty
    u64 nr_writeback
    u64 dirtied_when_ns     # its first dirtying since it was clean
    u32 io_end              # the first of the requests for new blocks that will end together; more may join
    u64 io_end_pages
    u64 writeback_index     # where the flusher goes on
    bint truncated          # to nothing: who closes it next queues what is dirty
    u32 wb_list             # Wb
    u32 wb_next
    u32 wb_prev
    u32 i_mmap              # the areas that map it, the oldest first
    u32 i_mmap_last
    u64 nr_reclaimed        # pages that reclaim took
    u64 nr_swapped          # of shared memory: pages in swap areas; a tree entry names the slot of each
    u64 nr_promised         # of shared memory: pages charged as it was made; 0: each as it comes
    u32 users               # of shared memory: its names and descriptors; without these and areas it is freed
    u32 tmpfs               # the tmpfs that it lies on, against whose size its pages count; 0: none, it has no limit
    bint no_reserve         # each page is charged as it comes
    bint sysv               # a System V segment: faults map one page, for its areas have no map_pages
    u32 slabs[3]            # of shared memory: dentry, inode and the security module's part

cdef struct Filp:           # an open file: who reads it how
    u32 free_link
    u32 file
    u32 users
    u32 slab
    u64 start               # of the current readahead window
    u64 size
    u64 async_size
    u64 ra_pages
    u64 prev_pos            # byte behind the last read
    u32 mmap_miss

cdef struct Dentry:         # a name that was looked up, and its inode
    u32 free_link
    u32 prev                # on the list of unused ones, newest first
    u32 next
    u32 slabs[3]
    bint referenced
    bint unused
    u32 serial              # an old reference to an entry that was reused finds it gone

cdef struct Bio:            # a request to a device: pages that are read or written together
    u32 free_link
    u32 device
    bint write
    u32 io_end              # the first of the requests that end together; 0: ends by itself
    u32 next                # of those that are done and wait for the others
    u32 pending             # of the first: how many are not done
    u32 nr
    u32 huge_tails          # base pages of its huge pages beyond the first of each
    u32 pages[BIO_MAX_PAGES]
    bint swap               # each page is an object of its own
    u32 slabs[BIO_MAX_PAGES]    # of which slab

cdef struct Table:
    u64 entry[PTRS_PER_TABLE]
    u64 tag[PTRS_PER_TABLE] # leaf tables: the content that the owner of the address last wrote

cdef struct Pattern:
    u32 kind
    u64 npages
    u64 touches
    u64 nhot
    u64 prob
    u64 exponent
    u64 state

cdef struct Pace:           # how fast a program goes about one operation
    u64 bytes_per_s         # 0: as fast as it can
    u64 think_ns            # how long it sleeps after each page, read or write
    u64 began_ns            # 0: not yet
    u64 resume_ns           # it sleeps until then

cdef enum:                  # limits
    READ_BATCH = 15         # pages that read() takes at once

cdef struct Work:           # one operation of a program, and how far it is
    u32 kind                # WorkKind
    u32 task
    bint write
    u32 content
    u64 opno
    u64 start               # page number of the first page; of file I/O: byte at which chunk 0 starts
    u64 first_page          # number of that page within its region
    u64 unmapped            # pages that munmap takes
    u32 filp
    u32 file                # of fsync
    u64 chunk               # bytes
    u64 buffer_vpn
    Pattern pattern
    Pace pace
    u64 done                # touches, or calls, made
    i64 pending             # page or chunk drawn but not done, or -1
    u64 position            # byte at which the pending call goes on; valid if is_begun
    bint is_begun           # the pending call has done a part
    u32 nr_batch            # cached pages that the pending read() holds
    u32 batch_at            # of batch, the next to copy
    u32 batch[READ_BATCH]
    u64 nr_leaves
    u64 walks               # of page tables, when tables were looked up
    Table **leaves          # PTE table of each 2 MiB of the range, once it was looked up

cdef enum:                  # WorkKind
    WORK_NONE
    WORK_TOUCH
    WORK_IO
    WORK_FSYNC
    WORK_CLOSE
    WORK_MUNMAP

cdef enum:                  # what a runner waits for
    WAIT_NONE
    WAIT_TIME
    WAIT_PAGE_LOCKED        # the read of a page, wait_arg
    WAIT_PAGE_WRITEBACK
    WAIT_FILE_WRITEBACK     # the writes of a file, wait_arg
    WAIT_WRITE_QUEUE        # that a device, wait_arg, takes another write

cpdef enum:               # limits
    MAX_RUNNERS = 64

cdef struct CompactTries:   # what became of a request's direct compactions
    u32 result              # COMPACT_…, of the last
    u32 prio                # how hard the next is
    u32 retries
    bint ends               # the request is refused now

cdef struct SlowPath:       # a request for memory in the slow path
    bint active             # it waits, and goes on when it is made again
    u32 order
    u32 gfp
    u64 progress
    u32 no_progress
    u32 alloc_flags
    CompactTries c

cdef struct Runner:         # a task whose work is done in pieces, beside what else runs
    Work work
    u32 wait                # WAIT_…
    u32 wait_arg
    u64 wake_ns             # of WAIT_TIME
    bint stalled            # it waits for lack of memory
    bint is_asleep          # it waits for nothing: it sleeps of its own will
    bint rebalance          # a writer that must be held against the limits again when it goes on
    bint reclaims           # its direct reclaim waits, and goes on with sc
    u64 throttled_until_ns  # it waits for kswapd before it reclaims; 0: it does not
    ScanControl sc
    SlowPath slow
    u32 outcome             # of the work that has ended
    bint has_ended
    u64 began_ns
    u64 ended_ns

cpdef enum:              # NoticeKind
    NOTICE_OOM
    NOTICE_REAP

cdef struct NoticeItem:     # what the machine has reported and was not read yet
    u64 time_ns
    u32 kind                # NoticeKind
    u32 order               # of the request that could not be met
    u32 gfp
    u32 current             # task
    u32 victim              # task; 0: none
    u64 moment_bytes
    void *moment            # the State's plain memory, its CPUs, tasks and address spaces, one behind the other

cdef struct Event:
    u64 time_ns
    u32 priority            # of two at one time the lower goes first, then the one made first
    u32 serial
    u32 kind
    u32 arg

cdef struct SwapArea:       # one swap partition, file or zram
    bint used               # turned on
    bint writeok            # slots may be taken: not while it is being turned off
    bint ssd                # not rotational, or zram
    bint synchronous        # zram: reading and writing is the cpu's work, done at once
    i32 prio
    u32 device
    u32 file                # FILE_SWAP: which page stands for which slot, shadows, contents
    u32 pages               # slots that can be used; slot 0 is the header
    u32 max
    u32 inuse
    u16 *map                # of each slot: page-table entries that hold it, and SWAP_HAS_CACHE
    u16 *cluster_held       # of each cluster: slots that page-table entries hold; where all are, a search passes by
    u32 lowest_bit          # no free slot below
    u32 highest_bit         # nor above; 0: full
    u32 cluster_next        # rotating: where the search goes on
    u32 cluster_nr          # slots left in the run
    u32 *cluster_count      # ssd: slots in use of each cluster
    u32 *cluster_link       # the free clusters, as a list
    u32 free_head           # ~0: none
    u32 free_tail
    u32 percpu_cluster[MAX_CPUS]    # ~0: none
    u32 percpu_next[MAX_CPUS]
    u32 next_cpu[MAX_CPUS]  # ssd: where a cpu's search goes on
    u32 algorithm           # zram: which row of State.compressed_length
    u32 *zspage             # zram: where each slot's object lies
    u32 *handle             # zram: slab of each slot's handle
    u16 *length             # zram: its compressed length; 1: all words of the page are the same
    u32 *zswap_handle       # of each slot: zbud's or zsmalloc's handle of what zswap holds of it
    u32 *zswap_slab         # slab of its zswap_entry
    u32 *zswap_zs_slab      # slab of zsmalloc's handle
    u32 *zswap_prev         # its neighbours on zswap's list: entries
    u32 *zswap_next
    u8 *zswap_referenced    # it has a second chance
    u16 *zswap_length       # its compressed length; 1: all words of the page are the same; 0: zswap has nothing
    u32 held                # slots in use at boot, by processes that are not known
    u64 zram_pages
    u64 zram_boot_pages     # stored at boot, in unknown slots
    u64 zram_compressed     # bytes
    u64 zram_same
    u64 zram_huge
    u64 zram_huge_since
    u64 zram_pool_pages
    u64 zram_pool_max
    u64 zram_compacted      # pages that compaction of the pool freed
    u64 zram_failed_writes
    u64 zram_notify_free
    u64 zram_reads
    u64 zram_writes
    u64 written_pages       # since boot: what wears a device

cdef struct SwapSlots:      # a cpu's slots: taken in advance, and freed but not yet returned
    u32 take[SWAP_SLOTS_CACHE_SIZE]
    u32 nr
    u32 cur
    u32 back[SWAP_SLOTS_CACHE_SIZE]
    u32 nr_back

cdef struct Cpu:            # everything that the kernel keeps for each CPU
    u32 current             # the task that runs
    u64 busy_until_ns       # a thread or runner works on it until then
    u32 curr                # the entity that has it, or had it last
    bint resched            # another should have it: one that woke up, or was moved here
    bint slice_over         # who runs has used its slice up, since 6.6
    u64 tick                # number of the last tick that was handled
    u64 min_vruntime        # about where an entity of its queue starts that wakes up
    u64 next_balance_ns     # when it looks next for a queue that is longer than its own
    u32 nr_balance_failed   # how often it has found one lately, and taken nothing
    u64 user_ns             # with more than one CPU: time of programs, of the kernel
    u64 system_ns
    u64 iowait_ns           # nothing ran, and who ran last waited for a device
    u64 psi_ns[3][2]        # pressure of memory, io, cpu; some, full
    u64 psi_nonidle_ns      # time in which something ran, wanted to, or waited for a device or for memory
    u64 psi_seen_ns[3][2]   # what the machine's totals have of these
    u64 psi_seen_nonidle_ns
    u32 memalloc            # PF_MEMALLOC depth of what runs: it reclaims
    bint in_lru_fault       # the task handles a fault of its own
    bint tlb_flush_pending  # entries were cleared that the task there may still use
    PerCpuPages pcp[MAX_NR_ZONES]
    PageVec vecs[NR_VECS]
    SwapSlots swap_slots
    u32 ratelimit           # pages dirtied since a writer last came to a balance point
    i64 vm_stat_diff[2]     # dirty pages, pages under writeback that it has counted by itself yet
    u64 vm_stat_s           # the second in which it began to
    u32 bh_lru[BH_LRU_SIZE] # device pages whose buffers it remembers: they cannot be dropped
    u32 bh_next
    BlkPlug plug[3]         # swap writes of the task, of a thread, of a runner, that neighbours may still join

cdef struct ZsClass:        # objects of one size, packed into groups of pages
    u32 size
    u32 pages               # of a group
    u32 objects
    u32 merged              # the class that stands for this size
    u32 head[2][ZS_FULLNESS_GROUPS] # of zram's pool, and of zswap's
    u32 allocated[2]        # objects that its groups have room for, by pool
    u32 used[2]             # objects in them

cdef struct ZsPage:         # a group of pages
    u32 free_link
    u32 prev
    u32 next
    u32 slab
    u32 size_class
    u32 area
    u32 inuse
    u32 fullness
    u32 pages[ZS_MAX_PAGES_PER_ZSPAGE]

cdef struct ZbudPage:       # a page with one or two objects in it
    u32 free_link
    u32 pfn
    u32 chunks[2]           # of the first object and of the last; 0: none
    u32 entry[2]            # the swap entries that they belong to
    bint under_reclaim
    u32 prev                # on the list of pages with as many chunks free
    u32 next
    u32 lru_prev
    u32 lru_next

cdef struct Zswap:          # the compressed store in front of all areas
    bint enabled
    bint same_filled        # a page of one word needs no memory
    bint reached_full       # the limit was hit: nothing is accepted until the pool has shrunk
    bint shrink_queued      # the worker is to write something back
    bint shrinking          # it does
    bint started            # its job is under way
    bint shrink_again       # it was queued meanwhile
    u32 failures            # of this job: pages that were not written
    u32 attempts            # of the round over the groups
    u32 list_head            # entry that has been stored longest; 0: none
    u32 list_tail
    u32 zpool
    u32 algorithm
    u64 max_pool_percent    # of RAM
    u64 accept_threshold_percent    # of that
    u64 pool_pages
    u64 pool_total          # pages, as last counted: what the limit and meminfo go by
    u64 stored_pages
    u64 boot_stored         # at boot, in unknown slots
    u64 boot_pool
    u64 same_filled_pages
    u64 written_back_pages
    u64 pool_limit_hit
    u64 duplicate_entry
    u64 reject_reclaim_fail
    u64 reject_alloc_fail
    u64 reject_kmemcache_fail
    u64 reject_compress_poor
    u32 unbuddied[ZBUD_NCHUNKS + 1] # zbud pages with room for one more object, by chunks free
    u32 lru_head
    u32 lru_tail

cdef struct Device:         # a queue before `width` servers
    u64 latency_ns          # of one request, before its first byte
    u64 ns_per_page[2]      # while a server transfers: a read, a write
    u32 width               # requests served at the same time
    u32 queue_depth         # requests that the block layer hands to it at a time
    u32 nr_requests         # and that it queues in all
    bint emulated           # the CPU of who gives it writes to swap does its work
    bint one_line           # the servers share one line, and transfer one after another
    u32 writes              # requests of files' writeback under way
    u64 last_read_ns        # when a read was last submitted; 0: never
    u64 line_until_ns       # until when the line is taken
    u64 reads_until_ns      # and by reads alone
    u64 pages_read
    u64 pages_written
    u64 requests
    u64 busy_until_ns[32]   # of each server
