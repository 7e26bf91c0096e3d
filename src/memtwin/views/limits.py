"""``limits``: every limit that memory can run into, how far each is, which bites first, and what happens then.

A process is stopped by the nearest of: the memory limits of its cgroup and of every cgroup above it, its own resource
limits, the commit limit (only while vm.overcommit_memory is 2), and the machine's RAM and swap.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, setrlimit(2), mm/util.c (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import PROSE
from memtwin.render.grid import BAR, Column, Grid, Sentence, Tone, View
from memtwin.render.words import size
from memtwin.units import bytes_of, kib_of
from memtwin.views.used import used, used_swap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.pid.limits import Limits
    from memtwin.procfs.pid.status import Status
    from memtwin.render.openmetrics import Metric
    from memtwin.sources.cgroups import Group


class Limit(NamedTuple):
    """One limit: *name* as its file or call is named, *scope* whose it is; both amounts in bytes.

    *cache_bytes* is what of the use is page cache, which the kernel drops before the limit hurts. A *special* limit is
    met by some kinds of memory only: stacks, locked pages, swap. *rows* are where the figures stand.
    """

    name: str
    scope: str
    limit_bytes: int
    used_bytes: int | None
    then: str
    cache_bytes: int | None = None
    special: bool = False
    rows: tuple[str, ...] = ()

    @property
    def left_bytes(self) -> int | None:
        """How far the limit is; below 0 if it is passed already."""
        return None if self.used_bytes is None else self.limit_bytes - self.used_bytes

    @property
    def share(self) -> float | None:
        """How much of the limit is used, 1 for all of it; cache that is dropped first left out."""
        if self.used_bytes is None or self.limit_bytes <= 0:
            return None
        return max(self.used_bytes - (self.cache_bytes or 0), 0) / self.limit_bytes


_KILL: Final = "the OOM killer ends a process of this cgroup"
_V2: Final = {
    "memory.max": ("memory.current", _KILL),
    "memory.high": ("memory.current", "allocations are slowed down and reclaim: nothing is killed, all gets slow"),
    "memory.swap.max": ("memory.swap.current", "no more goes to swap: memory.max is reached sooner"),
}
_V1: Final = {
    "memory.limit_in_bytes": ("memory.usage_in_bytes", _KILL),
    "memory.memsw.limit_in_bytes": ("memory.memsw.usage_in_bytes", _KILL),
}
_RLIMITS: Final = {
    "Max address space": ("RLIMIT_AS", "VmSize", "mmap and malloc fail (ENOMEM)"),
    "Max data size": ("RLIMIT_DATA", "VmData", "brk and private mmap fail (ENOMEM)"),
    "Max stack size": ("RLIMIT_STACK", "VmStk", "the main thread's stack cannot grow: SIGSEGV"),
    "Max locked memory": ("RLIMIT_MEMLOCK", "VmLck", "mlock fails (ENOMEM, EPERM)"),
}
_SPECIAL: Final = {"memory.swap.max", "RLIMIT_STACK", "RLIMIT_MEMLOCK"}
_NEAR, _AT_ONCE = 0.8, 0.95
"""Shares of a limit from which its row is marked."""
_NEVER: Final = 2
"""vm.overcommit_memory: promise no more than CommitLimit."""


def of_cgroup(group: Group) -> Iterator[Limit]:
    """Yield the limits that one cgroup sets."""
    cache = group.stat.get("total_inactive_file", group.stat.get("inactive_file"))
    for name, (file, then) in (_V2 if group.version == 2 else _V1).items():
        limit = group.amounts.get(name)
        if limit is not None:
            counted = cache if name in {"memory.max", "memory.high", "memory.limit_in_bytes"} else None
            rows = (f"{group.folder}/{name}", f"{group.folder}/{file}")
            yield Limit(name, group.path, limit, group.amounts.get(file), then, counted, name in _SPECIAL, rows)


def of_process(limits: Limits, status: Status) -> Iterator[Limit]:
    """Yield a process's resource limits that are about memory. RLIMIT_RSS has had no effect since Linux 2.4.30."""
    for row, (name, label, then) in _RLIMITS.items():
        limit = limits.soft(row)
        if limit is not None:
            used_kib = status.kib(label)
            used_bytes = bytes_of(used_kib)
            rows = (f"proc/PID/limits: {row}", f"proc/PID/status: {label}")
            yield Limit(name, "process", limit, used_bytes, then, special=name in _SPECIAL, rows=rows)


def of_machine(meminfo: Meminfo, overcommit_memory: int | None) -> Iterator[Limit]:
    """Yield the machine's own limits: what was promised, where that counts, and RAM with swap."""
    limit, promised = meminfo.get("CommitLimit"), meminfo.get("Committed_AS")
    if overcommit_memory == _NEVER and limit is not None and promised is not None:
        then = "mmap, malloc and fork fail (ENOMEM) for everybody"
        rows = ("proc/meminfo: CommitLimit", "proc/meminfo: Committed_AS", "proc/sys/vm/overcommit_memory")
        yield Limit("CommitLimit", "machine", bytes_of(limit), bytes_of(promised), then, rows=rows)
    total, swap, taken = meminfo.get("MemTotal"), meminfo.get("SwapTotal", 0), used(meminfo)
    if total is not None and taken is not None:
        then = "the OOM killer ends the largest process"
        both = taken + (used_swap(meminfo) or 0)
        estimate = "MemAvailable" if "MemAvailable" in meminfo else "MemFree"
        of = ("proc/meminfo: MemTotal", f"proc/meminfo: {estimate}")
        yield Limit("RAM and swap", "machine", bytes_of(total + swap), bytes_of(both), then, rows=of)


def order(limits: Sequence[Limit]) -> list[Limit]:
    """Return *limits*, the nearest first; special ones, then those whose use is not known, last."""
    return sorted(limits, key=lambda one: (one.left_bytes is None, one.special, one.left_bytes or 0))


def view(limits: Sequence[Limit], notes: Sequence[Sentence]) -> View:
    """Return a row a limit, the nearest first, and what is to be said."""
    columns = (
        Column("name", "LIMIT"), Column("scope", "OF"), Column("limit_bytes", "AT", PROSE),
        Column("used_bytes", "USED", PROSE), Column(None, "LEFT", PROSE), Column(None, "", BAR),
        Column("then", "THEN", optional=True),
        Column("cache_bytes"), Column("special"), Column("left_bytes"),
    )  # fmt: skip
    rows = tuple(
        (one.name, one.scope, one.limit_bytes, one.used_bytes, one.left_bytes, one.share, one.then, one.cache_bytes,
         one.special, one.left_bytes)
        for one in order(limits)
    )  # fmt: skip
    tones = tuple(_tone(one) for one in order(limits))
    said = (*sentences(limits), *notes)
    return View("limits", (Grid(columns, rows, "limits", tones=tones),), said, lambda: metrics(limits), version=2)


def sentences(limits: Sequence[Limit]) -> Iterator[Sentence]:
    """Yield which limit is hit first when more memory is taken."""
    if not limits:
        yield Sentence("No limit is known.", ())
        return
    first = order(limits)[0]
    if first.left_bytes is None:
        return
    if first.left_bytes <= 0:
        yield Sentence(f"{first.name} of {_whose(first)} is reached: {first.then}.", first.rows)
    else:
        yield Sentence(
            f"First comes {first.name} of {_whose(first)}, {_size(first.left_bytes)} away: {first.then}.", first.rows
        )
    if first.cache_bytes:
        yield Sentence(
            f"{_size(first.cache_bytes)} of what it counts are cache of files read once, which the kernel drops first: "
            f"{_size(first.left_bytes + first.cache_bytes)} are really left.",
            first.rows,
        )


def of_events(group: Group) -> Iterator[Sentence]:
    """Yield what a cgroup's limits have done already."""
    meanings = {
        "high": "times slowed at memory.high",
        "max": "times at memory.max",
        "oom_kill": "processes killed by the OOM killer in it",
    }
    happened = [f"{group.events[name]} {meaning}" for name, meaning in meanings.items() if group.events.get(name)]
    if happened:
        yield Sentence(f"{group.path}: {', '.join(happened)} since it was made.", (f"{group.folder}/memory.events",))


def metrics(limits: Sequence[Limit]) -> list[Metric]:
    """Return limit and use of each."""
    from memtwin.render.openmetrics import Metric

    labelled = [({"limit": one.name, "of": one.scope}, one) for one in limits]
    return [
        Metric("memtwin_limit_bytes", "gauge", "A limit on memory.",
               tuple((labels, one.limit_bytes) for labels, one in labelled)),
        Metric("memtwin_limit_used_bytes", "gauge", "What counts against it.",
               tuple((labels, one.used_bytes) for labels, one in labelled)),
    ]  # fmt: skip


def _tone(limit: Limit) -> Tone:
    if limit.share is None or limit.special:
        return Tone.PLAIN
    return Tone.BAD if limit.share >= _AT_ONCE else Tone.WARN if limit.share >= _NEAR else Tone.PLAIN


def _whose(limit: Limit) -> str:
    return limit.scope if limit.scope.startswith("cgroup") else f"the {limit.scope}"


def _size(size_bytes: int | None) -> str:
    return "-" if size_bytes is None else size(kib_of(size_bytes))
