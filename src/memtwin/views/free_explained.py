"""``free --explain``: each "used" beside the others from the same bytes, and what this machine's figures mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memtwin.render.prose import bullets
from memtwin.render.table import Column, Table, text
from memtwin.units import Kib
from memtwin.views.free import Scale, written
from memtwin.views.used import FORMULAS, used

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.meminfo import Meminfo

_MUCH, _LARGE = 0.05, 0.2
_HUMAN = Scale(human=True)


def told(meminfo: Meminfo) -> str:
    """Return the formulas with their amounts, then sentences."""
    columns = (Column("--as"), Column("USED", "right"), Column("", "right"), Column("FORMULA"), Column("PRINTED BY"))
    rows = []
    for name, formula in FORMULAS.items():
        size = used(meminfo, name)
        rows.append((name, written(size, _HUMAN), _share(size, meminfo), formula.text, formula.programs))
    whys = [("", f"{name}:", formula.why) for name, formula in FORMULAS.items()]
    return "\n".join((
        "One machine, these answers to how much is used:\n",
        text(Table(columns, tuple(rows))),
        "Why they differ:\n" + text(Table((Column("", width=1), Column(""), Column("")), tuple(whys)), headings=False),
        "This machine:\n" + bullets(sentences(meminfo)),
    ))  # fmt: skip


def data(meminfo: Meminfo) -> dict[str, Any]:
    """Return the amounts and the sentences for JSON."""
    amounts = {name: used(meminfo, name) for name in FORMULAS}
    return {
        "used": [
            {
                "as": name,
                "used_bytes": None if size is None else size * 1024,
                "formula": FORMULAS[name].text,
                "programs": FORMULAS[name].programs,
                "why": FORMULAS[name].why,
            }
            for name, size in amounts.items()
        ],
        "sentences": list(sentences(meminfo)),
    }


def sentences(meminfo: Meminfo) -> Iterator[str]:
    """Yield what the figures mean, the most asked first."""
    yield from _of_free(meminfo)
    yield from _of_shared(meminfo)
    yield from _of_available(meminfo)
    yield from _of_swap(meminfo)


def _of_free(m: Meminfo) -> Iterator[str]:
    if not {"MemTotal", "MemFree", "Cached", "Buffers"} <= m.keys():
        return
    cache = m["Cached"] + m["Buffers"] + m.get("SReclaimable", 0)
    free, available = _size(m["MemFree"]), m.get("MemAvailable")
    if cache > _LARGE * m["MemTotal"] and cache > m["MemFree"]:
        less = f": look at available, {_size(available)}" if available else ""
        yield (
            f"free is {free}, because {_size(cache)} hold contents of files and kernel caches. Linux keeps them while "
            f"nobody needs the room, and most of it is given back at once when a program asks{less}."
        )
    elif m["MemFree"] > _LARGE * m["MemTotal"]:
        yield (
            f"{free} are free: nothing has asked for them since boot, or a large program has ended. Unused memory is "
            f"no merit, the kernel fills it with cache ({_size(cache)} now) as files are read."
        )
    else:
        yield f"free is {free} and cache {_size(cache)}: programs and the kernel hold the rest (`memtwin account`)."


def _of_shared(m: Meminfo) -> Iterator[str]:
    shmem, total = m.get("Shmem"), m.get("MemTotal")
    if shmem and total and shmem > _MUCH * total:
        yield (
            f"{_size(shmem)} of the cache are shared memory and tmpfs (/dev/shm, /run, /tmp perhaps): they cannot be "
            "dropped, only swapped. procps 3.3 and htop 3.2 do not count them. `df -t tmpfs` and `ipcs -m` tell more."
        )


def _of_available(m: Meminfo) -> Iterator[str]:
    available, total, free = m.get("MemAvailable"), m.get("MemTotal"), m.get("MemFree")
    if available is None:
        yield "This kernel prints no MemAvailable (Linux 3.14 brought it): free takes MemFree for it, which is too low."
    elif total is not None and available > total:
        yield (
            "available is more than the total: these files come from a container's filter (lxcfs) that mixes the "
            "host's figures with the container's. free takes MemFree instead; `memtwin limits` knows the real limit."
        )
    elif free is not None and available < free:
        yield (
            f"available ({_size(available)}) is less than free ({_size(free)}): the kernel keeps reserves (the "
            "watermarks, lowmem_reserve) that no program gets; `memtwin zoneinfo` draws them."
        )
    elif total is not None and available < _MUCH * total:
        yield (
            f"Only {_size(available)} can be had without swapping: the machine is short of memory. "
            "`memtwin pressure` says whether programs wait for it."
        )


def _of_swap(m: Meminfo) -> Iterator[str]:
    total, free = m.get("SwapTotal"), m.get("SwapFree")
    if total is None or free is None:
        return
    if free > total:
        yield (
            "More swap is free than there is: a container's filter (lxcfs) subtracts the host's use from the "
            "container's limit. The figures of swap mean nothing here."
        )
    elif total == 0:
        yield "There is no swap: memory of programs that nobody touches stays in RAM, and a full machine kills sooner."
    elif free < total:
        taken = total - free
        also = f"; {_size(m['SwapCached'])} of that are in RAM too" if m.get("SwapCached") else ""
        yield (
            f"{_size(taken)} are in swap{also}. That alone is no trouble: it is what has not been touched for long. "
            "Trouble is traffic: si and so of `memtwin vmstat 1`. `memtwin swapuse` says whose it is."
        )


def _size(kib: int) -> str:
    return written(Kib(kib), _HUMAN)


def _share(size: Kib | None, m: Meminfo) -> str:
    total = m.get("MemTotal")
    return f"{100 * size / total:.0f}%" if size is not None and total else "-"
