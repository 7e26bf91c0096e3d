"""``free --explain``: each "used" beside the others from the same bytes, and what this machine's figures mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.amount import PERCENT, Scale, procps
from memtwin.render.grid import Column, Form, Grid, Sentence, Style, View
from memtwin.units import bytes_of
from memtwin.views.used import FORMULAS, used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.meminfo import Meminfo

_MUCH, _LARGE = 0.05, 0.2
_HUMAN = Style(lambda size_bytes: procps(size_bytes, Scale(human=True)), "right")


def view(meminfo: Meminfo, zfs: tuple[int, str] | None = None) -> View:
    """Return the formulas with their amounts, why they differ, and what this machine's figures mean.

    *zfs* is the size of ZFS' cache in KiB, and the row that says it.
    """
    amounts = [(name, bytes_of(kib), formula) for name, formula in FORMULAS.items() for kib in (used(meminfo, name),)]
    total = meminfo.get("MemTotal")
    columns = (
        Column("as", "--as"), Column("used_bytes", "USED", _HUMAN), Column(None, "", PERCENT, optional=True),
        Column("formula", "FORMULA"), Column("programs", "PRINTED BY", prose=True), Column("why"),
    )  # fmt: skip
    rows = tuple(
        (
            name,
            size,
            100 * size / bytes_of(total) if size is not None and total else None,
            one.text,
            one.programs,
            one.why,
        )
        for name, size, one in amounts
    )
    whys = tuple(("", f"{name}:", formula.why) for name, formula in FORMULAS.items())
    blank = (Column(None, "", width=1), Column(None, ""), Column(None, "", prose=True))
    title = "One machine, these answers to how much is used:\n\n"
    grids = (
        Grid(columns, rows, "used", title=title),
        Grid(blank, whys, form=Form.TERMINAL, title="Why they differ:\n", headings=False),
    )
    return View("free-explained", grids, tuple(sentences(meminfo, zfs)), version=2)


def sentences(meminfo: Meminfo, zfs: tuple[int, str] | None = None) -> Iterator[Sentence]:
    """Yield what the figures mean, what is asked most first."""
    yield from _of_free(meminfo)
    yield from _of_pools(meminfo, zfs)
    yield from _of_shared(meminfo)
    yield from _of_available(meminfo)
    yield from _of_swap(meminfo)


def _of_free(m: Meminfo) -> Iterator[Sentence]:
    if not {"MemTotal", "MemFree", "Cached", "Buffers"} <= m.keys():
        return
    cache = m["Cached"] + m["Buffers"] + m.get("SReclaimable", 0)
    free, available = _size(m["MemFree"]), m.get("MemAvailable")
    rows = _rows("MemFree", "Cached", "Buffers")
    if cache > _LARGE * m["MemTotal"] and cache > m["MemFree"]:
        less = f": look at available, {_size(available)}" if available else ""
        yield Sentence(
            f"free is {free}, because {_size(cache)} hold contents of files and kernel caches. Linux keeps them while "
            f"no program needs the memory, and reclaims most of it at once when one does{less}.",
            rows,
        )
    elif m["MemFree"] > _LARGE * m["MemTotal"]:
        yield Sentence(
            f"{free} are free: nothing has asked for them since boot, or a large program has ended. Free memory is not "
            f"a goal: the kernel uses it as cache ({_size(cache)} now) as files are read.",
            rows,
        )
    else:
        yield Sentence(
            f"free is {free} and cache {_size(cache)}: programs and the kernel hold the rest (`memtwin account`).", rows
        )


def _of_pools(m: Meminfo, zfs: tuple[int, str] | None) -> Iterator[Sentence]:
    """Yield the memory that is set aside, or lies in a cache that no row counts."""
    total, huge_kib = m.get("MemTotal", 0), m.get("Hugepagesize", 0)
    pool = m.get("HugePages_Total", 0) * huge_kib
    if total and pool > _MUCH * total and "HugePages_Free" in m:
        unused = m["HugePages_Free"] * huge_kib
        yield Sentence(
            f"{_size(pool)} lie in the pool of huge pages, {_size(unused)} of them unused: only programs that ask for "
            "huge pages of the pool get them. A smaller vm.nr_hugepages gives them back.",
            _rows("HugePages_Total", "HugePages_Free", "Hugepagesize"),
        )
    if zfs is not None and total and zfs[0] > _MUCH * total:
        yield Sentence(
            f"ZFS' cache (ARC) holds {_size(zfs[0])}. free counts it as used, though ZFS gives it back when memory is "
            "short.",
            (zfs[1],),
        )


def _of_shared(m: Meminfo) -> Iterator[Sentence]:
    shmem, total = m.get("Shmem"), m.get("MemTotal")
    if shmem and total and shmem > _MUCH * total:
        yield Sentence(
            f"{_size(shmem)} of the cache are shared memory and tmpfs (/dev/shm, /run, /tmp perhaps): they cannot be "
            "dropped, only swapped. procps 3.3 and htop 3.2 do not count them as used. `df -t tmpfs` and `ipcs -m` "
            "list them.",
            _rows("Shmem"),
        )


def _of_available(m: Meminfo) -> Iterator[Sentence]:
    available, total, free = m.get("MemAvailable"), m.get("MemTotal"), m.get("MemFree")
    if available is None:
        yield Sentence(
            "This file has no MemAvailable (since Linux 3.14): free takes MemFree for it, which is too low.",
            _rows("MemFree"),
        )
    elif total is not None and available > total:
        yield Sentence(
            "available is more than the total: these files come from a container's filter (lxcfs) that mixes the "
            "host's figures with the container's. free takes MemFree instead; `memtwin limits` knows the real limit.",
            _rows("MemAvailable", "MemTotal"),
        )
    elif free is not None and available < free:
        yield Sentence(
            f"available ({_size(available)}) is less than free ({_size(free)}): the kernel keeps reserves (the "
            "watermarks, lowmem_reserve) that no program gets; `memtwin zoneinfo` draws them.",
            _rows("MemAvailable", "MemFree"),
        )
    elif total is not None and available < _MUCH * total:
        yield Sentence(
            f"Only {_size(available)} is available without swapping: the machine is short of memory. "
            "`memtwin pressure` says whether programs wait for it.",
            _rows("MemAvailable", "MemTotal"),
        )


def _of_swap(m: Meminfo) -> Iterator[Sentence]:
    total, free = m.get("SwapTotal"), m.get("SwapFree")
    if total is None or free is None:
        return
    rows = _rows("SwapTotal", "SwapFree")
    if free > total:
        yield Sentence(
            "More swap is free than there is: a container's filter (lxcfs) subtracts the host's use from the "
            "container's limit. The figures of swap mean nothing here.",
            rows,
        )
    elif total == 0:
        yield Sentence(
            "There is no swap: memory that programs do not touch stays in RAM, and the OOM killer comes sooner.", rows
        )
    elif free < total:
        taken = total - free
        also = f"; {_size(m['SwapCached'])} of that are in RAM too" if m.get("SwapCached") else ""
        yield Sentence(
            f"{_size(taken)} are in swap{also}. That alone does no harm: it has not been touched for long. What costs "
            "time is traffic: si and so of `memtwin vmstat 1`. `memtwin swapuse` says whose it is.",
            rows,
        )


def _size(kib: int) -> str:
    return procps(bytes_of(kib), Scale(human=True))


def _rows(*labels: str) -> tuple[str, ...]:
    return tuple(f"proc/meminfo: {label}" for label in labels)
