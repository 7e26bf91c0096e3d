"""Every array and counter of one machine.

A :class:`State` is plain memory: arrays of C structs (``mm_types.pxd``), counters and pools, and no Python object
for a page, a page table entry or an event.  A module of the model is a set of functions over it.  ``copy()`` makes a
second machine that goes on alike: that is how what-if forks.

Arrays are allocated zeroed: what is never touched costs the host nothing, so a machine of 64 GiB starts as fast as
one of 256 MiB.  One frame is 48 bytes, less than the kernel's own ``struct page`` (64).

Not modelled: NUMA (one node), memory hotplug, CMA, ZONE_DEVICE memory.
"""

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.libc.stdlib import calloc, free, malloc
from cython.cimports.libc.string import memcpy, memset
from cython.cimports.memtwin.linux.core.host_memory import (
    give_up,
    host_memory,
    host_zeroed,
    longer,
)
from cython.cimports.memtwin.linux.core.pool import pool_copy, pool_free, pool_init

from memtwin.errors import HostMemoryError, ModelBug
from memtwin.linux.core import vmstat
from memtwin.linux.core.host_memory import raise_if_short, require_memory

SOURCE = "include/linux/mmzone.h", "v6.1"

HOOKS = (
    "run_events",
    "cond_resched",
    "io_schedule",
    "schedule_timeout",
    "io_schedule_timeout",
    "nanosleep",
    "alloc_slow",
    "shrink_zswap",
)
"""The fields of struct Hooks, in its order."""
FREE = cython.declare(u32, 0)
COPY = cython.declare(u32, 1)
FORGET = cython.declare(u32, 2)
FIRST_HITS = cython.declare(u32, 4)
SHM_UNLIMITED = cython.declare(u64, 0xFFFFFFFFFEFFFFFF)  # SHMMAX, SHMALL: ULONG_MAX - (1 << 24)
FIRST_BANDWIDTH = cython.declare(u64, 25_600)
RA_PAGES = cython.declare(u64, 32)
TABLES_PER_CHUNK = cython.declare(u32, 256)
POOL_ROOM = cython.declare(u64, 256 << 20)  # at least, for a small machine with many files
LOOKS = cython.declare(u32, 256)
COUNT = cython.declare(u32, 3)


def table_get(s: State) -> u32:
    """Return the number of an empty page table.  Its frame is the caller's to set in ``table_pfn``."""
    table: u32
    chunk: u32
    if s.free_table:
        table = s.free_table
        s.free_table = cython.cast(u32, table_at(s, table).entry[0])
        table_at(s, table).entry[0] = 0
        return table
    if s.nr_tables == s.cap_tables:
        chunk = s.cap_tables // TABLES_PER_CHUNK
        s.tables = cython.cast(
            cython.pointer(cython.pointer(Table)), longer(s.tables, (chunk + 1) * cython.sizeof(cython.p_void))
        )
        s.tables[chunk] = cython.cast(cython.pointer(Table), host_zeroed(TABLES_PER_CHUNK, cython.sizeof(Table)))
        s.cap_tables += TABLES_PER_CHUNK
        s.table_pfn = cython.cast(cython.pointer(u32), longer(s.table_pfn, s.cap_tables * cython.sizeof(u32)))
    s.nr_tables += 1
    s.table_pfn[s.nr_tables - 1] = 0
    return s.nr_tables - 1


def table_put(s: State, table: u32):
    """Give page table *table* back."""
    memset(table_at(s, table), 0, cython.sizeof(Table))
    table_at(s, table).entry[0] = s.free_table
    s.free_table = table
    s.table_pfn[table] = 0


def duplicate(old: cython.p_void, size: u64) -> cython.p_void:
    """A copy of *size* bytes in memory of its own."""
    new: cython.p_void = malloc(size if size else 1)
    if new == cython.NULL:
        give_up(size)
    memcpy(new, old, size)
    return new


def plain_bytes(s: State) -> u64:
    """How many bytes of a State are plain memory."""
    return cython.cast(cython.p_char, cython.address(s.last_)) - cython.cast(cython.p_char, cython.address(s.first_))


# --- every array that a State owns, named once: freeing, copying and forgetting walk the same list --------------------


def on_array(array: cython.pointer(cython.p_void), size: u64, what: u32):
    """Free an array, give it memory of its own, forget it, which leaves it to another owner, or count its bytes."""
    if what == COUNT:
        host_memory.counted += size if array[0] != cython.NULL else 0
    elif what == FREE:
        free(array[0])
    elif what == COPY and array[0] != cython.NULL:
        array[0] = duplicate(array[0], size)
    elif what == FORGET:
        array[0] = cython.NULL


def pool_at(s: State, number: u32) -> cython.pointer(Pool):
    """One of the pools, which stand side by side in the header."""
    return cython.address(cython.address(s.tasks)[number])


def on_arrays(s: State, what: u32):
    """Carry out *what* for each array that a State itself points to."""
    i: u32
    on_array(cython.cast(Array, cython.address(s.pages)), (s.max_pfn + 1) * cython.sizeof(Page), what)
    on_array(cython.cast(Array, cython.address(s.pageblock)), (s.max_pfn >> PAGEBLOCK_ORDER) + 1, what)
    on_array(cython.cast(Array, cython.address(s.pageblock_skip)), (s.max_pfn >> PAGEBLOCK_ORDER) + 1, what)
    on_array(cython.cast(Array, cython.address(s.cpus)), s.nr_cpus * cython.sizeof(Cpu), what)
    on_array(cython.cast(Array, cython.address(s.events)), s.cap_events * cython.sizeof(Event), what)
    on_array(cython.cast(Array, cython.address(s.notices)), s.cap_notices * cython.sizeof(NoticeItem), what)
    on_array(
        cython.cast(Array, cython.address(s.tables)),
        s.cap_tables // TABLES_PER_CHUNK * cython.sizeof(cython.p_void),
        what,
    )
    on_array(cython.cast(Array, cython.address(s.table_pfn)), s.cap_tables * cython.sizeof(u32), what)
    for i in range(NR_POOLS):
        on_pool(pool_at(s, i), what)


def on_pool(pool: cython.pointer(Pool), what: u32):
    """Carry out *what* for a pool's array, which is an ordinary one in the moment of a notice."""
    if what == FREE and pool.room:
        pool_free(pool)
    elif what == COPY and pool.room:
        pool_copy(pool)
    else:
        on_array(cython.address(pool.items), cython.cast(u64, pool.cap) * pool.size, what)
        pool.room = 0 if what == FORGET else pool.room


def on_nested_arrays(s: State, what: u32):
    """Carry out *what* for each array that an entry of another array points to."""
    i: u32
    for i in range(s.cap_tables // TABLES_PER_CHUNK):
        on_array(cython.cast(Array, cython.address(s.tables[i])), TABLES_PER_CHUNK * cython.sizeof(Table), what)
    for i in range(1, s.mms.nr):
        on_array(cython.cast(Array, cython.address(mm_at(s, i).vmas)), mm_at(s, i).cap_vmas * cython.sizeof(u32), what)
    for i in range(s.nr_notices):
        on_array(cython.cast(Array, cython.address(s.notices[i].moment)), s.notices[i].moment_bytes, what)
    for i in range(1, s.files.nr):
        on_file(file_at(s, i), what)
    for i in range(s.nr_areas):
        on_area(cython.address(s.areas[i]), what)
    for i in range(MAX_RUNNERS):
        on_runner(cython.address(s.runners[i]), what)


def on_file(f: cython.pointer(File), what: u32):
    """Carry out *what* for each array of a file; a copy needs its own list of chunks before their copies go there."""
    level: u32
    number: u64
    chunks: u64 = f.cap_pages // XA_CHUNK
    if what == COPY:
        on_array(cython.cast(Array, cython.address(f.chunks)), chunks * cython.sizeof(cython.p_void), what)
    for number in range(chunks):
        on_array(cython.cast(Array, cython.address(f.chunks[number])), cython.sizeof(FileChunk), what)
    if what != COPY:
        on_array(cython.cast(Array, cython.address(f.chunks)), 0, what)
    for level in range(NR_XA_LEVELS):
        on_array(
            cython.cast(Array, cython.address(f.nodes[level])),
            ((f.cap_pages >> (6 * (level + 1))) + 1) * cython.sizeof(u32),
            what,
        )


def on_runner(r: cython.pointer(Runner), what: u32):
    """Carry out *what* for the array of a runner; a copy has to look its tables up again."""
    on_array(cython.cast(Array, cython.address(r.work.leaves)), r.work.nr_leaves * cython.sizeof(cython.p_void), what)
    r.work.walks = ~cython.cast(u64, 0)


def on_area(area: cython.pointer(SwapArea), what: u32):
    """Carry out *what* for each array of a swap area."""
    clusters: u64 = (area.max // SWAPFILE_CLUSTER + 1) * cython.sizeof(u32)
    slots: u64 = area.max * cython.sizeof(u32)
    on_array(cython.cast(Array, cython.address(area.map)), area.max * cython.sizeof(u16), what)
    on_array(
        cython.cast(Array, cython.address(area.cluster_held)),
        (area.max // SWAPFILE_CLUSTER + 1) * cython.sizeof(u16),
        what,
    )
    on_array(cython.cast(Array, cython.address(area.cluster_count)), clusters, what)
    on_array(cython.cast(Array, cython.address(area.cluster_link)), clusters, what)
    on_array(cython.cast(Array, cython.address(area.zspage)), slots, what)
    on_array(cython.cast(Array, cython.address(area.handle)), slots, what)
    on_array(cython.cast(Array, cython.address(area.length)), area.max * cython.sizeof(u16), what)
    on_array(cython.cast(Array, cython.address(area.zswap_handle)), slots, what)
    on_array(cython.cast(Array, cython.address(area.zswap_slab)), slots, what)
    on_array(cython.cast(Array, cython.address(area.zswap_zs_slab)), slots, what)
    on_array(cython.cast(Array, cython.address(area.zswap_prev)), slots, what)
    on_array(cython.cast(Array, cython.address(area.zswap_next)), slots, what)
    on_array(cython.cast(Array, cython.address(area.zswap_referenced)), area.max, what)
    on_array(cython.cast(Array, cython.address(area.zswap_length)), area.max * cython.sizeof(u16), what)


def array_bytes(s: State) -> u64:
    """Bytes of everything that stands behind a pointer."""
    host_memory.counted = 0
    on_nested_arrays(s, COUNT)
    on_arrays(s, COUNT)
    return host_memory.counted


def free_arrays(s: State):
    """Free everything that stands behind a pointer."""
    on_nested_arrays(s, FREE)
    on_arrays(s, FREE)


DMA_END = cython.declare(u64, 1 << 12)
DMA32_END = cython.declare(u64, 1 << 20)


class State:
    """One machine's memory, whole.  *max_pfn*: one past the last frame number; *nr_cpus*: 1..64."""

    def __cinit__(self, max_pfn: int, nr_cpus: int = 1):
        memset(cython.address(self.first_), 0, plain_bytes(self))
        require_hooks()
        raise_if_short()
        self.max_pfn = max_pfn
        self.zone_end[0], self.zone_end[1] = DMA_END, DMA32_END
        self.nr_cpus = nr_cpus
        self.features.lru_batch = 15
        self.shm_ctlmax = self.shm_ctlall = SHM_UNLIMITED
        self.user_min_free_kbytes = -1
        self.node_data[0].lruvec.gen.max_seq = MIN_NR_GENS + 1
        self.node_data[0].lruvec.mm_state.seq = MIN_NR_GENS
        self.bio_pool_nr = BIO_POOL_SIZE
        self.pages = cython.cast(cython.pointer(Page), calloc(max_pfn + 1, cython.sizeof(Page)))
        self.pageblock = cython.cast(cython.pointer(u8), calloc((max_pfn >> 9) + 1, 1))
        self.pageblock_skip = cython.cast(cython.pointer(u8), calloc((max_pfn >> 9) + 1, 1))
        self.cpus = cython.cast(cython.pointer(Cpu), calloc(nr_cpus, cython.sizeof(Cpu)))
        if (
            self.pages == cython.NULL
            or self.pageblock == cython.NULL
            or self.pageblock_skip == cython.NULL
            or self.cpus == cython.NULL
        ):
            raise HostMemoryError(f"a machine of {max_pfn:,} frames", (max_pfn + 1) * cython.sizeof(Page))
        self.cpu_now = self.cpus
        self.nr_entities = NR_SCHED_ENTITIES
        self.entities[SCHED_TASK].queued = True
        sizes: u32[NR_POOLS] = [
            cython.sizeof(Task), cython.sizeof(Mm), cython.sizeof(Vma), cython.sizeof(AnonVma),
            cython.sizeof(AnonVmaChain), cython.sizeof(File), cython.sizeof(Filp), cython.sizeof(XaNode),
            cython.sizeof(Bio), cython.sizeof(Dentry), cython.sizeof(ZsPage), cython.sizeof(ZbudPage),
            cython.sizeof(SlabCache),
        ]  # fmt: skip
        for pool in range(NR_POOLS):
            pool_init(pool_at(self, pool), sizes[pool], max(cython.cast(u64, max_pfn) << 12, POOL_ROOM))
        self.node_data[0].kswapd.highest_zone = -1
        self.node_data[0].kcompactd.highest_zone = ZONE_MOVABLE
        self.swap_ra.hits = FIRST_HITS
        self.bdi.flusher.bandwidth = FIRST_BANDWIDTH
        self.bdi.flusher.ratelimit = self.bdi.flusher.balanced_ratelimit = FIRST_BANDWIDTH
        self.bdi.ra_pages = RA_PAGES
        self.nr_tables = 0
        self.cap_events = 64
        self.events = cython.cast(cython.pointer(Event), host_zeroed(self.cap_events, cython.sizeof(Event)))
        self.next_event_ns = cython.cast(u64, -1)
        table_get(self)  # number 0 is "none"

    def __dealloc__(self):
        free_arrays(self)

    def copy(self) -> State:
        """Return a second machine in the same state; from here each goes its own way."""
        new: State = State.__new__(State, 0, self.nr_cpus)
        require_memory(array_bytes(self), "a copy of the machine")
        free_arrays(new)
        memcpy(cython.address(new.first_), cython.address(self.first_), plain_bytes(self))
        on_arrays(new, COPY)
        on_nested_arrays(new, COPY)
        new.cpu_now = cython.address(new.cpus[new.cpu])
        return new

    def fingerprint(self) -> bytes:
        """Return the plain counters and every frame as bytes: equal for two machines in the same state."""
        frames = cython.cast(cython.p_char, self.pages)[: (self.max_pfn + 1) * cython.sizeof(Page)]
        node = cython.cast(cython.p_char, self.node_data[0].stat)[: NR_VM_NODE_STAT_ITEMS * 8]
        events = cython.cast(cython.p_char, self.event)[: NR_VM_EVENT_ITEMS * 8]
        clock = cython.cast(cython.p_char, cython.address(self.now_ns))[:8]
        return clock + node + events + frames

    @property
    def reclaim_failures(self) -> int:
        """Runs of kswapd in a row that reclaimed nothing; from 16 on it is not woken any more."""
        return self.node_data[0].kswapd.failures

    @property
    def refused_by(self) -> int:
        """The rule that refused what the last operation asked for (Refusal); 0: none did."""
        return self.refusal

    @property
    def has_panicked(self) -> bool:
        """Whether the machine has stopped for lack of memory."""
        return self.panicked != 0

    @property
    def reclaim_began_ns(self) -> int:
        """When kswapd was woken first; 0: never."""
        return self.first_reclaim_ns

    @property
    def scan_balances(self) -> tuple[int, ...]:
        """How often reclaim decided, by reason (ScanBalance)."""
        return tuple(self.scan_balance[i] for i in range(NR_SCAN_BALANCES))

    @property
    def oom_kills(self) -> int:
        """Processes killed for their memory since boot."""
        return self.event[OOM_KILL]

    @property
    def clock_ns(self) -> int:
        """Simulated time since boot."""
        return self.now_ns

    @property
    def checks(self) -> bool:
        """Whether this is the debug build, which validates after every operation."""
        return DEBUG != 0

    @property
    def cpu_count(self) -> int:
        """Processors."""
        return self.nr_cpus

    @property
    def memory_total(self) -> int:
        """Pages managed by the allocator: MemTotal."""
        return sum(zone_at(self, z).managed for z in range(MAX_NR_ZONES))

    @property
    def totalreserve(self) -> int:
        """Pages that MemAvailable leaves out: the reserves and high marks of all zones."""
        return self.totalreserve_pages

    @property
    def swap_pages(self) -> tuple[int, int]:
        """Swap: all pages, free pages."""
        return self.total_swap_pages, max(self.nr_swap_pages, 0)

    @property
    def committed_pages(self) -> int:
        """Committed_AS in pages."""
        return self.committed_as

    @property
    def vmalloc_pages(self) -> int:
        """VmallocUsed in pages."""
        return self.vmalloc_used

    @property
    def thread_count(self) -> int:
        """Threads, the kernel's own included."""
        return self.nr_threads

    def node_stats(self) -> dict[str, int]:
        """Node counters by name, in the order of /proc/vmstat; pages (kernel stacks in KiB)."""
        return {name: self.node_data[0].stat[i] for i, name in enumerate(vmstat.NODE_STATS)}

    def events_by_name(self) -> dict[str, int]:
        """Event counters by name, in the order of /proc/vmstat."""
        return {name: self.event[i] for i, name in enumerate(vmstat.EVENTS)}

    def zone_stats(self, zone: int) -> dict[str, int]:
        """Zone counters by name, in the order of /proc/vmstat; pages."""
        return {name: zone_at(self, zone).stat[i] for i, name in enumerate(vmstat.ZONE_STATS)}

    def numa_stats(self, zone: int) -> dict[str, int]:
        """NUMA events of a zone by name."""
        return {name: zone_at(self, zone).numa[i] for i, name in enumerate(vmstat.NUMA_STATS)}


def require_hooks():
    """Raise a ModelBug that names the first hook that is not set."""
    at: cython.pointer(cython.p_void) = cython.cast(cython.pointer(cython.p_void), cython.address(hooks))
    for i in range(cython.sizeof(Hooks) // cython.sizeof(cython.p_void)):
        if at[i] is cython.NULL:
            raise ModelBug(f"hook {HOOKS[i]} is not set: linux/init.py sets them all when memtwin.linux is imported")


def look_for_signal(s: State):
    """Let Python handle signals of the host; an exception that a handler raises is kept for ``raise_if_broken``."""
    s.looks_left = LOOKS
    try:
        PyErr_CheckSignals()
    except BaseException as problem:
        s.cut_off = True
        s.cut_off_by = problem


def raise_if_broken(s: State):
    """Raise what a signal's handler raised, a HostMemoryError if an array could not grow, or a ModelBug.

    A ModelBug is a check of a page's content that failed; its story is the caller's.  After a signal the machine
    stands in the middle of an operation and is not to be used any more.
    """
    if s.cut_off:
        problem = s.cut_off_by
        s.cut_off = False
        s.cut_off_by = None
        raise problem
    if host_memory.missing:
        raise_if_short()
    if s.broken:
        when = ("", "a write fault", "unmapping", "a touch", "leaving the page cache", "swapping in")[s.broken]
        raise ModelBug(f"a page's content, met at {when}, is not what was written to it")
