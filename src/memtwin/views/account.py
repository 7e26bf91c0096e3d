"""``account``: a sheet of all RAM, each page counted once, that adds up to MemTotal.

Rows of /proc/meminfo overlap (Cached contains Shmem, Slab its two halves); here each is reduced to what no other line
has::

    free            MemFree, and the pages on the CPUs' own lists, which are free and not in it: those of zoneinfo,
                    less what other lines lost to them (or took) between the readings of meminfo and of zoneinfo
    programs        AnonPages, and shared memory (Shmem)
    files           Cached - Shmem, and Buffers
    LRU lists       pages on them that are none of the above: in the swap cache and mapped by no program, or without
                    an owner at all
    kernel          slab, stacks, page tables, vmalloc less stacks, per-CPU variables, struct pages of added memory
    compressed      zsmalloc's pages (zram, and zswap where its pool is one), or zswap's pool
    pools           huge pages of all sizes, balloons, and what other files name (:mod:`~memtwin.views.account_owners`)

What is left is *unexplained*: pages that drivers, the network, file systems and tracing took from the page allocator
itself, which no line of meminfo counts. Nothing is concluded from it where rows are absent that every kernel prints, or
where the rows are those of a container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.procfs.meminfo import Meminfo
from memtwin.render.amount import KIB, PERCENT_1
from memtwin.render.grid import (
    BAR,
    Column,
    Form,
    Grid,
    Segment,
    Sentence,
    Stack,
    Tone,
    Value,
    View,
    figures,
)
from memtwin.render.words import listed
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from memtwin.procfs.zoneinfo import Zoneinfo
    from memtwin.render.openmetrics import Metric

SMALL = 0.01
"""The share of RAM that may stay unexplained without a word, on a machine of 2 GB or more."""
_LARGE = 0.05
"""The share from which the rest is marked."""
_SMALL_MACHINE_KIB = 2 << 20
_FILTERED = 1.05
"""MemTotal is the sum of the zones' managed pages: a machine whose zones have more is seen through a filter."""
ALWAYS: Final = (
    "Buffers", "Cached", "AnonPages", "Shmem", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables",
)  # fmt: skip
"""Rows with memory of their own that every kernel since 2.6.32 prints."""
_STRUCT_PAGE_BYTES = 64


class Line(NamedTuple):
    """One line of the sheet: its *group*, its *name*, how much, and from which rows it comes."""

    group: str
    name: str
    kib: int
    source: str


class Account(NamedTuple):
    """The lines without the unexplained rest, the total, and what the firmware and the kernel took before it.

    *absent* are rows that every kernel prints and this text lacks; *container*: the figures are a container's;
    *vmalloc* is a sentence where memory of vmalloc is not known.
    """

    lines: tuple[Line, ...]
    total_kib: int
    outside_kib: int | None
    page_kib: int = 4
    absent: tuple[str, ...] = ()
    container: bool = False
    vmalloc: Sentence | None = None
    swap_total_kib: int | None = None
    swap_free_kib: int | None = None
    huge_kib: int | None = None

    @property
    def unexplained_kib(self) -> int | None:
        """What no line accounts for; below 0 if lines count a page twice; None of a container."""
        return None if self.container else self.total_kib - sum(line.kib for line in self.lines)


class Sources(NamedTuple):
    """The records of one moment; *page_kib* is the page size, *zram_kib* what the zram devices take.

    *pools_kib* are the pools of huge pages by sysfs, *vmalloc_kib* vmalloc without stacks by
    /proc/vmallocinfo, *owners* memory that other files name.
    """

    meminfo: Meminfo
    vmstat: Mapping[str, int]
    zoneinfo: Zoneinfo | None
    page_kib: int
    zram_kib: int | None = None
    zsmalloc_zswap: bool = False
    pools_kib: int | None = None
    vmalloc_kib: int | None = None
    owners: tuple[Line, ...] = ()


def account(s: Sources) -> Account:
    """Return the sheet of one moment."""
    m, total = s.meminfo, s.meminfo["MemTotal"]
    managed = sum(zone.managed for zone in s.zoneinfo.zones) * s.page_kib if s.zoneinfo else 0
    container = managed > _FILTERED * total
    if container:  # zoneinfo and vmstat are the host's
        s = s._replace(zoneinfo=None, vmstat={}, zram_kib=None, owners=(), pools_kib=0)
    lines = [*_free(s), *_pages(s), *_kernel(s, container=container), *_compressed(s), *_pools(s)]
    lines = [line for line in lines if line.kib > 0]
    if not container:
        lines += _claims(s.owners, total - sum(line.kib for line in lines))
    present = sum(zone.present for zone in s.zoneinfo.zones) * s.page_kib if s.zoneinfo else None
    outside = None if present is None or present < total else present - total
    absent = tuple(row for row in ALWAYS if row not in m)
    return Account(
        tuple(lines), total, outside, s.page_kib, absent, container, _vmalloc_unknown(s), m.get("SwapTotal"),
        m.get("SwapFree"), m.get("AnonHugePages"),
    )  # fmt: skip


def view(sheet: Account, boot: Account | None = None) -> View:
    """Return the sheet; *boot* is that of the same machine at its start, if it is known."""
    said = tuple(sentences(sheet, boot))
    return View("account", _grids(sheet, boot), said, lambda: [_metric(sheet)], stacks=tuple(stacks(sheet)))


def stacks(sheet: Account) -> Iterator[Stack]:
    """Yield RAM from the bottom up, what lies outside MemTotal first, and swap beside it."""
    sizes: dict[str, int] = {}
    for line in sheet.lines:
        name = _SEGMENTS.get(line.name) or _SEGMENTS[line.group]
        sizes[name] = sizes.get(name, 0) + line.kib
    sizes["kernel image, struct pages, firmware"] = sheet.outside_kib or 0
    sizes["not explained"] = max(sheet.unexplained_kib or 0, 0)
    names = [name for name in _ORDER if sizes.get(name)]
    yield Stack("RAM", tuple(Segment(name, bytes_of(sizes[name]), _ORDER[name]) for name in names))
    if sheet.swap_total_kib:
        used = max(sheet.swap_total_kib - (sheet.swap_free_kib or 0), 0)
        parts = (
            Segment("in swap", bytes_of(used), "swap"),
            Segment("free swap", bytes_of(sheet.swap_total_kib - used), "free"),
        )
        yield Stack("Swap", tuple(part for part in parts if part.size_bytes > 0))


_ORDER: Final = {  # from the bottom up, by kind
    "kernel image, struct pages, firmware": "outside", "slab": "kernel", "page tables": "kernel2",
    "other kernel memory": "kernel3", "not explained": "unknown", "page cache and buffers": "cache",
    "anonymous memory": "anon", "shared memory and tmpfs": "shared", "compressed swap (zram, zswap)": "compressed",
    "pools: huge pages, balloons": "pool", "free": "free",
}  # fmt: skip
_SEGMENTS: Final = {  # by a line's name, else by its group
    "slab, reclaimable": "slab", "slab, not reclaimable": "slab", "page tables of processes": "page tables",
    "page tables of guests": "page tables", "anonymous memory": "anonymous memory",
    "shared memory and tmpfs": "shared memory and tmpfs", "free": "free", "files": "page cache and buffers",
    "LRU lists": "page cache and buffers", "kernel": "other kernel memory",
    "compressed": "compressed swap (zram, zswap)", "pools": "pools: huge pages, balloons",
}  # fmt: skip


def sentences(sheet: Account, boot: Account | None) -> Iterator[Sentence]:
    """Yield what the rest may be, and what lies outside MemTotal."""
    rest, total = sheet.unexplained_kib, sheet.total_kib
    if rest is None:
        yield Sentence(
            "These are a container's files: MemTotal is less than the zones of zoneinfo have. Some rows are the "
            "container's and some its host's, so that the lines need not add up. `memtwin limits` has the container's "
            "limit; run `memtwin account` on the host for its sheet.",
            ("proc/meminfo: MemTotal", "proc/zoneinfo"),
        )
        return
    if sheet.absent:
        yield Sentence(
            f"Not in this text: {listed(sheet.absent)}. What they count is in the last line but one, and nothing can "
            "be concluded from that.",
            _MEMINFO,
        )
    elif rest < -SMALL * total:
        yield Sentence(
            f"The lines add up to {-rest} KiB more than there is: the files are of different moments, or of a "
            "container's filter.",
            _MEMINFO,
        )
    elif rest > SMALL * total:
        yield Sentence(
            f"{rest} KiB are in no row of these files: pages that were taken from the page allocator itself. Drivers, "
            "the network, tracing and file systems with a cache of their own do so." + _how_it_is_known(sheet, boot),
            _MEMINFO,
        )
    if sheet.huge_kib:
        yield Sentence(
            f"{sheet.huge_kib} KiB of the programs' memory are in transparent huge pages of 2 MiB; `memtwin ps -o "
            "PID,RES,THP,COMMAND --sort -THP` says in whose.",
            ("proc/meminfo: AnonHugePages",),
        )
    if sheet.vmalloc is not None:
        yield sheet.vmalloc
    if sheet.outside_kib:
        page_bytes = bytes_of(sheet.page_kib)
        yield Sentence(
            f"Outside MemTotal: {sheet.outside_kib} KiB of RAM that the kernel never gave to its allocator: its own "
            f"image, struct pages ({_STRUCT_PAGE_BYTES} bytes for each page of {sheet.page_kib} KiB, "
            f"{100 * _STRUCT_PAGE_BYTES / page_bytes:.1f} % of RAM), a crash kernel, what firmware holds.",
            ("proc/meminfo: MemTotal", "proc/zoneinfo"),
        )


_MEMINFO: Final = ("proc/meminfo: MemTotal", "proc/meminfo: MemFree")
_COLUMNS: Final = (
    Column(None, ""), Column(None, "KIB", KIB), Column(None, "OF RAM", PERCENT_1), Column(None, "", BAR),
    Column(None, "FROM", optional=True),
)  # fmt: skip


def _grids(sheet: Account, boot: Account | None) -> tuple[Grid, ...]:
    """Return the sheet with a heading a group for a terminal, and its lines for JSON and CSV."""
    shown: list[tuple[Value, ...]] = []
    group = ""
    for line in sheet.lines:
        if line.group != group:
            group = line.group
            shown.append((group,))
        shown.append((f"  {line.name}", *_cells(line.kib, sheet), line.source))
    rest = sheet.unexplained_kib
    name = "rest, absent rows among it" if sheet.absent else "unexplained"
    shown.append((name, *_cells(rest, sheet), "MemTotal - all of the above"))
    shown.append(("MemTotal", bytes_of(sheet.total_kib), 100.0, None, ""))
    is_large = rest is not None and not sheet.absent and abs(rest) > _LARGE * sheet.total_kib
    tones = (*(Tone.PLAIN,) * (len(shown) - 2), Tone.WARN if is_large else Tone.PLAIN, Tone.PLAIN)
    whole = figures(
        total_bytes=bytes_of(sheet.total_kib),
        unexplained_bytes=bytes_of(rest),
        unexplained_at_boot_bytes=None if boot is None else bytes_of(boot.unexplained_kib),
        outside_bytes=bytes_of(sheet.outside_kib),
        absent_rows=sheet.absent,
        container=sheet.container,
    )
    columns = (Column("group"), Column("name"), Column("size_bytes"), Column("source"))
    lines = tuple((line.group, line.name, bytes_of(line.kib), line.source) for line in sheet.lines)
    return (
        Grid(_COLUMNS, tuple(shown), form=Form.TERMINAL, tones=tones),
        whole,
        Grid(columns, lines, "lines", form=Form.JSON),
        Grid(columns, (*lines, ("", "unexplained", bytes_of(rest), "")), form=Form.CSV),
    )


def _metric(sheet: Account) -> Metric:
    from memtwin.render.openmetrics import Metric

    samples: list[tuple[dict[str, str], int | None]] = [
        ({"line": f"{line.group}: {line.name}"}, bytes_of(line.kib)) for line in sheet.lines
    ]
    samples.append(({"line": "unexplained"}, bytes_of(sheet.unexplained_kib)))
    return Metric("memtwin_account_bytes", "gauge", "RAM, each page in one line.", tuple(samples))


def _free(s: Sources) -> Iterator[Line]:
    yield Line("free", "on the free lists", s.meminfo["MemFree"], "MemFree")
    if s.zoneinfo is not None:
        sets = [pages for zone in s.zoneinfo.zones for pages in zone.pagesets]
        listed, room = sum(x.count for x in sets) * s.page_kib, sum(x.high + x.batch for x in sets) * s.page_kib
        came = came_between(s)
        if not 0 <= listed - came <= room:  # more than moves there between two readings: files of different moments
            came = 0
        source = "zoneinfo: pagesets' count" + (" + its counters - those of the other files" if came else "")
        yield Line("free", "on the CPUs' own lists", listed - came, source)


def came_between(s: Sources) -> int:
    """Return how many KiB came to the CPUs' own lists after meminfo and vmstat were read and before zoneinfo was.

    zoneinfo has counters of the other files' rows beside the lists (those of nodes since v4.8). What all lines have
    less by them has gone to the lists: freed slabs, reclaimed pages. Below 0 it was taken from there.

    >>> from memtwin.procfs import zoneinfo
    >>> zone = zoneinfo.ZoneInfo(0, "DMA32", free=10, min=0, low=0, high=0, spanned=0, present=0, managed=0,
    ...     protection=(0,), node_stats={"nr_slab_unreclaimable": 1_790})
    >>> memory = Meminfo({"MemFree": 40, "SUnreclaim": 7_760})
    >>> came_between(Sources(memory, {}, zoneinfo.Zoneinfo((zone,)), page_kib=4))
    600
    """
    if s.zoneinfo is None:
        return 0
    return _counted(s) - _counted(_as_counted(s, s.zoneinfo))


def _counted(s: Sources) -> int:
    rows = ("MemFree", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables")
    lines = (*_pages(s), *_compressed(s))
    return sum(s.meminfo.get(row, 0) for row in rows) + sum(line.kib for line in lines if line.kib > 0)


def _as_counted(s: Sources, zoneinfo: Zoneinfo) -> Sources:
    """Return the sources with what zoneinfo counts as it is there; what it does not print stays as it is."""
    counters: dict[str, int] = {}
    for zone in zoneinfo.zones:
        for name, count in (*(zone.node_stats or {}).items(), *zone.stats.items()):
            counters[name] = counters.get(name, 0) + count
    rows = dict(s.meminfo) | {"MemFree": sum(zone.free for zone in zoneinfo.zones) * s.page_kib}
    for row, names in _COUNTERS.items():
        if row in rows and all(name in counters for name in names):
            rows[row] = sum(counters[name] for name in names) * (1 if row == "KernelStack" else s.page_kib)
    if "Cached" in rows and "nr_file_pages" in counters:
        files = counters["nr_file_pages"] * s.page_kib
        rows["Cached"] = files - rows.get("SwapCached", 0) - rows.get("Buffers", 0)
    vmstat = {name: counters.get(name, count) for name, count in s.vmstat.items() if name in _IN_BOTH}
    return s._replace(meminfo=Meminfo(rows), vmstat=vmstat)


_ISOLATED = ("nr_isolated_anon", "nr_isolated_file")
_IN_BOTH = {*_ISOLATED, "nr_zspages"}
_COUNTERS: Final = {  # pages, but for the stacks, in KiB
    "Active": ("nr_active_anon", "nr_active_file"), "Inactive": ("nr_inactive_anon", "nr_inactive_file"),
    "Unevictable": ("nr_unevictable",), "AnonPages": ("nr_anon_pages",), "Shmem": ("nr_shmem",),
    "SwapCached": ("nr_swapcached",), "SReclaimable": ("nr_slab_reclaimable",),
    "SUnreclaim": ("nr_slab_unreclaimable",), "KernelStack": ("nr_kernel_stack",),
    "PageTables": ("nr_page_table_pages",),
}  # fmt: skip


def _pages(s: Sources) -> Iterator[Line]:
    m = s.meminfo
    isolated = sum(s.vmstat.get(name, 0) for name in _ISOLATED) * s.page_kib
    shmem, cached = m.get("Shmem", 0), m.get("Cached", 0)
    yield Line("programs", "anonymous memory", m.get("AnonPages", 0), "AnonPages")
    yield Line("programs", "shared memory and tmpfs", shmem, "Shmem")
    yield Line("files", "contents of files", cached - shmem, "Cached - Shmem")
    yield Line("files", "block devices, metadata", m.get("Buffers", 0), "Buffers")
    cache, rest = unmapped_swap_cache(m, isolated), unowned_on_lists(m, isolated)
    yield Line("LRU lists", "swap cache, mapped by no program", cache, "LRU lists - AnonPages - Cached - Buffers")
    yield Line("LRU lists", "in no page table and no file", rest, "LRU lists - all of the above - SwapCached")


def unmapped_swap_cache(m: Meminfo, isolated_kib: int = 0) -> int:
    """Return what of SwapCached is not in AnonPages: the rest of the LRU lists, which hold all of these pages.

    *isolated_kib* is what reclaim or migration has taken off the lists for now.
    """
    return min(_rest_of_lists(m, isolated_kib), m.get("SwapCached", 0))


def unowned_on_lists(m: Meminfo, isolated_kib: int = 0) -> int:
    """Return the pages of the LRU lists that are not anonymous in a page table, in no file and not in the swap cache.

    Pages that were unmapped and are not freed yet: huge pages that wait to be split, or a leak of references.
    """
    return max(_rest_of_lists(m, isolated_kib) - m.get("SwapCached", 0), 0)


def _rest_of_lists(m: Meminfo, isolated_kib: int) -> int:
    """Return what the LRU lists hold beyond anonymous memory and the page cache; 0 where a row is absent."""
    if not {"Active", "Inactive", "AnonPages", "Cached", "Buffers"} <= m.keys():
        return 0
    listed = m["Active"] + m["Inactive"] + m.get("Unevictable", 0) + isolated_kib
    return max(listed - m["AnonPages"] - m["Cached"] - m["Buffers"], 0)


def _kernel(s: Sources, *, container: bool) -> Iterator[Line]:
    m = s.meminfo
    stacks, reclaimable = m.get("KernelStack", 0), m.get("SReclaimable", 0)
    yield Line("kernel", "slab, reclaimable", reclaimable, "SReclaimable")
    yield Line("kernel", "slab, not reclaimable", m.get("SUnreclaim", m.get("Slab", 0)), "SUnreclaim")
    if not container:  # a filter sets Slab to 0 and leaves KReclaimable as it is
        more = m.get("KReclaimable", 0) - reclaimable
        yield Line("kernel", "other reclaimable", more, "KReclaimable - SReclaimable")
    yield Line("kernel", "stacks of threads", stacks, "KernelStack")
    yield Line("kernel", "page tables of processes", m.get("PageTables", 0), "PageTables")
    yield Line("kernel", "page tables of guests", m.get("SecPageTables", 0), "SecPageTables")
    if not container:
        yield _vmalloc(s)
    yield Line("kernel", "per-CPU variables", m.get("Percpu", 0), "Percpu")
    yield Line(
        "kernel", "bounce and FUSE buffers", m.get("Bounce", 0) + m.get("WritebackTmp", 0), "Bounce + WritebackTmp"
    )
    memmap = s.vmstat.get("nr_memmap_pages", 0) * s.page_kib
    yield Line("kernel", "struct pages of added memory", memmap, "vmstat: nr_memmap_pages")


def _vmalloc(s: Sources) -> Line:
    """Return what vmalloc holds; before v4.4 VmallocUsed is address space, mappings of devices included."""
    name = "vmalloc: modules, BPF, tables"
    if s.vmalloc_kib is not None:
        return Line("kernel", name, s.vmalloc_kib, "vmallocinfo: pages, without stacks")
    used = 0 if _is_address_space(s.meminfo) else s.meminfo.get("VmallocUsed", 0)
    return Line("kernel", name, used - s.meminfo.get("KernelStack", 0), "VmallocUsed - KernelStack")


def _is_address_space(m: Mapping[str, int]) -> bool:
    """Whether VmallocUsed counts address space (before v4.4): those kernels print a VmallocChunk that is not 0."""
    return m.get("VmallocChunk", 0) > 0


def _vmalloc_unknown(s: Sources) -> Sentence | None:
    m = s.meminfo
    if s.vmalloc_kib is not None or "VmallocUsed" not in m:
        return None
    if _is_address_space(m):
        return Sentence(
            "VmallocUsed is not counted: before Linux 4.4 it is address space, mappings of devices included. Memory of "
            "vmalloc (modules, BPF, tables) is in the rest; /proc/vmallocinfo has it, for root.",
            ("proc/meminfo: VmallocUsed", "proc/meminfo: VmallocChunk"),
        )
    if m["VmallocUsed"] == 0:
        return Sentence(
            "VmallocUsed is 0, as Linux 4.4 to 5.2 always print it: memory of vmalloc (modules, BPF, tables) is in the "
            "rest; /proc/vmallocinfo has it, for root.",
            ("proc/meminfo: VmallocUsed",),
        )
    return None


def _compressed(s: Sources) -> Iterator[Line]:
    zspages = s.vmstat.get("nr_zspages")
    zsmalloc = s.zram_kib or 0 if zspages is None else zspages * s.page_kib
    yield Line("compressed", "zsmalloc: zram's data", zsmalloc, "mm_stat" if zspages is None else "vmstat: nr_zspages")
    if not (s.zsmalloc_zswap and zspages is not None):
        yield Line("compressed", "zswap's pool", s.meminfo.get("Zswap", 0), "Zswap")


def _pools(s: Sources) -> Iterator[Line]:
    m = s.meminfo
    if "Hugetlb" in m:
        yield Line("pools", "huge pages", m["Hugetlb"], "Hugetlb")
    elif s.pools_kib is not None:
        yield Line("pools", "huge pages", s.pools_kib, "sys/kernel/mm/hugepages: nr_hugepages")
    else:
        default = m.get("HugePages_Total", 0) * m.get("Hugepagesize", 0)
        yield Line("pools", "huge pages", default, "HugePages_Total")
    yield Line("pools", "balloon", m.get("Balloon", 0), "Balloon")


def _claims(owners: Iterable[Line], rest_kib: int) -> Iterator[Line]:
    """Yield what other files name, each as far as the rest goes: parts of it may be in slab or vmalloc already."""
    for owner in owners:
        kib = min(owner.kib, max(rest_kib, 0))
        if kib > 0:
            rest_kib -= kib
            yield owner._replace(kib=kib)


def _how_it_is_known(sheet: Account, boot: Account | None) -> str:
    rest, before = sheet.unexplained_kib, None if boot is None else boot.unexplained_kib
    if rest is not None and before is not None:
        return (
            f" At boot, before any workload, they were {before} KiB: {rest - before:+d} KiB since then, so they belong "
            "to the machine."
        )
    if sheet.total_kib < _SMALL_MACHINE_KIB:
        return " On a machine this small that is 1 to 4 % of RAM from boot on; compare it with a snapshot taken then."
    return " `memtwin diff` with a snapshot of another day says whether they grow."


def _cells(kib: int | None, sheet: Account) -> tuple[int | None, float | None, float | None]:
    """Return an amount in bytes, its percentage of RAM, and its share as a bar shows it."""
    if kib is None:
        return None, None, None
    return bytes_of(kib), 100 * kib / sheet.total_kib, kib / sheet.total_kib
