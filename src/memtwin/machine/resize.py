"""A booted machine with less memory: a balloon takes it, as a hypervisor's would.

What the machine must give up for it goes by the kernel's own rules: page cache, swap, and at last the OOM killer. The
watermarks and reserves are then those of a machine of that size, but for a min_free_kbytes that its host had set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.mm import balloon, mm_init, page_alloc_fast
from memtwin.linux.records import Outcome
from memtwin.machine import describe
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.linux.core.state import State
    from memtwin.machine.boot import Boot
    from memtwin.machine.machine import Machine

STEPS = 8
"""A balloon grows little by little, and kswapd works beside it."""
LEAST_PAGES = 16_384
"""64 MiB: what is left at least."""
_MIB = 1 << 20
_SECTION_BYTES = 128 * _MIB
_PAGE_STRUCT_BYTES = 64
_POINTER_BYTES = 8
_ADAPTS_FROM_BYTES = 64 << 30
_HASH_SCALES = (1, 2)
"""Pages for each bucket of the tables of dentries and inodes, as powers of two."""
ROWS = (("page cache", "nr_file_pages"), ("anonymous memory", "nr_anon_pages"))


def present_bytes(boot: Boot) -> int:
    """Return how much RAM a machine's kernel has, what it keeps for itself among it."""
    return sum(int(zone.present) for zone in boot.zoneinfo.zones) * PAGE_BYTES


def installed_bytes(boot: Boot) -> int:
    """Return the size of a machine's RAM: what is present, and the holes of less than a MiB in it."""
    return -(-present_bytes(boot) // _MIB) * _MIB


def boot_bytes(ram_bytes: int) -> int:
    """Return what an x86_64 kernel takes at boot by the size of its RAM: page structs and two hash tables.

    Page structs are there for whole sections of 128 MiB. The tables of dentries and inodes have a bucket for each 8 and
    16 KiB, a power of two of them, a quarter as many for each factor of four above 64 GiB.
    Source: mm/sparse-vmemmap.c, ``alloc_large_system_hash`` (mm/page_alloc.c) and ``ADAPT_SCALE_BASE``, v6.1.

    >>> (boot_bytes(288 << 20) - boot_bytes(240 << 20)) >> 10, boot_bytes(336 << 20) - boot_bytes(288 << 20)
    (2432, 0)
    """
    sections = -(-ram_bytes // _SECTION_BYTES)
    structs = sections * _SECTION_BYTES // PAGE_BYTES * _PAGE_STRUCT_BYTES
    pages = (ram_bytes - structs) // PAGE_BYTES
    adapt = 0
    while _ADAPTS_FROM_BYTES << 2 * adapt < pages * PAGE_BYTES:
        adapt += 1
    return structs + sum(_POINTER_BYTES << max((pages >> scale + adapt) - 1, 0).bit_length() for scale in _HASH_SCALES)


def take_away(machine: Machine, pages: int, settle: Callable[[], None]) -> None:
    """Take *pages* pages from a machine, in :data:`STEPS` of a size, and let it *settle* after each.

    The marks are those of a smaller machine afterwards, not before. A sentence in ``machine.changes`` says what went.
    """
    state = machine.state
    usual = _min_free_kbytes(machine)
    is_usual = abs(int(machine.sysctl["min_free_kbytes"]) - usual) <= usual // describe.MIN_FREE_SLACK
    before = _figures(state)
    wanted = min(pages, max(state.memory_total - LEAST_PAGES, 0))
    taken = 0
    for step in range(STEPS):
        taken += balloon.inflate(state, machine.rest, wanted * (step + 1) // STEPS - wanted * step // STEPS)
        settle()
    if is_usual:
        machine.sysctl["min_free_kbytes"] = str(_min_free_kbytes(machine))
        mm_init.set_sysctl(state, "min_free_kbytes", int(machine.sysctl["min_free_kbytes"]))
    mm_init.compute_watermarks(state)
    machine.changes.append(_sentence(taken, pages, before, _figures(state)))


def _min_free_kbytes(machine: Machine) -> int:
    zones = sum(bool(zone.managed) for zone in machine.boot.zoneinfo.zones)
    return describe.min_free_kbytes(machine.state.memory_total, zones, thp=machine.boot.huge_pages != "never")


def _figures(state: State) -> dict[str, int]:
    """Return pages of each kind that a balloon may cost, and how many processes were killed."""
    node = state.node_stats()
    found = {label: node[name] for label, name in ROWS}
    found["free memory"] = page_alloc_fast.free_pages(state)
    found["slab"] = node["nr_slab_reclaimable"] + node["nr_slab_unreclaimable"]
    found["swap"] = state.swap_pages[1]
    found["killed"] = state.oom_kills
    return found


def _sentence(taken: int, wanted: int, before: dict[str, int], after: dict[str, int]) -> str:
    """Say what a balloon took, in MiB."""
    went = [
        f"{(before[label] - after[label]) >> 8:,} MiB of {label}"
        for label in ("free memory", "page cache", "anonymous memory", "slab")
        if before[label] - after[label] >= 1 << 8
    ]
    swapped = before["swap"] - after["swap"]
    words = f"{taken >> 8:,} MiB of memory were taken away: {', '.join(went) or 'nothing that was in use'} went"
    if swapped >= 1 << 8:
        words += f", {swapped >> 8:,} MiB of that to swap"
    if after["killed"] > before["killed"]:
        words += f"; the OOM killer took {after['killed'] - before['killed']}"
    if taken < wanted:
        words += f"; {(wanted - taken) >> 8:,} MiB more could not be taken"
    return words + "."


def outcome(code: int) -> str:
    """Return the name of an Outcome of the kernel's that refuses."""
    return Outcome(code).name
