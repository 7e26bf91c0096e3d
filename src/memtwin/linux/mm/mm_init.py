"""Building a machine's memory as it stands after boot.

What a kernel and its first processes took is input, not prediction: the caller (``memtwin.machine``) decides from a
snapshot or a description which frames are free, in which blocks, and who owns the rest; the functions here write it
down.  A frame that is not claimed counts as free, so frames that are not managed must be named too.

Named after mm/mm_init.c of Linux 6.1, which sizes zones at boot.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add_tail
from cython.cimports.memtwin.linux.core.state import (
    SlabCache,
    State,
    cache_at,
    global_node_page_state,
    mod_node_page_state,
    table_get,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.mm.buddy import mark_block, prep_new_page, relabel_block
from cython.cimports.memtwin.linux.mm.dirty_limits import set_ratelimit
from cython.cimports.memtwin.linux.mm.filemap import filemap_place
from cython.cimports.memtwin.linux.mm.kcompactd import write_proactiveness
from cython.cimports.memtwin.linux.mm.mmzone import (
    calculate_totalreserve_pages,
    set_pageset_limits,
    setup_per_zone_lowmem_reserve,
    setup_per_zone_wmarks,
    zone_set_pageset_high_and_batch,
)
from cython.cimports.memtwin.linux.mm.page_alloc_fast import node_dirtyable_memory
from cython.cimports.memtwin.linux.mm.page_writeback import wake_flusher
from cython.cimports.memtwin.linux.mm.pcp import order_to_pindex
from cython.cimports.memtwin.linux.mm.slub import add_partial, count_slab

from memtwin.linux.core import vmstat


def set_zone(s: State, zone: int, start_pfn: int, spanned: int, present: int, managed: int) -> None:
    """Say where a zone lies and how many of its pages the allocator has."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    z.start_pfn = start_pfn
    z.spanned = spanned
    z.present = present
    z.managed = managed
    z.stat_threshold = min(125, 2 * s.nr_cpus.bit_length() * (1 + (managed >> 15).bit_length()))


def set_zone_ends(s: State, dma: int, dma32: int) -> None:
    """Say where zones DMA and DMA32 end: one past the last frame; an empty one ends where the one below does."""
    s.zone_end[0] = dma
    s.zone_end[1] = dma32


def set_watermarks(s: State, zone: int, marks: tuple[int, ...], boost: int, lowmem_reserve: tuple[int, ...]) -> None:
    """Take (min, low, high) without the boost, and the reserves, from a snapshot."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    z.wmark_min, z.wmark_low, z.wmark_high = marks
    z.wmark_boost = boost
    for i, pages in enumerate(lowmem_reserve[:MAX_NR_ZONES]):
        z.lowmem_reserve[i] = pages


def set_pagesets(s: State, zone: int, high: int, batch: int) -> None:
    """Take the sizes of a zone's per-cpu lists from a snapshot."""
    for cpu in range(s.nr_cpus):
        s.cpus[cpu].pcp[zone].high = high
        s.cpus[cpu].pcp[zone].batch = batch
        set_pageset_limits(s, zone, cython.address(s.cpus[cpu].pcp[zone]))


def compute_watermarks(s: State) -> None:
    """Compute watermarks, reserves and per-cpu lists from the settings, as a write of min_free_kbytes does."""
    setup_per_zone_wmarks(s)
    setup_per_zone_lowmem_reserve(s)


def compute_totalreserve(s: State) -> None:
    """Recompute what MemAvailable holds back, from the marks and reserves in force."""
    calculate_totalreserve_pages(s)


SYSCTL_FIELDS = (
    "min_free_kbytes",
    "watermark_scale_factor",
    "watermark_boost_factor",
    "percpu_pagelist_high_fraction",
    "overcommit_memory",
    "overcommit_ratio",
    "overcommit_kbytes",
    "admin_reserve_kbytes",
    "user_reserve_kbytes",
    "max_map_count",
    "dirty_ratio",
    "dirty_background_ratio",
    "dirty_bytes",
    "dirty_background_bytes",
    "dirty_expire_centisecs",
    "dirty_writeback_centisecs",
    "swappiness",
    "vfs_cache_pressure",
    "page-cluster",
    "panic_on_oom",
    "oom_kill_allocating_task",
    "oom_dump_tasks",
    "compaction_proactiveness",
    "extfrag_threshold",
)
"""The settings that compiled code reads, in the order of ``struct Sysctls``."""


INSTEAD_OF = {
    a: b
    for pair in (
        ("overcommit_ratio", "overcommit_kbytes"),
        ("dirty_ratio", "dirty_bytes"),
        ("dirty_background_ratio", "dirty_background_bytes"),
    )
    for a, b in (pair, pair[::-1])
}
"""Settings that say the same in two units: writing one sets the other to 0."""


def set_sysctl(s: State, name: str, value: int) -> None:
    """Store a setting without its effects; one that compiled code does not read is nothing to it."""
    if name in SYSCTL_FIELDS:
        cython.cast(cython.pointer(i64), cython.address(s.sysctl))[SYSCTL_FIELDS.index(name)] = value


def write_sysctl(s: State, name: str, value: int) -> None:
    """Write a setting as an administrator does: with what the kernel recomputes then."""
    set_sysctl(s, name, value)
    other = INSTEAD_OF.get(name)
    if other:
        set_sysctl(s, other, 0)
    if name == "dirty_writeback_centisecs" and (s.bdi.lists[WB_DIRTY].head or s.bdi.lists[WB_MORE_IO].head):
        wake_flusher(s)
    elif name in {"dirty_ratio", "dirty_bytes"}:
        set_ratelimit(s, node_dirtyable_memory(s))
    elif name in {"min_free_kbytes", "watermark_scale_factor"}:
        if name == "min_free_kbytes":
            s.user_min_free_kbytes = value
        setup_per_zone_wmarks(s)
    elif name == "compaction_proactiveness":
        write_proactiveness(s)
    elif name == "percpu_pagelist_high_fraction":
        for zone in range(MAX_NR_ZONES):
            zone_set_pageset_high_and_batch(s, zone)


def set_lowmem_reserve_ratio(s: State, ratios: tuple[int, ...]) -> None:
    """Store ``vm.lowmem_reserve_ratio``; DMA, DMA32, Normal, Movable, Device."""
    for i, ratio in enumerate(ratios[:MAX_NR_ZONES]):
        s.sysctl.lowmem_reserve_ratio[i] = ratio


def read_lowmem_reserve_ratio(s: State) -> None:
    """What even a *read* of that file does: recompute the reserves with the pages managed now."""
    setup_per_zone_lowmem_reserve(s)


def set_accounts(s: State, committed_as: int, vmalloc_used: int, nr_threads: int) -> None:
    """Start the promises (pages), the vmalloc area (pages) and the number of threads."""
    s.committed_as = committed_as
    s.vmalloc_used = vmalloc_used
    s.nr_threads = nr_threads


def set_costs(s: State, costs: tuple[int, ...]) -> None:
    """Take the nanoseconds that each kind of operation costs, in the order of ``mm_types``' Cost."""
    for i in range(NR_COSTS):
        s.cost_ns[i] = costs[i]


def mark_fresh(s: State) -> None:
    """Note that free blocks of the largest order were never used: what was used and freed is in smaller ones."""
    chain: cython.pointer(List)
    pfn: u32
    i: u32
    z: u32
    mt: u32
    for z in range(MAX_NR_ZONES):
        for mt in range(MIGRATE_TYPES):
            chain = cython.address(zone_at(s, z).free_area[NR_ORDERS - 1][mt])
            pfn = chain.head
            while pfn:
                for i in range(1 << (NR_ORDERS - 1)):
                    s.pages[pfn + i].fresh = 1
                pfn = s.pages[pfn].next


def set_features(s: State, names: frozenset[str]) -> None:
    """Let a machine do what a kernel with these features does (``features.py``)."""
    f: cython.pointer(Features) = cython.address(s.features)
    f.lru_batch = 31 if "lru_batch_31" in names else 15
    f.rss_percpu = "rss_percpu" in names
    f.rotations_cost = "rotations_cost" in names
    f.zram_bios = "zram_bios" in names
    f.fault_once = "fault_once" in names
    f.eevdf = "eevdf" in names
    f.pcp_auto_high = "pcp_auto_high" in names
    f.reclaimed_scanned = "reclaimed_scanned" in names
    f.flush_ratelimited = "flush_ratelimited" in names
    f.full_walk = "full_walk" in names
    f.swapin_writable = "swapin_writable" in names
    f.highatomic_free = "highatomic_free" in names
    f.advice_workingset = "advice_workingset" in names
    f.plug_in_order = "plug_in_order" in names
    f.fallback_claims = "fallback_claims" in names
    f.swapin_unlocked = "swapin_unlocked" in names
    f.zeromap = "zeromap" in names
    f.requeue_expired = "requeue_expired" in names
    f.zswap_lru = "zswap_lru" in names
    f.gen_node_lists = "gen_node_lists" in names
    f.gen_refaults_all = "gen_refaults_all" in names
    f.zs_chain_8 = "zs_chain_8" in names
    f.zs_inuse_ratio = "zs_inuse_ratio" in names
    f.deferred_if_mapped = "deferred_if_mapped" in names


def set_clock(s: State, now_ns: int) -> None:
    """Say how long the machine has been up."""
    s.now_ns = now_ns


def set_pageblock(s: State, block: int, migratetype: int) -> None:
    """Give a pageblock (512 frames) its type; one for atomic blocks is kept from others."""
    s.pageblock[block] = migratetype
    if migratetype == MIGRATE_HIGHATOMIC:
        zone_at(s, zone_of(s, cython.cast(u64, block) << PAGEBLOCK_ORDER)).nr_reserved_highatomic += PAGEBLOCK_NR


def add_free_block(s: State, zone: int, pfn: int, order: int, migratetype: int) -> None:
    """Put a block on a free list, at its tail."""
    relabel_block(s, pfn, order, migratetype)
    list_add_tail(s.pages, cython.address(zone_at(s, zone).free_area[order][migratetype]), pfn)
    zone_at(s, zone).stat[NR_FREE_PAGES] += 1 << order


def add_unmanaged(s: State, pfn: int, count: int) -> None:
    """Say that frames are not the allocator's: holes, the kernel's own image, firmware."""
    i: u32
    for i in range(pfn, pfn + count):
        s.pages[i].owner = OWNER_NONE


def add_pcp_page(s: State, zone: int, cpu: int, pfn: int, migratetype: int) -> None:
    """Put a single page on a per-cpu list, at its tail."""
    pcp: cython.pointer(PerCpuPages) = cython.address(s.cpus[cpu].pcp[zone])
    mark_block(s, pfn, 0, migratetype, OWNER_PCP)
    list_add_tail(s.pages, cython.address(pcp.lists[order_to_pindex(migratetype, 0)]), pfn)
    pcp.count += 1


def add_kernel_pages(s: State, pfn: int, count: int) -> None:
    """Give frames to the kernel for good: drivers, percpu data, stacks of kernel threads."""
    for i in range(pfn, pfn + count):
        prep_new_page(s, i, 0, OWNER_KERNEL)


def add_slab(s: State, cache: int, pfn: int, in_use: int, on_cpu: bool) -> None:
    """Make a slab of a cache with *in_use* objects: the cpu's own, a full one, or one on the partial list."""
    c: cython.pointer(SlabCache) = cache_at(s, cache)
    prep_new_page(s, pfn, c.order, OWNER_SLAB)
    s.pages[pfn].mapping = cache
    s.pages[pfn].index = in_use
    c.nr_objects += in_use
    count_slab(s, pfn, 1)
    if on_cpu:
        c.cpu_slab = pfn
    elif in_use < c.per_slab:
        add_partial(s, c, pfn)


def know_cache(s: State, kind: int, cache: int) -> None:
    """Say which cache the objects of a kind (KnownCache) come from."""
    if 0 <= kind < NR_KNOWN_CACHES:
        s.known_cache[kind] = cache


def add_page_table(s: State, pfn: int) -> None:
    """Make a page table of a process that is not known: counted, linked nowhere."""
    table: u32 = table_get(s)
    prep_new_page(s, pfn, 0, OWNER_TABLE)
    s.table_pfn[table] = pfn
    mod_node_page_state(s, NR_PAGE_TABLE_PAGES, 1)


def add_file_pages(s: State, file: int, index: int, pfn: int, count: int, active: bool, mlocked: int) -> None:
    """Make frames *pfn* … the pages *index* … of a file; the first *mlocked* of them are locked as well."""
    for i in range(count):
        prep_new_page(s, pfn + i, 0, OWNER_FILE)
        filemap_place(s, file, index + i, pfn + i, active)
        if i < mlocked:
            s.pages[pfn + i].flags |= PG_MLOCKED
            zone_at(s, zone_number(s, pfn + i)).stat[NR_MLOCK] += 1


def zone_number(s: State, pfn: int) -> int:
    """The zone of a frame."""
    return zone_of(s, pfn)


def start_counters(s: State, printed: dict[str, int]) -> None:
    """Let event, NUMA and node counters go on from a snapshot's, but for those that the machine's own pages give."""
    for i, name in enumerate(vmstat.EVENTS):
        s.event[i] = printed.get(name, 0)
    for i, name in enumerate(vmstat.NODE_STATS):
        if global_node_page_state(s, i) == 0 and name in KEPT_NODE_STATS:
            s.node_data[0].stat[i] = printed.get(name, 0)


KEPT_NODE_STATS = {
    name
    for name in vmstat.NODE_STATS
    if (name.startswith("workingset_") and name != "workingset_nodes")
    or name
    in {
        "nr_dirtied",
        "nr_written",
        "nr_vmscan_write",
        "nr_vmscan_immediate_reclaim",
        "nr_throttled_written",
        "nr_kernel_stack",
        "nr_kernel_misc_reclaimable",
        "nr_foll_pin_acquired",
        "nr_foll_pin_released",
        "nr_sec_page_table_pages",
    }
}


def set_zspages(s: State, zone: int, pages: int) -> None:
    """Say how many pages zsmalloc had at boot; the frames are counted among the kernel's."""
    zone_at(s, zone).stat[NR_ZSPAGES] = pages


def start_numa(s: State, zone: int, counters: dict[str, int]) -> None:
    """Let a zone's NUMA events go on from a snapshot's."""
    for i, name in enumerate(vmstat.NUMA_STATS):
        zone_at(s, zone).numa[i] = counters.get(name, 0)


def count_event(s: State, name: str, amount: int) -> None:
    """Add to an event counter by name."""
    s.event[vmstat.EVENTS.index(name)] += amount
