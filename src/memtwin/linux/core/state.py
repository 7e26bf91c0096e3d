"""Every array and counter of one machine.

A :class:`State` is plain memory: arrays of C structs (``mm_types.pxd``), counters and pools, and no Python object
for a page, a page table entry or an event.  A module of the model is a set of functions over it.  ``copy()`` makes a
second machine that goes on alike: that is how what-if forks.

Arrays are allocated zeroed: what is never touched costs the host nothing, so a machine of 64 GiB starts as fast as
one of 256 MiB.  One frame is 48 bytes, less than the kernel's own ``struct page`` (64).

Not modelled: NUMA (one node), memory hotplug, CMA, ZONE_DEVICE memory.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free, malloc, realloc
from cython.cimports.libc.string import memcpy, memset
from cython.cimports.memtwin.linux.core.mm_types import (
    BIO_POOL_SIZE,
    MAX_NR_ZONES,
    NR_SCAN_BALANCES,
    NR_XA_LEVELS,
    SCHED_TASK,
    SWAPFILE_CLUSTER,
    AnonVma,
    AnonVmaChain,
    Bio,
    Cpu,
    Dentry,
    Event,
    File,
    Filp,
    Mm,
    Page,
    SwapArea,
    Table,
    Task,
    Vma,
    XaNode,
    ZbudPage,
    ZsPage,
    u8,
    u16,
    u32,
    u64,
)
from cython.cimports.memtwin.linux.core.vmstat import NR_VM_EVENT_ITEMS, NR_VM_NODE_STAT_ITEMS

from memtwin.errors import ModelBug
from memtwin.linux.core import vmstat

SOURCE = "include/linux/mmzone.h", "v6.1"

HOOKS = ("run_events", "cond_resched", "io_schedule", "schedule_timeout", "alloc_slow", "shrink_zswap")
"""The fields of struct Hooks, in its order."""
FIRST_HITS = cython.declare(u32, 4)
FIRST_BANDWIDTH = cython.declare(u64, 25_600)
TABLES_PER_CHUNK = cython.declare(u32, 256)


def pool_init(pool: cython.pointer(Pool), size: u32):
    """Make *pool* an empty array of entries of *size* bytes."""
    pool.size = size
    pool.cap = 16
    pool.nr = 1
    pool.free = 0
    pool.items = calloc(pool.cap, size)


def pool_get(pool: cython.pointer(Pool)) -> u32:
    """Return the number of a zeroed entry; pointers into the pool are stale afterwards."""
    item: u32
    at: cython.p_char
    if pool.free:
        item = pool.free
        at = cython.cast(cython.p_char, pool.items) + cython.cast(u64, item) * pool.size
        pool.free = cython.cast(cython.pointer(u32), at)[0]
        memset(at, 0, pool.size)
        return item
    if pool.nr == pool.cap:
        pool.items = realloc(pool.items, cython.cast(u64, pool.cap) * 2 * pool.size)
        at = cython.cast(cython.p_char, pool.items) + cython.cast(u64, pool.cap) * pool.size
        memset(at, 0, cython.cast(u64, pool.cap) * pool.size)
        pool.cap *= 2
    pool.nr += 1
    return pool.nr - 1


def pool_put(pool: cython.pointer(Pool), item: u32):
    """Give entry *item* back."""
    at: cython.p_char = cython.cast(cython.p_char, pool.items) + cython.cast(u64, item) * pool.size
    memset(at, 0, pool.size)
    cython.cast(cython.pointer(u32), at)[0] = pool.free
    pool.free = item


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
            cython.pointer(cython.pointer(Table)),
            realloc(s.tables, (chunk + 1) * cython.sizeof(cython.p_void)),
        )
        s.tables[chunk] = cython.cast(cython.pointer(Table), calloc(TABLES_PER_CHUNK, cython.sizeof(Table)))
        s.cap_tables += TABLES_PER_CHUNK
        s.table_pfn = cython.cast(cython.pointer(u32), realloc(s.table_pfn, s.cap_tables * cython.sizeof(u32)))
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
    memcpy(new, old, size)
    return new


def plain_bytes(s: State) -> u64:
    """How many bytes of a State are plain memory."""
    return cython.cast(cython.p_char, cython.address(s.last_)) - cython.cast(cython.p_char, cython.address(s.first_))


def free_arrays(s: State):
    """Free everything that stands behind a pointer."""
    i: u32
    for i in range(1, s.mms.nr):
        free(mm_at(s, i).vmas)
    level: u32
    for i in range(1, s.files.nr):
        free(file_at(s, i).pages)
        free(file_at(s, i).shadows)
        free(file_at(s, i).disk)
        for level in range(NR_XA_LEVELS):
            free(file_at(s, i).nodes[level])
    for i in range(s.cap_tables // TABLES_PER_CHUNK):
        free(s.tables[i])
    free(s.tables)
    free(s.table_pfn)
    free(s.pages)
    free(s.pageblock)
    free(s.cpus)
    free(s.tasks.items)
    free(s.mms.items)
    free(s.vmas.items)
    free(s.anon_vmas.items)
    free(s.avcs.items)
    free(s.files.items)
    free(s.filps.items)
    free(s.nodes.items)
    free(s.bios.items)
    free(s.dentries.items)
    free(s.zspages.items)
    free(s.zbud_pages.items)
    for i in range(s.nr_areas):
        free_area(cython.address(s.areas[i]))
    free(s.caches.items)
    free(s.events)


def copy_arrays(old: State, new: State):
    """Give *new* its own copies of the arrays behind pointers."""
    i: u32
    chunks: u32 = old.cap_tables // TABLES_PER_CHUNK
    new.pages = cython.cast(cython.pointer(Page), duplicate(old.pages, (old.max_pfn + 1) * cython.sizeof(Page)))
    new.pageblock = cython.cast(cython.pointer(u8), duplicate(old.pageblock, (old.max_pfn >> 9) + 1))
    new.cpus = cython.cast(cython.pointer(Cpu), duplicate(old.cpus, old.nr_cpus * cython.sizeof(Cpu)))
    new.cpu_now = cython.address(new.cpus[new.cpu])
    new.events = cython.cast(cython.pointer(Event), duplicate(old.events, old.cap_events * cython.sizeof(Event)))
    new.tables = cython.cast(
        cython.pointer(cython.pointer(Table)), duplicate(old.tables, chunks * cython.sizeof(cython.p_void))
    )
    for i in range(chunks):
        new.tables[i] = cython.cast(
            cython.pointer(Table), duplicate(old.tables[i], TABLES_PER_CHUNK * cython.sizeof(Table))
        )
    new.table_pfn = cython.cast(cython.pointer(u32), duplicate(old.table_pfn, old.cap_tables * cython.sizeof(u32)))


def copy_pool(old: cython.pointer(Pool), new: cython.pointer(Pool)):
    """Give a pool its own copy of its entries."""
    new.items = duplicate(old.items, cython.cast(u64, old.cap) * old.size)


def copy_file(file: cython.pointer(File)):
    """Give a file its own arrays."""
    level: u32
    pages: u64 = file.cap_pages
    if not pages:
        return
    file.pages = cython.cast(cython.pointer(u32), duplicate(file.pages, pages * cython.sizeof(u32)))
    file.shadows = cython.cast(cython.pointer(u64), duplicate(file.shadows, pages * cython.sizeof(u64)))
    file.disk = cython.cast(cython.pointer(u64), duplicate(file.disk, pages * cython.sizeof(u64)))
    for level in range(NR_XA_LEVELS):
        file.nodes[level] = cython.cast(
            cython.pointer(u32),
            duplicate(file.nodes[level], ((pages >> (6 * (level + 1))) + 1) * cython.sizeof(u32)),
        )


def free_area(area: cython.pointer(SwapArea)):
    """Free a swap area's arrays."""
    free(area.map)
    free(area.cluster_count)
    free(area.cluster_link)
    free(area.zspage)
    free(area.handle)
    free(area.length)
    free(area.zswap_handle)
    free(area.zswap_slab)
    free(area.zswap_zs_slab)
    free(area.zswap_length)


def copy_area(area: cython.pointer(SwapArea)):
    """Give a swap area its own arrays."""
    clusters: u64 = area.max // SWAPFILE_CLUSTER + 1
    if not area.map:
        return
    area.map = cython.cast(cython.pointer(u16), duplicate(area.map, area.max * cython.sizeof(u16)))
    if area.cluster_count:
        area.cluster_count = cython.cast(
            cython.pointer(u32), duplicate(area.cluster_count, clusters * cython.sizeof(u32))
        )
        area.cluster_link = cython.cast(
            cython.pointer(u32), duplicate(area.cluster_link, clusters * cython.sizeof(u32))
        )
    if area.zspage:
        area.zspage = cython.cast(cython.pointer(u32), duplicate(area.zspage, area.max * cython.sizeof(u32)))
        area.handle = cython.cast(cython.pointer(u32), duplicate(area.handle, area.max * cython.sizeof(u32)))
        area.length = cython.cast(cython.pointer(u16), duplicate(area.length, area.max * cython.sizeof(u16)))
    if area.zswap_length:
        area.zswap_handle = cython.cast(
            cython.pointer(u32), duplicate(area.zswap_handle, area.max * cython.sizeof(u32))
        )
        area.zswap_slab = cython.cast(cython.pointer(u32), duplicate(area.zswap_slab, area.max * cython.sizeof(u32)))
        area.zswap_zs_slab = cython.cast(
            cython.pointer(u32), duplicate(area.zswap_zs_slab, area.max * cython.sizeof(u32))
        )
        area.zswap_length = cython.cast(
            cython.pointer(u16), duplicate(area.zswap_length, area.max * cython.sizeof(u16))
        )


def copy_pools(old: State, new: State):
    """Give *new* its own copies of all pools, and of the arrays that their entries point to."""
    i: u32
    mm: cython.pointer(Mm)
    copy_pool(cython.address(old.tasks), cython.address(new.tasks))
    copy_pool(cython.address(old.mms), cython.address(new.mms))
    copy_pool(cython.address(old.vmas), cython.address(new.vmas))
    copy_pool(cython.address(old.anon_vmas), cython.address(new.anon_vmas))
    copy_pool(cython.address(old.avcs), cython.address(new.avcs))
    copy_pool(cython.address(old.files), cython.address(new.files))
    copy_pool(cython.address(old.filps), cython.address(new.filps))
    copy_pool(cython.address(old.nodes), cython.address(new.nodes))
    copy_pool(cython.address(old.bios), cython.address(new.bios))
    copy_pool(cython.address(old.dentries), cython.address(new.dentries))
    copy_pool(cython.address(old.zspages), cython.address(new.zspages))
    copy_pool(cython.address(old.zbud_pages), cython.address(new.zbud_pages))
    copy_pool(cython.address(old.caches), cython.address(new.caches))
    for i in range(1, new.mms.nr):
        mm = mm_at(new, i)
        if mm.vmas:
            mm.vmas = cython.cast(cython.pointer(u32), duplicate(mm.vmas, mm.cap_vmas * cython.sizeof(u32)))
    for i in range(1, new.files.nr):
        copy_file(file_at(new, i))
    for i in range(new.nr_areas):
        copy_area(cython.address(new.areas[i]))


class State:
    """One machine's memory, whole.  *max_pfn*: one past the last frame number; *nr_cpus*: 1..64."""

    def __cinit__(self, max_pfn: int, nr_cpus: int = 1):
        require_hooks()
        memset(cython.address(self.first_), 0, plain_bytes(self))
        self.max_pfn = max_pfn
        self.nr_cpus = nr_cpus
        self.bio_pool_nr = BIO_POOL_SIZE
        self.pages = cython.cast(cython.pointer(Page), calloc(max_pfn + 1, cython.sizeof(Page)))
        self.pageblock = cython.cast(cython.pointer(u8), calloc((max_pfn >> 9) + 1, 1))
        self.cpus = cython.cast(cython.pointer(Cpu), calloc(nr_cpus, cython.sizeof(Cpu)))
        self.cpu_now = self.cpus
        for cpu in range(nr_cpus):
            self.cpus[cpu].rq.entities[SCHED_TASK].queued = True
        pool_init(cython.address(self.tasks), cython.sizeof(Task))
        pool_init(cython.address(self.mms), cython.sizeof(Mm))
        pool_init(cython.address(self.vmas), cython.sizeof(Vma))
        pool_init(cython.address(self.anon_vmas), cython.sizeof(AnonVma))
        pool_init(cython.address(self.avcs), cython.sizeof(AnonVmaChain))
        pool_init(cython.address(self.files), cython.sizeof(File))
        pool_init(cython.address(self.filps), cython.sizeof(Filp))
        pool_init(cython.address(self.nodes), cython.sizeof(XaNode))
        pool_init(cython.address(self.bios), cython.sizeof(Bio))
        pool_init(cython.address(self.dentries), cython.sizeof(Dentry))
        pool_init(cython.address(self.zspages), cython.sizeof(ZsPage))
        pool_init(cython.address(self.zbud_pages), cython.sizeof(ZbudPage))
        self.node_data[0].kswapd.highest_zone = -1
        self.swap_ra.hits = FIRST_HITS
        self.bdi.flusher.bandwidth = FIRST_BANDWIDTH
        pool_init(cython.address(self.caches), cython.sizeof(SlabCache))
        self.nr_tables = 0
        self.cap_events = 64
        self.events = cython.cast(cython.pointer(Event), calloc(self.cap_events, cython.sizeof(Event)))
        self.next_event_ns = cython.cast(u64, -1)
        table_get(self)  # number 0 is "none"

    def __dealloc__(self):
        free_arrays(self)

    def copy(self) -> State:
        """Return a second machine in the same state; from here each goes its own way."""
        new: State = State.__new__(State, 0, self.nr_cpus)
        free_arrays(new)
        memcpy(cython.address(new.first_), cython.address(self.first_), plain_bytes(self))
        copy_arrays(self, new)
        copy_pools(self, new)
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
    def has_panicked(self) -> bool:
        """Whether the machine has stopped for want of memory."""
        return self.panicked != 0

    @property
    def reclaim_began_ns(self) -> int:
        """When kswapd was woken first; 0: never."""
        return self.first_reclaim_ns

    @property
    def scan_balances(self) -> tuple:
        """How often reclaim decided, by reason (ScanBalance)."""
        return tuple(self.scan_balance[i] for i in range(NR_SCAN_BALANCES))

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
    def swap_pages(self) -> tuple:
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

    def node_stats(self) -> dict:
        """Node counters by name, in the order of /proc/vmstat; pages (kernel stacks in KiB)."""
        return {name: self.node_data[0].stat[i] for i, name in enumerate(vmstat.NODE_STATS)}

    def events_by_name(self) -> dict:
        """Event counters by name, in the order of /proc/vmstat."""
        return {name: self.event[i] for i, name in enumerate(vmstat.EVENTS)}

    def zone_stats(self, zone: int) -> dict:
        """Zone counters by name, in the order of /proc/vmstat; pages."""
        return {name: zone_at(self, zone).stat[i] for i, name in enumerate(vmstat.ZONE_STATS)}

    def numa_stats(self, zone: int) -> dict:
        """NUMA events of a zone by name."""
        return {name: zone_at(self, zone).numa[i] for i, name in enumerate(vmstat.NUMA_STATS)}


def require_hooks():
    """Raise a ModelBug that names the first call upwards that nobody has set."""
    at: cython.pointer(cython.p_void) = cython.cast(cython.pointer(cython.p_void), cython.address(hooks))
    for i in range(cython.sizeof(Hooks) // cython.sizeof(cython.p_void)):
        if at[i] is cython.NULL:
            raise ModelBug(f"hook {HOOKS[i]} is not set: linux/init.py sets them all when memtwin.linux is imported")


def raise_if_broken(s: State):
    """Raise a ModelBug if a check of a page's content failed, and what a listener raised; the story is the caller's."""
    if s.listener_error is not None:
        error, s.listener_error = s.listener_error, None
        raise error
    if s.broken:
        when = ("", "a write fault", "unmapping", "a touch", "leaving the page cache", "swapping in")[s.broken]
        raise ModelBug(f"a page's content, met at {when}, is not what was written to it")
