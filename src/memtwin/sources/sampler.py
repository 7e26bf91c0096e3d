"""A machine sampled again and again: its files, and what each task did since the time before.

Only ``/proc/PID/stat`` is read of every task; :meth:`Sampler.fill` reads more of those that are shown. On the live host
descriptors are kept as far as RLIMIT_NOFILE allows, and a task whose file reads as before keeps its record: a process
that sleeps costs one system call. A source that is not live has one moment, so no time passes in it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from memtwin.procfs import loadavg, meminfo, stat, swaps, uptime
from memtwin.procfs.pid import oom_score, oom_score_adj, smaps_rollup, statm, status
from memtwin.procfs.pid import stat as pid_stat
from memtwin.sources.host import host, taken_unix_ms
from memtwin.sources.processes import SourceProcess, roots
from memtwin.sources.source import load, parse
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memtwin.procfs.loadavg import Loadavg
    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.pid.stat import PidStat
    from memtwin.procfs.stat import Stat
    from memtwin.procfs.swaps import Swaps
    from memtwin.sources.source import Source

RECORDS: Final = {
    "statm": statm, "status": status, "smaps_rollup": smaps_rollup, "oom_score": oom_score,
    "oom_score_adj": oom_score_adj,
}  # fmt: skip
"""Files of a task that :meth:`Sampler.fill` parses; ``cmdline`` and ``cgroup`` are texts."""
Texts: TypeAlias = "dict[str, tuple[str, Any]]"
"""Files of a task by name: what was read, and its record."""
UTMP: Final = "var/run/utmp"
_UTMP_BYTES: Final = 384
_UTMP_NAME: Final = 44
_USER_PROCESS: Final = 7
_SPARE_DESCRIPTORS: Final = 64
"""Left for everything else that the program opens."""
_STAT_BYTES: Final = 4096


class Task:
    """A process, or a thread of one: *stat*, ticks and faults since the sample before (None: not seen then).

    *records* are its other files by name, as far as :meth:`Sampler.fill` has read them; None cannot be read.
    """

    __slots__ = ("before", "process", "records", "stat")

    def __init__(self, process: SourceProcess, record: PidStat, before: PidStat | None) -> None:
        self.process, self.stat, self.before = process, record, before
        self.records: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The process's id; of a thread its own."""
        return self.process.pid

    @property
    def ticks(self) -> int:
        """CPU time since its start, in ticks."""
        return (self.stat.field("utime") or 0) + (self.stat.field("stime") or 0)

    def grown(self, *names: str) -> int:
        """Return how much fields of stat grew since the sample before; of a task that is new, all of them."""
        if self.before is self.stat:
            return 0
        now = sum(self.stat.field(name) or 0 for name in names)
        return now if self.before is None else now - sum(self.before.field(name) or 0 for name in names)


class Sample(NamedTuple):
    """One moment of a machine; None is not known. *at_unix_ms* is the time of day, *users* who are logged in."""

    at_unix_ms: int | None
    up_s: float | None
    users: int | None
    load: Loadavg | None
    stat: Stat | None
    memory: Meminfo | None
    tasks: tuple[Task, ...]
    ticks_per_s: int
    page_bytes: int
    swaps: Swaps | None = None
    passed_s: float | None = None
    before: Stat | None = None

    @property
    def cpus(self) -> int:
        """CPUs that are online; 1 where that is not known."""
        return len(self.stat.cpus) if self.stat and self.stat.cpus else 1


class Sampler:
    """Takes samples of *source*: of all its tasks, or of the processes *pids* in their order; *threads*: one by one."""

    def __init__(self, source: Source, *, pids: Sequence[int] = (), threads: bool = False) -> None:
        self.source, self.pids, self.threads = source, pids, threads
        self._host = host(source)
        self._files: _Kept | None = _Kept() if source.is_live else None
        self._known: dict[str, _Known] = {}
        self._last: Sample | None = None

    def sample(self) -> Sample:
        """Return the machine as it is now, and what changed since the call before."""
        source, last = self.source, self._last
        up = load(source, uptime)
        up_s = None if up is None else up.up_cs / 100
        tasks = tuple(self._tasks())
        passed = None if last is None or up_s is None or last.up_s is None else up_s - last.up_s
        self._last = Sample(
            taken_unix_ms(source), up_s, _users(source), load(source, loadavg), load(source, stat),
            load(source, meminfo), tasks, self._host.ticks_per_s, bytes_of(self._host.page_kib),
            load(source, swaps), passed, last.stat if last else None,
        )  # fmt: skip
        return self._last

    def fill(self, tasks: Iterable[Task], names: Iterable[str]) -> None:
        """Read the files *names* of *tasks* that are not read yet."""
        wanted = tuple(names)
        for task in tasks:
            for name in wanted:
                if name not in task.records:
                    known = self._known.get(task.process.root)
                    task.records[name] = record_of(task.process, name, {} if known is None else known.texts)

    def turn_to(self, source: Source, *, is_later: bool) -> None:
        """Read the same machine at another moment from now on; one that is not later has no interval."""
        self.source = source
        if not is_later:
            self._known, self._last = {}, None

    def close(self) -> None:
        """Close the kept descriptors."""
        if self._files is not None:
            self._files.close()

    def _tasks(self) -> Iterator[Task]:
        source, old = self.source, self._known
        known: dict[str, _Known] = {}
        read = self._read if self._files is None else self._files.read
        for root, pid in self._roots():
            before = old.get(root)
            data = read(root)
            if data is None:
                continue
            if before is not None and before.data == data and before.process.source is source:
                known[root] = before
                yield before.idle()
                continue
            record = pid_stat.parse(data.decode(errors="surrogateescape"), source.label(f"{root}/stat"))
            known[root] = now = _Known(self._process(root, pid, before), data, record)
            yield Task(now.process, record, _same(before.record, record) if before else None)
        self._known = known
        if self._files is not None:
            self._files.forget_others(known)

    def _read(self, root: str) -> bytes | None:
        text = self.source.read(f"{root}/stat")
        return None if text is None else text.encode(errors="surrogateescape")

    def _roots(self) -> Iterator[tuple[str, int]]:
        """Yield where the files of each task lie, and its id."""
        known = roots(self.source)
        found = [(known[pid], pid) for pid in self.pids or known if pid in known]
        if not self.threads:
            yield from found
            return
        for root, _ in found:
            for name in sorted(self.source.names(f"{root}/task"), key=lambda name: (len(name), name)):
                yield f"{root}/task/{name}", int(name)

    def _process(self, root: str, pid: int, before: _Known | None) -> SourceProcess:
        is_same = before is not None and before.process.source is self.source
        return before.process if before is not None and is_same else SourceProcess(self.source, pid, root)


class _Known:
    """A task as it was: its stat as bytes, and as a record; *texts* of its other files with what they say."""

    __slots__ = ("_idle", "data", "process", "record", "texts")

    def __init__(self, process: SourceProcess, data: bytes, record: PidStat) -> None:
        self.process, self.data, self.record = process, data, record
        self.texts: Texts = {}
        self._idle: Task | None = None

    def idle(self) -> Task:
        """Return the task as one that did nothing: the one of the sample before, unless more was read of that."""
        if self._idle is None or self._idle.records:
            self._idle = Task(self.process, self.record, self.record)
        return self._idle


class _Kept:
    """stat of tasks by the directory that it lies in, read through descriptors that stay open while there is room."""

    def __init__(self) -> None:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._most = hard - _SPARE_DESCRIPTORS
        self._fds: dict[str, int] = {}

    def read(self, root: str) -> bytes | None:
        """Return the bytes of /*root*/stat, or None if the task is gone."""
        fd = self._fds.get(root)
        if fd is not None:
            try:
                return os.pread(fd, _STAT_BYTES, 0)
            except OSError:  # it is gone, but another may have got its number
                os.close(self._fds.pop(root))
        return self._open(root)

    def _open(self, root: str) -> bytes | None:
        try:
            fd = os.open(f"/{root}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.pread(fd, _STAT_BYTES, 0)
        except OSError:
            os.close(fd)
            return None
        if len(self._fds) < self._most:
            self._fds[root] = fd
        else:
            os.close(fd)
        return data

    def forget_others(self, roots: Iterable[str]) -> None:
        """Close the files of tasks that are not among *roots*."""
        for root in self._fds.keys() - roots:
            os.close(self._fds.pop(root))

    def close(self) -> None:
        """Close all."""
        self.forget_others(())


def wait(seconds: float, start: float) -> None:
    """Sleep until *seconds* after *start*, a time of :func:`time.monotonic`."""
    time.sleep(max(start + seconds - time.monotonic(), 0.0))


def names_of_users(source: Source) -> dict[int, str]:
    """Return names by number, as the source's own /etc/passwd has them."""
    rows = (line.split(":") for line in (source.read("etc/passwd") or "").splitlines())
    return {int(words[2]): words[0] for words in rows if len(words) > 2 and words[2].isdecimal()}


def _same(old: PidStat, new: PidStat) -> PidStat | None:
    """Return *old* if it is of the same process, not of one that had the number before."""
    if old is new:
        return old
    return old if old.field("starttime") == new.field("starttime") else None


def record_of(process: SourceProcess, name: str, texts: Texts) -> Any:
    """Return the record of a task's file, its text where it has no parser; a thread's rollup is its process'.

    *texts* has those that were read before: one that reads as then is not parsed again.
    """
    text = process.read(name)
    if text is None and name == "smaps_rollup" and "/task/" in process.root:
        process = SourceProcess(process.source, process.pid, process.root.partition("/task/")[0])
        text = process.read(name)
    if text is None or name not in RECORDS:
        return text
    before = texts.get(name)
    if before is None or before[0] != text:
        before = texts[name] = text, parse(process.source, RECORDS[name], f"{process.root}/{name}", text)
    return before[1]


def _users(source: Source) -> int | None:
    """Return how many entries of utmp are users; None where there is no such file, as in a snapshot."""
    if not source.is_live:
        return None
    text = source.read(UTMP)
    if text is None:
        return 0
    data = text.encode(errors="surrogateescape")
    rows = (data[at : at + _UTMP_BYTES] for at in range(0, len(data) - _UTMP_BYTES + 1, _UTMP_BYTES))
    return sum(row[0] == _USER_PROCESS and row[_UTMP_NAME] != 0 for row in rows)
