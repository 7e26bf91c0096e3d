"""What is read of a machine at many times: rows, counters, swap areas and pressure, and the course that they make."""

from __future__ import annotations

import csv
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from memtwin.errors import NotBuiltError, RecordingError
from memtwin.procfs import meminfo, pressure, swaps, vmstat
from memtwin.procfs.kinds import KINDS, kinds
from memtwin.render.course import EVENTS, Area, Course, Happened, Part, is_idle
from memtwin.sources.source import Source, load
from memtwin.sysfs.zram import mm_stat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from memtwin.sources.deltas import FileState
    from memtwin.sources.recording import Recording
    from memtwin.sources.trace import Trace

COUNTED = ("pgfault", "pgmajfault", "pswpin", "pswpout", "psi_some", "psi_full", "allocstall", "oom_kill")
"""What a course counts: events of /proc/vmstat, microseconds of /proc/pressure/memory."""


class Reading(NamedTuple):
    """A machine at one time: KiB of /proc/meminfo, counters since boot, the swap areas that are on (used, size)."""

    time_ns: int
    rows: Mapping[str, int]
    counters: Mapping[str, int]
    areas: Mapping[str, tuple[int, int]]
    compressed_kib: int = 0


def course(
    readings: Sequence[Reading], total_kib: int, events: Iterable[Happened], labels: Iterable[tuple[int, str]]
) -> Course:
    """Return the course that *readings* make; *events* and *labels* are in the readings' time."""
    first = readings[0].time_ns
    stacks = [kinds(one.rows, total_kib, one.compressed_kib) for one in readings]
    figures = [{**one.rows, "pgscan": one.counters.get("pgscan", 0)} for one in readings]
    happened = sorted([*events, *_noticed(readings)])
    return Course(
        tuple(one.time_ns - first for one in readings),
        total_kib,
        tuple(Part(*kind, tuple(stack[at] for stack in stacks)) for at, kind in enumerate(KINDS)),
        tuple(_areas(readings)),
        {name: _since(readings, name) for name in COUNTED if any(name in one.counters for one in readings)},
        tuple(is_idle(before, after, total_kib) for before, after in pairwise(figures)),
        tuple(event._replace(time_ns=event.time_ns - first) for event in happened),
        tuple((time_ns - first, label) for time_ns, label in labels),
    )


def _since(readings: Sequence[Reading], name: str) -> tuple[int | None, ...]:
    begin = readings[0].counters.get(name, 0)
    return tuple(None if name not in one.counters else max(one.counters[name] - begin, 0) for one in readings)


def _areas(readings: Sequence[Reading]) -> Iterator[Area]:
    for name in dict.fromkeys(name for one in readings for name in one.areas):
        found = [one.areas.get(name) for one in readings]
        yield Area(name, tuple(use and use[0] for use in found), tuple(use and use[1] for use in found))


def _noticed(readings: Sequence[Reading]) -> Iterator[Happened]:
    """Yield what the counters and areas show by themselves."""
    full: set[str] = set()
    reclaims = False
    for before, after in pairwise(readings):
        scanned = after.counters.get("pgscan", 0) > before.counters.get("pgscan", 0)
        if scanned and not reclaims:
            yield Happened(after.time_ns, "R", EVENTS["R"])
        reclaims = reclaims or scanned
        if after.counters.get("allocstall", 0) > before.counters.get("allocstall", 0):
            yield Happened(after.time_ns, "W", EVENTS["W"])
        now = {name for name, (used, size) in after.areas.items() if size and used >= size}
        yield from (Happened(after.time_ns, "F", f"{name} is full") for name in sorted(now - full))
        full = now


def of_source(time_ns: int, source: Source) -> Reading:
    """Return the reading of a machine at one moment."""
    memory: Mapping[str, int] = load(source, meminfo) or {}
    counters = dict(load(source, vmstat) or {})
    stalls = [value for name, value in counters.items() if name.startswith("allocstall_")]
    scans = [counters[name] for name in ("pgscan_kswapd", "pgscan_direct") if name in counters]
    counters |= {name: sum(parts) for name, parts in (("allocstall", stalls), ("pgscan", scans)) if parts}
    waited = load(source, pressure, resource="memory")
    if waited is not None:
        counters |= {f"psi_{name}": one.total_us for name, one in (("some", waited.some), ("full", waited.full)) if one}
    areas = load(source, swaps)
    on = {} if areas is None else {one.filename: (int(one.used_kib), int(one.size_kib)) for one in areas.areas}
    return Reading(time_ns, memory, counters, on, compressed_kib(source) + memory.get("Zswap", 0))


def compressed_kib(source: Source) -> int:
    """Return the RAM that zram devices take."""
    devices = [name for name in source.names("sys/block") if name.startswith("zram")]
    stats = [load(source, mm_stat, device=name) for name in devices]
    return sum(int(stat.mem_used_total) >> 10 for stat in stats if stat is not None)


class _Walked(Source):
    """The files of the sample that a walk through a trace has come to."""

    def __init__(self, name: str, state: FileState) -> None:
        super().__init__(name)
        self._state, self.lenient = state, True

    def names(self, path: str = "") -> list[str]:
        """Return the names below *path*."""
        prefix = f"{path.strip('/')}/"
        found = {one[len(prefix) :].split("/")[0] for one in self._state.paths() if one.startswith(prefix)}
        return sorted(found)

    def _bytes(self, path: str) -> bytes:
        found = self._state.text(path)
        if found is None:
            raise FileNotFoundError(path)
        return found


def of_trace(trace: Trace) -> Iterator[Reading]:
    """Yield the reading of each sample, in nanoseconds since 1970."""
    for sample in trace.walk():
        yield of_source(sample.unix_ms * 1_000_000, _Walked(trace.path, sample.state))


def of_run(recording: Recording) -> list[Reading]:
    """Return the readings of a run's ``timeline.csv``, or ``timeline.parquet``; none where it has neither."""
    columns = _columns(recording)
    if not columns:
        return []
    areas = _areas_over_time(recording)
    found: list[Reading] = []
    at = 0
    on: Mapping[str, tuple[int, int]] = {}
    for number, time_ns in enumerate(columns["time_ns"]):
        row = {name: values[number] for name, values in columns.items()}
        while at < len(areas) and areas[at][0] <= time_ns:
            on = areas[at][1]
            at += 1
        found.append(Reading(time_ns, row, row, on, row.get("compressed", 0)))
    return found


def _columns(recording: Recording) -> dict[str, list[int]]:
    text = recording.read("timeline.csv")
    found = _parquet(recording) if text is None else _csv(recording, text)
    if found and "time_ns" not in found:
        raise RecordingError(recording.path, "the time line has no column time_ns")
    return found


def _csv(recording: Recording, text: str) -> dict[str, list[int]]:
    rows = list(csv.reader(text.splitlines()))
    try:
        columns = [[int(cell) for cell in column] for column in zip(*rows[1:], strict=True)]
        return dict(zip(rows[0], columns, strict=True)) if columns else {}
    except ValueError as problem:
        raise RecordingError(recording.path, f"timeline.csv is damaged: {problem}") from None


def _parquet(recording: Recording) -> dict[str, list[int]]:
    import io

    data = recording.read("timeline.parquet")
    if data is None:
        return {}
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise NotBuiltError(
            f"{recording.path}: timeline.parquet needs pyarrow", hint="pip install 'memtwin[data]'"
        ) from None
    try:
        found: dict[str, list[int]] = parquet.read_table(io.BytesIO(data.encode(errors="surrogateescape"))).to_pydict()
    except ArrowException as problem:
        raise RecordingError(recording.path, f"timeline.parquet is damaged: {problem}") from None
    return found


def _areas_over_time(recording: Recording) -> list[tuple[int, dict[str, tuple[int, int]]]]:
    """Return when the areas that are on changed, and what they then were."""
    found: dict[int, dict[str, tuple[int, int]]] = {}
    text = recording.read("swap_areas.csv")
    try:
        for row in list(csv.reader((text or "").splitlines()))[1:]:
            time_ns, name, used, size = row
            on = found.setdefault(int(time_ns), {})
            if name:
                on[name] = (int(used), int(size))
    except ValueError as problem:
        raise RecordingError(recording.path, f"swap_areas.csv is damaged: {problem}") from None
    return sorted(found.items())
