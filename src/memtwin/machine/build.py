"""Building a machine from a snapshot of a real kernel: every frame gets the owner that the counters say.

What a kernel and its processes took is input here, not prediction: every number that the snapshot prints is printed
again by the machine before its first operation.  Where the snapshot does not say who owns something:

- *the rest*, (unattributed): one process holds all anonymous and mapped pages that no listed process has;
- one unnamed file holds the page cache that no process maps, one block device the Buffers, one more the tmpfs;
- what lies in ramfs (unevictable pages of files) is the program that the scenario's processes run;
- frames that no counter owns belong to the kernel.

The kernel version is the snapshot's (``proc/version``): it decides which features the machine has
(``linux/features.py``). Which policy reclaims says ``sys/kernel/mm/lru_gen/enabled``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memtwin.errors import SnapshotError
from memtwin.linux import features, restore
from memtwin.linux.core.state import State
from memtwin.linux.kernel import softirq, sysctl
from memtwin.linux.kernel.sched import loadavg as mm_loadavg
from memtwin.linux.kernel.sched import psi
from memtwin.linux.mm import lru_gen_state, mm_init
from memtwin.machine import chance, checks, compressed, costs, describe, fold, huge_pages, program
from memtwin.machine.accounts import accounts
from memtwin.machine.boot import Boot, notes, read_boot
from memtwin.machine.compressed import place_zram, place_zswap
from memtwin.machine.draft import ZONES, Draft
from memtwin.machine.frames import Frames
from memtwin.machine.layout import MOVABLE, RECLAIMABLE, UNMOVABLE, FreeBlock, ZoneNumbers, place
from memtwin.machine.machine import Machine
from memtwin.machine.marks import mark_pages
from memtwin.machine.missing import missing
from memtwin.machine.moments import settle
from memtwin.machine.page_cache import (
    dirty_cache,
    place_cache,
    place_files,
    place_mapped_files,
    place_shmem,
    processes_of,
)
from memtwin.machine.populate import place_processes, place_rest, place_swap, settle_counts
from memtwin.machine.slabs import know_caches, place_slabs
from memtwin.machine.swap_areas import add_disk, from_snapshot, zswap_from_snapshot
from memtwin.units import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.procfs import zoneinfo
    from memtwin.sources.source import Source

MIGRATE_TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
FRAMES_OF_PROCESS = 10
"""Of a process, beyond all counters: its stack, its top table, and those above the two levels that are counted."""
UPPER_TABLES = 8
"""Tables of *the rest* above the two levels that nr_page_table_pages counts, at most."""
ON_LISTS = ("nr_zone_inactive", "nr_zone_active", "nr_zone_unevictable")
MOVABLE_ON_LISTS = ("nr_zone_inactive", "nr_zone_active", "nr_zspages")


def build(
    source: Source,
    *,
    ram_bytes: int | None = None,
    swap_areas: tuple[describe.PlannedSwap, ...] | None = None,
    zswap: Mapping[str, str] | None = None,
    kernel: tuple[str, str | None] | None = None,
    seed: int = 0,
    cpus: int = 1,
    cpu_speed: float = 1.0,
) -> Machine:
    """Build a machine from a snapshot: a root with ``proc/meminfo`` and the rest of Boot's files.

    *ram_bytes*, *swap_areas*, *zswap* (its parameters by name) and *kernel* (a release, and whether its multi-gen LRU
    is on, off or as by default) change what the snapshot says; None leaves it. *seed* decides what is left to chance;
    *cpus*: of a described machine; *cpu_speed*: beside the processor that costs were measured on.
    """
    boot = replace(read(source), seed=seed, cpu_speed=cpu_speed)
    if cpus > 1:
        boot = describe.with_cpus(boot, cpus)
    return build_from(boot, ram_bytes=ram_bytes, swap_areas=swap_areas, zswap=zswap, kernel=kernel)


def read(source: Source, progress: Callable[[int, int], None] | None = None) -> Boot:
    """Read what a machine is built from and check it; *progress* gets the number of processes read and of all."""
    boot = read_boot(source, sysctl.BY_NAME, progress)
    checks.check(boot)
    if not fold.is_needed(boot):
        return settle(boot)
    return replace(settle(fold.fold(boot)), folded=(fold.note(boot),))


def build_from(
    boot: Boot,
    *,
    ram_bytes: int | None = None,
    swap_areas: tuple[describe.PlannedSwap, ...] | None = None,
    zswap: Mapping[str, str] | None = None,
    kernel: tuple[str, str | None] | None = None,
) -> Machine:
    """Build a machine from records that were read and checked; the other arguments as :func:`build`."""
    if kernel is not None:
        boot = describe.with_kernel(boot, *kernel)
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
        program=draft.program, processes=draft.booted, files=draft.files,
        notes=(*notes(boot), *boot.folded, *_unknown_program(draft), *draft.notes, *missing(draft)),
    )  # fmt: skip


def _begin(boot: Boot) -> Draft:
    """Return a machine of the snapshot's size in which every frame is without an owner."""
    zones = [zone for zone in boot.zoneinfo.zones if zone.node == 0]
    last = max((zone.start_pfn or 0) + zone.spanned for zone in zones)
    profile = chance.profile(boot.seed, costs.at_speed(costs.for_cpu(boot.cpuinfo), boot.cpu_speed))
    program_of = program.program(boot.program)
    return Draft(boot, program_of, zones, State(last, boot.cpus), profile, accounts(boot), Frames(boot.name))


def _unknown_program(d: Draft) -> tuple[str, ...]:
    """Return what to say where the snapshot names a program that there is no data for."""
    if d.boot.program in {None, d.program.guest_c}:
        return ()
    unknown = f"{d.boot.name} ran a program that is not known ({d.boot.program})"
    return (f"{unknown}: its processes run {d.program.guest_c} instead",)


def choose_kernel(d: Draft) -> None:
    """Have the machine do what its kernel does, also while it is built."""
    mm_init.set_features(d.state, features.features_of(d.boot.release))
    lru_gen_state.choose(d.state, d.boot.lru_gen_caps)


def place_free_blocks(d: Draft) -> None:
    """Zones, watermarks, free lists."""
    mm_init.set_zone_ends(d.state, *_zone_ends(d.zones))
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
        d.frames.add_zone(index, layout, _bound(zone))
        for first, migratetype in layout.pageblocks.items():
            mm_init.set_pageblock(d.state, first >> 9, migratetype)
        for free in sorted(layout.free, key=lambda block: _list_order(block, d.boot.seed)):
            mm_init.add_free_block(d.state, index, free.pfn, free.order, free.migratetype)
    mm_init.compute_totalreserve(d.state)


def _zone_ends(zones: list[zoneinfo.ZoneInfo]) -> tuple[int, int]:
    """Return where DMA and DMA32 end: where the next zone with memory begins."""
    starts = {zone.name: zone.start_pfn or 0 for zone in zones if zone.managed}
    ends = {zone.name: (zone.start_pfn or 0) + zone.spanned for zone in zones if zone.managed}
    dma32 = starts.get("Normal", ends.get("DMA32", ends.get("DMA", 0)))
    dma = starts.get("DMA32", dma32) if "DMA" in starts else 0
    return dma, dma32 if "DMA32" in starts else dma


def _bound(zone: zoneinfo.ZoneInfo) -> int:
    """Return how many frames a zone's own counters claim: those on its LRU and per-CPU lists."""
    listed = sum(pages for name, pages in zone.stats.items() if name.startswith(ON_LISTS))
    return listed + sum(pageset.count for pageset in zone.pagesets) + zone.stats.get("nr_zspages", 0)


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
    movable = sum(pages for name, pages in zone.stats.items() if name.startswith(MOVABLE_ON_LISTS))
    return ZoneNumbers(zone.name, zone.start_pfn or 0, zone.spanned, zone.managed, free, blocks, movable)


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


def place_percpu_pages(d: Draft) -> None:
    """Pages on per-cpu lists.  Their types are not printed: a freed page has its pageblock's, so in proportion."""
    for zone in d.zones:
        index = ZONES.index(zone.name)
        if not zone.managed:
            continue
        types = list(d.frames.layouts[index].pageblocks.values())
        for cpu, pageset in enumerate(zone.pagesets):
            counts = {kind: pageset.count * types.count(kind) // len(types) for kind in (UNMOVABLE, RECLAIMABLE)}
            counts[MOVABLE] = pageset.count - sum(counts.values())
            for kind, count in counts.items():
                for pfn, n in d.frames.runs(count, kind, index):
                    for frame in range(pfn, pfn + n):
                        mm_init.add_pcp_page(d.state, index, cpu, frame, kind)


def own_kernel_frames(d: Draft) -> None:
    """Frames in use that no counter owns."""
    for layout in d.frames.layouts.values():
        for pfn, count in layout.take_frames(layout.remaining, UNMOVABLE):
            mm_init.add_kernel_pages(d.state, pfn, count)


def start_counters(d: Draft) -> None:
    """Start the clock and every counter from what the snapshot prints."""
    boot, s = d.boot, d.state
    printed = dict(boot.vmstat.items())
    mm_init.start_counters(s, printed)
    mm_init.set_accounts(
        s,
        pages(max(boot.meminfo.get("Committed_AS") or 0, 0)),
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


def _list_order(block: FreeBlock, seed: int) -> tuple[int, int, float]:
    """Order of blocks on the free lists after boot: by address within a list, or by chance."""
    return block.order, block.migratetype, chance.place(seed, block.pfn)


def balance(d: Draft) -> None:
    """Take what the counters add up to beyond the frames in use off the page cache: they are of different moments."""
    others = sum(pageset.count for zone in d.zones for pageset in zone.pagesets) + sum(
        zone.stats.get("nr_zspages", 0) for zone in d.zones
    )
    processes = len(processes_of(d)) * FRAMES_OF_PROCESS + UPPER_TABLES + d.program.vdso_pages
    short = d.accounts.total + others + processes - d.frames.remaining()
    d.zspages = {zone: d.zone_count(zone, "nr_zspages") for zone in d.frames.zones}
    d.content = compressed.content(d)
    if short <= 0:
        return
    managed = sum(int(zone.managed) for zone in d.zones)
    if short > managed // 100 or short > d.accounts.cache:
        wanted = d.accounts.total + others + processes
        raise SnapshotError(
            d.boot.name, f"its counters add up to more pages than are in use: {wanted:,}, and {wanted - short:,} are",
            hint="are meminfo, vmstat, zoneinfo and buddyinfo of one moment?",
        )  # fmt: skip
    d.accounts = replace(d.accounts, cache=d.accounts.cache - short)
    if short > processes:
        d.notes.append(
            f"the counters of {d.boot.name} add up to {short * 4:,} kB more than is in use: its files are of different "
            "moments, and so much less of the page cache is there"
        )


def make_rest(d: Draft) -> None:
    """Make *the rest*, and put frames by for the page tables of all processes."""
    d.tables = d.frames.singles(d.accounts.tables + UPPER_TABLES)
    has_init = any(process.pid == 1 for process in d.boot.processes)
    d.rest = restore.add_task(d.state, 0 if has_init else 1, -1000, d.frames.block(1), ())


def count_page_tables(d: Draft) -> None:
    """Make as many frames page tables as the snapshot counts; what was put by beyond is the kernel's."""
    counted = d.accounts.tables
    while d.state.node_stats()["nr_page_table_pages"] < counted and d.tables:
        mm_init.add_page_table(d.state, d.tables.pop())
    for pfn in d.tables:
        mm_init.add_kernel_pages(d.state, pfn, 1)


def add_devices(d: Draft) -> None:
    """Set what things cost, add the disk, zswap and the swap areas, which are empty yet."""
    mm_init.set_costs(d.state, d.profile.as_table())
    add_disk(d.state, d.profile)
    zswap_from_snapshot(d.state, d.boot, d.profile)
    d.areas = [from_snapshot(d.state, d.boot, area, d.profile) for area in d.boot.swaps.areas]


def start(d: Draft) -> None:
    """Choose the policy by which memory is reclaimed; let the machine's own timers run, and old data age."""
    mm_init.mark_fresh(d.state)
    lru_gen_state.begin(d.state, d.boot.lru_gen_caps, d.boot.lru_gen_min_ttl_ms)
    huge_pages.start(d.state, d.boot)
    dirty_cache(d)
    softirq.start(d.state)


STEPS = (
    choose_kernel, place_free_blocks, set_settings, balance, place_slabs, add_devices, make_rest, place_files,
    place_mapped_files, place_processes, place_rest, place_shmem, place_swap, place_cache, mark_pages, settle_counts,
    count_page_tables, place_percpu_pages, place_zram, place_zswap, own_kernel_frames, start_counters, know_caches,
    start,
)  # fmt: skip
"""In this order: each gives frames to owners, and the last owner is the kernel."""
