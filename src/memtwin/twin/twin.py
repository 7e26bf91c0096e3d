"""The twin as a source of records: a machine's state as the kernel's own ``*_show`` functions would print it.

Records are built from the state; text is made when a file is read, by the same ``render`` that the records of
a live host have.  What no operation of the model changes is handed on from the machine's snapshot.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Protocol

from memtwin.linux.core import vmstat as names
from memtwin.linux.drivers.block import zram  # fmt: skip
from memtwin.linux.fs.proc import page, task_mmu  # fmt: skip
from memtwin.linux.kernel.sched import (
    cputime,
    psi,  # fmt: skip
)
from memtwin.linux.kernel.sched import loadavg as mm_loadavg
from memtwin.linux.mm import (  # fmt: skip
    buddy_info,
    dirty_limits,
    filemap,
    lru_gen_state,
    oom_kill,
    page_alloc,
    page_alloc_fast,
    slub,
    swapon,
    util,
    zswap,
)
from memtwin.linux.records import MAP_CLASSES
from memtwin.machine import huge_pages
from memtwin.machine.machine import FileName
from memtwin.oom import badness
from memtwin.procfs import (
    buddyinfo,
    loadavg,
    meminfo,
    pagetypeinfo,
    pressure,
    slabinfo,
    stat,
    swaps,
    uptime,
    vmstat,
    zoneinfo,
)
from memtwin.procfs.pid import maps, oom_score, oom_score_adj, smaps, smaps_rollup, statm, status
from memtwin.procfs.pid import stat as pid_stat
from memtwin.sources.frame_map import FrameMap, ZoneMap
from memtwin.sources.source import Source
from memtwin.sysfs import lru_gen
from memtwin.sysfs.zram import io_stat, mm_stat
from memtwin.twin import booted, pages
from memtwin.twin.perms import perms_of
from memtwin.twin.smaps import ROLLUP, block
from memtwin.units import PAGE_SHIFT, Bytes, Kib, Pages, kib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.machine.machine import Machine, SwapArea
    from memtwin.procfs.zoneinfo import ZoneInfo

NS_PER_TICK = 10_000_000
ZONES = ("DMA", "DMA32", "Normal", "Movable", "Device")
TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
HUGE_PAGE = 512
HUGE_STATS = {
    "nr_shmem_hugepages",
    "nr_shmem_pmdmapped",
    "nr_file_hugepages",
    "nr_file_pmdmapped",
    "nr_anon_transparent_hugepages",
}
"""Counted in base pages, printed in huge pages."""


class ScenarioProcess(Protocol):
    """What the twin must know of a scenario's process beside its task in the model."""

    name: str
    pid: int
    task: int
    alive: bool
    command: int
    """Times that it was given something to do."""


class Twin(Source):
    """A machine as a root of files; ``workers/NAME/…`` are the only files of a scenario's processes."""

    def __init__(self, machine: Machine, processes: Mapping[str, ScenarioProcess] | None = None) -> None:
        super().__init__("twin")
        self.machine = machine
        self.state = machine.state
        self.processes = processes or {}
        self._files: dict[str, Callable[[], str]] = {
            "proc/meminfo": lambda: meminfo.render(self.meminfo()),
            "proc/vmstat": lambda: vmstat.render(self.vmstat()),
            "proc/zoneinfo": lambda: zoneinfo.render(self.zoneinfo()),
            "proc/buddyinfo": lambda: buddyinfo.render(self.buddyinfo()),
            "proc/swaps": lambda: swaps.render(self.swaps()),
            "proc/loadavg": lambda: loadavg.render(self.loadavg()),
            "proc/uptime": lambda: uptime.render(self.uptime()),
        }
        if machine.boot.pagetypeinfo:
            self._files["proc/pagetypeinfo"] = lambda: pagetypeinfo.render(self.pagetypeinfo())
        if machine.boot.slabinfo:
            self._files["proc/slabinfo"] = lambda: slabinfo.render(self.slabinfo())
        if machine.boot.stat:
            self._files["proc/stat"] = lambda: stat.render(self.stat())
        for number, kind in enumerate(("memory", "io", "cpu")):
            if machine.boot.pressure:
                self._files[f"proc/pressure/{kind}"] = lambda n=number: pressure.render(self.pressure(n))  # type: ignore[misc]
        for path, text in machine.boot.texts.items():
            self._files[path] = lambda kept=text: kept  # type: ignore[misc]
        for area in machine.areas:
            self._add_zram(area)
        self._add_zswap()
        self._add_lru_gen()
        self._add_huge_pages()
        self._files.update(booted.files(self))
        for name, process in self.processes.items():
            if process.alive:
                self._add_process(name, process)

    def _add_zram(self, area: SwapArea) -> None:
        if area.zram:
            device = area.filename.rpartition("/")[2]
            self._files[f"sys/block/{device}/mm_stat"] = lambda: mm_stat.render(self.mm_stat(area))
            self._files[f"sys/block/{device}/io_stat"] = lambda: io_stat.render(self.io_stat(area))

    def _add_zswap(self) -> None:
        for name in zswap.stats(self.state) if zswap.is_on(self.state) else ():
            self._files[f"sys/kernel/debug/zswap/{name}"] = lambda n=name: f"{zswap.stats(self.state)[n]}\n"  # type: ignore[misc]

    def _add_lru_gen(self) -> None:
        """The generations, where the multi-gen LRU is on; and whether it is, where the kernel has it."""
        if lru_gen_state.enabled(self.state) & 1:
            self._files[lru_gen.PATH] = lambda: lru_gen.render(self.lru_gen())
        if lru_gen.ENABLED in self._files:
            self._files[lru_gen.ENABLED] = lambda: f"0x{lru_gen_state.enabled(self.state):04x}\n"

    def _add_huge_pages(self) -> None:
        """When huge pages are used, and khugepaged's figures: those files that its snapshot had."""
        for path in huge_pages.texts(self.state):
            if path in self._files:
                self._files[path] = lambda p=path: huge_pages.texts(self.state)[p]  # type: ignore[misc]

    def lru_gen(self) -> lru_gen.LruGen:
        """/sys/kernel/debug/lru_gen: all is the root group's, on one node."""
        found = (lru_gen.Generation(*one) for one in lru_gen_state.generations(self.state))
        return lru_gen.LruGen((lru_gen.Group(1, "/", (lru_gen.Node(0, tuple(found)),)),))

    def _add_process(self, name: str, process: ScenarioProcess) -> None:
        files: dict[str, tuple[Any, Callable[[ScenarioProcess], Any]]] = {
            "status": (status, self.status),
            "statm": (statm, self.statm),
            "stat": (pid_stat, self.pid_stat),
            "maps": (maps, self.maps),
            "smaps": (smaps, self.smaps),
            "smaps_rollup": (smaps_rollup, self.smaps_rollup),
            "oom_score": (oom_score, self.oom_score),
            "oom_score_adj": (oom_score_adj, self.oom_score_adj),
        }
        for file, (module, build) in files.items():
            self._files[f"workers/{name}/{file}"] = lambda m=module, b=build: m.render(b(process))  # type: ignore[misc]

    def paths(self) -> list[str]:
        """Every file that can be read."""
        return list(self._files)

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of the files and directories directly under *path*."""
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        return sorted({file[len(prefix) :].split("/")[0] for file in self._files if file.startswith(prefix)})

    def _bytes(self, path: str) -> bytes:
        if path.endswith("/pages") and (process := self.processes.get(path.split("/")[1])):
            return pages.text(self.machine, process.task).encode()
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path]().encode(errors="surrogateescape")

    def frame_map(self, order: int) -> FrameMap:
        """Return what every frame of the machine is used for, by blocks of 2**order."""
        zones = []
        for number, name in enumerate(ZONES):
            found = page.frame_blocks(self.state, number, order)
            if found.use:
                zones.append(ZoneMap(name, *found))
        return FrameMap(order, MAP_CLASSES, tuple(zones))

    # --- the machine

    def counters(self) -> dict[str, int]:
        """Everything that /proc/vmstat prints, by name."""
        s = self.state
        counters: dict[str, int] = {}
        zones = [s.zone_stats(zone) for zone in range(len(ZONES))]
        numa = [s.numa_stats(zone) for zone in range(len(ZONES))]
        for name in names.ZONE_STATS:
            counters[name] = sum(zone[name] for zone in zones)
        for name in names.NUMA_STATS:
            counters[name] = sum(zone[name] for zone in numa)
        for name, value in s.node_stats().items():
            counters[name] = value // HUGE_PAGE if name in HUGE_STATS else value
        counters.update(zip(names.THRESHOLDS, dirty_limits.dirty_thresholds(s), strict=True))
        counters.update(s.events_by_name())
        counters[names.LAST_LINE] = 0
        return counters

    def vmstat(self) -> vmstat.Vmstat:
        """/proc/vmstat with the lines of the machine's own kernel; what the model does not count stays as it was."""
        counters = self.counters()
        return vmstat.Vmstat({name: counters.get(name, old) for name, old in self.machine.boot.vmstat.items()})

    def meminfo(self) -> meminfo.Meminfo:
        """/proc/meminfo with the lines of the machine's own kernel."""
        s = self.state
        node = s.node_stats()
        buffers = filemap.cached_pages(s, self.machine.bdev)
        slab = node["nr_slab_reclaimable"] + node["nr_slab_unreclaimable"]
        counted = {
            "MemTotal": s.memory_total,
            "MemFree": page_alloc_fast.free_pages(s),
            "MemAvailable": page_alloc.si_mem_available(s),
            "Buffers": buffers,
            "Cached": max(node["nr_file_pages"] - node["nr_swapcached"] - buffers, 0),
            "SwapCached": node["nr_swapcached"],
            "Active": node["nr_active_anon"] + node["nr_active_file"],
            "Inactive": node["nr_inactive_anon"] + node["nr_inactive_file"],
            "Active(anon)": node["nr_active_anon"],
            "Inactive(anon)": node["nr_inactive_anon"],
            "Active(file)": node["nr_active_file"],
            "Inactive(file)": node["nr_inactive_file"],
            "Unevictable": node["nr_unevictable"],
            "Mlocked": sum(s.zone_stats(zone)["nr_mlock"] for zone in range(len(ZONES))),
            "SwapTotal": s.swap_pages[0],
            "SwapFree": s.swap_pages[1],
            "Zswap": zswap.stats(s)["pool_total_size"] >> 12,
            "Zswapped": zswap.stats(s)["stored_pages"],
            "Dirty": node["nr_dirty"],
            "Writeback": node["nr_writeback"],
            "AnonPages": node["nr_anon_pages"],
            "Mapped": node["nr_mapped"],
            "Shmem": node["nr_shmem"],
            "KReclaimable": node["nr_slab_reclaimable"] + node["nr_kernel_misc_reclaimable"],
            "Slab": slab,
            "SReclaimable": node["nr_slab_reclaimable"],
            "SUnreclaim": node["nr_slab_unreclaimable"],
            "PageTables": node["nr_page_table_pages"],
            "SecPageTables": node["nr_sec_page_table_pages"],
            "CommitLimit": util.commit_limit(s),
            "Committed_AS": s.committed_pages,
            "VmallocUsed": s.vmalloc_pages,
            "AnonHugePages": node["nr_anon_transparent_hugepages"],
        }
        values = {label: int(kib(pages)) for label, pages in counted.items()}
        values["KernelStack"] = node["nr_kernel_stack"]
        boot = self.machine.boot.meminfo
        return meminfo.Meminfo({label: values.get(label, old) for label, old in boot.items()})

    def swaps(self) -> swaps.Swaps:
        """/proc/swaps: the areas that are on."""
        found = []
        for area in self.machine.areas:
            now = swapon.area_info(self.state, area.number)
            if now.used:
                size, used = kib(Pages(now.pages)), kib(Pages(now.inuse))
                found.append(swaps.SwapArea(area.filename, area.kind, size, used, now.prio))
        return swaps.Swaps(tuple(found))

    def mm_stat(self, area: SwapArea) -> mm_stat.MmStat:
        """/sys/block/zram0/mm_stat."""
        f = zram.mm_stat(self.state, area.number)
        names = ("orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max")
        orig, compressed, total, limit, most = (Bytes(f[name]) for name in names)
        return mm_stat.MmStat(
            orig, compressed, total, limit, most, f["same_pages"], f["pages_compacted"], f["huge_pages"],
            f["huge_pages_since"],
        )  # fmt: skip

    def io_stat(self, area: SwapArea) -> io_stat.IoStat:
        """/sys/block/zram0/io_stat."""
        return io_stat.IoStat(**zram.io_stat(self.state, area.number))

    def free_blocks(self, zone: int) -> tuple[tuple[int, ...], ...]:
        """Free blocks of a zone by migrate type, then by order."""
        return tuple(buddy_info.free_blocks(self.state, zone))

    def zoneinfo(self) -> zoneinfo.Zoneinfo:
        """/proc/zoneinfo."""
        counters = self.counters()
        return zoneinfo.Zoneinfo(tuple(self._zone(zone, counters) for zone in self.machine.boot.zoneinfo.zones))

    def _zone(self, old: ZoneInfo, counters: Mapping[str, int]) -> ZoneInfo:
        """One zone's block."""
        number = ZONES.index(old.name)
        now = buddy_info.zone_info(self.state, number)
        stats = {**self.state.zone_stats(number), **self.state.numa_stats(number)}
        pagesets = tuple(
            replace(pageset, count=Pages(count), high=Pages(high), batch=Pages(batch))
            for pageset, (count, high, batch) in zip(old.pagesets, now.pagesets, strict=False)
        )
        node = old.node_stats and {name: counters.get(name, was) for name, was in old.node_stats.items()}
        return replace(
            old,
            node_stats=node,
            free=Pages(stats["nr_free_pages"]),
            boost=None if old.boost is None else Pages(now.boost),
            min=Pages(now.min),
            low=Pages(now.low),
            high=Pages(now.high),
            protection=tuple(now.protection),
            stats={name: stats.get(name, was) for name, was in old.stats.items()},
            pagesets=pagesets,
        )

    def buddyinfo(self) -> buddyinfo.Buddyinfo:
        """/proc/buddyinfo."""
        rows = []
        for old in self.machine.boot.buddyinfo.zones:
            free = buddy_info.free_blocks(self.state, ZONES.index(old.zone))
            counts = tuple(sum(kind[order] for kind in free) for order in range(len(old.counts)))
            rows.append(buddyinfo.ZoneBlocks(old.node, old.zone, counts))
        return buddyinfo.Buddyinfo(tuple(rows))

    def pagetypeinfo(self) -> pagetypeinfo.Pagetypeinfo:
        """/proc/pagetypeinfo."""
        old = self.machine.boot.pagetypeinfo
        assert old is not None
        free = tuple(
            pagetypeinfo.FreeBlocks(
                row.node,
                row.zone,
                row.type,
                tuple(
                    min(count, pagetypeinfo.CAP)
                    for count in buddy_info.free_blocks(self.state, ZONES.index(row.zone))[TYPES.index(row.type)]
                ),
            )
            for row in old.free
        )
        blocks = tuple(
            pagetypeinfo.PageBlocks(
                row.node,
                row.zone,
                tuple(
                    buddy_info.pageblocks(self.state, ZONES.index(row.zone))[TYPES.index(kind)] for kind in old.types
                ),
            )
            for row in old.blocks
        )
        return pagetypeinfo.Pagetypeinfo(
            old.page_block_order, old.pages_per_block, old.orders, free, old.types, blocks, old.rest
        )

    def slabinfo(self) -> slabinfo.Slabinfo:
        """/proc/slabinfo."""
        rows = []
        assert self.machine.boot.slabinfo is not None
        for old in self.machine.boot.slabinfo.caches:
            now = slub.cache_info(self.state, self.machine.caches[old.name])
            rows.append(
                slabinfo.SlabCache(
                    old.name, now.active_objs, now.num_objs, Bytes(now.objsize), now.objperslab,
                    Pages(now.pagesperslab), old.limit, old.batchcount, old.sharedfactor, now.num_slabs,
                    now.num_slabs, old.sharedavail,
                )
            )  # fmt: skip
        return slabinfo.Slabinfo(tuple(rows))

    def loadavg(self) -> loadavg.Loadavg:
        """/proc/loadavg; the reader itself is running."""
        threads = self.state.thread_count
        pids = [process.pid for process in self.processes.values()]
        last = self.machine.boot.loadavg.last_pid if self.machine.boot.loadavg else 1
        one, five, fifteen = mm_loadavg.averages(self.state)
        return loadavg.Loadavg(one, five, fifteen, 1, threads, max([last, *pids]))

    def uptime(self) -> uptime.Uptime:
        """/proc/uptime."""
        idle = self.machine.boot.uptime.idle_cs if self.machine.boot.uptime else 0
        idle += cputime.cpu_times(self.state)["idle"] // NS_PER_TICK
        return uptime.Uptime(self.state.clock_ns // NS_PER_TICK, idle)

    def stat(self) -> stat.Stat:
        """/proc/stat; interrupts and context switches stay as they were, for nothing here counts them."""
        old = self.machine.boot.stat
        assert old is not None
        total = _grown(old.cpu, cputime.cpu_times(self.state))
        known = min(self.state.cpu_count, len(old.cpus))
        times = [cputime.times_of(self.state, cpu) for cpu in range(known)] + [{}] * (len(old.cpus) - known)
        cpus = {number: _grown(row, more) for (number, row), more in zip(old.cpus.items(), times, strict=True)}
        return stat.Stat(
            total, cpus, old.intr_total, old.intr, old.ctxt, old.btime, old.processes + len(self.processes), 1, 0,
            old.softirq_total, old.softirq, old.unknown,
        )  # fmt: skip

    def pressure(self, number: int) -> pressure.Pressure:
        """/proc/pressure/memory (0), io (1) and cpu (2)."""
        some, full = (pressure.Stall(a[0], a[1], a[2], total) for a, total in psi.lines(self.state, number))
        return pressure.Pressure(some, full)

    # --- processes

    def status(self, process: ScenarioProcess) -> status.Status:
        """/proc/PID/status: the rows about memory, and those that name the process."""
        memory = task_mmu.task_mem(self.state, process.task)
        text = int(kib(self.machine.program.text_pages))
        memory.update(VmPin=0, VmExe=text, VmLib=memory.pop("VmExec") - text, HugetlbPages=0)
        user = "\t".join([f"{oom_kill.uid_of(self.state, process.task)}"] * 4)
        values = {
            "Name": process.name, "Umask": "0000", "State": "S (sleeping)", "Tgid": f"{process.pid}", "Ngid": "0",
            "Pid": f"{process.pid}", "PPid": "1", "TracerPid": "0", "Uid": user, "Gid": user,
        }  # fmt: skip
        order = [label for label in status.MEMORY if label in memory]
        values.update({label: status.memory(Kib(memory[label])) for label in order})
        values.update({"CoreDumping": "0", "THP_enabled": "1", "Threads": "1"})
        values.update({"voluntary_ctxt_switches": f"{process.command}", "nonvoluntary_ctxt_switches": "0"})
        return status.Status(values)

    def statm(self, process: ScenarioProcess) -> statm.Statm:
        """/proc/PID/statm, in pages."""
        memory = task_mmu.task_mem(self.state, process.task)
        shared = (memory["RssFile"] + memory["RssShmem"]) >> 2
        data = (memory["VmData"] + memory["VmStk"]) >> 2
        text = self.machine.program.text_pages
        return statm.Statm(
            Pages(memory["VmSize"] >> 2), Pages(memory["VmRSS"] >> 2), Pages(shared), Pages(text), Pages(0),
            Pages(data), Pages(0),
        )  # fmt: skip

    def pid_stat(self, process: ScenarioProcess) -> pid_stat.PidStat:
        """/proc/PID/stat: faults, times and sizes; what the model does not know is 0."""
        memory = task_mmu.task_mem(self.state, process.task)
        times = task_mmu.task_times(self.state, process.task)
        known = {
            "ppid": 1, "tpgid": -1, "minflt": times["min_flt"], "majflt": times["maj_flt"],
            "utime": times["utime_ns"] // NS_PER_TICK, "stime": times["stime_ns"] // NS_PER_TICK, "priority": 20,
            "num_threads": 1, "starttime": times["start_ns"] // NS_PER_TICK, "vsize": memory["VmSize"] << 10,
            "rss": memory["VmRSS"] >> 2, "rsslim": (1 << 64) - 1, "exit_signal": 17,
        }  # fmt: skip
        fields = tuple(known.get(name, 0) for name in pid_stat.FIELDS)
        return pid_stat.PidStat(process.pid, process.name, "S", fields)

    def maps(self, process: ScenarioProcess) -> maps.Maps:
        """/proc/PID/maps."""
        areas = {area.start: area for area in self.machine.program.areas}
        rows = []
        for start, end, flags, file, offset in task_mmu.areas(self.state, process.task):
            known = areas.get(start)
            perms = known.perms if known else perms_of(flags)
            bounds = (start << PAGE_SHIFT, end << PAGE_SHIFT)
            named = self.machine.file_names.get(file)
            if known is not None and known.source == "binary":
                named = FileName(known.name or "", 0, 2, 10140)
            if named is None:
                rows.append(maps.Mapping(*bounds, perms, path=known.name if known else None))
            else:
                device, place = (named.major, named.minor), (named.inode, named.path)
                rows.append(maps.Mapping(*bounds, perms, offset << PAGE_SHIFT, *device, *place))
        return maps.Maps(tuple(rows))

    def smaps(self, process: ScenarioProcess) -> smaps.Smaps:
        """/proc/PID/smaps: what of each mapping is resident, and whose."""
        held = task_mmu.smaps(self.state, process.task)
        flags = [area[2] for area in task_mmu.areas(self.state, process.task)]
        rows = zip(self.maps(process).rows, held, flags, strict=True)
        return smaps.Smaps(tuple(block(mapping, amounts, vm_flags) for mapping, amounts, vm_flags in rows))

    def smaps_rollup(self, process: ScenarioProcess) -> smaps_rollup.SmapsRollup:
        """/proc/PID/smaps_rollup."""
        counted = task_mmu.smaps_rollup(self.state, process.task)
        rows = {label: counted.get(label, 0) for label in ROLLUP}
        areas = task_mmu.areas(self.state, process.task)
        whole = maps.Mapping(areas[0][0] << PAGE_SHIFT, areas[-1][1] << PAGE_SHIFT, "---p", path="[rollup]")
        return smaps_rollup.SmapsRollup(whole, smaps_rollup.RollupRows(rows))

    def oom_score(self, process: ScenarioProcess) -> oom_score.OomScore:
        """/proc/PID/oom_score."""
        if self.oom_score_adj(process).value == badness.OOM_SCORE_ADJ_MIN:
            return oom_score.OomScore(0)
        points, swap_pages = oom_kill.points_of(self.state, process.task), self.state.swap_pages[0]
        return oom_score.OomScore(badness.scaled_score(points, self.state.memory_total + swap_pages))

    def oom_score_adj(self, process: ScenarioProcess) -> oom_score_adj.OomScoreAdj:
        """/proc/PID/oom_score_adj."""
        return oom_score_adj.OomScoreAdj(task_mmu.task_times(self.state, process.task)["oom_score_adj"])


def _grown(row: tuple[int, ...], times_ns: Mapping[str, int]) -> tuple[int, ...]:
    """A line of /proc/stat, in ticks, with times of the model added."""
    fields = zip_longest(stat.CPU_FIELDS[: len(row)], row, fillvalue=0)
    return tuple(was + times_ns.get(str(name), 0) // NS_PER_TICK for name, was in fields)
