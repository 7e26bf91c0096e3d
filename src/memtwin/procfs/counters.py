"""The figures that a run counts and a comparison scores: one table, in the order of /proc/meminfo and /proc/vmstat.

>>> figures_with("operation", "always")
('pswpin', 'pswpout', 'pgfault', 'pgmajfault')
>>> COUNTERS["allocstall"].stall_floor
16.0
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, NamedTuple


class Counter(NamedTuple):
    """One figure."""

    kind: Literal["size", "event", "pressure"]
    """kB of /proc/meminfo; a count since boot, of /proc/vmstat; microseconds of stalls since boot."""
    operation: Literal["", "always", "if it moved"] = ""
    """When an operation's line of ops.jsonl has it."""
    timeline: bool = False
    """Whether it is a column of a run's time line."""
    scored: bool = False
    """Whether ``memtwin validate`` compares it."""
    stall_floor: float | None = None
    """Below so much nothing happened, in the table of stalls; None: it is not there.

    A stall reclaims 32 pages, so 16 are half a thousand pages; 20 ms of pressure are five ticks.
    """
    shortage: str = ""
    """What it means, if a shortage of memory is known by it."""


COUNTERS: Final = {
    "MemFree": Counter("size", timeline=True, scored=True),
    "MemAvailable": Counter("size", timeline=True, scored=True),
    "Buffers": Counter("size", scored=True),
    "Cached": Counter("size", timeline=True, scored=True),
    "SwapCached": Counter("size", scored=True),
    "Active(anon)": Counter("size", scored=True),
    "Inactive(anon)": Counter("size", scored=True),
    "Active(file)": Counter("size", scored=True),
    "Inactive(file)": Counter("size", scored=True),
    "Unevictable": Counter("size", scored=True),
    "Mlocked": Counter("size", scored=True),
    "SwapFree": Counter("size", timeline=True, scored=True),
    "Zswap": Counter("size", scored=True),
    "Zswapped": Counter("size", scored=True),
    "Dirty": Counter("size", timeline=True, scored=True),
    "Writeback": Counter("size", timeline=True),
    "AnonPages": Counter("size", timeline=True, scored=True),
    "Mapped": Counter("size", scored=True),
    "Slab": Counter("size", timeline=True, scored=True),
    "SReclaimable": Counter("size", scored=True),
    "SUnreclaim": Counter("size", scored=True),
    "KernelStack": Counter("size", scored=True),
    "PageTables": Counter("size", timeline=True, scored=True),
    "Committed_AS": Counter("size", timeline=True, scored=True),
    "AnonHugePages": Counter("size", scored=True),
    "workingset_refault_anon": Counter(
        "event",
        operation="if it moved",
        timeline=True,
        scored=True,
        shortage="pages read back from swap soon after they went there",
    ),
    "workingset_refault_file": Counter(
        "event",
        operation="if it moved",
        timeline=True,
        scored=True,
        shortage="pages of files read again soon after they were dropped",
    ),
    "workingset_activate_anon": Counter("event", operation="if it moved", scored=True),
    "workingset_activate_file": Counter("event", operation="if it moved", scored=True),
    "pgpgin": Counter("event", operation="if it moved", timeline=True, scored=True),
    "pgpgout": Counter("event", operation="if it moved", timeline=True, scored=True),
    "pswpin": Counter("event", operation="always", timeline=True, scored=True),
    "pswpout": Counter("event", operation="always", timeline=True, scored=True),
    "allocstall": Counter("event", timeline=True, stall_floor=16.0, shortage="allocations that had to reclaim first"),
    "allocstall_dma32": Counter("event", operation="if it moved"),
    "allocstall_normal": Counter("event", operation="if it moved"),
    "allocstall_movable": Counter("event", operation="if it moved"),
    "pgfree": Counter("event", operation="if it moved"),
    "pgactivate": Counter("event", operation="if it moved", scored=True),
    "pgdeactivate": Counter("event", operation="if it moved", scored=True),
    "pglazyfree": Counter("event", scored=True),
    "pgfault": Counter("event", operation="always", timeline=True, scored=True),
    "pgmajfault": Counter(
        "event", operation="always", timeline=True, scored=True, shortage="faults that had to read from a disk or swap"
    ),
    "pgsteal": Counter("event", timeline=True),
    "pgsteal_kswapd": Counter(
        "event", operation="if it moved", stall_floor=1024.0, shortage="pages reclaimed by kswapd"
    ),
    "pgsteal_direct": Counter(
        "event",
        operation="if it moved",
        timeline=True,
        stall_floor=1024.0,
        shortage="pages reclaimed by programs themselves",
    ),
    "pgscan": Counter("event", timeline=True),
    "pgscan_kswapd": Counter("event", operation="if it moved", stall_floor=1024.0, shortage="pages scanned by kswapd"),
    "pgscan_direct": Counter(
        "event",
        operation="if it moved",
        stall_floor=1024.0,
        shortage="pages scanned by programs themselves (direct reclaim)",
    ),
    "pgscan_anon": Counter("event", scored=True),
    "pgscan_file": Counter("event", scored=True),
    "pgsteal_anon": Counter("event", timeline=True, scored=True),
    "pgsteal_file": Counter("event", timeline=True, scored=True),
    "oom_kill": Counter("event", operation="if it moved", scored=True, shortage="processes killed for memory"),
    "pgmigrate_success": Counter("event", operation="if it moved", stall_floor=256.0),
    "compact_migrate_scanned": Counter("event", stall_floor=4096.0),
    "compact_free_scanned": Counter("event", stall_floor=4096.0),
    "compact_isolated": Counter("event", stall_floor=512.0),
    "compact_stall": Counter(
        "event", operation="if it moved", stall_floor=10.0, shortage="allocations that had to compact first"
    ),
    "compact_fail": Counter("event", operation="if it moved", stall_floor=10.0),
    "compact_success": Counter("event", operation="if it moved", stall_floor=10.0),
    "thp_fault_alloc": Counter("event", operation="if it moved", scored=True),
    "swap_ra": Counter("event", scored=True),
    "swap_ra_hit": Counter("event", scored=True),
    "zswpin": Counter("event", operation="if it moved", timeline=True, scored=True),
    "zswpout": Counter("event", operation="if it moved", timeline=True, scored=True),
    "psi_some": Counter("pressure", stall_floor=20000.0),
    "psi_full": Counter("pressure", stall_floor=20000.0),
}
"""``allocstall``, ``pgsteal`` and ``pgscan`` are sums: over the zones, and of kswapd and direct reclaim."""


@cache
def figures_with(member: str, value: str = "") -> tuple[str, ...]:
    """Return the figures whose *member* is set, or is *value*, in the order of the files."""
    rows = COUNTERS.items()
    return tuple(name for name, row in rows if (found := getattr(row, member)) and value in {"", found})
