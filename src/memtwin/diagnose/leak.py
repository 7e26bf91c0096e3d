"""Which growth is a leak: what grew first, then the lower envelope, then whether it slows down; or it is too early.

1. *Composition.* Pages that the program has freed lazily, files, shared memory, page tables, the kernel's slab and more
   processes each have a counter of their own: growth there is named by it, and never called a leak of the heap.
2. *The envelope* of anonymous memory and its swap (:mod:`~memtwin.diagnose.growth`) must rise beyond its scatter.
3. *Freed and kept.* Where glibc's free lists could be read, growth of what is free in them is taken off.
4. *No deceleration.* What has stopped growing was a warm-up; what slows down evenly is a store that fills.
5. *Long enough.* A steady climb of a minute may be a program that loads: below :data:`LEAST_SECONDS` there is no
   verdict but how long to look.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose.growth import LEAST_RISE_BYTES, LIMIT, Growth, growth, seconds_more
from memtwin.render.grid import Sentence
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.diagnose.samples import HeapLook, ProcessSeries, Samples, Series

LEAST_SECONDS: Final = 150.0
"""Growth of less time than this may be a program that loads."""
LEAST_SECONDS_COLLECTED: Final = 240.0
"""The same where a garbage collector decides when memory is reused."""
_STEADY_CLIMB: Final = 0.7
"""Rate late in the window as a share of the one before: from here on it goes on as ever."""
_MOST: Final = 0.5
"""Share of a rise that makes it this kind's."""
_LEAST_PROCESSES: Final = 3.0
_NAMES: Final = {
    "file": "Pages of files", "shmem or tmpfs": "Shared memory and tmpfs", "page tables": "Page tables",
    "slab": "Slab that cannot be reclaimed",
}  # fmt: skip
_RESTS: Final = {
    "file": "proc/PID/status: RssFile", "shmem or tmpfs": "proc/PID/status: RssShmem",
    "page tables": "proc/PID/status: VmPTE", "lazily freed": "proc/PID/smaps_rollup: LazyFree",
}  # fmt: skip
_RESTS_MACHINE: Final = {
    "slab": "proc/meminfo: SUnreclaim", "page tables": "proc/meminfo: PageTables",
    "shmem or tmpfs": "proc/meminfo: Shmem",
}  # fmt: skip
ANON: Final = ("proc/PID/statm", "proc/PID/status: VmSwap")
NEXT: Final = {
    "python": "memray attach PID (a restart with --trace-python-allocators costs 2.4 times the time)",
    "java": "jcmd PID GC.class_histogram; jcmd PID VM.native_memory (started with -XX:NativeMemoryTracking=summary)",
    "node": "process.memoryUsage() in the program; node --inspect and three heap snapshots",
    "go": "curl .../debug/pprof/heap (and goroutine) where the program serves pprof",
    "": "heaptrack -p PID (3 times slower), or valgrind --tool=massif (5 times)",
}
"""The next tool by the program's runtime, with its price."""
COLLECTED: Final = frozenset({"java", "node", "go", "mono", "ruby"})


class Finding(NamedTuple):
    """What became of one process, a name's processes, or the machine (*pid* None)."""

    pid: int | None
    name: str
    verdict: str
    confidence: float
    """0 to 1: how far the evidence is beyond the limit; no probability."""
    rate_bytes_per_s: float
    rise_bytes: int
    resolution_bytes_per_s: float
    seconds: float
    look_seconds_more: int | None
    evidence: tuple[Sentence, ...]
    next_tool: str | None = None


def findings(samples: Samples) -> Iterator[Finding]:
    """Yield what became of each process, then of what lies outside of any; the gravest first is the caller's."""
    for process in samples.processes.values():
        if process.anon.times_s:
            yield of_process(process, samples)
    yield from _of_counts(samples)
    if samples.is_whole:
        yield from _of_machine(samples)


def of_process(process: ProcessSeries, samples: Samples) -> Finding:
    """Return the verdict on one process."""
    try:
        grown = growth(process.anon.times_s, process.anon.values)
    except ValueError:
        more = max(LEAST_SECONDS - (samples.end_s - (samples.begin_s or 0.0)), 30.0)
        why = Sentence("There are too few samples of it to say anything.", ANON)
        return _finding(process, "unknown", None, more=more, evidence=(why,))
    other = _composition(process, grown)
    if other is not None:
        return other
    if grown.t >= LIMIT and grown.rise >= LEAST_RISE_BYTES:
        return _of_growing(process, grown)
    return _of_quiet(process, grown)


def _composition(process: ProcessSeries, grown: Growth) -> Finding | None:
    """Return the finding where another kind than the heap grew, by that kind's own counter."""
    lazy, risen = _lazily_freed(process)
    if lazy >= LEAST_RISE_BYTES and grown.is_growing and lazy >= _MOST * risen:
        reason = f"It freed {size(int(lazy) >> 10)} with MADV_FREE: the kernel takes these pages when it needs them."
        return _finding(process, "lazily freed", grown, evidence=(Sentence(reason, (_RESTS["lazily freed"],)),))
    rises = {
        kind: found
        for kind, series in process.others.items()
        if kind in _NAMES and (found := _growth(series)) is not None
    }
    kind, most = max(rises.items(), key=lambda item: item[1].rise, default=("", None))
    if most is None or not most.is_growing or most.rise <= max(grown.rise, 0):
        return None
    if most.has_stopped:
        return None
    reason = f"{_NAMES[kind]} grew by {size(int(most.rise) >> 10)}, anonymous memory by {size(int(grown.rise) >> 10)}."
    return _finding(process, kind, most, evidence=(Sentence(reason, (_RESTS[kind], *ANON)),))


def _lazily_freed(process: ProcessSeries) -> tuple[float, float]:
    """Return what was lazily freed at the last look under the lock, and how much had risen until then.

    What was so at a look early in the window is taken off; there may be one look only.
    """
    series, anon = process.others.get("lazily freed"), process.anon
    if series is None:
        return 0.0, 0.0
    begin, end = anon.times_s[0], anon.times_s[-1]
    is_early = series.times_s[0] - begin < (end - begin) / 3
    before = series.values[0] if is_early and len(series.values) > 1 else 0.0
    until = bisect_right(anon.times_s, series.times_s[-1]) - 1
    return series.values[-1] - before, anon.values[max(until, 0)] - anon.values[0]


def _of_growing(process: ProcessSeries, grown: Growth) -> Finding:
    kept = _kept(process, grown)
    if kept is not None:
        return kept
    if grown.has_stopped:
        return _stopped(process, grown)
    if grown.slowing < _STEADY_CLIMB:
        return _slowing_down(process, grown)
    rising = _rising(grown)
    doubt = _doubt(process, grown)
    if doubt is not None:
        reason, more, tool = doubt
        return _finding(process, "unknown", grown, more=more, evidence=(rising, Sentence(reason, ANON)), tool=tool)
    return _finding(process, "leak", grown, evidence=(rising, *_heap_evidence(process)), tool=True)


def _slowing_down(process: ProcessSeries, grown: Growth) -> Finding:
    slower = Sentence(f"Late in the window it grew at {grown.slowing:.0%} of the rate before.", ANON)
    if grown.slows_down_evenly and grown.seconds >= LEAST_SECONDS:
        even = Sentence("The rate falls evenly, as that of a store which fills.", ANON)
        evidence = (_rising(grown), slower, even)
        return _finding(process, "growing cache", grown, more=grown.seconds, evidence=evidence)
    return _finding(process, "unknown", grown, more=grown.seconds, evidence=(_rising(grown), slower))


def _doubt(process: ProcessSeries, grown: Growth) -> tuple[str, float, bool] | None:
    """Return why a steady climb is no leak yet, how much longer to look, and whether another tool can say."""
    if len(process.heap) == 1 and process.heap[0].free_bytes >= _MOST * grown.rise:
        reason = f"malloc has {size(process.heap[0].free_bytes >> 10)} free, and was read once: this may be the rise."
        return reason, grown.seconds, False
    if not grown.is_even:
        reason = (
            "It grew unevenly: in one third of the time more than twice as fast as in another, as load that changes."
        )
        return reason, grown.seconds, False
    runtime = runtime_of(process)
    if runtime == "java":
        reason = "A JVM keeps what it has touched up to -Xmx: from outside its garbage and its live objects are alike."
        return reason, grown.seconds, True
    needed = LEAST_SECONDS_COLLECTED if runtime in COLLECTED else LEAST_SECONDS
    if grown.seconds < needed:
        reason = f"So far this may be a program that loads: {needed:.0f} s of steady growth will show."
        return reason, needed - grown.seconds, False
    return None


def _kept(process: ProcessSeries, grown: Growth) -> Finding | None:
    """Return the finding where what grew is free in malloc's own lists."""
    looks = process.heap
    if len(looks) < 2:
        return None
    rise = looks[-1].free_bytes - _free_at_begin(looks)
    if rise < _MOST * grown.rise or rise < LEAST_RISE_BYTES:
        return None
    last = looks[-1]
    helps = last.trim_bytes >= _MOST * rise
    reason = (
        f"malloc has {size(last.free_bytes >> 10)} free and kept, {size(rise >> 10)} more than at the beginning; "
        f"malloc_trim(0) would free {size(last.trim_bytes >> 10)}."
    )
    verdict = "freed and kept: trim helps" if helps else "freed and kept: trim does not help"
    return _finding(process, verdict, grown, evidence=(_rising(grown), Sentence(reason, ("proc/PID/mem",))))


def _of_quiet(process: ProcessSeries, grown: Growth) -> Finding:
    """Return steady, or unknown where a rise lies within its own scatter."""
    if grown.rise < LEAST_RISE_BYTES or grown.t <= 1:
        reason = f"The least that it had in each tenth of the time changed by {size(int(grown.rise) >> 10)}."
        return _finding(process, "steady", grown, evidence=(Sentence(reason, ANON),))
    if grown.has_stopped:
        return _stopped(process, grown)
    reason = f"It rose by {size(int(grown.rise) >> 10)}, but so unevenly that this may be chance."
    return _finding(process, "unknown", grown, more=seconds_more(grown), evidence=(Sentence(reason, ANON),))


def _stopped(process: ProcessSeries, grown: Growth) -> Finding:
    reason = Sentence("In the last three tenths of the time it hardly grew any more.", ANON)
    return _finding(process, "warm-up", grown, evidence=(_rising(grown), reason))


def _of_machine(samples: Samples) -> Iterator[Finding]:
    for kind, series in samples.machine.items():
        grown = _growth(series)
        if grown is None or not grown.is_growing or grown.has_stopped or grown.seconds < LEAST_SECONDS:
            continue
        reason = Sentence(
            f"{_NAMES[kind]} of the machine grew by {size(int(grown.rise) >> 10)}.", (_RESTS_MACHINE[kind],)
        )
        tool = "slabtop -s c; kmemleak where the kernel has it" if kind == "slab" else None
        yield Finding(None, "the machine", kind, _confidence(grown), grown.rate, int(grown.rise), grown.resolution,
                      grown.seconds, None, (reason,), tool)  # fmt: skip


def _of_counts(samples: Samples) -> Iterator[Finding]:
    for name, series in samples.counts.items():
        grown = _growth(series)
        if grown is None or grown.rise < _LEAST_PROCESSES or grown.t < LIMIT or grown.slowing < _STEADY_CLIMB:
            continue
        reason = Sentence(f"There are {grown.rise:.0f} more processes of this name than at first.", ("proc/PID/comm",))
        own = [one.anon.values for one in samples.processes.values() if one.name == name]
        held = sum(values[-1] for values in own if values)
        share = held * grown.rise / max(grown.envelope[-1], 1)
        yield Finding(None, name, "more processes", _confidence(grown), share / grown.seconds, int(share),
                      grown.resolution, grown.seconds, None, (reason,))  # fmt: skip


def runtime_of(process: ProcessSeries) -> str:
    """Return the runtime whose heap the process has, by what it maps: ``python``, ``java``, ``node`` ... or none."""
    for mark, runtime in (("/libjvm.so", "java"), ("/libpython", "python"), ("/libmono", "mono"), ("/libruby", "ruby")):
        if mark in process.maps:
            return runtime
    programs = (line.split(None, 5)[5] for line in process.maps.splitlines() if "/" in line and line.count(" ") >= 5)
    name = next(programs, "").strip().rpartition("/")[2]
    if name == "node" or name.startswith("python"):
        return name.rstrip("0123456789.")
    return ""


def _heap_evidence(process: ProcessSeries) -> tuple[Sentence, ...]:
    """Return what is known of its allocator, and what is not."""
    if "lazily freed" not in process.others:
        reason = "How much of it is lazily freed is not known: smaps_rollup was not read."
        return (Sentence(reason, ANON), *_allocator_evidence(process))
    return _allocator_evidence(process)


def _allocator_evidence(process: ProcessSeries) -> tuple[Sentence, ...]:
    if process.heap:
        last = process.heap[-1]
        reason = f"malloc has {size(last.free_bytes >> 10)} free: the growth is in use."
        return (Sentence(reason, ("proc/PID/mem",)),)
    if process.heap_unknown:
        return (Sentence(f"What its allocator has free is not known: {process.heap_unknown}.", ("proc/PID/mem",)),)
    return ()


def _rising(grown: Growth) -> Sentence:
    reason = (
        f"Anonymous memory and its swap rose by {size(int(grown.rise) >> 10)} in {grown.seconds:.0f} s, "
        f"{size(int(grown.rate * 60) >> 10)} a minute."
    )
    return Sentence(reason, ANON)


def _finding(
    process: ProcessSeries, verdict: str, grown: Growth | None, *, more: float | None = None,
    evidence: tuple[Sentence, ...], tool: bool = False,
) -> Finding:  # fmt: skip
    hint = NEXT.get(runtime_of(process), NEXT[""]) if tool else None
    return Finding(
        process.pid,
        process.name,
        verdict,
        _confidence(grown) if verdict != "unknown" else 0.0,
        grown.rate if grown else 0.0,
        int(grown.rise) if grown else 0,
        grown.resolution if grown else 0.0,
        grown.seconds if grown else 0.0,
        None if more is None else max(round(more), 1),
        evidence,
        hint.replace("PID", str(process.pid)) if hint else None,
    )


def _confidence(grown: Growth | None) -> float:
    if grown is None:
        return 0.0
    if not grown.is_growing:
        return 0.9
    return round(1 - 0.5 / (1 + (grown.t / LIMIT) ** 2), 2)


def _free_at_begin(looks: list[HeapLook]) -> int:
    return min(look.free_bytes for look in looks[: max(len(looks) // 3, 1)])


def _growth(series: Series) -> Growth | None:
    try:
        return growth(series.times_s, series.values) if series.times_s else None
    except ValueError:
        return None
