"""Figures of a look by name, as they are pinned, explained and waited for.

A row of /proc/meminfo (``MemFree``) is in bytes, a counter of /proc/vmstat (``pgscan_kswapd``) a count,
``psi.memory.full`` the percent of the last ten seconds, ``PSS:812`` a field of process 812 (of a thread its own id), in
bytes, seconds, percent or a count as the field has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column as size
from memtwin.views.top_fields import FIELDS, memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.sources.looks import Look
    from memtwin.views.top_fields import Frame

_COUNTS: Final = frozenset(("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp"))
COMMON: Final = (
    "MemFree", "MemAvailable", "AnonPages", "Cached", "Shmem", "Dirty", "Writeback", "Slab", "SwapFree", "PageTables",
    "Committed_AS", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pswpin", "pswpout", "pgmajfault", "oom_kill",
    "psi.memory.some", "psi.memory.full",
)  # fmt: skip
"""What most people ask for, first."""


class Figure(NamedTuple):
    """One figure: None is not known; *is_size* in bytes."""

    name: str
    value: float | None
    is_size: bool = False

    @property
    def text(self) -> str:
        """As the screen writes it."""
        return written(self.value, is_size=self.is_size)


def written(value: float | None, *, is_size: bool) -> str:
    """Return a figure's value as text."""
    if value is None:
        return "not known"
    if is_size:
        return size(int(value))
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.2f}"


def named(name: str, look: Look, frame: Frame) -> Figure:
    """Return the figure *name* of a look."""
    field, colon, pid = name.partition(":")
    if colon:
        return _of_task(name, field, pid, frame)
    if name.startswith("psi."):
        return _of_pressure(name, look)
    rows = look.sample.memory
    if rows is not None and name in rows:
        return Figure(name, rows[name] if name in _COUNTS else rows[name] << 10, name not in _COUNTS)
    counters = look.detail.counters if look.detail else None
    return Figure(name, counters.get(name) if counters is not None else None)


def names(look: Look) -> Iterator[str]:
    """Yield the names that a look has, what most people ask for first."""
    rows = list(look.sample.memory or ())
    counters = list((look.detail.counters if look.detail else None) or ())
    pressures = [
        f"psi.{kind}.{what}"
        for kind, record in look.pressure.items()
        for what in ("some", "full")
        if getattr(record, what)
    ]
    known = {*rows, *counters, *pressures}
    yield from (name for name in COMMON if name in known)
    yield from (name for name in (*rows, *pressures, *counters) if name not in COMMON)


def _of_task(name: str, field: str, pid: str, frame: Frame) -> Figure:
    if field not in FIELDS or not pid.isdecimal():
        return Figure(name, None)
    is_size = FIELDS[field].write is memory
    task = next((task for task in frame.sample.tasks if task.pid == int(pid)), None)
    value = None if task is None else FIELDS[field].of(task, frame)
    return Figure(name, value if isinstance(value, int | float) else None, is_size)


def _of_pressure(name: str, look: Look) -> Figure:
    _, _, rest = name.partition(".")
    kind, _, what = rest.partition(".")
    stall = getattr(look.pressure.get(kind), what, None) if what in {"some", "full"} else None
    return Figure(name, None if stall is None else stall.avg10_hundredths / 100)
