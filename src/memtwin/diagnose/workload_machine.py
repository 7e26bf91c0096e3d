"""The machine of a trace as a scenario's header: kernel, CPUs, swap areas and settings, as far as the model has them.

What it has otherwise, or not at all, is a note.
"""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.procfs import swaps
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.swaps import SwapArea
    from memtwin.sources.source import Source

_WITH_KERNEL: Final = 1.03
"""What RAM a machine has beside its MemTotal: about so much is the kernel's."""
_RAM_STEP: Final = 64 << 20
_SWAP_LEAST: Final = 1 << 20
_OLDEST: Final = (6, 1)
_NEWEST: Final = (6, 12)
"""Releases between which the model knows what each has."""
_MOST_CPUS: Final = 64
_MOST_DISKS: Final = 8
SETTINGS: Final = (
    "swappiness", "min_free_kbytes", "watermark_scale_factor", "watermark_boost_factor", "vfs_cache_pressure",
    "page-cluster", "overcommit_memory", "overcommit_ratio", "overcommit_kbytes", "dirty_ratio",
    "dirty_background_ratio", "dirty_bytes", "dirty_background_bytes", "dirty_expire_centisecs",
    "dirty_writeback_centisecs",
)  # fmt: skip
"""Below vm.: what a workload depends on."""
_OWN: Final = {
    "swappiness": "60", "watermark_scale_factor": "10", "watermark_boost_factor": "15000", "vfs_cache_pressure": "100",
    "page-cluster": "3", "overcommit_memory": "0", "overcommit_ratio": "50", "overcommit_kbytes": "0",
    "dirty_ratio": "20", "dirty_background_ratio": "10", "dirty_bytes": "0", "dirty_background_bytes": "0",
    "dirty_expire_centisecs": "3000", "dirty_writeback_centisecs": "500",
}  # fmt: skip
"""What the kernel has by itself: not written out."""
_ALGORITHMS: Final = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "842", "deflate")


class Head(NamedTuple):
    """The lines of the header, and what is otherwise than in the trace."""

    lines: list[str]
    notes: list[str]


def head_of(source: Source, total_bytes: float, *, has_huge_pages: bool = False) -> Head:
    """Return the header for the machine of *source*, which has so much MemTotal, and huge pages on request."""
    ram = ceil(total_bytes * _WITH_KERNEL / _RAM_STEP) * _RAM_STEP >> 20
    kernel, notes = _kernel(source)
    cpus = _cpus(source)
    if cpus is None:
        notes.append("how many CPUs the machine has is not in the trace: it has one here")
    elif cpus > _MOST_CPUS:
        notes.append(f"of {cpus} CPUs the model has {_MOST_CPUS}")
    lists = (source.read("sys/kernel/mm/lru_gen/enabled") or "").strip()
    generations = f" lru_gen={'off' if int(lists, 16) == 0 else 'on'}" if re.fullmatch("0x[0-9a-f]+", lists) else ""
    huge = " thp=madvise" if has_huge_pages else ""
    lines = [f"machine ram={ram}M cpus={min(cpus or 1, _MOST_CPUS)} kernel={kernel}{huge}{generations}"]
    enabled = source.read("sys/kernel/mm/transparent_hugepage/enabled") or "[never]"
    if has_huge_pages:
        notes.append(
            "a process has as many huge pages as it grew by fewer faults than pages; where is not in the trace"
        )
    elif "[never]" not in enabled:
        notes.append("huge pages are off here: sizes and faults of the trace are replayed page by page")
    areas = load(source, swaps)
    lines += _swap_lines(source, areas.areas if areas else (), notes)
    lines += _settings(source)
    return Head(lines, notes)


def _kernel(source: Source) -> tuple[str, list[str]]:
    match = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", host(source).kernel or "")
    if match is None:
        return "6.1", ["which kernel it is is not in the trace: it is Linux 6.1 here"]
    version = int(match[1]), int(match[2])
    near = min(max(version, _OLDEST), _NEWEST)
    name = f"{near[0]}.{near[1]}"
    return name, [] if near == version else [f"the kernel is Linux {match[0]}; the model's nearest is {name}"]


def _cpus(source: Source) -> int | None:
    """Return how many CPUs are online.

    >>> _count("0-3,8")
    5
    """
    text = (source.read("sys/devices/system/cpu/online") or "").strip()
    return _count(text) if re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", text) else None


def _count(text: str) -> int:
    ends = [part.split("-") for part in text.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def _swap_lines(source: Source, areas: tuple[SwapArea, ...], notes: list[str]) -> Iterator[str]:
    """Yield the swap areas: zram as zram, all else as disks."""
    disks = zrams = 0
    for area in areas:
        size = bytes_of(area.size_kib)
        if size < _SWAP_LEAST:
            notes.append(f"swap on {area.filename} is below 1 MiB: left out")
            continue
        priority = f" prio={area.priority}" if area.priority >= 0 else ""
        device = area.filename.removeprefix("/dev/")
        if device.startswith("zram") and not zrams:
            zrams += 1
            yield f"swap zram size={size >> 20}M algo={_algorithm(source, device, notes)}{priority}"
        elif disks < _MOST_DISKS:
            disks += 1
            if not area.filename.startswith("/dev/") or device.startswith("zram"):
                notes.append(f"swap on {area.filename} is a disk here")
            turns = source.read(f"sys/block/{re.sub('p?[0-9]+$', '', device)}/queue/rotational")
            rot = f" rot={turns.strip()}" if turns is not None and turns.strip() in {"0", "1"} else ""
            yield f"swap disk{f' name=disk{disks}' if disks > 1 else ''} size={size >> 20}M{priority}{rot}"
        else:
            notes.append(f"swap on {area.filename} is left out: the model has {_MOST_DISKS} swap disks")
    if (source.read("sys/module/zswap/parameters/enabled") or "").strip() in {"Y", "1"} and disks:
        yield from _zswap(source, notes)


def _algorithm(source: Source, device: str, notes: list[str]) -> str:
    match = re.search(r"\[([a-z0-9-]+)\]", source.read(f"sys/block/{device}/comp_algorithm") or "")
    if match is None or match[1] not in _ALGORITHMS:
        notes.append(f"with which algorithm {device} compresses is not known: lzo-rle here")
        return "lzo-rle"
    return match[1]


def _zswap(source: Source, notes: list[str]) -> Iterator[str]:
    found = {
        name: (source.read(f"sys/module/zswap/parameters/{name}") or "").strip()
        for name in ("max_pool_percent", "compressor", "zpool")
    }
    if found["zpool"] not in {"zbud", "zsmalloc"}:
        notes.append(f"zswap is zbud's here, in the trace {found['zpool'] or 'not known'}")
        found["zpool"] = "zbud"
    yield "swap zswap " + " ".join(f"{name}={value}" for name, value in found.items() if value)


def _settings(source: Source) -> Iterator[str]:
    for name in SETTINGS:
        value = (source.read(f"proc/sys/vm/{name}") or "").strip()
        if value.isascii() and value.isdigit() and value != _OWN.get(name):
            yield f"sysctl vm.{name}={value}"
