"""Building a machine from a snapshot of a real kernel: every frame gets the owner that the counters say.

What a kernel and its first processes took is input here, not prediction: every number that the snapshot prints is
printed again by the machine before its first operation.  Where the snapshot does not say who owns something:

- *the rest*: one process (pid 1) holds all anonymous and mapped pages that no process of the scenario made;
- one unnamed file holds the page cache, one block device the Buffers, one shared-memory file the Shmem;
- what lies in ramfs (unevictable pages of files) is the program that the scenario's processes run;
- frames that no counter owns belong to the kernel.

The kernel version is the snapshot's (``proc/version``); the model follows 6.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memtwin.errors import SnapshotError
from memtwin.linux.core import mm_types as t
from memtwin.linux.core.state import State
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.kernel import softirq, sysctl
from memtwin.linux.kernel.sched import loadavg as mm_loadavg
from memtwin.linux.kernel.sched import psi
from memtwin.linux.mm import filemap, mm_init, slub
from memtwin.machine import checks, costs, describe, program
from memtwin.machine.boot import Boot, notes, read_boot
from memtwin.machine.layout import FreeBlock, ZoneLayout, ZoneNumbers, place
from memtwin.machine.machine import Area, Machine
from memtwin.machine.swap_areas import add_disk, from_snapshot, zswap_from_snapshot
from memtwin.units import pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.machine.program import Program
    from memtwin.procfs import slabinfo, zoneinfo
    from memtwin.sources.source import Source

ZONES = ("DMA", "DMA32", "Normal", "Movable", "Device")
MIGRATE_TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
UNMOVABLE, MOVABLE, RECLAIMABLE = range(3)
REST_START = 0x200000000
"""Page number where *the rest*'s anonymous memory is mapped; its files follow."""
REST_FILES = 0x400000000
REST_VDSO = 0x7FFFF7FFD
UPPER_TABLES = 8
"""Tables of *the rest* above the two levels that nr_page_table_pages counts, at most."""
KNOWN_CACHES = {
    "task_struct": t.CACHE_TASK_STRUCT,
    "signal_cache": t.CACHE_SIGNAL,
    "sighand_cache": t.CACHE_SIGHAND,
    "files_cache": t.CACHE_FILES,
    "cred_jar": t.CACHE_CRED,
    "pid": t.CACHE_PID,
    "mm_struct": t.CACHE_MM_STRUCT,
    "vm_area_struct": t.CACHE_VMA,
    "anon_vma": t.CACHE_ANON_VMA,
    "anon_vma_chain": t.CACHE_ANON_VMA_CHAIN,
    "radix_tree_node": t.CACHE_RADIX_TREE_NODE,
    "buffer_head": t.CACHE_BUFFER_HEAD,
    "filp": t.CACHE_FILP,
    "dentry": t.CACHE_DENTRY,
    "inode_cache": t.CACHE_INODE,
    "proc_inode_cache": t.CACHE_PROC_INODE,
    "ext4_inode_cache": t.CACHE_EXT4_INODE,
    "lsm_inode_cache": t.CACHE_LSM_INODE,
    "zs_handle": t.CACHE_ZS_HANDLE,
    "zspage": t.CACHE_ZSPAGE,
    "zswap_entry": t.CACHE_ZSWAP_ENTRY,
    "bio-192": t.CACHE_BIO,
}
MERGED = {"zspage": "ftrace_event_field", "zs_handle": "kmalloc-8", "zswap_entry": "vmap_area"}
"""Caches that slabinfo does not show: objects of their size lie in another one's slabs."""
RECLAIMABLE_CACHES = re.compile(
    r"dentry|inode_cache|(proc|sock|bdev|dax|ext4|xfs|btrfs|nfs|fuse|isofs|fat)_(inode_)?(cache|inode)|"
    r"radix_tree_node|buffer_head|kmalloc-rcl-.*|ext4_groupinfo.*|ext4_extent_status|ext4_pending.*|"
    r"ext4_fc_dentry.*|mbcache|jbd2_revoke_record.*|fuse_request"
)
"""Caches made with SLAB_RECLAIM_ACCOUNT; slabinfo does not print that flag."""
GROW_WHEN_READ = ("proc_inode_cache", "dentry", "filp", "inode_cache")
"""Caches that reading /proc itself fills: slabinfo, read after vmstat, may show a few slabs more."""


@dataclass(slots=True)
class Draft:
    """A machine that is being built: what the steps so far have made, and what the next ones need."""

    boot: Boot
    program: Program
    zones: list[zoneinfo.ZoneInfo]
    state: State
    profile: costs.CostProfile
    layouts: dict[int, ZoneLayout] = field(default_factory=dict)
    """Of each zone: which of its frames are in use and have no owner yet."""
    caches: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    tables: list[int] = field(default_factory=list)
    """Frames for page tables of *the rest*."""
    rest: int = 0
    listed: dict[str, int] = field(default_factory=dict)
    """Pages on the anonymous and unevictable lists that are accounted for: shmem and ramfs have the others."""
    files: dict[str, int] = field(default_factory=dict)
    areas: list[Area] = field(default_factory=list)


def build(
    source: Source,
    *,
    ram_bytes: int | None = None,
    swap_areas: tuple[describe.Area, ...] | None = None,
    zswap: Mapping[str, str] | None = None,
) -> Machine:
    """Build a machine from a snapshot: a root with ``proc/meminfo`` and the rest of Boot's files.

    *ram_bytes*, *swap_areas* and *zswap* (its parameters by name) change what the snapshot says; None leaves it.
    """
    boot = read_boot(source, sysctl.BY_NAME)
    checks.check(boot)
    if ram_bytes is not None:
        boot = describe.with_ram(boot, ram_bytes)
    if swap_areas is not None:
        boot = describe.with_swaps(boot, swap_areas)
    if zswap is not None:
        boot = describe.with_zswap(boot, zswap)
    draft = _begin(boot)
    for step in STEPS:
        step(draft)
    return Machine(
        state=draft.state, boot=boot, caches=draft.caches, binary=draft.files["binary"], vdso=draft.files["vdso"],
        bdev=draft.files["bdev"], rest=draft.rest, areas=draft.areas, sysctl=draft.settings, costs=draft.profile,
        program=draft.program, notes=(*notes(boot), *_unknown_program(draft)),
    )  # fmt: skip


def _begin(boot: Boot) -> Draft:
    """Return a machine of the snapshot's size in which every frame is without an owner."""
    zones = [zone for zone in boot.zoneinfo.zones if zone.node == 0]
    cpus = max((len(zone.pagesets) for zone in zones), default=1) or 1
    last = max((zone.start_pfn or 0) + zone.spanned for zone in zones)
    return Draft(boot, program.program(boot.program), zones, State(last, cpus), costs.for_cpu(boot.cpuinfo))


def _unknown_program(d: Draft) -> tuple[str, ...]:
    """Return what to say where the snapshot names a program that there is no data for."""
    if d.boot.program in {None, d.program.guest_c}:
        return ()
    unknown = f"{d.boot.name} ran a program that is not known ({d.boot.program})"
    return (f"{unknown}: its processes run {d.program.guest_c} instead",)


def place_free_blocks(d: Draft) -> None:
    """Zones, watermarks, free lists."""
    end = 0
    for zone in d.zones:
        if zone.managed:
            mm_init.add_unmanaged(d.state, end, (zone.start_pfn or 0) - end)
            end = (zone.start_pfn or 0) + zone.spanned
    for zone in d.zones:
        index = ZONES.index(zone.name)
        mm_init.set_zone(d.state, index, zone.start_pfn or 0, zone.spanned, zone.present, zone.managed)
        if not zone.managed:
            continue
        marks = tuple(mark - (zone.boost or 0) for mark in (zone.min, zone.low, zone.high))
        mm_init.set_watermarks(d.state, index, marks, zone.boost or 0, zone.protection)
        mm_init.start_numa(d.state, index, zone.stats)
        mm_init.set_zspages(d.state, index, zone.stats.get("nr_zspages", 0))
        if zone.pagesets:
            mm_init.set_pagesets(d.state, index, zone.pagesets[0].high, zone.pagesets[0].batch)
        layout = place(_numbers(d, zone))
        for block in layout.unmanaged:
            mm_init.add_unmanaged(d.state, block.pfn, 1 << block.order)
        d.layouts[index] = layout
        for first, migratetype in layout.pageblocks.items():
            mm_init.set_pageblock(d.state, first >> 9, migratetype)
        for free in sorted(layout.free, key=_list_order):
            mm_init.add_free_block(d.state, index, free.pfn, free.order, free.migratetype)
    mm_init.compute_totalreserve(d.state)


def _numbers(d: Draft, zone: zoneinfo.ZoneInfo) -> ZoneNumbers:
    """Free blocks and pageblocks by type; without pagetypeinfo everything counts as movable."""
    free: dict[int, tuple[int, ...]] = {}
    blocks: dict[int, int] = {}
    if d.boot.pagetypeinfo:
        for row in d.boot.pagetypeinfo.free:
            if row.zone == zone.name and row.type in MIGRATE_TYPES:
                free[MIGRATE_TYPES.index(row.type)] = row.counts
        for kinds in d.boot.pagetypeinfo.blocks:
            if kinds.zone == zone.name:
                named = zip(d.boot.pagetypeinfo.types, kinds.counts, strict=True)
                blocks = {MIGRATE_TYPES.index(kind): n for kind, n in named if kind in MIGRATE_TYPES}
    else:
        counts = next((row.counts for row in d.boot.buddyinfo.zones if row.zone == zone.name), (0,) * 11)
        free, blocks = {MOVABLE: counts}, {MOVABLE: zone.spanned // 512 + 1}
    return ZoneNumbers(zone.name, zone.start_pfn or 0, zone.spanned, zone.managed, free, blocks)


def set_settings(d: Draft) -> None:
    """Settings as the snapshot has them, defaults where it does not say."""
    settings = {}
    for setting in sysctl.SETTINGS:
        if setting.default is not None:
            defaults = setting.default if isinstance(setting.default, tuple) else (setting.default,)
            settings[setting.name] = "\t".join(map(str, defaults))
    settings["min_free_kbytes"] = str(sum(4 * (zone.min - (zone.boost or 0)) for zone in d.zones))
    for name, value in (d.boot.sysctl or {}).items():
        settings[name.removeprefix("vm.")] = value
    for setting in sysctl.SETTINGS:
        found = setting.parse(settings[setting.name], written=False)
        if isinstance(found, tuple):
            mm_init.set_lowmem_reserve_ratio(d.state, found)
        else:
            mm_init.set_sysctl(d.state, setting.name, found)
    d.settings = settings


# --- frames to owners


def _frame(d: Draft, zone: int | None = None) -> int:
    """One used frame, from *zone* or from the highest that has one."""
    order = [zone] if zone is not None else sorted(d.layouts, reverse=True)
    for index in order:
        pfn = d.layouts[index].take(0)
        if pfn is not None:
            return pfn
    raise SnapshotError(d.boot.name, "its counters add up to more pages than are in use")


def _frames(d: Draft, count: int) -> list[int]:
    return [_frame(d) for _ in range(count)]


def _runs(d: Draft, count: int, zone: int | None) -> list[tuple[int, int]]:
    """Used frames as (first, number), *count* in all."""
    runs: list[tuple[int, int]] = []
    order = [zone] if zone is not None else sorted(d.layouts, reverse=True)
    for index in order:
        runs += d.layouts[index].take_frames(count - sum(n for _, n in runs))
    if sum(n for _, n in runs) < count:
        raise SnapshotError(d.boot.name, "its counters add up to more pages than are in use")
    return runs


def place_slabs(d: Draft) -> None:
    """Slab caches and their slabs, the largest orders first; what slabinfo does not explain as one-page slabs."""
    rows = d.boot.slabinfo.caches if d.boot.slabinfo else ()
    slabs = {row.name: row.num_slabs for row in rows}
    for reclaimable in (True, False):
        kind = [row for row in rows if bool(RECLAIMABLE_CACHES.fullmatch(row.name)) == reclaimable]
        name = "nr_slab_reclaimable" if reclaimable else "nr_slab_unreclaimable"
        left = (d.boot.vmstat.get(name) or 0) - sum(row.pages for row in kind)
        for row in sorted(kind, key=lambda row: row.name not in GROW_WHEN_READ):
            drop = min(slabs[row.name], -(left // row.pagesperslab)) if left < 0 else 0
            slabs[row.name] -= drop
            left += drop * row.pagesperslab
        _unexplained_slabs(d, reclaimable, left)
    for row in sorted(rows, key=lambda row: -row.pagesperslab):
        reclaimable = RECLAIMABLE_CACHES.fullmatch(row.name) is not None
        order = row.pagesperslab.bit_length() - 1
        cache = slub.create_cache(d.state, row.objsize, row.objperslab, order, reclaimable)
        d.caches[row.name] = cache
        _cache_slabs(d, cache, row, slabs[row.name])


def _cache_slabs(d: Draft, cache: int, row: slabinfo.SlabCache, slabs: int) -> None:
    """Make the slabs of one cache; free objects that slabinfo shows are spread over its last slabs.

    How full the cpu's own slab is, slabinfo does not show: half.
    """
    missing = max(row.num_objs - row.active_objs, 0)
    for number in range(slabs):
        pfn = _block(d, row.pagesperslab.bit_length() - 1)
        if number == 0:
            mm_init.add_slab(d.state, cache, pfn, row.objperslab // 2, on_cpu=True)
            continue
        free = min(missing, row.objperslab)
        missing -= free
        mm_init.add_slab(d.state, cache, pfn, row.objperslab - free, on_cpu=False)


def _block(d: Draft, order: int) -> int:
    for index in sorted(d.layouts, reverse=True):
        pfn = d.layouts[index].take(order)
        if pfn is not None:
            return pfn
    raise SnapshotError(d.boot.name, f"no room in its used memory for a slab of {1 << order} pages")


def _unexplained_slabs(d: Draft, reclaimable: bool, count: int) -> None:  # noqa: FBT001
    """Slab pages that no cache shows: large kmalloc, or a snapshot without slabinfo."""
    cache = slub.create_cache(d.state, 4096, 1, 0, reclaimable)
    for pfn, frames in _runs(d, count, None):
        for offset in range(frames):
            mm_init.add_slab(d.state, cache, pfn + offset, 1, on_cpu=False)


def _zone_count(d: Draft, zone: int, name: str) -> int:
    found = next((z for z in d.zones if z.name == ZONES[zone]), None)
    return found.stats.get(name, 0) if found and found.managed else 0


def place_anonymous_pages(d: Draft) -> None:
    """Give anonymous pages to *the rest*; what the lists have beyond them is shmem."""
    vm = d.boot.vmstat
    shmem = vm.get("nr_shmem") or 0
    mapped = vm.get("nr_anon_pages") or 0
    listed = (vm.get("nr_inactive_anon") or 0) + (vm.get("nr_active_anon") or 0)
    unevictable = vm.get("nr_unevictable") or 0
    locked = min(max(mapped + shmem - listed, 0), unevictable, mapped)
    on_lists = min(mapped - locked, listed)
    _mmap(d, REST_START, max(mapped, 1), program.RW & ~t.VM_WRITE)
    at = REST_START
    taken = {"unevictable": 0, "listed": 0}
    for zone in sorted(d.layouts, reverse=True):
        for kind, name, active in (
            ("unevictable", "nr_zone_unevictable", False),
            ("listed", "nr_zone_active_anon", True),
            ("listed", "nr_zone_inactive_anon", False),
        ):
            left = (locked if kind == "unevictable" else on_lists) - taken[kind]
            count = min(_zone_count(d, zone, name), left)
            for pfn, frames in _runs(d, count, zone):
                mm_init.add_anon_pages(d.state, d.rest, at, pfn, frames, active, kind == "unevictable", d.tables)
                at += frames
            taken[kind] += count
    d.listed = {"unevictable": taken["unevictable"], "shmem": max(listed - on_lists, 0)}


def place_files(d: Draft) -> None:
    """Page cache: the program in ramfs, Buffers, the rest as one file; and what of it is mapped."""
    vm = d.boot.vmstat
    s = d.state
    ramfs = (vm.get("nr_unevictable") or 0) - d.listed["unevictable"]
    locked = min(max((d.boot.meminfo.get("Mlocked") or 0) // 4 - d.listed["unevictable"], 0), ramfs)
    init = binary = filemap.create_file(s, max(ramfs, d.program.binary_pages), t.FILE_RAMFS)
    if not d.program.is_init:  # a file of its own, not mapped at boot
        binary = filemap.create_file(s, d.program.binary_pages, t.FILE_RAMFS)
        apart = min(d.program.binary_pages, ramfs - locked)
        _fill(d, binary, 0, apart, None, active=False)
        ramfs -= apart
    _fill(d, init, 0, ramfs, None, active=False, mlocked=locked)
    bdev = filemap.create_file(s, max(pages(d.boot.meminfo.get("Buffers") or 0), 1), t.FILE_BDEV)
    listed = {
        (zone, active): _zone_count(d, zone, f"nr_zone_{'in' * (not active)}active_file")
        for zone in sorted(d.layouts, reverse=True)
        for active in (True, False)
    }
    total = sum(listed.values())
    cache = filemap.create_file(s, max(total, 1), 0)
    buffers = pages(d.boot.meminfo.get("Buffers") or 0)
    index = 0
    for (zone, active), count in listed.items():
        to_bdev = min(max(buffers - index, 0), count)
        _fill(d, bdev, index, to_bdev, zone, active=active)
        _fill(d, cache, max(index - buffers, 0), count - to_bdev, zone, active=active)
        index += count
    vdso = filemap.create_file(s, d.program.vdso_pages, t.FILE_VDSO)
    _fill(d, vdso, 0, d.program.vdso_pages, None, active=False)
    _map(d, {"vdso": vdso, "init": init, "cache": cache}, ramfs, max(total - buffers, 0))
    d.files = {"binary": binary, "vdso": vdso, "bdev": bdev}


def _fill(d: Draft, file: int, index: int, count: int, zone: int | None, *, active: bool, mlocked: int = 0) -> None:
    for pfn, frames in _runs(d, count, zone):
        mm_init.add_file_pages(d.state, file, index, pfn, frames, active, min(mlocked, frames))
        mlocked = max(mlocked - frames, 0)
        index += frames


def _map(d: Draft, files: Mapping[str, int], ramfs: int, cached: int) -> None:
    """Map as many file pages as nr_mapped says: the vdso, the program of PID 1, then the cache."""
    left = d.boot.vmstat.get("nr_mapped") or 0
    at = REST_FILES
    for name, available in (("vdso", 1), ("init", ramfs), ("cache", cached)):
        count = min(left, available)
        if not count:
            continue
        start = REST_VDSO if name == "vdso" else at
        _mmap(d, start, count, t.VM_READ, files[name])
        mm_init.map_file_pages(d.state, d.rest, start, files[name], 0, count, d.tables)
        at += count + program.HUGE_PAGES
        left -= count


def _mmap(d: Draft, start: int, count: int, flags: int, file: int = 0) -> None:
    if kernel_fork.mmap(d.state, d.rest, start, count, flags, file) != t.OK:
        raise SnapshotError(d.boot.name, "its settings forbid what it has mapped (vm.max_map_count?)")


def place_percpu_pages(d: Draft) -> None:
    """Pages on per-cpu lists.  Their types are not printed: a freed page has its pageblock's, so in proportion."""
    for zone in d.zones:
        index = ZONES.index(zone.name)
        if not zone.managed:
            continue
        types = list(d.layouts[index].pageblocks.values())
        for cpu, pageset in enumerate(zone.pagesets):
            others = [pageset.count * types.count(kind) // len(types) for kind in (UNMOVABLE, RECLAIMABLE)]
            for number in range(pageset.count):
                kind = UNMOVABLE if number < others[0] else RECLAIMABLE if number < sum(others) else MOVABLE
                mm_init.add_pcp_page(d.state, index, cpu, _frame(d, index), kind)


def own_kernel_frames(d: Draft) -> None:
    """Frames in use that no counter owns."""
    for layout in d.layouts.values():
        for pfn, count in layout.take_frames(layout.remaining()):
            mm_init.add_kernel_pages(d.state, pfn, count)


def start_counters(d: Draft) -> None:
    """Start the clock and every counter from what the snapshot prints."""
    boot, s = d.boot, d.state
    printed = dict(boot.vmstat.items())
    mm_init.start_counters(s, printed)
    mm_init.set_accounts(
        s,
        pages(boot.meminfo.get("Committed_AS") or 0),
        pages(boot.meminfo.get("VmallocUsed") or 0),
        boot.loadavg.threads if boot.loadavg else 0,
    )
    if boot.uptime:
        mm_init.set_clock(s, boot.uptime.up_cs * 10_000_000)
    if boot.loadavg:
        printed_loads = (
            boot.loadavg.load1_hundredths,
            boot.loadavg.load5_hundredths,
            boot.loadavg.load15_hundredths,
        )
        mm_loadavg.set_averages(s, printed_loads)
    for number, kind in enumerate(("memory", "io", "cpu")):
        record = boot.pressure.get(kind)
        for state, line in enumerate((record.some, record.full) if record else ()):
            if line:
                means = (line.avg10_hundredths, line.avg60_hundredths, line.avg300_hundredths)
                psi.set_line(s, number, state, means, line.total_us)


def _list_order(block: FreeBlock) -> tuple[int, int, int]:
    """Order of blocks on the free lists after boot: by address within a list."""
    return block.order, block.migratetype, block.pfn


def make_rest(d: Draft) -> None:
    """Make *the rest*, and put frames by for its page tables."""
    d.tables = _frames(d, (d.boot.vmstat.get("nr_page_table_pages") or 0) + UPPER_TABLES)
    d.rest = mm_init.boot_mm(d.state, _block(d, 1))


def count_page_tables(d: Draft) -> None:
    """Make as many frames page tables as the snapshot counts; what was put by beyond is the kernel's."""
    counted = d.boot.vmstat.get("nr_page_table_pages") or 0
    while d.state.node_stats()["nr_page_table_pages"] < counted and d.tables:
        mm_init.add_page_table(d.state, d.tables.pop())
    for pfn in d.tables:
        mm_init.add_kernel_pages(d.state, pfn, 1)


def know_caches(d: Draft) -> None:
    """Say which slab caches are those whose objects the model allocates."""
    for name, kind in KNOWN_CACHES.items():
        mm_init.know_cache(d.state, kind, d.caches.get(name, 0) or d.caches.get(MERGED.get(name, ""), 0))


def add_devices(d: Draft) -> None:
    """Set what things cost, add the disk, zswap and the swap areas, and start what samples by itself."""
    mm_init.set_costs(d.state, d.profile.as_table())
    add_disk(d.state, d.profile)
    zswap_from_snapshot(d.state, d.boot)
    d.areas = [from_snapshot(d.state, d.boot, area, d.profile) for area in d.boot.swaps.areas]
    softirq.start(d.state)


STEPS = (
    place_free_blocks, set_settings, place_slabs, make_rest, place_anonymous_pages, place_files, count_page_tables,
    place_percpu_pages, own_kernel_frames, start_counters, know_caches, add_devices,
)  # fmt: skip
"""In this order: each gives frames to owners, and the last owner is the kernel."""
