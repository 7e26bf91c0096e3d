"""Samples to judge: those of a trace, or of this machine as it runs, with looks at the heaps of its processes."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Final

from memtwin.diagnose.samples import GroupSeries, HeapLook, Samples
from memtwin.errors import RecordingError
from memtwin.sources import cgroups
from memtwin.sources.glibc_heap import Unknown, kept
from memtwin.sources.process_memory import ProcessMemory
from memtwin.sources.recorder import PRICE, Recorder, in_cgroup

if TYPE_CHECKING:
    from collections.abc import Collection

    from memtwin.diagnose.samples import ProcessSeries
    from memtwin.sources.cgroups import Group
    from memtwin.sources.trace import Trace

_LOOKS: Final = 10
"""Looks at a heap in one window, as far as the price allows."""
EVERY_S: Final = 1.0


def of_trace(trace: Trace, pids: Collection[int] = (), cgroup: str | None = None) -> Samples:
    """Return the series of a trace: of all processes, of *pids*, or of those that ever were in a cgroup of it."""
    group = None
    if cgroup is not None:
        group = cgroups.find(trace.at("last"), cgroup)
        if group is None:
            raise RecordingError(trace.path, f"has no memory cgroup {cgroup}")
        pids = _pids_in(trace, cgroup) or {0}
    samples: Samples | None = None
    before: set[int] = set()
    for sample in trace.walk():
        state = sample.state
        samples = samples or samples_of(state.meta.get("page_bytes") or 4096, pids, group)
        files = {
            name: (state.text(name) or b"").decode(errors="surrogateescape")
            for name in state.read_now
            if _is_asked(name, pids)
        }
        samples.add(sample.boot_ms, files)
        now = {int(name.split("/")[1]) for name in state.paths() if name.endswith("/statm")}
        for pid in before - now:
            samples.gone(pid)
        before = now
    assert samples is not None
    return samples


def samples_of(page_bytes: int, pids: Collection[int], group: Group | None) -> Samples:
    """Return series for the processes of *pids*, of a *group*, or of all and the machine."""
    samples = Samples(page_bytes, is_whole=not pids and group is None)
    samples.group = GroupSeries(group) if group is not None else None
    return samples


def _pids_in(trace: Trace, cgroup: str) -> set[int]:
    found: set[int] = set()
    for sample in trace.walk():
        for path in sample.state.read_now:
            words = path.split("/")
            if words[0] == "proc" and words[-1] == "cgroup" and words[1].isdigit():
                text = (sample.state.text(path) or b"").decode(errors="surrogateescape")
                if cgroups.holds(text, cgroup):
                    found.add(int(words[1]))
    return found


def live(pids: Collection[int], seconds: float, group: Group | None = None, every_s: float = EVERY_S) -> Samples:
    """Watch all processes, *pids* or those of a *group*, for a time, until they have ended, or until ^C."""
    recorder = recorder_of(pids, group, every_s)
    samples = samples_of(os.sysconf("SC_PAGE_SIZE"), pids, group)
    heaps = Heaps(samples, seconds)
    end = time.monotonic() + seconds
    try:
        while True:
            take(recorder, samples, heaps)
            left = end - time.monotonic()
            if left <= 0 or (pids and not recorder.pids):
                break
            time.sleep(min(left, every_s))
    except KeyboardInterrupt:
        samples.is_cut_short = True
    finally:
        recorder.close()
    return samples


def recorder_of(pids: Collection[int], group: Group | None, every_s: float = EVERY_S) -> Recorder:
    """Return what reads the processes of *pids*, of a *group*, or all."""
    if group is None:
        return Recorder(every_s, lambda pid, _: not pids or pid in pids)
    return Recorder(every_s, in_cgroup(group.path.removeprefix("cgroup ")), often=cgroups.files_of(group))


def take(recorder: Recorder, samples: Samples, heaps: Heaps) -> None:
    """Take in one sample of this machine, and the heaps that are due."""
    now_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    readings = recorder.tick()
    samples.add(now_ms, {path: text.decode(errors="surrogateescape") for path, text in readings.files.items()})
    for path in readings.gone:
        if path.endswith("/statm"):
            samples.gone(int(path.split("/")[1]))
    heaps.look(now_ms / 1000)


class Heaps:
    """Looks at the free lists of those that grow, at a price of at most a hundredth of a CPU."""

    def __init__(self, samples: Samples, seconds: float) -> None:
        self._samples, self._every_s = samples, seconds / _LOOKS
        samples.reads_heaps = True
        self._due: dict[int, float] = {}
        self._all_due = 0.0

    def look(self, at_s: float) -> None:
        """Look at the heaps that are due: those that have grown first, and the one that has waited longest."""
        due = {pid: self._due.get(pid, 0.0) for pid in self._samples.processes}
        for pid in sorted(due, key=lambda pid: (not self._samples.processes[pid].has_grown, due[pid])):
            if at_s < self._all_due:
                return
            if at_s < due[pid]:
                continue
            process = self._samples.processes[pid]
            if process.heap_unknown is None:
                took = look_at(process, at_s)
                self._due[pid] = at_s + max(self._every_s, took / PRICE)
                self._all_due = at_s + took / PRICE
            else:
                self._due[pid] = math.inf


def look_at(process: ProcessSeries, at_s: float) -> float:
    """Note what malloc of a process has free, or why that is not known; return the CPU time that it took, in seconds.

    The process goes on meanwhile: waiting for a CPU on a busy machine costs no one anything.
    """
    begin = time.thread_time()
    try:
        memory = ProcessMemory(process.pid or 0)
        try:
            found = kept(memory)
        finally:
            memory.close()
    except OSError as problem:
        found = Unknown(problem.strerror or str(problem))
    if not isinstance(found, Unknown):
        process.heap.append(HeapLook(at_s, found.free_bytes, found.trim_bytes, found.system_bytes - found.free_bytes))
    elif not process.heap:
        process.heap_unknown = found.why
    return time.thread_time() - begin


def _is_asked(path: str, pids: Collection[int]) -> bool:
    """Whether a file is of the machine, or of a process that was asked for."""
    words = path.split("/")
    return not words[1].isdigit() or not pids or int(words[1]) in pids
