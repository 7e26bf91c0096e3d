"""Samples to judge: those of a trace, or of this machine as it runs, with looks at the heaps of its processes."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Final

from memtwin.diagnose.samples import HeapLook, Samples
from memtwin.sources.glibc_heap import Unknown, kept
from memtwin.sources.process_memory import ProcessMemory
from memtwin.sources.recorder import PRICE, Recorder

if TYPE_CHECKING:
    from collections.abc import Collection

    from memtwin.diagnose.samples import ProcessSeries
    from memtwin.sources.trace import Trace

_LOOKS: Final = 10
"""Looks at a heap in one window, as far as the price allows."""
EVERY_S: Final = 1.0


def of_trace(trace: Trace, pids: Collection[int] = ()) -> Samples:
    """Return the series of a trace: of all processes, or of *pids*."""
    samples: Samples | None = None
    before: set[int] = set()
    for sample in trace.walk():
        state = sample.state
        samples = samples or Samples(state.meta.get("page_bytes") or 4096, is_whole=not pids)
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


def live(pids: Collection[int], seconds: float, every_s: float = EVERY_S) -> Samples:
    """Watch this machine, all processes or *pids*, for a time, until they have ended, or until ^C."""
    recorder = Recorder(every_s, lambda pid, _: not pids or pid in pids)
    samples = Samples(os.sysconf("SC_PAGE_SIZE"), is_whole=not pids)
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
    """Looks at the free lists of those that grow, at a price of at most a hundredth of the time."""

    def __init__(self, samples: Samples, seconds: float) -> None:
        self._samples, self._every_s = samples, seconds / _LOOKS
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
                took = _look_at(process, at_s)
                self._due[pid] = at_s + max(self._every_s, took / PRICE)
                self._all_due = at_s + took / PRICE
            else:
                self._due[pid] = math.inf


def _look_at(process: ProcessSeries, at_s: float) -> float:
    """Note what malloc of a process has free, or why that is not known; return how long it took, in seconds."""
    begin = time.monotonic()
    try:
        memory = ProcessMemory(process.pid)
        try:
            found = kept(memory)
        finally:
            memory.close()
    except OSError as problem:
        found = Unknown(problem.strerror or str(problem))
    if not isinstance(found, Unknown):
        process.heap.append(HeapLook(at_s, found.free_bytes, found.trim_bytes))
    elif not process.heap:
        process.heap_unknown = found.why
    return time.monotonic() - begin


def _is_asked(path: str, pids: Collection[int]) -> bool:
    """Whether a file is of the machine, or of a process that was asked for."""
    words = path.split("/")
    return not words[1].isdigit() or not pids or int(words[1]) in pids
