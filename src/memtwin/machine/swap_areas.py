"""The machine's swap areas by the names that /proc/swaps has: which there are, turned on and off.

Follows swapon(2) and swapoff(2) (mm/swapfile.c of Linux 6.1): an area that is on is EBUSY, one without a slot or one
that is off EINVAL, and one whose pages would not fit into memory and the other areas ENOMEM.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memtwin.errors import HostMemoryError, NotModelledError
from memtwin.linux.core import device
from memtwin.linux.core import mm_types as t
from memtwin.linux.drivers.block import zram
from memtwin.linux.mm import swapon, zswap
from memtwin.linux.records import Outcome
from memtwin.machine import compressed_lengths
from memtwin.machine.machine import SwapArea
from memtwin.units import PAGE_BYTES, pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.linux.core.state import State
    from memtwin.machine.boot import Boot
    from memtwin.machine.costs import CostProfile
    from memtwin.machine.machine import Machine
    from memtwin.procfs import swaps

ZPOOLS = {"zbud": t.ZPOOL_ZBUD, "zsmalloc": t.ZPOOL_ZSMALLOC}
NS_PER_DAY = 86_400_000_000_000
LZO_RLE = 1
"""The number of the compressor that zram takes by default."""


def add_disk(state: State, profile: CostProfile) -> int:
    """Add a disk of the machine's kind; returns its number."""
    disk = profile.disk
    return device.add_device(state, disk.latency_ns, disk.ns_per_page, disk.width, emulated=disk.emulated)


def compressor(boot: Boot, device: str) -> int:
    """The number of the algorithm that a zram device has: the one in brackets, lzo-rle where none is marked."""
    chosen = re.search(r"\[([\w-]+)\]", boot.texts.get(f"sys/block/{device}/comp_algorithm", ""))
    name = chosen[1] if chosen else "lzo-rle"
    return compressed_lengths.ALGORITHMS.index(name) if name in compressed_lengths.ALGORITHMS else LZO_RLE


def _set_compressor(state: State, algorithm: int, profile: CostProfile) -> None:
    """Say how long pages become under an algorithm, and how long that takes."""
    name = compressed_lengths.ALGORITHMS[algorithm]
    zram.set_lengths(state, algorithm, compressed_lengths.lengths(name))
    zram.set_times(state, algorithm, *profile.compressor(name))


def zswap_from_snapshot(state: State, boot: Boot, profile: CostProfile) -> None:
    """Switch zswap on if the snapshot has it on; the kernel's own values stand for parameters that are not given."""
    settings = boot.zswap
    if settings.get("enabled") != "Y":
        return
    zpool, name = settings.get("zpool", "zbud"), settings.get("compressor", "lzo")
    if zpool not in ZPOOLS:
        raise NotModelledError(boot.name, f"zswap with zpool {zpool}", hint="zbud and zsmalloc are")
    algorithm = compressed_lengths.ALGORITHMS.index(name) if name in compressed_lengths.ALGORITHMS else LZO_RLE
    _set_compressor(state, algorithm, profile)
    percents = (int(settings.get("max_pool_percent", 20)), int(settings.get("accept_threshold_percent", 90)))
    zswap.configure(state, ZPOOLS[zpool], algorithm, *percents, settings.get("same_filled_pages_enabled", "Y") == "Y")


def from_snapshot(state: State, boot: Boot, area: swaps.SwapArea, profile: CostProfile) -> SwapArea:
    """Turn on an area that the snapshot has; which slots are in use comes later."""
    made = _add(
        state,
        boot,
        area.filename,
        slots=pages(int(area.size_kib)),
        prio=area.priority,
        kind=area.kind,
        profile=profile,
    )
    swapon.set_priority(state, made.number, area.priority)
    return made


def switch_on(machine: Machine, filename: str, size_bytes: int, prio: int) -> int:
    """Turn an area on, with *prio* below 0 at a priority that the kernel chooses; returns an Outcome."""
    state = machine.state
    area = next((area for area in machine.areas if area.filename == filename), None)
    if area is None:
        slots = size_bytes // PAGE_BYTES - 1
        if slots < 1:
            swapon.read_header(state)
            return Outcome.EINVAL
        machine.areas.append(
            _add(state, machine.boot, filename, slots=slots, prio=prio, kind="partition", profile=machine.costs)
        )
    elif swapon.area_info(state, area.number).used:
        return Outcome.EBUSY
    else:
        swapon.turn_on(state, area.number, prio)
    swapon.read_header(state)
    return Outcome.OK


def switch_off(machine: Machine, filename: str, task: int) -> int:
    """Turn an area off: *task* brings all back that lies in it; returns an Outcome."""
    area = next((area for area in machine.areas if area.filename == filename), None)
    return swapon.swapoff(machine.state, task, area.number) if area else Outcome.EINVAL


def _device(filename: str) -> str:
    return filename.rpartition("/")[2]


def _add(
    state: State, boot: Boot, filename: str, *, slots: int, prio: int, kind: str, profile: CostProfile
) -> SwapArea:
    """Make an area that was never on."""
    device = _device(filename)
    is_zram = device.startswith("zram")
    rotational = boot.texts.get(f"sys/block/{device}/queue/rotational", "0" if is_zram else "1").strip() == "1"
    algorithm = compressor(boot, device)
    disk = 0 if is_zram else add_disk(state, profile)
    try:
        number = swapon.swapon(state, slots, prio, not rotational, is_zram, disk, algorithm)
    except HostMemoryError as problem:
        raise problem.at("", filename) from None
    if is_zram:
        _set_compressor(state, algorithm, profile)
    return SwapArea(number, filename, kind, is_zram)


def bytes_per_day(written_bytes: int, elapsed_ns: int) -> int:
    """What a device would be written to in a day of the same.

    >>> bytes_per_day(1 << 20, 60_000_000_000) == 1440 << 20
    True
    """
    return written_bytes * NS_PER_DAY // max(elapsed_ns, 1)


def uses(state: State, areas: Sequence[SwapArea]) -> list[tuple[str, int, int]]:
    """Return each area that is on: its name, how much of it is in use and its size, both in KiB."""
    found = [(area.filename, swapon.area_info(state, area.number)) for area in areas]
    return [(name, info.inuse * PAGE_BYTES >> 10, info.pages * PAGE_BYTES >> 10) for name, info in found if info.used]


def compressed_kib(state: State, boot: Boot) -> int:
    """Return the RAM that zram and zswap take; a pool of zsmalloc counts its own pages, one of zbud does not."""
    pages_taken = sum(state.zone_stats(zone)["nr_zspages"] for zone in range(t.MAX_NR_ZONES))
    if boot.zswap.get("zpool", "zbud") == "zbud":
        pages_taken += zswap.stats(state)["pool_total_size"] // PAGE_BYTES
    return pages_taken * PAGE_BYTES >> 10


def written(state: State, areas: Sequence[SwapArea], elapsed_ns: int) -> list[dict[str, str | int]]:
    """What was written to each swap disk (zram and zswap write to none), and what that would be in a day."""
    found: list[dict[str, str | int]] = []
    for area in areas:
        if not area.zram:
            total = swapon.area_info(state, area.number).written * PAGE_BYTES
            found.append({"device": area.filename, "bytes": total, "bytes_per_day": bytes_per_day(total, elapsed_ns)})
    return found
