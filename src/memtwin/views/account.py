"""``account``: a sheet of all RAM, each page counted once, that adds up to MemTotal.

Rows of /proc/meminfo overlap (Cached contains Shmem, Slab its two halves); here each is reduced to what no other line
has::

    free            MemFree, and the pages on the CPUs' own lists (zoneinfo), which are free and not in it
    programs        AnonPages, and shared memory (Shmem)
    files           Cached - Shmem, and Buffers
    swap cache      pages in RAM and in swap that no program maps: of the LRU lists what is none of the above
    kernel          slab, stacks, page tables, vmalloc less stacks, per-CPU variables
    compressed      zsmalloc's pages (zram, and zswap where its pool is one), or zswap's pool
    pools           huge pages, balloon

What is left is *unexplained*: pages that drivers, the network, file systems and tracing took from the page allocator
itself, which no line of meminfo counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import KIB, PERCENT_1
from memtwin.render.grid import Column, Form, Grid, Sentence, Value, View, figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.zoneinfo import Zoneinfo
    from memtwin.render.openmetrics import Metric

SMALL = 0.01
"""The share of RAM that may stay unexplained without a word, on a machine of 2 GB or more."""
_SMALL_MACHINE_KIB = 2 << 20


class Line(NamedTuple):
    """One line of the sheet: its *group*, its *name*, how much, and from which rows it comes."""

    group: str
    name: str
    kib: int
    source: str


class Account(NamedTuple):
    """The lines without the unexplained rest, the total, and what the firmware and the kernel took before it."""

    lines: tuple[Line, ...]
    total_kib: int
    outside_kib: int | None

    @property
    def unexplained_kib(self) -> int:
        """What no line accounts for; below 0 if lines count the same page twice."""
        return self.total_kib - sum(line.kib for line in self.lines)


class Sources(NamedTuple):
    """The records of one moment; *page_kib* is the page size, *zram_kib* what the zram devices take."""

    meminfo: Meminfo
    vmstat: Mapping[str, int]
    zoneinfo: Zoneinfo | None
    page_kib: int
    zram_kib: int | None = None
    zsmalloc_zswap: bool = False


def account(s: Sources) -> Account:
    """Return the sheet of one moment."""
    m = s.meminfo
    lines = [*_free(s), *_pages(m), *_kernel(m), *_compressed(s), *_pools(m)]
    present = sum(zone.present for zone in s.zoneinfo.zones) * s.page_kib if s.zoneinfo else None
    outside = None if present is None or present < m["MemTotal"] else present - m["MemTotal"]
    return Account(tuple(line for line in lines if line.kib), m["MemTotal"], outside)


def view(sheet: Account, boot: Account | None = None) -> View:
    """Return the sheet; *boot* is that of the same machine at its start, if it is known."""
    return View("account", _grids(sheet, boot), tuple(sentences(sheet, boot)), lambda: [_metric(sheet)])


def sentences(sheet: Account, boot: Account | None) -> Iterator[Sentence]:
    """Yield what the rest may be, and what lies outside MemTotal."""
    rest, total = sheet.unexplained_kib, sheet.total_kib
    if rest < -SMALL * total:
        yield Sentence(
            "The lines add up to more than there is: the files are of different moments, or of a container's filter.",
            _MEMINFO,
        )
    elif rest > SMALL * total:
        yield Sentence(
            f"{rest} KiB are pages that no row of meminfo owns: drivers' buffers, network rings, trace buffers and the "
            "like, taken from the page allocator itself." + _how_it_is_known(sheet, boot),
            _MEMINFO,
        )
    if sheet.outside_kib:
        yield Sentence(
            f"Outside MemTotal: {sheet.outside_kib} KiB of RAM that the kernel never gave to its allocator: its own "
            "image, struct pages (64 bytes for each page of 4 KiB, 1.6 % of RAM), a crash kernel, what firmware holds.",
            ("proc/meminfo: MemTotal", "proc/zoneinfo"),
        )


_MEMINFO: Final = ("proc/meminfo: MemTotal", "proc/meminfo: MemFree")
_COLUMNS: Final = (Column(None, ""), Column(None, "KIB", KIB), Column(None, "OF RAM", PERCENT_1), Column(None, "FROM"))


def _grids(sheet: Account, boot: Account | None) -> tuple[Grid, ...]:
    """Return the sheet with a heading a group for a terminal, and its lines for JSON and CSV."""
    shown: list[tuple[Value, ...]] = []
    group = ""
    for line in sheet.lines:
        if line.group != group:
            group = line.group
            shown.append((group,))
        shown.append((f"  {line.name}", line.kib * 1024, _share(line.kib, sheet), line.source))
    rest = sheet.unexplained_kib
    shown.append(("unexplained", rest * 1024, _share(rest, sheet), "MemTotal - all of the above"))
    shown.append(("MemTotal", sheet.total_kib * 1024, 100.0, ""))
    whole = figures(
        total_bytes=sheet.total_kib * 1024,
        unexplained_bytes=rest * 1024,
        unexplained_at_boot_bytes=None if boot is None else boot.unexplained_kib * 1024,
        outside_bytes=None if sheet.outside_kib is None else sheet.outside_kib * 1024,
    )
    columns = (Column("group"), Column("name"), Column("size_bytes"), Column("source"))
    lines = tuple((line.group, line.name, line.kib * 1024, line.source) for line in sheet.lines)
    return (
        Grid(_COLUMNS, tuple(shown), form=Form.TERMINAL),
        whole,
        Grid(columns, lines, "lines", form=Form.JSON),
        Grid(columns, (*lines, ("", "unexplained", rest * 1024, "")), form=Form.CSV),
    )


def _metric(sheet: Account) -> Metric:
    from memtwin.render.openmetrics import Metric  # noqa: PLC0415 - when asked for

    samples = [({"line": f"{line.group}: {line.name}"}, line.kib * 1024) for line in sheet.lines]
    samples.append(({"line": "unexplained"}, sheet.unexplained_kib * 1024))
    return Metric("memtwin_account_bytes", "gauge", "RAM, each page in one line.", tuple(samples))


def _free(s: Sources) -> Iterator[Line]:
    yield Line("free", "on the free lists", s.meminfo["MemFree"], "MemFree")
    if s.zoneinfo is not None:
        listed = sum(pages.count for zone in s.zoneinfo.zones for pages in zone.pagesets) * s.page_kib
        yield Line("free", "on the CPUs' own lists", listed, "zoneinfo: pagesets' count")


def _pages(m: Meminfo) -> Iterator[Line]:
    shmem, cached = m.get("Shmem", 0), m.get("Cached", 0)
    yield Line("programs", "anonymous memory", m.get("AnonPages", 0), "AnonPages")
    yield Line("programs", "shared memory and tmpfs", shmem, "Shmem")
    yield Line("files", "contents of files", cached - shmem, "Cached - Shmem")
    yield Line("files", "block devices, metadata", m.get("Buffers", 0), "Buffers")
    yield Line("swap cache", "mapped by no program", unmapped_swap_cache(m), "LRU lists - AnonPages - Cached - Buffers")


def unmapped_swap_cache(m: Meminfo) -> int:
    """Return what of SwapCached is not in AnonPages: the rest of the LRU lists, which hold all of these pages."""
    if not {"Active", "Inactive", "SwapCached"} <= m.keys():
        return 0
    listed = m["Active"] + m["Inactive"] + m.get("Unevictable", 0)
    rest = listed - m.get("AnonPages", 0) - m.get("Cached", 0) - m.get("Buffers", 0)
    return min(max(rest, 0), m["SwapCached"])


def _kernel(m: Meminfo) -> Iterator[Line]:
    stacks, vmalloc = m.get("KernelStack", 0), m.get("VmallocUsed", 0)
    yield Line("kernel", "slab, can be given back", m.get("SReclaimable", 0), "SReclaimable")
    yield Line("kernel", "slab, cannot", m.get("SUnreclaim", m.get("Slab", 0)), "SUnreclaim")
    yield Line("kernel", "other that can", max(m.get("KReclaimable", 0) - m.get("SReclaimable", 0), 0),
               "KReclaimable - SReclaimable")  # fmt: skip
    yield Line("kernel", "stacks of threads", stacks, "KernelStack")
    yield Line("kernel", "page tables of processes", m.get("PageTables", 0), "PageTables")
    yield Line("kernel", "page tables of guests", m.get("SecPageTables", 0), "SecPageTables")
    yield Line("kernel", "vmalloc: modules, BPF, tables", max(vmalloc - stacks, 0), "VmallocUsed - KernelStack")
    yield Line("kernel", "per-CPU variables", m.get("Percpu", 0), "Percpu")
    yield Line(
        "kernel", "bounce and FUSE buffers", m.get("Bounce", 0) + m.get("WritebackTmp", 0), "Bounce + WritebackTmp"
    )


def _compressed(s: Sources) -> Iterator[Line]:
    zspages = s.vmstat.get("nr_zspages")
    zsmalloc = s.zram_kib or 0 if zspages is None else zspages * s.page_kib
    yield Line("compressed", "zsmalloc: zram's data", zsmalloc, "mm_stat" if zspages is None else "vmstat: nr_zspages")
    if not (s.zsmalloc_zswap and zspages is not None):
        yield Line("compressed", "zswap's pool", s.meminfo.get("Zswap", 0), "Zswap")


def _pools(m: Meminfo) -> Iterator[Line]:
    default = m.get("HugePages_Total", 0) * m.get("Hugepagesize", 0)
    yield Line("pools", "huge pages", m.get("Hugetlb", default), "Hugetlb")
    yield Line("pools", "balloon", m.get("Balloon", 0), "Balloon")


def _how_it_is_known(sheet: Account, boot: Account | None) -> str:
    if boot is not None:
        return (
            f" At boot, before any workload, they were {boot.unexplained_kib} KiB: "
            f"{sheet.unexplained_kib - boot.unexplained_kib:+d} KiB since then, so they belong to the machine."
        )
    if sheet.total_kib < _SMALL_MACHINE_KIB:
        return " On a machine this small that is 1 to 4 % of RAM from boot on; compare it with a snapshot taken then."
    return " If it grows over days (`memtwin diff`), a driver or a module leaks."


def _share(kib: int, sheet: Account) -> float:
    return 100 * kib / sheet.total_kib
