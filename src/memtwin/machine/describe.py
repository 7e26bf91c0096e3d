"""A machine from a description: another size, another swap, based on a real boot.

There is one way to make a machine that was never recorded: take a snapshot of a real one and change what the
description says.  More RAM means more whole 4 MiB blocks free, a Normal zone above 3 GiB, and watermarks and per-cpu
lists computed again by the kernel's rules; what the kernel and its first processes took stays as it was.  Without any
snapshot the ground is Debian 12's cloud kernel on a guest of 256 MiB, which is part of this package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.resources import files
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin.errors import UsageError
from memtwin.linux import features
from memtwin.machine import more_cpus
from memtwin.machine.boot import LRU_GEN_ENABLED, THP_ENABLED, ZSWAP
from memtwin.procfs import buddyinfo, meminfo, pagetypeinfo, swaps, vmstat, zoneinfo
from memtwin.sources.opening import open_source
from memtwin.units import PAGE_BYTES, Kib, Pages, kib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memtwin.machine.boot import Boot
    from memtwin.sources.source import Source

KERNEL_IMAGE_PAGES = 8_700
"""What Debian's cloud kernel keeps of RAM for itself and its early tables, beside the page array: 34 MiB."""
PAGE_ARRAY = 64
"""Pages per page of ``struct page`` (64 bytes each)."""
DMA32_TOP = 3 << 18
"""Pages below 3 GiB: where the hole for devices begins; RAM beyond it lies above 4 GiB."""
MAX_CPUS = 64
_PROCESSOR = re.compile(r"(?m)^(processor\s*:\s*)0")
FOUR_GIB = 1 << 20
CHUNK = 1024
MAX_MIN_FREE_KB = 262_144
HUGE_PAGE = 512
MIN_FREE_SLACK = 20
"""A min_free_kbytes that differs by less than such a part is the kernel's own: it is set early in a boot."""
MIN_RAM_BYTES = 128 << 20
DEBIAN_LRU_GEN = (6, 12)
"""From this release on Debian's kernels have the multi-gen LRU on."""


@dataclass(frozen=True, slots=True)
class PlannedSwap:
    """A swap area of a described machine."""

    filename: str
    size_bytes: int
    prio: int
    on: bool = True
    rotational: int | None = None
    """None: as the snapshot says."""
    algorithm: str = ""
    """Of zram; empty: as the snapshot says."""


def ground() -> Source:
    """The snapshot that described machines stand on: Debian 12's 6.1 cloud kernel after boot, 256 MiB, one cpu."""
    source = open_source(Path(str(files("memtwin") / "data" / "debian-12-cloud.tar.xz")))
    source.name = "a boot of Debian 12's cloud kernel"
    return source


def with_kernel(boot: Boot, release: str, lru_gen: str | None) -> Boot:
    """Return *boot* as a kernel of another release, and reclaim policy; *lru_gen*: on, off, or as Debian has it (None).

    The rows that its files have stay those of the snapshot.
    """
    version = features.version_of(f"version {release}") or boot.release
    text = boot.version if version == boot.release else f"Linux version {release} (described)\n"
    on = lru_gen == "on" or (lru_gen is None and version >= DEBIAN_LRU_GEN)
    if on == boot.multi_gen_lru:
        return replace(boot, version=text)
    return replace(boot, version=text, texts={**boot.texts, LRU_GEN_ENABLED: "0x0007\n" if on else "0x0000\n"})


def with_cpus(boot: Boot, cpus: int) -> Boot:
    """Return *boot* as it would be with so many CPUs, and what those beyond its own take at boot."""
    if cpus > MAX_CPUS:
        raise UsageError(f"machine.cpus={cpus}: a described machine has at most {MAX_CPUS}")
    if cpus > boot.cpus:
        boot = more_cpus.with_memory_of(boot, cpus - boot.cpus)
    zones = tuple(
        replace(
            zone,
            pagesets=tuple(
                replace(
                    zone.pagesets[0], cpu=cpu, count=zone.pagesets[0].count if cpu == 0 else Pages(0), high=Pages(0)
                )
                for cpu in range(cpus)
            ),
        )
        if zone.pagesets
        else zone
        for zone in boot.zoneinfo.zones
    )
    rows = boot.stat.cpus if boot.stat else {}
    idle = {cpu: rows.get(cpu, tuple(0 for _ in rows[0])) for cpu in range(cpus)} if rows else {}
    info = (boot.cpuinfo or "").strip("\n")
    more = [info, *(_PROCESSOR.sub(rf"\g<1>{cpu}", info, count=1) for cpu in range(1, cpus))]
    return replace(
        boot,
        zoneinfo=replace(boot.zoneinfo, zones=zones),
        stat=replace(boot.stat, cpus=idle) if boot.stat else None,
        cpuinfo="\n\n".join(more) + "\n\n" if boot.cpuinfo else None,
    )


def with_ram(boot: Boot, ram_bytes: int) -> Boot:
    """Return *boot* as it would be with *ram_bytes* of RAM; at least 128 MiB."""
    if ram_bytes < MIN_RAM_BYTES:
        raise UsageError(f"machine.ram={ram_bytes}: a machine has at least 128 MiB")
    total = ram_bytes >> 12
    low, high = min(total, DMA32_TOP), max(total - DMA32_TOP, 0)
    normal = boot.zoneinfo.zone("Normal")
    if normal is not None and normal.managed and not high:
        used = (int(normal.managed) - int(normal.free)) >> 8
        raise UsageError(
            f"machine.ram={ram_bytes}: {boot.name} keeps {used:,} MiB above 4 GiB, where that machine has nothing",
            hint="give more than 4G, or start from the snapshot of a smaller machine (--boot)",
        )
    reserved = KERNEL_IMAGE_PAGES + low // PAGE_ARRAY + (boot.cpus - 1) * more_cpus.UNIT
    dma, dma32 = _zone(boot, "DMA"), _zone(boot, "DMA32")
    spans = {"DMA32": (4096, low - 4096, low - 4096 - reserved)}
    if high:
        spans["Normal"] = (FOUR_GIB, high, high - high // PAGE_ARRAY)
    managed = int(dma.managed) + sum(pages for _, _, pages in spans.values())
    min_free = _set_by_its_host(boot) or min_free_kbytes(managed, len(spans) + 1, thp=_thp(boot))
    zones, blocks = [], {}
    for old in boot.zoneinfo.zones:
        if old.name in spans:
            start, spanned, pages = spans[old.name]
            used = int(old.managed) - int(old.free) if old.managed else 0
            parts = old if old.managed else dma32
            blocks[old.name] = _free_chunks(boot, old.name, pages - used)
            free = _pages_free(blocks[old.name])
            managed_now = free + used
            zones.append(_sized(old, parts, start, spanned, Pages(managed_now), free=Pages(free), keep=old.managed > 0))
        else:
            zones.append(old)
    total_managed = sum(int(zone.managed) for zone in zones)
    scale = int((boot.sysctl or {}).get("vm.watermark_scale_factor", "10"))
    settings = dict(boot.sysctl or {})
    settings["vm.min_free_kbytes"] = str(min_free)
    values = dict(boot.meminfo.items())
    values["MemTotal"] = int(kib(total_managed))
    return replace(
        boot,
        meminfo=meminfo.Meminfo(values),
        zoneinfo=zoneinfo.Zoneinfo(tuple(_with_marks(zone, zones, min_free, scale) for zone in zones)),
        buddyinfo=_buddyinfo(boot, blocks),
        pagetypeinfo=_pagetypeinfo(boot, blocks, {zone.name: int(zone.spanned) for zone in zones}),
        sysctl=settings,
    )


def _set_by_its_host(boot: Boot) -> int | None:
    """Return ``vm.min_free_kbytes`` of a snapshot if it is not what the kernel chooses for a machine of its size."""
    zones = [zone for zone in boot.zoneinfo.zones if zone.managed]
    usual = min_free_kbytes(sum(int(zone.managed) for zone in zones), len(zones), thp=_thp(boot))
    text = (boot.sysctl or {}).get("vm.min_free_kbytes", "")
    given = int(text) if text.isdecimal() else usual
    return given if abs(given - usual) > usual // MIN_FREE_SLACK else None


def with_swaps(boot: Boot, areas: tuple[PlannedSwap, ...]) -> Boot:
    """Return *boot* with these swap areas, empty, and those that are on turned on; one page of each is its header."""
    rows = tuple(
        swaps.SwapArea(area.filename, "partition", kib(area.size_bytes // PAGE_BYTES - 1), Kib(0), area.prio)
        for area in areas
        if area.on
    )
    texts = dict(boot.texts)
    for area in areas:
        device = f"sys/block/{area.filename.rpartition('/')[2]}"
        if area.rotational is not None:
            texts[f"{device}/queue/rotational"] = f"{area.rotational}\n"
        if area.algorithm:
            texts[f"{device}/comp_algorithm"] = f"[{area.algorithm}]\n"
            texts[f"{device}/disksize"] = f"{area.size_bytes}\n"
    total = sum(int(row.size_kib) for row in rows)
    values = dict(boot.meminfo.items())
    values["SwapTotal"] = values["SwapFree"] = total
    return replace(boot, swaps=swaps.Swaps(rows), meminfo=meminfo.Meminfo(values), texts=texts)


def with_zswap(boot: Boot, parameters: Mapping[str, str]) -> Boot:
    """Return *boot* with these of zswap's parameters changed, on a kernel that has zswap and shows its figures."""
    events = (
        ("zswpin", "zswpout", "zswpwb") if "zswap_lru" in features.features_of(boot.release) else ("zswpin", "zswpout")
    )
    return replace(
        boot,
        meminfo=meminfo.Meminfo(_inserted(boot.meminfo.items(), "SwapFree", ("Zswap", "Zswapped"))),
        vmstat=vmstat.Vmstat(_inserted(boot.vmstat.items(), "cow_ksm", events)),
        texts={**boot.texts, **{f"{ZSWAP}/{name}": f"{value}\n" for name, value in parameters.items()}},
    )


def _inserted(rows: Iterable[tuple[str, int]], after: str, names: tuple[str, ...]) -> dict[str, int]:
    """Rows with those of *names* that are not there yet, as 0, behind the row *after*."""
    found = dict(rows)
    whole: dict[str, int] = {}
    for name, value in found.items():
        whole[name] = value
        if name == after:
            whole.update((new, found.get(new, 0)) for new in names)
    return whole


def min_free_kbytes(managed: int, zones: int, *, thp: bool) -> int:
    """The kernel's own ``vm.min_free_kbytes``: sixteen times the root of low memory, more where huge pages are used.

    Follows mm/page_alloc.c (``calculate_min_free_kbytes``) and mm/khugepaged.c (``set_recommended_min_free_kbytes``).

    >>> min_free_kbytes(2_033_840, 3, thp=True), min_free_kbytes(117_943, 2, thp=False)
    (67584, 2747)
    """
    least = min(max(isqrt(4 * managed * 16), 128), MAX_MIN_FREE_KB)
    if not thp:
        return least
    recommended = min(HUGE_PAGE * zones * 2 + HUGE_PAGE * zones * 9, managed // 20)
    return max(least, recommended * 4)


def _thp(boot: Boot) -> bool:
    enabled = boot.texts.get(THP_ENABLED, "[never]")
    return "[never]" not in enabled


def _zone(boot: Boot, name: str) -> zoneinfo.ZoneInfo:
    found = boot.zoneinfo.zone(name)
    if found is None or not found.managed:
        raise UsageError(f"machine.ram: the snapshot {boot.name} has no zone {name} to start from")
    return found


def _free_chunks(boot: Boot, zone: str, free: int) -> tuple[int, ...]:
    """Free blocks by order: those of the snapshot, with as many whole 4 MiB blocks as *free* pages ask for."""
    old = next((row.counts for row in boot.buddyinfo.zones if row.zone == zone), (0,) * 11)
    small = sum(count << order for order, count in enumerate(old[:-1]))
    chunks = (free - small) // CHUNK
    if chunks < 0:
        raise UsageError(f"machine.ram: too little for what is in use in zone {zone} of the snapshot {boot.name}")
    return (*old[:-1], chunks)


def _pages_free(counts: tuple[int, ...]) -> int:
    return sum(count << order for order, count in enumerate(counts))


def _sized(
    old: zoneinfo.ZoneInfo,
    parts: zoneinfo.ZoneInfo,
    start: int,
    spanned: int,
    managed: Pages,
    *,
    free: Pages,
    keep: bool,
) -> zoneinfo.ZoneInfo:
    """A zone of another size; *keep* what is in use in it, else it is all free."""
    stats = dict(old.stats) if keep else dict.fromkeys(parts.stats, 0)
    stats["nr_free_pages"] = int(free)
    pagesets = tuple(
        replace(
            pageset,
            count=pageset.count if keep else Pages(0),
            batch=Pages(_batch(int(managed))),
            high=Pages(0),
        )
        for pageset in parts.pagesets
    )
    return replace(
        old, start_pfn=start, spanned=Pages(spanned), present=Pages(spanned), managed=managed, free=free, stats=stats,
        pagesets=pagesets, boost=Pages(0), node_unreclaimable=0,
    )  # fmt: skip


def _batch(managed: int) -> int:
    """Pages that move between a zone and a per-cpu list at once (``zone_batchsize``)."""
    batch = max(min(managed >> 10, 256) >> 2, 1)
    batch += batch >> 1
    return int(max((1 << (batch.bit_length() - 1)) - 1, 1))


def _with_marks(
    zone: zoneinfo.ZoneInfo, zones: list[zoneinfo.ZoneInfo], min_free: int, scale: int
) -> zoneinfo.ZoneInfo:
    """Watermarks, reserves and list sizes of a zone among all zones (``__setup_per_zone_wmarks``)."""
    total = sum(int(other.managed) for other in zones)
    least = (min_free >> 2) * int(zone.managed) // total
    gap = max(least >> 2, int(zone.managed) * scale // 10_000)
    low = least + gap
    position = zones.index(zone)
    ratio = (256, 256, 32, 0, 0)[position]
    above = [sum(int(other.managed) for other in zones[position + 1 : last + 1]) for last in range(len(zones))]
    protection = tuple(pages // ratio if ratio and zone.managed else 0 for pages in above)
    cpus = max(len(zone.pagesets), 1)
    pagesets = tuple(
        replace(pageset, high=Pages(max(low // cpus, int(pageset.batch) * 4))) if pageset.high == 0 else pageset
        for pageset in zone.pagesets
    )
    return replace(
        zone,
        min=Pages(least),
        low=Pages(low),
        high=Pages(low + gap),
        protection=protection,
        pagesets=pagesets,
    )


def _buddyinfo(boot: Boot, blocks: dict[str, tuple[int, ...]]) -> buddyinfo.Buddyinfo:
    rows = {row.zone: row for row in boot.buddyinfo.zones}
    for name, counts in blocks.items():
        rows[name] = buddyinfo.ZoneBlocks(0, name, counts)
    order = ("DMA", "DMA32", "Normal")
    return buddyinfo.Buddyinfo(tuple(rows[name] for name in order if name in rows))


def _pagetypeinfo(
    boot: Boot, blocks: dict[str, tuple[int, ...]], spanned: dict[str, int]
) -> pagetypeinfo.Pagetypeinfo | None:
    """Free blocks by type: the whole 4 MiB blocks that came or went are movable."""
    old = boot.pagetypeinfo
    if old is None:
        return None
    free = []
    for zone in ("DMA", "DMA32", "Normal"):
        rows = [row for row in old.free if row.zone == zone]
        if not rows and zone in blocks:
            rows = [
                pagetypeinfo.FreeBlocks(0, zone, kind, (0,) * 11) for kind in dict.fromkeys(r.type for r in old.free)
            ]
        for row in rows:
            others = sum(r.counts[-1] for r in rows if r.type != "Movable")
            if zone in blocks and row.type == "Movable":
                small = row.counts[:-1] if any(r.zone == zone for r in old.free) else blocks[zone][:-1]
                row = replace(row, counts=(*small, max(blocks[zone][-1] - others, 0)))  # noqa: PLW2901
            free.append(row)
    kinds = {row.zone: row for row in old.blocks}
    for zone in blocks:
        counts = dict(zip(old.types, kinds[zone].counts if zone in kinds else (0,) * len(old.types), strict=True))
        others = sum(count for kind, count in counts.items() if kind != "Movable")
        counts["Movable"] = -(-spanned[zone] // HUGE_PAGE) - others
        kinds[zone] = pagetypeinfo.PageBlocks(0, zone, tuple(counts.values()))
    order = [name for name in ("DMA", "DMA32", "Normal") if name in kinds]
    return replace(old, free=tuple(free), blocks=tuple(kinds[name] for name in order))
