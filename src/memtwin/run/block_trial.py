"""Would a block of an order be found, and what would it cost: tried on copies of a machine, which stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memtwin.linux.mm import blocks, compaction
from memtwin.machine.build import build_from, read
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from memtwin.machine.machine import Machine
    from memtwin.sources.source import Source


def trial(source: Source, order: int, kind: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return what a request for one block of 2^*order* pages does on a machine, and ``vm.compact_memory``; and notes.

    The figures have the names of ``views.buddyinfo.Trial``. *kind*: the type of the pageblock that the block belongs
    in: movable, unmovable, reclaimable, atomic.
    """
    machine = build_from(replace(read(source), seed=0))
    asked, compacted = machine.copy(), machine.copy()
    counters, since = machine.state.events_by_name(), machine.state.clock_ns
    found = len(blocks.allocate(asked.state, order, 1, kind))
    compaction.compact_memory(compacted.state)
    after = asked.state.events_by_name()
    moved = {name: after[name] - counters[name] for name in ("pgmigrate_success", "compact_stall", "oom_kill")}
    reclaimed = sum(after[name] - counters[name] for name in ("pgsteal_kswapd", "pgsteal_direct"))
    return {
        "found": found,
        "reclaimed": reclaimed,
        "moved": moved["pgmigrate_success"],
        "stalls": moved["compact_stall"],
        "kills": moved["oom_kill"],
        "us": (asked.state.clock_ns - since) // 1000,
        "blocks_before": _blocks(machine, order),
        "blocks_compacted": _blocks(compacted, order),
        "moved_by_compaction": compacted.state.events_by_name()["pgmigrate_success"] - counters["pgmigrate_success"],
    }, machine.notes


def _blocks(machine: Machine, order: int) -> int:
    """Return how many blocks of 2^*order* pages lie in free ones of that order and more."""
    zones = Twin(machine).buddyinfo().zones
    return sum(free << (at - order) for zone in zones for at, free in enumerate(zone.counts) if at >= order)
