"""A machine to run on: the model's state, built from a snapshot of a real kernel.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import memtwin.linux.core  # noqa: F401 - first: it says what to do where the core is not compiled
from memtwin.errors import NotModelledError, SnapshotError, UsageError
from memtwin.linux.core import mm_types as t
from memtwin.linux.core.state import State
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.kernel import softirq, sysctl
from memtwin.linux.kernel.sched import loadavg as mm_loadavg
from memtwin.linux.kernel.sched import psi
from memtwin.linux.mm import filemap, mm_init, slub
from memtwin.machine import costs, describe, program
from memtwin.machine.boot import Boot, notes, read_boot
from memtwin.machine.layout import FreeBlock, ZoneLayout, ZoneNumbers, place
from memtwin.machine.swap_areas import Area, add_disk, from_snapshot, zswap_from_snapshot
from memtwin.units import pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.procfs import slabinfo, zoneinfo
    from memtwin.scenario import MachineLine
    from memtwin.sources.source import Source

ZONES = ("DMA", "DMA32", "Normal", "Movable", "Device")
MIGRATE_TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
UNMOVABLE, MOVABLE, RECLAIMABLE = range(3)
KIB_PER_STACK = 16
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
class Machine:
    """A state with what it was built from; *sysctl* holds every setting by its name below ``vm.``."""

    state: State
    boot: Boot
    caches: dict[str, int]
    binary: int
    vdso: int
    bdev: int
    rest: int
    """The process that holds what no process of the scenario made."""
    areas: list[Area]
    sysctl: dict[str, str]
    costs: costs.CostProfile
    program: program.Program
    """What its scenario's processes run; *binary* is its file."""
    notes: tuple[str, ...]
    """What a reader of results should know: where the machine differs from what the model follows."""

    def copy(self) -> Machine:
        """Return a second machine in the same state; from here each goes its own way."""
        twin = Machine(**{name: getattr(self, name) for name in self.__slots__})
        twin.state = self.state.copy()
        twin.sysctl = dict(self.sysctl)
        twin.areas = list(self.areas)
        return twin

    def write_sysctl(self, name: str, value: str) -> str | None:
        """Write ``vm.name``; returns what is wrong with it, or None."""
        if name == "lowmem_reserve_ratio":
            mm_init.set_lowmem_reserve_ratio(self.state, tuple(int(word) for word in value.split()))
            mm_init.read_lowmem_reserve_ratio(self.state)
        else:
            if not re.fullmatch(r"-?\d{1,18}", value):
                return f"vm.{name} is a number"
            wrong: str | None = sysctl.check(name, int(value))
            if wrong:
                return wrong
            mm_init.write_sysctl(self.state, name, int(value))
        self.sysctl[name] = value
        return None


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
    boot = read_boot(source, [*sysctl.BY_NAME, "lowmem_reserve_ratio"])
    if ram_bytes is not None:
        boot = describe.with_ram(boot, ram_bytes)
    if swap_areas is not None:
        boot = describe.with_swaps(boot, swap_areas)
    if zswap is not None:
        boot = describe.with_zswap(boot, zswap)
    return _Builder(boot).machine()


class _Builder:
    """Builds one machine."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.program = program.program(boot.program)
        self.zones = [zone for zone in boot.zoneinfo.zones if zone.node == 0]
        if any(zone.node for zone in boot.zoneinfo.zones):
            raise NotModelledError(boot.name, "a machine with several NUMA nodes")
        self.cpus = max((len(zone.pagesets) for zone in self.zones), default=1) or 1
        last = max((zone.start_pfn or 0) + zone.spanned for zone in self.zones)
        self.state = State(last, self.cpus)
        self.layouts: dict[int, ZoneLayout] = {}
        self.caches: dict[str, int] = {}

    def machine(self) -> Machine:
        """Build it."""
        self._zones()
        settings = self._sysctls()
        self._slabs()
        counted = self.boot.vmstat.get("nr_page_table_pages") or 0
        tables = self._frames(counted + UPPER_TABLES)
        rest = mm_init.boot_mm(self.state, self._block(1))
        anon = self._anon(rest, tables)
        files = self._files(rest, tables, anon)
        while self.state.node_stats()["nr_page_table_pages"] < counted and tables:
            mm_init.add_page_table(self.state, tables.pop())
        for pfn in tables:
            mm_init.add_kernel_pages(self.state, pfn, 1)
        self._pcp()
        self._kernel()
        self._counters()
        for name, kind in KNOWN_CACHES.items():
            mm_init.know_cache(self.state, kind, self.caches.get(name, 0) or self.caches.get(MERGED.get(name, ""), 0))
        profile = costs.for_cpu(self.boot.cpuinfo)
        mm_init.set_costs(self.state, profile.as_table())
        add_disk(self.state, profile)
        zswap_from_snapshot(self.state, self.boot)
        areas = [from_snapshot(self.state, self.boot, area, profile) for area in self.boot.swaps.areas]
        softirq.start(self.state)
        return Machine(
            state=self.state, boot=self.boot, caches=self.caches, binary=files["binary"], vdso=files["vdso"],
            bdev=files["bdev"], rest=rest, areas=areas, sysctl=settings, costs=profile,
            program=self.program, notes=(*notes(self.boot), *self._unknown_program()),
        )  # fmt: skip

    def _unknown_program(self) -> tuple[str, ...]:
        """Return what to say where the snapshot names a program that there is no data for."""
        if self.boot.program in {None, self.program.guest_c}:
            return ()
        unknown = f"{self.boot.name} ran a program that is not known ({self.boot.program})"
        return (f"{unknown}: its processes run {self.program.guest_c} instead",)

    def _zones(self) -> None:
        """Zones, watermarks, free lists."""
        end = 0
        for zone in self.zones:
            if zone.managed:
                mm_init.add_unmanaged(self.state, end, (zone.start_pfn or 0) - end)
                end = (zone.start_pfn or 0) + zone.spanned
        for zone in self.zones:
            index = ZONES.index(zone.name)
            mm_init.set_zone(self.state, index, zone.start_pfn or 0, zone.spanned, zone.present, zone.managed)
            if not zone.managed:
                continue
            marks = tuple(mark - (zone.boost or 0) for mark in (zone.min, zone.low, zone.high))
            mm_init.set_watermarks(self.state, index, marks, zone.boost or 0, zone.protection)
            mm_init.start_numa(self.state, index, zone.stats)
            mm_init.set_zspages(self.state, index, zone.stats.get("nr_zspages", 0))
            if zone.pagesets:
                mm_init.set_pagesets(self.state, index, zone.pagesets[0].high, zone.pagesets[0].batch)
            layout = place(self._numbers(zone))
            for block in layout.unmanaged:
                mm_init.add_unmanaged(self.state, block.pfn, 1 << block.order)
            self.layouts[index] = layout
            for first, migratetype in layout.pageblocks.items():
                mm_init.set_pageblock(self.state, first >> 9, migratetype)
            for free in sorted(layout.free, key=_list_order):
                mm_init.add_free_block(self.state, index, free.pfn, free.order, free.migratetype)
        mm_init.compute_totalreserve(self.state)

    def _numbers(self, zone: zoneinfo.ZoneInfo) -> ZoneNumbers:
        """Free blocks and pageblocks by type; without pagetypeinfo everything counts as movable."""
        free: dict[int, tuple[int, ...]] = {}
        blocks: dict[int, int] = {}
        if self.boot.pagetypeinfo:
            for row in self.boot.pagetypeinfo.free:
                if row.zone == zone.name and row.type in MIGRATE_TYPES:
                    free[MIGRATE_TYPES.index(row.type)] = row.counts
            for kinds in self.boot.pagetypeinfo.blocks:
                if kinds.zone == zone.name:
                    named = zip(self.boot.pagetypeinfo.types, kinds.counts, strict=True)
                    blocks = {MIGRATE_TYPES.index(kind): n for kind, n in named if kind in MIGRATE_TYPES}
        else:
            counts = next((row.counts for row in self.boot.buddyinfo.zones if row.zone == zone.name), (0,) * 11)
            free, blocks = {MOVABLE: counts}, {MOVABLE: zone.spanned // 512 + 1}
        return ZoneNumbers(zone.name, zone.start_pfn or 0, zone.spanned, zone.managed, free, blocks)

    def _sysctls(self) -> dict[str, str]:
        """Settings as the snapshot has them, defaults where it does not say."""
        settings = {s.name: str(s.default) for s in sysctl.SETTINGS if s.default is not None}
        settings["lowmem_reserve_ratio"] = " ".join(map(str, sysctl.LOWMEM_RESERVE_RATIO))
        settings["min_free_kbytes"] = str(sum(4 * (zone.min - (zone.boost or 0)) for zone in self.zones))
        for name, value in (self.boot.sysctl or {}).items():
            settings[name.removeprefix("vm.")] = value
        for name, value in settings.items():
            if name in sysctl.BY_NAME and re.fullmatch(r"\d+", value):
                mm_init.set_sysctl(self.state, name, int(value))
        ratios = tuple(int(word) for word in settings["lowmem_reserve_ratio"].split())
        mm_init.set_lowmem_reserve_ratio(self.state, ratios)
        return settings

    # --- frames to owners

    def _frame(self, zone: int | None = None) -> int:
        """One used frame, from *zone* or from the highest that has one."""
        order = [zone] if zone is not None else sorted(self.layouts, reverse=True)
        for index in order:
            pfn = self.layouts[index].take(0)
            if pfn is not None:
                return pfn
        raise SnapshotError(self.boot.name, "its counters add up to more pages than are in use")

    def _frames(self, count: int) -> list[int]:
        return [self._frame() for _ in range(count)]

    def _runs(self, count: int, zone: int | None) -> list[tuple[int, int]]:
        """Used frames as (first, number), *count* in all."""
        runs: list[tuple[int, int]] = []
        order = [zone] if zone is not None else sorted(self.layouts, reverse=True)
        for index in order:
            runs += self.layouts[index].take_frames(count - sum(n for _, n in runs))
        if sum(n for _, n in runs) < count:
            raise SnapshotError(self.boot.name, "its counters add up to more pages than are in use")
        return runs

    def _slabs(self) -> None:
        """Slab caches and their slabs, the largest orders first; what slabinfo does not explain as one-page slabs."""
        rows = self.boot.slabinfo.caches if self.boot.slabinfo else ()
        slabs = {row.name: row.num_slabs for row in rows}
        for reclaimable in (True, False):
            kind = [row for row in rows if bool(RECLAIMABLE_CACHES.fullmatch(row.name)) == reclaimable]
            name = "nr_slab_reclaimable" if reclaimable else "nr_slab_unreclaimable"
            left = (self.boot.vmstat.get(name) or 0) - sum(row.pages for row in kind)
            for row in sorted(kind, key=lambda row: row.name not in GROW_WHEN_READ):
                drop = min(slabs[row.name], -(left // row.pagesperslab)) if left < 0 else 0
                slabs[row.name] -= drop
                left += drop * row.pagesperslab
            self._unexplained_slabs(reclaimable, left)
        for row in sorted(rows, key=lambda row: -row.pagesperslab):
            reclaimable = RECLAIMABLE_CACHES.fullmatch(row.name) is not None
            order = row.pagesperslab.bit_length() - 1
            cache = slub.create_cache(self.state, row.objsize, row.objperslab, order, reclaimable)
            self.caches[row.name] = cache
            self._cache_slabs(cache, row, slabs[row.name])

    def _cache_slabs(self, cache: int, row: slabinfo.SlabCache, slabs: int) -> None:
        """Make the slabs of one cache; free objects that slabinfo shows are spread over its last slabs.

        How full the cpu's own slab is, slabinfo does not show: half.
        """
        missing = row.num_objs - row.active_objs
        for number in range(slabs):
            pfn = self._block(row.pagesperslab.bit_length() - 1)
            if number == 0:
                mm_init.add_slab(self.state, cache, pfn, row.objperslab // 2, on_cpu=True)
                continue
            free = min(missing, row.objperslab)
            missing -= free
            mm_init.add_slab(self.state, cache, pfn, row.objperslab - free, on_cpu=False)

    def _block(self, order: int) -> int:
        for index in sorted(self.layouts, reverse=True):
            pfn = self.layouts[index].take(order)
            if pfn is not None:
                return pfn
        raise SnapshotError(self.boot.name, f"no room in its used memory for a slab of {1 << order} pages")

    def _unexplained_slabs(self, reclaimable: bool, count: int) -> None:  # noqa: FBT001
        """Slab pages that no cache shows: large kmalloc, or a snapshot without slabinfo."""
        cache = slub.create_cache(self.state, 4096, 1, 0, reclaimable)
        for pfn, frames in self._runs(count, None):
            for offset in range(frames):
                mm_init.add_slab(self.state, cache, pfn + offset, 1, on_cpu=False)

    def _zone_count(self, zone: int, name: str) -> int:
        found = next((z for z in self.zones if z.name == ZONES[zone]), None)
        return found.stats.get(name, 0) if found and found.managed else 0

    def _anon(self, rest: int, tables: list[int]) -> dict[str, int]:
        """Anonymous pages of *the rest*; returns what of each list they took: shmem comes next."""
        vm = self.boot.vmstat
        shmem = vm.get("nr_shmem") or 0
        mapped = vm.get("nr_anon_pages") or 0
        listed = (vm.get("nr_inactive_anon") or 0) + (vm.get("nr_active_anon") or 0)
        unevictable = vm.get("nr_unevictable") or 0
        locked = min(max(mapped + shmem - listed, 0), unevictable, mapped)
        on_lists = min(mapped - locked, listed)
        kernel_fork.mmap(self.state, rest, REST_START, max(mapped, 1), program.RW & ~t.VM_WRITE)
        at = REST_START
        taken = {"unevictable": 0, "listed": 0}
        for zone in sorted(self.layouts, reverse=True):
            for kind, name, active in (
                ("unevictable", "nr_zone_unevictable", False),
                ("listed", "nr_zone_active_anon", True),
                ("listed", "nr_zone_inactive_anon", False),
            ):
                left = (locked if kind == "unevictable" else on_lists) - taken[kind]
                count = min(self._zone_count(zone, name), left)
                for pfn, frames in self._runs(count, zone):
                    mm_init.add_anon_pages(self.state, rest, at, pfn, frames, active, kind == "unevictable", tables)
                    at += frames
                taken[kind] += count
        return {"unevictable": taken["unevictable"], "shmem": max(listed - on_lists, 0)}

    def _files(self, rest: int, tables: list[int], anon: dict[str, int]) -> dict[str, int]:
        """Page cache: the program in ramfs, Buffers, the rest as one file; and what of it is mapped."""
        vm = self.boot.vmstat
        s = self.state
        ramfs = (vm.get("nr_unevictable") or 0) - anon["unevictable"]
        locked = max((self.boot.meminfo.get("Mlocked") or 0) // 4 - anon["unevictable"], 0)
        init = binary = filemap.create_file(s, max(ramfs, self.program.binary_pages), t.FILE_RAMFS)
        if not self.program.is_init:  # a file of its own, not mapped at boot
            binary = filemap.create_file(s, self.program.binary_pages, t.FILE_RAMFS)
            apart = min(self.program.binary_pages, ramfs - locked)
            self._fill(binary, 0, apart, None, active=False)
            ramfs -= apart
        self._fill(init, 0, ramfs, None, active=False, mlocked=locked)
        bdev = filemap.create_file(s, max(pages(self.boot.meminfo.get("Buffers") or 0), 1), t.FILE_BDEV)
        listed = {
            (zone, active): self._zone_count(zone, f"nr_zone_{'in' * (not active)}active_file")
            for zone in sorted(self.layouts, reverse=True)
            for active in (True, False)
        }
        total = sum(listed.values())
        cache = filemap.create_file(s, max(total, 1), 0)
        buffers = pages(self.boot.meminfo.get("Buffers") or 0)
        index = 0
        for (zone, active), count in listed.items():
            to_bdev = min(max(buffers - index, 0), count)
            self._fill(bdev, index, to_bdev, zone, active=active)
            self._fill(cache, max(index - buffers, 0), count - to_bdev, zone, active=active)
            index += count
        vdso = filemap.create_file(s, self.program.vdso_pages, t.FILE_VDSO)
        self._fill(vdso, 0, self.program.vdso_pages, None, active=False)
        self._map(rest, tables, {"vdso": vdso, "init": init, "cache": cache}, ramfs, max(total - buffers, 0))
        return {"binary": binary, "vdso": vdso, "bdev": bdev}

    def _fill(self, file: int, index: int, count: int, zone: int | None, *, active: bool, mlocked: int = 0) -> None:
        for pfn, frames in self._runs(count, zone):
            mm_init.add_file_pages(self.state, file, index, pfn, frames, active, min(mlocked, frames))
            mlocked = max(mlocked - frames, 0)
            index += frames

    def _map(self, rest: int, tables: list[int], files: Mapping[str, int], ramfs: int, cached: int) -> None:
        """Map as many file pages as nr_mapped says: the vdso, the program of PID 1, then the cache."""
        left = self.boot.vmstat.get("nr_mapped") or 0
        at = REST_FILES
        for name, available in (("vdso", 1), ("init", ramfs), ("cache", cached)):
            count = min(left, available)
            if not count:
                continue
            start = REST_VDSO if name == "vdso" else at
            kernel_fork.mmap(self.state, rest, start, count, t.VM_READ, files[name])
            mm_init.map_file_pages(self.state, rest, start, files[name], 0, count, tables)
            at += count + program.HUGE_PAGES
            left -= count

    def _pcp(self) -> None:
        """Pages on per-cpu lists.  Their types are not printed: a freed page has its pageblock's, so in proportion."""
        for zone in self.zones:
            index = ZONES.index(zone.name)
            if not zone.managed:
                continue
            types = list(self.layouts[index].pageblocks.values())
            for pageset in zone.pagesets:
                others = [pageset.count * types.count(kind) // len(types) for kind in (UNMOVABLE, RECLAIMABLE)]
                for number in range(pageset.count):
                    kind = UNMOVABLE if number < others[0] else RECLAIMABLE if number < sum(others) else MOVABLE
                    mm_init.add_pcp_page(self.state, index, pageset.cpu, self._frame(index), kind)

    def _kernel(self) -> None:
        """Frames in use that no counter owns."""
        for layout in self.layouts.values():
            for pfn, count in layout.take_frames(layout.remaining()):
                mm_init.add_kernel_pages(self.state, pfn, count)

    def _counters(self) -> None:
        boot, s = self.boot, self.state
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


def check_header(machine: Machine, header: MachineLine) -> None:
    """Refuse a scenario whose header asks for another machine than the snapshot is."""
    present = sum(zone.present for zone in machine.boot.zoneinfo.zones) * 4096
    slack = (8 << 20) + present // 50
    have = machine.state.cpu_count
    wrong = ""
    if "ram" in header.given and abs(header.ram_bytes - present) > slack:
        wrong = f"ram={header.ram_bytes >> 20}M, the snapshot {machine.boot.name} has {present >> 20} MiB"
    elif "cpus" in header.given and header.cpus != have:
        wrong = f"cpus={header.cpus}, the snapshot {machine.boot.name} has {have}"
    if wrong:
        hint = "boot from a snapshot of that machine, or change the scenario's header, or --set machine.ram=SIZE"
        raise UsageError(f"the scenario says machine {wrong}", hint=hint)
