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

    from memtwin.diagnose.samples import GroupSeries, HeapLook, ProcessSeries, Samples, Series

LEAST_SECONDS: Final = 150.0
"""Growth of less time than this may be a program that loads."""
LEAST_SECONDS_COLLECTED: Final = 240.0
"""The same where a garbage collector decides when memory is reused."""
_STEADY_CLIMB: Final = 0.7
"""Rate late in the window as a share of the one before: from here on it goes on as ever."""
_MOST: Final = 0.5
"""Share of a rise that makes it this kind's."""
_LEAST_PROCESSES: Final = 3.0
NAMES: Final = {
    "file": "Pages of files", "shmem or tmpfs": "Shared memory and tmpfs", "page tables": "Page tables",
    "slab": "Slab that cannot be reclaimed", "page cache": "Page cache", "kernel memory": "Kernel memory",
}  # fmt: skip
_RESTS_MACHINE: Final = {
    "slab": "proc/meminfo: SUnreclaim", "page tables": "proc/meminfo: PageTables",
    "shmem or tmpfs": "proc/meminfo: Shmem",
}  # fmt: skip
NEXT: Final = {
    "python": "memray attach PID (a restart with --trace-python-allocators costs 2.4 times the time)",
    "java": "jcmd PID GC.class_histogram; jcmd PID VM.native_memory (started with -XX:NativeMemoryTracking=summary)",
    "node": "process.memoryUsage() in the program; node --inspect and three heap snapshots",
    "go": "curl .../debug/pprof/heap (and goroutine) where the program serves pprof",
    "": "heaptrack -p PID (3 times slower), or valgrind --tool=massif (5 times)",
}
"""The next tool by the program's runtime, with its price."""
_GO_ARENA: Final = "\nc000000000-"
"""Where the heap of a program in Go begins on 64 bits (its runtime's malloc.go)."""
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
    own = [of_process(process, samples) for process in samples.processes.values() if process.anon.times_s]
    yield from own
    more = list(_of_counts(samples))
    yield from more
    if samples.group is not None and samples.group.anon.times_s:
        yield _of_group(samples.group, samples, [*own, *more])
    if samples.is_whole:
        yield from _of_machine(samples)


def of_process(process: ProcessSeries, samples: Samples) -> Finding:
    """Return the verdict on one process."""
    try:
        grown = growth(process.anon.times_s, process.anon.values)
    except ValueError:
        more = max(LEAST_SECONDS - (samples.end_s - (samples.begin_s or 0.0)), 30.0)
        why = Sentence("There are too few samples of it to say anything.", process.anon_rows)
        return _finding(process, "unknown", None, more=more, evidence=(why,))
    other = _composition(process, grown)
    if other is not None:
        return other
    if grown.t >= LIMIT and grown.rise >= LEAST_RISE_BYTES:
        return _of_growing(process, grown, samples)
    return _of_quiet(process, grown)


def _composition(process: ProcessSeries, grown: Growth) -> Finding | None:
    """Return the finding where another kind than the heap grew, by that kind's own counter."""
    lazy, risen = _lazily_freed(process)
    if lazy >= LEAST_RISE_BYTES and grown.is_growing and lazy >= _MOST * risen:
        reason = f"It freed {size(int(lazy) >> 10)} with MADV_FREE: the kernel takes these pages when it needs them."
        return _finding(process, "lazily freed", grown, evidence=(Sentence(reason, (process.rows["lazily freed"],)),))
    rises = {
        kind: found
        for kind, series in process.others.items()
        if kind in NAMES and kind in process.rows and (found := _growth(series)) is not None
    }
    kind, most = max(rises.items(), key=lambda item: item[1].rise, default=("", None))
    if most is None or not most.is_growing or most.rise <= max(grown.rise, 0):
        return None
    if most.has_stopped:
        return None
    reason = f"{NAMES[kind]} grew by {size(int(most.rise) >> 10)}, anonymous memory by {size(int(grown.rise) >> 10)}."
    return _finding(process, kind, most, evidence=(Sentence(reason, (process.rows[kind], *process.anon_rows)),))


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


def _of_growing(process: ProcessSeries, grown: Growth, samples: Samples) -> Finding:
    kept = _kept(process, grown)
    if kept is not None:
        return kept
    if grown.has_stopped:
        return _stopped(process, grown)
    if grown.slowing < _STEADY_CLIMB:
        return _slowing_down(process, grown)
    rising = _rising(process, grown)
    doubt = _doubt(process, grown, samples)
    if doubt is not None:
        reason, more, tool = doubt
        return _finding(
            process, "unknown", grown, more=more, evidence=(rising, Sentence(reason, process.anon_rows)), tool=tool
        )
    return _finding(process, "leak", grown, evidence=(rising, *_heap_evidence(process)), tool=True)


def _slowing_down(process: ProcessSeries, grown: Growth) -> Finding:
    slower = Sentence(f"Late in the window it grew at {grown.slowing:.0%} of the rate before.", process.anon_rows)
    if grown.slows_down_evenly and grown.seconds >= LEAST_SECONDS:
        even = Sentence("The rate falls evenly, as that of a store which fills.", process.anon_rows)
        evidence = (_rising(process, grown), slower, even)
        return _finding(process, "growing cache", grown, more=grown.seconds, evidence=evidence)
    return _finding(process, "unknown", grown, more=grown.seconds, evidence=(_rising(process, grown), slower))


def _doubt(process: ProcessSeries, grown: Growth, samples: Samples) -> tuple[str, float, bool] | None:
    """Return why a steady climb is no leak yet, how much longer to look, and whether another tool can say."""
    if samples.reads_heaps and not process.heap and process.heap_unknown is None:
        return "What malloc has free was not read yet.", max(grown.seconds / 3, 30.0), False
    if _may_be_free(process, grown):
        reason = (
            f"malloc has {size(process.heap[-1].free_bytes >> 10)} free, and was read in less than a third of the "
            "time: this may be the rise."
        )
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


def _may_be_free(process: ProcessSeries, grown: Growth) -> bool:
    """Whether the looks at its heap are too few, or too near to each other, to say that the rise is in use."""
    looks, third = process.heap, grown.seconds / 3
    if not looks or looks[-1].at_s - looks[0].at_s >= third:
        return False
    return looks[-1].free_bytes >= _MOST * grown.rise or looks[-1].at_s < process.anon.times_s[-1] - third


def _kept(process: ProcessSeries, grown: Growth) -> Finding | None:
    """Return the finding where what grew is free in malloc's own lists."""
    looks = process.heap
    if len(looks) < 2:
        return None
    first, late = _most_free(looks[: _third(looks)]), _most_free(looks[-_third(looks) :])
    rise, expected = late.free_bytes - first.free_bytes, grown.rise * (late.at_s - first.at_s) / grown.seconds
    if rise < _MOST * expected or rise < LEAST_RISE_BYTES:
        return None
    helps = late.trim_bytes >= _MOST * rise
    reason = (
        f"malloc has {size(late.free_bytes >> 10)} free and kept, {size(rise >> 10)} more than at the beginning; "
        f"malloc_trim(0) would free {size(late.trim_bytes >> 10)}."
    )
    verdict = "freed and kept: trim helps" if helps else "freed and kept: trim does not help"
    return _finding(process, verdict, grown, evidence=(_rising(process, grown), Sentence(reason, ("proc/PID/mem",))))


def _of_quiet(process: ProcessSeries, grown: Growth) -> Finding:
    """Return steady, or unknown where a rise lies within its own scatter."""
    if grown.rise < LEAST_RISE_BYTES or grown.t <= 1:
        reason = f"The least that it had in each tenth of the time changed by {size(int(grown.rise) >> 10)}."
        return _finding(process, "steady", grown, evidence=(Sentence(reason, process.anon_rows),))
    if grown.has_stopped:
        return _stopped(process, grown)
    reason = f"It rose by {size(int(grown.rise) >> 10)}, but so unevenly that this may be chance."
    return _finding(
        process, "unknown", grown, more=seconds_more(grown), evidence=(Sentence(reason, process.anon_rows),)
    )


def _stopped(process: ProcessSeries, grown: Growth) -> Finding:
    reason = Sentence("In the last three tenths of the time it hardly grew any more.", process.anon_rows)
    return _finding(process, "warm-up", grown, evidence=(_rising(process, grown), reason))


def _of_machine(samples: Samples) -> Iterator[Finding]:
    for kind, series in samples.machine.items():
        grown = _growth(series)
        if grown is None or not grown.is_growing or grown.has_stopped or grown.seconds < LEAST_SECONDS:
            continue
        reason = Sentence(
            f"{NAMES[kind]} of the machine grew by {size(int(grown.rise) >> 10)}.", (_RESTS_MACHINE[kind],)
        )
        tool = "slabtop -s c; kmemleak where the kernel has it" if kind == "slab" else None
        yield Finding(None, "the machine", kind, _confidence(grown), grown.rate, int(grown.rise), grown.resolution,
                      grown.seconds, None, (reason,), tool)  # fmt: skip


def _of_group(group: GroupSeries, samples: Samples, own: list[Finding]) -> Finding:
    """Return what grew of what is charged to a cgroup; of its anonymous memory, what its processes are called."""
    found = of_process(group, samples)
    if found.verdict == "leak":
        rises: dict[str, int] = {}
        for one in own:
            rises[one.verdict] = rises.get(one.verdict, 0) + max(one.rise_bytes, 0)
        verdict = max(rises, key=rises.__getitem__, default="unknown")
        if rises.get(verdict, 0) < _MOST * found.rise_bytes:
            verdict, reason = "unknown", "No process that is there has most of it: those that came and went had it."
        else:
            reason = f"Its processes are called: {verdict}."
        more = max(round(found.seconds), 1) if verdict == "unknown" else None
        evidence = (found.evidence[0], Sentence(reason, found.evidence[0].rests_on))
        found = found._replace(verdict=verdict, evidence=evidence, next_tool=None, look_seconds_more=more)
    return found._replace(evidence=(*found.evidence, *_limit_evidence(group)))


def _limit_evidence(group: GroupSeries) -> Iterator[Sentence]:
    """Yield how far its limit is, and when it is reached at this rate."""
    if group.limit_bytes is None or not group.used.values:
        return
    used = group.used.values[-1]
    reason = f"{size(int(used) >> 10)} of {size(group.limit_bytes >> 10)} are charged"
    grown = _growth(group.used)
    if grown is not None and grown.is_growing and not grown.has_stopped:
        left_s = max(group.limit_bytes - used, 0) / grown.rate
        reason += f": at this rate the limit is reached in {left_s:,.0f} s"
    yield Sentence(f"{reason}.", group.anon_rows)


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
    if _GO_ARENA in process.maps:
        return "go"
    programs = (line.split(None, 5)[5] for line in process.maps.splitlines() if "/" in line and line.count(" ") >= 5)
    name = next(programs, "").strip().rpartition("/")[2]
    if name == "node" or name.startswith("python"):
        return name.rstrip("0123456789.")
    return ""


def _heap_evidence(process: ProcessSeries) -> tuple[Sentence, ...]:
    """Return what is known of its allocator, and what is not."""
    if "lazily freed" not in process.others:
        reason = "How much of it is lazily freed is not known: smaps_rollup was not read."
        return (Sentence(reason, process.anon_rows), *_allocator_evidence(process))
    return _allocator_evidence(process)


def _allocator_evidence(process: ProcessSeries) -> tuple[Sentence, ...]:
    if process.heap:
        last = process.heap[-1]
        reason = f"malloc has {size(last.free_bytes >> 10)} free: the growth is in use."
        return (Sentence(reason, ("proc/PID/mem",)),)
    if process.heap_unknown:
        return (Sentence(f"What its allocator has free is not known: {process.heap_unknown}.", ("proc/PID/mem",)),)
    return ()


def _rising(process: ProcessSeries, grown: Growth) -> Sentence:
    reason = (
        f"Anonymous memory and its swap rose by {size(int(grown.rise) >> 10)} in {grown.seconds:.0f} s, "
        f"{size(int(grown.rate * 60) >> 10)} a minute."
    )
    return Sentence(reason, process.anon_rows)


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


def _third(looks: list[HeapLook]) -> int:
    return max(len(looks) // 3, 1)


def _most_free(looks: list[HeapLook]) -> HeapLook:
    """Return the look at which most was free: while it works, what is about to be freed is in use."""
    return max(looks, key=lambda look: look.free_bytes)


def _growth(series: Series) -> Growth | None:
    try:
        return growth(series.times_s, series.values) if series.times_s else None
    except ValueError:
        return None
