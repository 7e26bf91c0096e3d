"""Whether a snapshot can be a machine: every number that reaches the core is one that the core can hold.

In: the records of a snapshot. Out: nothing, or a SnapshotError that names the file and what in it contradicts what.

A file of /proc can be cut off, put together from two, or made by hand. The core has arrays as long as the snapshot says
and trusts them; so what stands here is checked before the first of them is made. Files of a running host are read one
after another and differ a little: between files only that is checked which cannot be at any moment.

Never here: which features the model lacks in a machine that is sound (``boot.notes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import InputError, NotModelledError, SnapshotError, quoted
from memtwin.linux.kernel import sysctl
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.machine.boot import Boot
    from memtwin.procfs.zoneinfo import ZoneInfo

BEFORE = ("DMA", "DMA32", "Normal")
"""The zones that memory may be in, by address."""
ZONES = ("DMA", "DMA32", "Normal", "Movable", "Device")
MOST_FRAMES = 1 << 31
"""8 TiB: a frame's number is half of 32 bits."""
MOST_SLOTS = 1 << 27
"""Of a swap area, its header among them: the bits that a swap entry has for a slot."""
MOST_AREAS = 29
MOST_CPUS = 1024
MOST_NUMBER = (1 << 63) - 1
MOST_SMALL = (1 << 31) - 1
"""Of tasks, sizes of lists and of objects."""
MOST_UPTIME_CS = 1 << 38
"""87 years."""
ORDERS = 11
PAGES = (
    "nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file", "nr_unevictable", "nr_anon_pages",
    "nr_mapped", "nr_file_pages", "nr_shmem", "nr_page_table_pages", "nr_slab_reclaimable", "nr_slab_unreclaimable",
)  # fmt: skip
"""Counters of vmstat that are pages of this machine."""
NEEDED = ("nr_free_pages", "nr_slab_reclaimable", "nr_slab_unreclaimable", "nr_page_table_pages")
"""Counters that every kernel of the last ten years has."""
KIB_ROWS = ("Buffers", "Mlocked", "Zswap")
"""Rows of meminfo that are memory of this machine and become pages of the model."""


def check(boot: Boot) -> None:
    """Raise a SnapshotError if *boot* cannot be a machine, a NotModelledError if it is none that the core has."""
    _refuse_lacking(boot)
    for problem in _problems(boot):
        raise SnapshotError(boot.name, problem, hint="is each of its files whole, and are they of one machine?")


def _refuse_lacking(boot: Boot) -> None:
    """Raise a NotModelledError for what the model lacks in a machine that may be sound."""
    if boot.page_bytes not in {None, PAGE_BYTES}:
        hint = "it has pages of 4096 bytes, as x86-64 has"
        raise NotModelledError(boot.name, f"pages of {boot.page_bytes} bytes", hint=hint)
    orders = max((len(row.counts) for row in boot.buddyinfo.zones), default=ORDERS)
    if orders > ORDERS:
        hint = "its largest free block has 4 MiB"
        raise NotModelledError(boot.name, f"free blocks of {orders} orders", hint=hint)
    for zone in boot.zoneinfo.zones:
        if zone.name not in ZONES:
            raise NotModelledError(boot.name, f"a zone {quoted(zone.name)}", hint=f"{', '.join(ZONES)} are")
        if zone.managed and zone.name not in (*BEFORE, "Movable"):
            raise NotModelledError(boot.name, f"memory in zone {zone.name}")


def _problems(boot: Boot) -> Iterator[str]:
    """Yield what is wrong, the cause before what follows from it."""
    yield from _numbers("proc/meminfo", boot.meminfo.items())
    yield from _numbers("proc/vmstat", boot.vmstat.items())
    if "MemTotal" not in boot.meminfo:
        yield "proc/meminfo has no MemTotal"
    needed = (*NEEDED, "pgfault") if "pgpgin" in boot.vmstat else NEEDED  # events, or their end is cut off
    yield from (f"proc/vmstat has no {name}" for name in needed if name not in boot.vmstat)
    yield from _zones(boot)
    managed = sum(int(zone.managed) for zone in boot.zoneinfo.zones)
    for name in PAGES:
        if boot.vmstat.get(name, 0) > managed:
            yield f"contradicts itself: {name} is {boot.vmstat[name]:,} pages, its zones manage {managed:,}"
    for row in KIB_ROWS:
        if boot.meminfo.get(row, 0) > managed * 4:
            yield f"contradicts itself: {row} is {boot.meminfo[row]:,} kB, its zones manage {managed * 4:,} kB"
    yield from _free_blocks(boot)
    yield from _slabs(boot)
    yield from _swaps(boot)
    yield from _times(boot)
    yield from _settings(boot)


def _numbers(path: str, rows: Iterable[tuple[str, int]]) -> Iterator[str]:
    for name, value in rows:
        if value > MOST_NUMBER:
            yield f"{path}: {name} {value} is more than 63 bits hold"


def _zones(boot: Boot) -> Iterator[str]:
    zones = boot.zoneinfo.zones
    seen: set[tuple[int, str]] = set()
    for zone in zones:
        if (zone.node, zone.name) in seen:
            yield f"contradicts itself: proc/zoneinfo has zone {quoted(zone.name)} of node {zone.node} twice"
        seen.add((zone.node, zone.name))
    populated = [zone for zone in zones if zone.managed]
    if not populated:
        yield "proc/zoneinfo has no zone with memory"
    for zone in zones:
        yield from _zone(boot, zone)
    for node in {zone.node for zone in zones}:
        yield from _order([zone for zone in populated if zone.node == node])
    names = [zone.name for zone in zones if zone.node == zones[0].node]
    if names != sorted(names, key=ZONES.index):
        yield f"proc/zoneinfo has its zones in the order {', '.join(names)}"
    cpus = [len(zone.pagesets) for zone in populated]
    if len(set(cpus)) > 1:
        yield f"contradicts itself: proc/zoneinfo has page sets of {min(cpus)} and of {max(cpus)} cpus"
    if cpus[0] > MOST_CPUS:
        raise NotModelledError(boot.name, f"a machine with {cpus[0]} cpus", hint=f"{MOST_CPUS} at most")


def _zone(boot: Boot, zone: ZoneInfo) -> Iterator[str]:
    """Yield what is wrong with one zone."""
    where = f"proc/zoneinfo, zone {zone.name}"
    if (zone.start_pfn or 0) + zone.spanned > MOST_FRAMES:
        yield f"{where} ends beyond {MOST_FRAMES >> 28} TiB"
    for less, more in (("managed", "present"), ("present", "spanned"), ("free", "managed")):
        if getattr(zone, less) > getattr(zone, more):
            figures = f"{getattr(zone, less):,} pages {less}, {getattr(zone, more):,} {more}"
            yield f"contradicts itself: {where} has {figures}"
    marks = (zone.boost or 0, zone.min, zone.low, zone.high)
    if list(marks) != sorted(marks) or zone.high > MOST_FRAMES:
        yield f"contradicts itself: {where} has the marks {zone.min}, {zone.low}, {zone.high} (boost {zone.boost or 0})"
    if any(pages > MOST_FRAMES for pages in zone.protection):
        yield f"{where} has a protection beyond {MOST_FRAMES:,} pages"
    for names in (zone.stats, zone.node_stats or {}):
        yield from _numbers(where, names.items())
    for name, pages in zone.stats.items():
        if name.startswith(("nr_zone_inactive", "nr_zone_active", "nr_zone_unevictable")) and pages > zone.managed:
            yield f"contradicts itself: {where} has {pages:,} {name} and manages {zone.managed:,} pages"
    yield from _pagesets(where, zone)


def _order(zones: list[ZoneInfo]) -> Iterator[str]:
    """Yield what is wrong with where the zones with memory lie: one behind the other, DMA first."""
    end = 0
    for zone in sorted((zone for zone in zones if zone.name in BEFORE), key=lambda zone: BEFORE.index(zone.name)):
        if (zone.start_pfn or 0) < end:
            yield f"contradicts itself: proc/zoneinfo, zone {zone.name} begins before the zone below it ends"
        end = (zone.start_pfn or 0) + zone.spanned


def _pagesets(where: str, zone: ZoneInfo) -> Iterator[str]:
    """Yield what is wrong with a zone's lists of each CPU. CPUs that are offline are not there."""
    before = -1
    for pageset in zone.pagesets:
        if pageset.cpu <= before:
            yield f"contradicts itself: {where} has cpu {pageset.cpu} after cpu {before}"
        before = pageset.cpu
        if pageset.count > zone.managed:
            yield f"contradicts itself: {where}, cpu {pageset.cpu} has {pageset.count:,} pages on its lists"
        if max(pageset.high, pageset.batch) > MOST_SMALL or (zone.managed and not pageset.batch):
            yield f"{where}, cpu {pageset.cpu} has lists of {pageset.high} pages, filled by {pageset.batch}"


def _free_blocks(boot: Boot) -> Iterator[str]:
    """Yield what is wrong with the free blocks: each list once, eleven orders, within its zone."""
    rows = [("proc/buddyinfo", row.node, row.zone, "", row.counts) for row in boot.buddyinfo.zones]
    if boot.pagetypeinfo:
        rows += [("proc/pagetypeinfo", row.node, row.zone, row.type, row.counts) for row in boot.pagetypeinfo.free]
    known = {(zone.node, zone.name): int(zone.spanned) for zone in boot.zoneinfo.zones}
    seen: set[tuple[str, int, str, str]] = set()
    for path, node, zone, kind, counts in rows:
        if len(counts) != ORDERS:
            yield f"{path}, zone {zone}: {len(counts)} orders of free blocks, not {ORDERS}"
        if (path, node, zone, kind) in seen:
            yield f"contradicts itself: {path} has the free blocks of zone {zone} {kind}".rstrip() + " twice"
        if sum(count << order for order, count in enumerate(counts)) > known.get((node, zone), 0):
            yield f"contradicts itself: {path} has more free pages in zone {zone} than it spans"
        seen.add((path, node, zone, kind))
    yield from _pageblocks(boot, known)


def _pageblocks(boot: Boot, spanned: dict[tuple[int, str], int]) -> Iterator[str]:
    blocks = boot.pagetypeinfo.blocks if boot.pagetypeinfo else ()
    zones = [(row.node, row.zone) for row in blocks]
    for zone, row in zip(zones, blocks, strict=True):
        if zones.count(zone) > 1:
            yield f"contradicts itself: proc/pagetypeinfo has the pageblocks of zone {row.zone} twice"
        if sum(row.counts) > (spanned.get(zone, 0) >> 9) + 2:
            yield f"contradicts itself: proc/pagetypeinfo has more pageblocks in zone {row.zone} than it spans"


def _slabs(boot: Boot) -> Iterator[str]:
    for row in boot.slabinfo.caches if boot.slabinfo else ():
        where = f"proc/slabinfo, {quoted(row.name)}"
        pages = row.pagesperslab
        if pages not in {1 << order for order in range(ORDERS)}:
            yield f"{where}: slabs of {pages} pages"
        if not row.objperslab or not row.objsize or row.objperslab * row.objsize > pages * PAGE_BYTES:
            yield f"contradicts itself: {where} has {row.objperslab} objects of {row.objsize} bytes in {pages} pages"
        if row.num_slabs > MOST_FRAMES or row.num_objs > MOST_NUMBER:
            yield f"{where}: {row.num_slabs} slabs with {row.num_objs} objects"


def _swaps(boot: Boot) -> Iterator[str]:
    areas = boot.swaps.areas
    if len(areas) > MOST_AREAS:
        yield f"proc/swaps has {len(areas)} areas; the kernel has {MOST_AREAS} at most"
    names = [area.filename for area in areas]
    for area in areas:
        where = f"proc/swaps, {quoted(area.filename)}"
        if area.used_kib > area.size_kib:
            yield f"contradicts itself: {where} uses {area.used_kib:,} of {area.size_kib:,} kB"
        if area.size_kib < 4:
            yield f"{where} has {area.size_kib} kB"
        if area.size_kib >> 2 >= MOST_SLOTS:
            raise NotModelledError(boot.name, f"a swap area of {area.size_kib:,} kB", hint=f"{MOST_SLOTS >> 18} GiB")
        if not -32768 <= area.priority <= 32767:
            yield f"{where} has priority {area.priority}"
        if names.count(area.filename) > 1:
            yield f"contradicts itself: {where} is there twice"
    yield from _compressed(boot)


def _compressed(boot: Boot) -> Iterator[str]:
    """Yield what is wrong with what zram and zswap say of themselves."""
    for device, stat in boot.zram.items():
        path = f"sys/block/{device}/mm_stat"
        yield from _numbers(path, [("a size", int(size)) for size in (stat.orig_data_size, stat.mem_used_total)])
        if stat.orig_data_size % PAGE_BYTES or stat.compr_data_size > stat.orig_data_size * 2:
            yield f"contradicts itself: {path} has {stat.compr_data_size:,} bytes for {stat.orig_data_size:,}"
    for name in ("max_pool_percent", "accept_threshold_percent"):
        text = boot.zswap.get(name, "0")
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100):
            yield f"zswap's {name} is {quoted(text)}, no percentage"


def _times(boot: Boot) -> Iterator[str]:
    load = boot.loadavg
    if load and max(load.threads, load.last_pid, load.running) > MOST_SMALL >> 1:
        yield f"proc/loadavg has {load.threads} threads, the last {load.last_pid}"
    if load and max(load.load1_hundredths, load.load5_hundredths, load.load15_hundredths) > MOST_SMALL:
        yield "proc/loadavg has a load of more than 21 million"
    if boot.uptime and max(boot.uptime.up_cs, boot.uptime.idle_cs // (MOST_CPUS * 64)) > MOST_UPTIME_CS:
        yield f"proc/uptime says {boot.uptime.up_cs // 100} seconds"
    for kind, record in boot.pressure.items():
        for line in (record.some, record.full):
            means = (line.avg10_hundredths, line.avg60_hundredths, line.avg300_hundredths) if line else (0,)
            if line and (line.total_us > MOST_NUMBER // 1000 or max(means) > MOST_SMALL):
                yield f"proc/pressure/{kind} says {line.total_us} microseconds, means of {means} hundredths"


def _settings(boot: Boot) -> Iterator[str]:
    for name, text in (boot.sysctl or {}).items():
        known = sysctl.BY_NAME.get(name.removeprefix("vm."))
        if known:
            try:
                known.parse(text, written=False)
            except InputError as problem:
                yield f"its settings: {problem}"
