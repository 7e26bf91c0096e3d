# The structs and constants of the model, as include/linux/mm_types.h, mmzone.h and page-flags.h are the kernel's.
# A frame is known by its number (pfn); 0 is never a managed frame, so 0 ends every list and means "none".

from libc.stdint cimport int32_t as i32, int64_t as i64, uint8_t as u8, uint16_t as u16, uint32_t as u32, uint64_t as u64

cpdef enum:
    NR_ORDERS = 11          # orders 0..10: 4 KiB .. 4 MiB
    PAGEBLOCK_ORDER = 9
    PAGEBLOCK_NR = 512
    MAX_NR_ZONES = 5        # DMA DMA32 Normal Movable Device
    COSTLY_ORDER = 3        # PAGE_ALLOC_COSTLY_ORDER: per-cpu lists hold orders 0..3, and 9
    NR_PCP_LISTS = 14       # 3 types x orders 0..3, then order 9 not movable, order 9 movable
    PCP_BATCH_SCALE_MAX = 5
    PAGEVEC_SIZE = 15
    PTRS_PER_TABLE = 512
    MAX_CPUS = 64
    STACK_PAGES = 4         # THREAD_SIZE of x86-64: 16 KiB
    NR_CACHED_STACKS = 2    # kept per cpu for the next thread
    NR_TASK_OBJECTS = 8

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
    OWNER_TABLE             # a page table
    OWNER_KERNEL            # any other kernel use: stacks, percpu, drivers
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
    PG_PARTIAL = 1024       # a slab on its cache's partial list

cpdef enum:          # x86-64 bits; the frame number stands at bit 12
    PTE_PRESENT = 1
    PTE_WRITE = 2
    PTE_ACCESSED = 32
    PTE_DIRTY = 64
    PTE_SPECIAL = 512       # the shared zero page, the vdso: in nobody's RSS as anon, never on a list

cpdef enum:           # include/linux/mm.h
    VM_READ = 1
    VM_WRITE = 2
    VM_EXEC = 4
    VM_SHARED = 8
    VM_GROWSDOWN = 0x100
    VM_PFNMAP = 0x400       # special mappings: vvar, vdso
    VM_LOCKED = 0x2000
    VM_BSS = 0x8000         # ours: a program's bss never becomes one area with the heap behind it
    VM_ACCOUNT = 0x100000

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
    NR_KNOWN_CACHES

cpdef enum:              # FileKind
    FILE_RAMFS = 1          # its pages are the only copy: unevictable and always dirty
    FILE_VDSO = 2           # the kernel's own pages, mapped into every process; not page cache
    FILE_SHMEM = 3          # tmpfs and shared memory: on the anonymous lists
    FILE_BDEV = 4           # a block device's own pages: Buffers

cpdef enum:          # what an operation comes to; results, not exceptions
    OK = 0
    ENOENT = 2
    ENOMEM = 12             # the kernel refuses
    EINVAL = 22
    AGAIN = 1001            # the time slice is over: call again
    NEEDS_RECLAIM = 1000    # the kernel would reclaim, and this model cannot do that yet

cpdef enum:             # index into State.cost_ns
    COST_HIT
    COST_ZERO_FAULT
    COST_ANON_FAULT
    COST_FILL               # five: by Content
    COST_FILL_MARK
    COST_FILL_TEXT
    COST_FILL_HALF
    COST_FILL_RANDOM
    COST_COW_FAULT
    COST_REUSE_FAULT
    COST_FILE_FAULT
    COST_FORK
    COST_FORK_PAGE
    COST_UNMAP_PAGE
    COST_EXEC
    COST_SYSCALL
    NR_COSTS

cdef struct Page:
    u64 tag                 # content: a write changes it, a fault and a move check it
    u64 index               # anon: page number of the address; file: page number in the file; slab: objects in use
    u32 next
    u32 prev
    u32 mapping             # anon: its anon_vma; file: its file; slab: its cache
    i32 mapcount            # page-table entries that map it
    i32 refcount
    u16 flags
    u8 owner
    u8 order                # of the block that starts here (PG_HEAD)
    u8 migratetype          # of a block on a free or per-cpu list: which list

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
    List free_area[NR_ORDERS][MIGRATE_TYPES]
    i64 stat[16]            # ZoneStat
    u64 numa[8]             # NumaStat
    u32 stat_threshold

cdef struct PageVec:
    u32 nr
    u32 pages[PAGEVEC_SIZE]

cdef struct Vma:
    u64 start               # first page number
    u64 end                 # one past the last
    u64 pgoff
    u32 flags
    u32 mm
    u32 file
    u32 anon_vma
    u32 avc                 # head of this area's chain links
    u32 slab                # of its vm_area_struct

cdef struct Mm:
    u32 free_link           # of the pool, once this entry is given back
    u32 *vmas               # sorted by start
    u32 nr_vmas
    u32 cap_vmas
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
    i64 rss[NR_MM_COUNTERS]
    i64 nr_tables           # PTE, PMD and PUD tables: mm_pgtables_bytes / 4096

cdef struct Task:
    u32 pid
    u32 mm
    i32 oom_score_adj
    u32 cpu
    u64 min_flt
    u64 maj_flt
    u64 utime_ns
    u64 stime_ns
    u64 start_ns
    u32 rss_events          # split RSS of kernels up to 6.1: folded into the mm after 64 events
    i64 rss_delta[NR_MM_COUNTERS]
    u32 stack[STACK_PAGES]
    u32 slabs[NR_TASK_OBJECTS]

cdef struct AnonVma:
    u32 root
    u32 parent
    u32 avc                 # head of the links to the areas that may map its pages
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

cdef struct File:
    u32 free_link
    u32 *pages              # frame of each page of the file, 0 where not cached
    u64 nr_pages
    u64 nr_cached
    u32 kind                # FileKind

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

cdef struct Event:
    u64 time_ns
    u32 priority            # of two at one time the lower goes first, then the one made first
    u32 serial
    u32 kind
    u32 arg

cdef struct Device:         # a queue before `width` servers
    u64 latency_ns          # of one request, before its first byte
    u64 ns_per_page         # while a server transfers
    u32 width               # requests served at the same time
    u32 in_flight
    u64 pages_read
    u64 pages_written
    u64 requests
    u64 busy_until_ns[32]   # of each server
