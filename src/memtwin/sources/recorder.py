"""What ``memtwin record`` reads of this host, when, and at what price.

Every tick: meminfo, uptime, loadavg, memory pressure and each process's statm. A process whose statm moved (the others
every tenth tick) also gives stat, status and io; one that lives for ten ticks its limits, cgroup and mappings. Counters
of the machine every tenth tick; zones, slabs, cgroups once a minute; what never changes once.

What the kernel reads under a process's mmap_lock (smaps_rollup, maps) makes the process wait: it is read so seldom that
reading takes at most :data:`PRICE` of the time, all processes together, and a look that took ten times its usual time
doubles its own interval. The same share holds for each file of the machine.

A sample has one time. A file that was not read for a sample is, in that sample, as it was last read.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from memtwin.sources.cgroups import holds
from memtwin.sources.snapshot import FILES, matching
from memtwin.sources.source import DirectorySource

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

PRICE: Final = 0.01
"""Share of the time that looks under a lock may take."""
TENTH: Final = 10
_MINUTE_S: Final = 60.0
_SLOW_FACTOR: Final = 10
_MOST_STRETCH: Final = 64
_FAST: Final = ("proc/meminfo", "proc/uptime", "proc/loadavg", "proc/pressure/memory")
_TENTH: Final = ("proc/vmstat", "proc/stat", "proc/swaps", "proc/diskstats", "proc/pressure/*", "sys/block/zram*/*stat")
_ONCE: Final = frozenset((
    "proc/pagetypeinfo", "proc/vmallocinfo", "proc/version", "proc/cmdline", "proc/filesystems", "etc/passwd",
    "etc/os-release", "sysctl_vm", "sys/kernel/slab/*/reclaim_account", "sys/block/*/size",
))  # fmt: skip
"""Of a snapshot's files: read at the beginning only, as they never change, or are slow or large."""
_OF_PROCESS: Final = ("stat", "status", "io")
_OF_PROCESS_SELDOM: Final = ("cgroup", "limits", "oom_score", "oom_score_adj")
_UNDER_LOCK: Final = ("smaps_rollup", "maps")
_CHUNK: Final = 1 << 20
_MOST_OPEN_SHARE: Final = 2


class Costly(Protocol):
    """What is read by flag alone (:mod:`~memtwin.sources.costly`)."""

    def look(self, pids: Collection[int], made: Readings) -> None:
        """Add to a tick what is due."""


class Readings(NamedTuple):
    """What one tick read: bytes by path, the paths that are no more, and what could not be read and why."""

    files: dict[str, bytes]
    gone: list[str]
    unread: dict[str, str]


class Costs:
    """How long a look takes, and so when the next one is due: the ladder of prices."""

    __slots__ = ("due_s", "stretch", "usual_s")

    def __init__(self) -> None:
        self.due_s, self.usual_s, self.stretch = 0.0, 0.0, 1

    def took(self, now_s: float, cost_s: float, every_s: float) -> None:
        """Note a look that ended at *now_s*; the next is after *every_s* or later, as the price allows."""
        if self.usual_s and cost_s > _SLOW_FACTOR * self.usual_s:
            self.stretch = min(self.stretch * 2, _MOST_STRETCH)
        else:
            self.stretch = max(self.stretch // 2, 1)
            self.usual_s = cost_s if not self.usual_s else 0.8 * self.usual_s + 0.2 * cost_s
        self.due_s = now_s + max(every_s, cost_s / PRICE) * self.stretch


class _Watched:
    """One process: its statm is kept open, so that a look at it is one system call."""

    __slots__ = ("costs", "detail_tick", "fd", "grown_tick", "path", "paths", "pid", "seldom_s", "statm")

    def __init__(self, pid: int, fd: int | None, grown_tick: int) -> None:
        self.pid, self.fd, self.grown_tick = pid, fd, grown_tick
        self.statm = b""
        self.path = f"proc/{pid}/statm"
        self.detail_tick, self.seldom_s = 0, 0.0
        self.paths = {self.path}
        self.costs = {name: Costs() for name in _UNDER_LOCK}


class Recorder:
    """Reads this host tick by tick; *wanted* says of a new process (pid, parent's pid) whether it is watched.

    Files of the machine that are read *often*, every tick, stand beside those that always are.
    """

    def __init__(
        self,
        every_s: float,
        wanted: Callable[[int, int], bool],
        *,
        arguments: bool = True,
        often: tuple[str, ...] = (),
        costly: Sequence[Costly] = (),
    ) -> None:
        self.every_s = every_s
        self._wanted, self._arguments, self._often, self._costly = wanted, arguments, often, costly
        self._source = DirectorySource("/")
        self._watched: dict[int, _Watched] = {}
        self._known: set[int] = set()
        self._costs: dict[str, Costs] = {}
        self._slow_due_s = 0.0
        self._lock_due_s = 0.0
        self._queue: deque[tuple[int, str]] = deque()
        self._tick = 0
        self._refused: dict[str, str] = {}
        self._open_left = _raise_open_files() // _MOST_OPEN_SHARE

    @property
    def pids(self) -> frozenset[int]:
        """The processes that are watched now."""
        return frozenset(self._watched)

    def tick(self) -> Readings:
        """Read what is due now."""
        made = Readings({}, [], {})
        self._machine(made)
        self._find(made)
        for process in list(self._watched.values()):
            self._process(process, made)
        self._locked(made)
        for one in self._costly:
            before = set(made.files)
            one.look(self._watched, made)
            for path in made.files.keys() - before:
                self._watched[int(path.split("/")[1])].paths.add(path)
        self._tick += 1
        return made

    def close(self) -> None:
        """Close what is open."""
        for process in self._watched.values():
            if process.fd is not None:
                os.close(process.fd)
        self._watched.clear()

    def _machine(self, made: Readings) -> None:
        now = time.monotonic()
        if not self._tick:
            for pattern in FILES:
                self._patterns((pattern,), made, 0.0)
        for path in (*_FAST, *self._often):
            self._priced(path, made, 0.0)
        if self._tick % TENTH == 0 and self._tick:
            self._patterns(_TENTH, made, self.every_s)
        if now >= self._slow_due_s:
            if self._tick:
                self._patterns([one for one in FILES if one not in _ONCE and not one.startswith("proc/sys/")],
                               made, _MINUTE_S)  # fmt: skip
            self._slow_due_s = now + max(_MINUTE_S, (time.monotonic() - now) / PRICE)

    def _patterns(self, patterns: Iterable[str], made: Readings, every_s: float) -> None:
        for pattern in patterns:
            for path in matching(self._source, pattern):
                self._priced(path, made, every_s)

    def _priced(self, path: str, made: Readings, every_s: float) -> None:
        """Read a file of the machine, unless it was slow to read a short time ago."""
        costs = self._costs.setdefault(path, Costs())
        begin = time.monotonic()
        if begin < costs.due_s or path in made.files:
            return
        text = self._source.read(path)
        end = time.monotonic()
        costs.took(end, end - begin, min(every_s, _MINUTE_S) / 2)
        if text is not None:
            made.files[path] = text.encode(errors="surrogateescape")
        elif self._source.unread[path] not in {"absent", "not a regular file"}:
            made.unread[path] = self._source.unread[path]

    def _find(self, made: Readings) -> None:
        """Take on processes that are new and wanted; those that ended are found when their files are read."""
        present = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        for pid in self._watched.keys() - present:
            self._drop(self._watched[pid], made)
        for pid in sorted(present - self._known):
            if self._wanted(pid, _parent(pid)):
                self._watched[pid] = _Watched(pid, self._open(pid), self._tick + TENTH if self._tick else 0)
                self._queue.extend((pid, name) for name in _UNDER_LOCK)
        self._known = present

    def _open(self, pid: int) -> int | None:
        """Open a process's statm for good, while there are descriptors; None: it is opened for each look."""
        if self._open_left <= 0:
            return None
        try:
            fd = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self._open_left -= 1
        return fd

    def _process(self, process: _Watched, made: Readings) -> None:
        try:
            statm = os.pread(process.fd, 256, 0) if process.fd is not None else _bytes(f"/{process.path}")
        except OSError:
            self._drop(process, made)
            return
        made.files[process.path] = statm
        if statm != process.statm or self._tick >= process.detail_tick:
            process.statm = statm
            if not process.detail_tick:
                self._take(process, ("comm", "cmdline") if self._arguments else ("comm",), made)
            self._take(process, _OF_PROCESS, made)
            spread = process.pid % TENTH if not process.detail_tick else TENTH
            process.detail_tick = self._tick + max(spread, 1)
            now = time.monotonic()
            if now >= process.seldom_s:
                names = (
                    _OF_PROCESS_SELDOM if process.seldom_s or not self._arguments else ("cmdline", *_OF_PROCESS_SELDOM)
                )
                self._take(process, names, made)
                process.seldom_s = now + _MINUTE_S

    def _take(self, process: _Watched, names: Iterable[str], made: Readings) -> None:
        for name in names:
            path = f"proc/{process.pid}/{name}"
            try:
                made.files[path] = _bytes(f"/{path}")
                process.paths.add(path)
            except OSError as problem:
                if isinstance(problem, PermissionError):
                    made.unread[path] = problem.strerror or str(problem)

    def _locked(self, made: Readings) -> None:
        """Look under mmap_lock at whom it is the turn of, as long as the price allows; there is always a next one."""
        begin = now = time.monotonic()
        left = len(self._queue)
        if now < self._lock_due_s:
            return
        while left and now - begin < PRICE * self.every_s:
            left -= 1
            pid, name = self._queue.popleft()
            process = self._watched.get(pid)
            if process is None:
                continue
            self._queue.append((pid, name))
            if now < process.costs[name].due_s or self._tick < process.grown_tick:
                continue
            self._take(process, (name,), made)
            end = time.monotonic()
            process.costs[name].took(end, end - now, self.every_s * TENTH if name == "smaps_rollup" else _MINUTE_S)
            now = end
        self._lock_due_s = begin + (now - begin) / PRICE - self.every_s / 20

    def _drop(self, process: _Watched, made: Readings) -> None:
        del self._watched[process.pid]
        self._known.discard(process.pid)
        if process.fd is not None:
            os.close(process.fd)
            self._open_left += 1
        for path in process.paths:
            made.files.pop(path, None)
        made.gone.extend(process.paths)


def in_cgroup(path: str) -> Callable[[int, int], bool]:
    """Return what says of a new process whether it is in a cgroup or below it."""

    def wanted(pid: int, parent: int) -> bool:
        del parent
        try:
            return holds(_bytes(f"/proc/{pid}/cgroup").decode(errors="surrogateescape"), path)
        except OSError:
            return False

    return wanted


def _bytes(path: str) -> bytes:
    """Return the bytes of a file of /proc."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = os.read(fd, _CHUNK)
        if len(first) < 4096:  # the kernel gives all of a short file at once
            return first
        parts = [first]
        while part := os.read(fd, _CHUNK):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def _parent(pid: int) -> int:
    """Return the parent's pid, or 0 if the process ended."""
    try:
        return int(_bytes(f"/proc/{pid}/stat").rpartition(b") ")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _raise_open_files() -> int:
    """Allow as many open files as this user may have; return how many."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
