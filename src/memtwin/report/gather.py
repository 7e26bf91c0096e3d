"""Read what a report shows: a run, a recording, a trace, or a machine at one moment."""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memtwin.errors import RecordingError
from memtwin.oom.read.parse import events_of
from memtwin.oom.read.shape import restored
from memtwin.oom.tell import headline
from memtwin.oom.why.analysis import analyses
from memtwin.procfs import buddyinfo, meminfo, swaps, uptime, vmstat, zoneinfo
from memtwin.procfs.pid import smaps_rollup, statm, status
from memtwin.render.course import Happened
from memtwin.render.words import count
from memtwin.report import readings
from memtwin.report.gathered import MOST_MOMENTS, Gathered, Moment, Task
from memtwin.sources.frame_map import kept, order_to_keep
from memtwin.sources.host import host
from memtwin.sources.processes import are_kept, processes
from memtwin.sources.recording import Recording, resolve, runs_in
from memtwin.sources.source import load
from memtwin.sources.trace import Trace, is_trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.course import Course
    from memtwin.report.gathered import Sort
    from memtwin.sources.frame_map import FrameMap
    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

_MOST_KILLS: Final = 50
_NS_PER_CS: Final = 10_000_000
_MARKS: Final = ("run.json", "ops.jsonl")


def gather(spec: str) -> Gathered:
    """Read what *spec* names: a run or recording, a trace, or one moment as ``--root`` names it."""
    if is_trace(spec):
        return _of_trace(Trace(spec))
    recording, notes = _recording(spec)
    return _of_moment(spec) if recording is None else _of_recording(recording, notes)


def _recording(spec: str) -> tuple[Recording | None, tuple[str, ...]]:
    """Open a run or a recording; of a directory with several runs of one scenario the first; None: it is neither."""
    path = Path(spec)
    if path.is_dir() and not any((path / mark).exists() for mark in _MARKS) and (runs := runs_in(spec)):
        return Recording(runs[0]), (f"{spec} holds {count(len(runs), 'run')} of one scenario: this is {runs[0].name}",)
    if path.is_dir() and not any((path / mark).exists() for mark in _MARKS):
        return None, ()
    if path.is_file() and ".tar" not in path.suffixes:
        return None, ()
    if not path.exists():
        return None, ()
    try:
        return Recording(spec), ()
    except RecordingError as problem:
        if path.is_file() and "run.json is missing" in str(problem):
            return None, ()
        raise


def _of_moment(spec: str) -> Gathered:
    source = resolve(spec)
    source.name, source.lenient = spec, True
    moment = moment_of(source, spec, None)
    notes = (source.note,) if source.note else ()
    return Gathered(
        source.owner, "moment", host(source).kernel, None, (moment,), None, (), tuple(_lacking((moment,), None)), notes
    )


def _of_recording(recording: Recording, notes: tuple[str, ...]) -> Gathered:
    sources = {label: recording.at(label) for label in recording.checkpoints}
    for source in sources.values():
        source.lenient = True
    read = readings.of_run(recording)
    ends = _ends(read)
    times = _times(recording, sources, ends)
    sort: Sort = "run" if read else "recording"
    if not read:
        read = [readings.of_source(time_ns, sources[label]) for label, time_ns in times.items()]
        ends = _summed(recording, read[0].time_ns, read[-1].time_ns) if read else []
    labels = [(time_ns, label) for label, time_ns in times.items() if label != "boot"]
    course = None
    if len(read) > 1:
        course = readings.course(read, _total(sources, read), _outcomes(recording, ends), labels)
    begin = read[0].time_ns if read else 0
    moments = tuple(
        moment_of(sources[label], label, times[label] - begin if label in times else None)
        for label in _some(list(sources))
    )
    done = [op.get("outcome") for op in recording.ops]
    return Gathered(
        recording.path, sort, host(next(iter(sources.values()))).kernel, course, moments,
        (len(done), sum(outcome != "ok" for outcome in done)), _kills(recording.dmesg),
        tuple(_lacking(moments, course)), notes,
    )  # fmt: skip


def _times(recording: Recording, sources: dict[str, Source], ends: Sequence[int]) -> dict[str, int]:
    """Return when each checkpoint was taken: at the end of its operation; without a time line by its /proc/uptime."""
    if not ends:
        up = {label: load(source, uptime) for label, source in sources.items()}
        return {label: at.up_cs * _NS_PER_CS for label, at in up.items() if at is not None}
    found = {"boot": ends[0]}
    for op, end in zip(recording.ops, ends[1:], strict=False):
        verb, _, label = str(op.get("op", "")).partition(" ")
        if verb == "checkpoint" and label in sources:
            found[label] = end
    return found


def _ends(read: Sequence[readings.Reading]) -> list[int]:
    """Return the beginning of a run and the end of each operation: the first sample with so many operations done."""
    found: dict[int, int] = {}
    for one in read:
        found.setdefault(one.rows.get("ops_done", 0), one.time_ns)
    return [found[number] for number in sorted(found)]


def _summed(recording: Recording, begin_ns: int, last_ns: int) -> list[int]:
    """Return the same of a recording that has no time line, by how long each operation took."""
    took = (int(op.get("us", 0)) * 1000 for op in recording.ops)
    return [min(at, last_ns) for at in accumulate(took, initial=begin_ns)]


def _total(sources: dict[str, Source], read: Sequence[readings.Reading]) -> int:
    for source in sources.values():
        memory = load(source, meminfo)
        if memory is not None and memory.get("MemTotal"):
            return memory["MemTotal"]
    return max(one.rows.get("MemFree", 0) for one in read)


def _outcomes(recording: Recording, ends: Sequence[int]) -> Iterator[Happened]:
    """Yield which operations did not succeed, and which processes were killed, at the end of each."""
    for op, end in zip(recording.ops, ends[1:], strict=False):
        killed = [str(death["name"]) for death in op.get("deaths", ())] if op.get("d", {}).get("oom_kill") else []
        if killed:
            yield Happened(end, "X", f"{', '.join(killed)} killed: {op.get('op', '')}")
        elif op.get("outcome") != "ok":
            yield Happened(end, "E", f"{op.get('outcome')}: {op.get('op', '')}")


def _of_trace(trace: Trace) -> Gathered:
    read = list(readings.of_trace(trace))
    total = max((one.rows.get("MemTotal", 0) for one in read), default=0)
    kills = (
        Happened(after.time_ns, "X", f"{count(more, 'process')} killed")
        for before, after in pairwise(read)
        if (more := after.counters.get("oom_kill", 0) - before.counters.get("oom_kill", 0)) > 0
    )
    course = readings.course(read, total, kills, ()) if total and len(read) > 1 else None
    shown = _of_interest(read)
    moments = []
    for number in shown:
        source = trace.sample(number)
        source.lenient = True
        time_ns = read[number].time_ns - read[0].time_ns
        moments.append(moment_of(source, _clock(read[number].time_ns), time_ns))
    notes = (trace.note,) if trace.note else ()
    return Gathered(
        trace.path, "trace", host(trace.sample(0)).kernel, course, tuple(moments), None, (),
        tuple(_lacking(moments, course)), notes,
    )  # fmt: skip


def _of_interest(read: Sequence[readings.Reading]) -> list[int]:
    """Return the numbers of samples that are shown in full: evenly spread, and where least was available."""
    last = len(read) - 1
    even = {round(last * place / (MOST_MOMENTS - 2)) for place in range(MOST_MOMENTS - 1)}
    shortest = min(range(len(read)), key=lambda number: read[number].rows.get("MemAvailable", 1 << 62))
    return sorted(even | {shortest})


def _clock(time_ns: int) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns / 1e9))


def _some(labels: list[str]) -> list[str]:
    half = MOST_MOMENTS // 2
    return labels if len(labels) <= MOST_MOMENTS else labels[:half] + labels[-half:]


def moment_of(source: Source, label: str, time_ns: int | None) -> Moment:
    """Read a machine at one moment in full."""
    tasks = tuple(sorted(_tasks(source), key=lambda one: -(one.rss_kib + (one.swap_kib or 0))))
    return Moment(
        label, time_ns, host(source).page_kib, load(source, meminfo), load(source, vmstat), load(source, swaps),
        readings.compressed_kib(source), load(source, zoneinfo), load(source, buddyinfo),
        tasks if are_kept(source) else None, _frames(source),
    )  # fmt: skip


def _frames(source: Source) -> FrameMap | None:
    """Return the map of memory: that which a checkpoint keeps, or this host's, which root may read."""
    zones = load(source, zoneinfo) if source.is_live else None
    if zones is None:
        return kept(source)
    return source.frame_map(order_to_keep(sum(zone.spanned for zone in zones.zones)))


def _tasks(source: Source) -> Iterator[Task]:
    """Yield the processes with memory of their own."""
    page_kib = host(source).page_kib
    for process in processes(source):
        record = process.load(status)
        rss = None if record is None else record.kib("VmRSS")
        if record is not None and rss is not None:
            rows = [record.kib(name) for name in ("RssFile", "RssShmem")]
            known = [int(row) for row in rows if row is not None]
            swap = record.kib("VmSwap")
            yield Task(
                process.pid, process.name, int(rss), sum(known) if known else None,
                None if swap is None else int(swap), _pss_kib(process),
            )  # fmt: skip
        elif (pages := process.load(statm)) is not None and pages.resident:
            yield Task(process.pid, process.name, pages.resident * page_kib, pages.shared * page_kib, None, None)


def _pss_kib(process: SourceProcess) -> int | None:
    rollup = process.load(smaps_rollup)
    share = None if rollup is None else rollup.rows.get("Pss")
    return None if share is None else int(share)


def _kills(log: str | None) -> tuple[str, ...]:
    """Return each kill of a kernel log in words."""
    if log is None:
        return ()
    found = [headline(one) for one in analyses(events_of(restored(log.split("\n"))))]
    return tuple(found[:_MOST_KILLS])


def _lacking(moments: Sequence[Moment], course: Course | None) -> Iterator[str]:
    """Yield what is in none of *moments*, or not in the course, in words."""
    for what, is_there in (
        ("/proc/meminfo", any(one.memory is not None for one in moments)),
        ("/proc/zoneinfo: no watermarks", any(one.zones is not None for one in moments)),
        ("/proc/buddyinfo: no free blocks", any(one.blocks is not None for one in moments)),
        ("processes", any(one.tasks is not None for one in moments)),
        ("a map of frames, which runs of the model and this host have", any(one.frames is not None for one in moments)),
    ):
        if not is_there:
            yield what
    if course is None:
        return
    if "psi_some" not in course.counts:
        yield "how long tasks waited for memory"
    has_swap = any(one.memory is not None and one.memory.get("SwapTotal") for one in moments)
    if has_swap and not course.areas:
        yield "how full each swap area was over time"
