"""What a machine is built from: the records of a snapshot, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memtwin.errors import SnapshotError
from memtwin.linux import features
from memtwin.machine import compressed_lengths
from memtwin.machine.processes import BootProcess, read_processes
from memtwin.procfs import (
    buddyinfo,
    loadavg,
    meminfo,
    pagetypeinfo,
    pressure,
    slabinfo,
    stat,
    swaps,
    sysctl_vm,
    uptime,
    vmstat,
    zoneinfo,
)
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.sysfs import transparent_hugepage
from memtwin.sysfs.zram import mm_stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from memtwin.sources.source import Source


THP_ENABLED = "sys/kernel/mm/transparent_hugepage/enabled"
LRU_GEN_ENABLED = "sys/kernel/mm/lru_gen/enabled"
LRU_GEN_MIN_TTL = "sys/kernel/mm/lru_gen/min_ttl_ms"
ZSWAP = "sys/module/zswap/parameters"
ZSWAP_EVENTS = "sys/kernel/debug/zswap"
ZSWAP_PARAMETERS = (
    "accept_threshold_percent", "compressor", "enabled", "max_pool_percent", "non_same_filled_pages_enabled",
    "same_filled_pages_enabled", "zpool",
)  # fmt: skip


@dataclass(slots=True)
class Boot:
    """A snapshot's records; None where it has no such file."""

    name: str
    meminfo: meminfo.Meminfo
    vmstat: vmstat.Vmstat
    zoneinfo: zoneinfo.Zoneinfo
    buddyinfo: buddyinfo.Buddyinfo
    pagetypeinfo: pagetypeinfo.Pagetypeinfo | None
    slabinfo: slabinfo.Slabinfo | None
    swaps: swaps.Swaps
    loadavg: loadavg.Loadavg | None
    uptime: uptime.Uptime | None
    stat: stat.Stat | None
    pressure: dict[str, pressure.Pressure]
    sysctl: Mapping[str, str] | None
    version: str
    cpuinfo: str | None
    zram: dict[str, mm_stat.MmStat] = field(default_factory=dict)
    """mm_stat of each zram device that is there, by its name."""
    texts: dict[str, str] = field(default_factory=dict)
    zswap_events: dict[str, int] = field(default_factory=dict)
    """Zswap's own counters by name, which only root may read."""
    program: str | None = None
    """Which program the snapshot's scenario ran, by ``guest_c``."""
    page_bytes: int | None = None
    """The page size; None: not known."""
    processes: tuple[BootProcess, ...] = ()
    """Kernel threads among them."""
    folded: tuple[str, ...] = ()
    """What was changed of it to make it a machine that the model has."""
    seed: int = 0
    """Of what the snapshot leaves to chance (``chance.py``); 0: nothing."""
    cpu_speed: float = 1.0
    """How fast its processors are beside the one that costs were measured on (``costs.py``)."""

    @property
    def cpus(self) -> int:
        """How many CPUs have lists of pages."""
        return max((len(zone.pagesets) for zone in self.zoneinfo.zones), default=1) or 1

    @property
    def huge_pages(self) -> str:
        """When huge pages are used: always, madvise or never, which is so too where the kernel has none."""
        chosen = re.search(r"\[(always|madvise)\]", self.texts.get(THP_ENABLED, ""))
        return chosen[1] if chosen else "never"

    @property
    def multi_gen_lru(self) -> bool:
        """Whether reclaim works by generations."""
        return re.fullmatch(r"(0x)?0*|[nN]", self.texts.get(LRU_GEN_ENABLED, "0").strip()) is None

    @property
    def lru_gen_caps(self) -> int:
        """What the multi-gen LRU uses, as /sys/kernel/mm/lru_gen/enabled has it; 0: it is off, or there is none."""
        text = self.texts.get(LRU_GEN_ENABLED, "0").strip()
        if not re.fullmatch(r"0x[0-9a-fA-F]+|\d+", text):
            return 7 if self.multi_gen_lru else 0
        return int(text, 0) & 7

    @property
    def lru_gen_min_ttl_ms(self) -> int:
        """How long the working set is kept at least; 0: not at all."""
        text = self.texts.get(LRU_GEN_MIN_TTL, "0").strip()
        return int(text) if text.isdigit() else 0

    @property
    def release(self) -> tuple[int, int]:
        """The kernel's release, as (6, 12); a version that names none is taken for 6.1."""
        return features.version_of(self.version) or (6, 1)

    @property
    def compressors(self) -> tuple[tuple[str, str], ...]:
        """What compresses swapped pages, by the file that says so: of zram devices in use, and of zswap if it is on."""
        found = []
        for area in self.swaps.areas:
            path = f"sys/block/{area.filename.rpartition('/')[2]}/comp_algorithm"
            chosen = re.search(r"\[([\w-]+)\]", self.texts.get(path, ""))
            if chosen:
                found.append((path, chosen[1]))
        if self.zswap.get("enabled") == "Y":
            found.append((f"{ZSWAP}/compressor", self.zswap.get("compressor", "lzo")))
        return tuple(found)

    @property
    def zswap(self) -> dict[str, str]:
        """Zswap's parameters by name, as in /sys/module/zswap/parameters; none: the kernel has no zswap."""
        paths = {name: f"{ZSWAP}/{name}" for name in ZSWAP_PARAMETERS}
        return {name: self.texts[path].strip() for name, path in paths.items() if path in self.texts}


def read_boot(source: Source, settings: Iterable[str], progress: Callable[[int, int], None] | None = None) -> Boot:
    """Read what a machine is built from; raises SnapshotError that names the first file that is missing.

    *settings*: names below ``vm.`` to look for on a live host; *progress* gets the number of processes read and of all.
    """

    def must(module: Any) -> Any:
        record = load(source, module)
        if record is None:
            raise SnapshotError(
                source.name, f"{module.PATH} is missing",
                hint="a machine is built from meminfo, vmstat, zoneinfo and buddyinfo of one moment",
            )  # fmt: skip
        return record

    texts = {path: text for path in _constant_files(source) if (text := source.read(path)) is not None}
    return Boot(
        name=source.owner,
        meminfo=must(meminfo),
        vmstat=must(vmstat),
        zoneinfo=must(zoneinfo),
        buddyinfo=must(buddyinfo),
        pagetypeinfo=load(source, pagetypeinfo),
        slabinfo=load(source, slabinfo),
        swaps=load(source, swaps) or swaps.Swaps(),
        loadavg=load(source, loadavg),
        uptime=load(source, uptime),
        stat=load(source, stat),
        pressure={
            kind: record for kind in ("memory", "io", "cpu") if (record := load(source, pressure, resource=kind))
        },
        sysctl=load(source, sysctl_vm) or _live_sysctls(source, settings),
        version=source.read("proc/version") or "",
        cpuinfo=source.read("proc/cpuinfo"),
        zram={name: found for name in ("zram0",) if (found := load(source, mm_stat, device=name))},
        texts=texts,
        zswap_events=_zswap_events(source),
        program=source.program,
        page_bytes=_page_bytes(source),
        processes=read_processes(source, progress),
    )


def _zswap_events(source: Source) -> dict[str, int]:
    """Read zswap's own counters, as far as they may be read."""
    names = ("pool_limit_hit", "written_back_pages", "same_filled_pages")
    texts = {name: (source.read(f"{ZSWAP_EVENTS}/{name}") or "").strip() for name in names}
    return {name: int(text) for name, text in texts.items() if text.isdigit()}


def _page_bytes(source: Source) -> int | None:
    """Return the page size as the source or its huge pages say: 512 PTEs of 8 bytes fill a page of 4096."""
    known = host(source).page_bytes
    memory = None if source.is_live else load(source, meminfo)
    huge = (memory.get("Hugepagesize") or 0) if memory else 0
    if huge in {32 << 10, 512 << 10}:  # arm64 with pages of 16 and 64 KiB
        return {32 << 10: 16384, 512 << 10: 65536}[huge]
    return known


def _constant_files(source: Source) -> list[str]:
    """Files that an operation of the model never changes; a run hands them on."""
    kept = ["proc/diskstats", "proc/cmdline", "proc/version", "proc/iomem", "proc/modules", "proc/mounts"]
    kept += [
        "proc/partitions",
        "proc/cpuinfo",
        THP_ENABLED,
        LRU_GEN_ENABLED,
        LRU_GEN_MIN_TTL,
        *(transparent_hugepage.enabled_of(size) for size in transparent_hugepage.SMALL_KIB),
        *(f"{ZSWAP}/{name}" for name in ZSWAP_PARAMETERS),
    ]
    return list(dict.fromkeys([*kept, *_below(source, "sys/kernel/mm"), *_block(source)]))


def _below(source: Source, path: str, depth: int = 4) -> list[str]:
    """All files below a directory of a saved snapshot (a live host's /sys is not walked)."""
    if source.name == "live" or not depth:
        return []
    found = []
    for name in source.names(path):
        inner = _below(source, f"{path}/{name}", depth - 1)
        found += inner or [f"{path}/{name}"]
    return found


def _block(source: Source) -> list[str]:
    """What does not change of the block devices: is it rotational, which compressor, how large."""
    devices = source.names("sys/block") if source.name != "live" else []
    swaps_of = load(source, swaps)
    devices += [area.filename.rpartition("/")[2] for area in (swaps_of.areas if swaps_of else ())]
    names = ("queue/rotational", "queue/read_ahead_kb", "queue/scheduler", "queue/max_sectors_kb", "comp_algorithm",
             "disksize")  # fmt: skip
    return [f"sys/block/{device}/{name}" for device in dict.fromkeys(devices) for name in names]


def _live_sysctls(source: Source, names: Iterable[str]) -> dict[str, str] | None:
    """The settings as separate files, as on a live host."""
    found = {f"vm.{name}": text.strip() for name in names if (text := source.read(f"proc/sys/vm/{name}")) is not None}
    return found or None


def notes(boot: Boot) -> tuple[str, ...]:
    """What to say of a snapshot that is not wholly what the model follows."""
    found = []
    if boot.release not in {(6, 1), (6, 12)} or not features.version_of(boot.version):
        release = " ".join(boot.version.split()[2:3]) or "an unknown kernel"
        found.append(f"{boot.name} runs {release}: the model follows {features.nearest(boot.release)}")
    huge = sum(boot.meminfo.get(row) or 0 for row in ("ShmemHugePages", "FileHugePages"))
    if huge:
        found.append(f"{boot.name} has {huge:,} kB in huge pages of files and shared memory: they are base pages here")
    small = [f"{size} kB" for size in transparent_hugepage.small_sizes_on(boot.texts)]
    if small:
        found.append(f"{boot.name} has huge pages of {', '.join(small)} on: programs get base pages instead here")
    found += [
        f"{boot.name} compresses with {name} ({path}): lengths as of lzo-rle, for none were measured"
        for path, name in boot.compressors
        if name not in compressed_lengths.TABLE
    ]
    managed = sum(int(zone.managed) for zone in boot.zoneinfo.zones) * 4
    if abs(boot.meminfo["MemTotal"] - managed) > managed // 100:
        found.append(
            f"meminfo of {boot.name} says MemTotal {boot.meminfo['MemTotal']} kB, its zones manage {managed} kB "
            "(a container or a balloon?): the zones are believed"
        )
    if "pgfault" not in boot.vmstat:
        found.append(f"vmstat of {boot.name} has no counters of events: they start at 0")
    missing = [
        path for path, record in (("pagetypeinfo", boot.pagetypeinfo), ("slabinfo", boot.slabinfo)) if not record
    ]
    if missing:
        found.append(f"{boot.name} has no {' and no '.join(missing)} (only root may read them): taken as one kind")
    return tuple(found)
