"""A trace: what ``memtwin record`` saved of a machine over time. Each of its samples is a source like a snapshot.

``host.trace@03:12`` is the machine at 03:12 of the last day that the trace has it, in local time. Other moments:
``2026-11-29T03:12:05``, ``-30s`` before the last sample, ``+5m`` after the first, ``first``, ``last``. The sample taken
is the last one at or before the moment. The files are :mod:`~memtwin.sources.frames` of
:mod:`~memtwin.sources.deltas`.
"""

from __future__ import annotations

import json
import os
import re
import time
from bisect import bisect_right
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.errors import RecordingError, quoted
from memtwin.files.inputs import why_not_read
from memtwin.sources.deltas import FileState
from memtwin.sources.frames import FAMILY, MAGICS, Unpacker, scan
from memtwin.sources.limits import is_inside
from memtwin.sources.opening import refuse
from memtwin.sources.source import SNAPSHOT, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memtwin.sources.frames import Frame

MAX_TRACE_BYTES: Final = 1 << 30
_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)", re.ASCII)
_CLOCK: Final = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d)[T ])?(\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
_MOMENTS: Final = "a moment is 03:12, 2026-11-29T03:12:05, -30s (before the last sample), +5m, first or last"
_DAY_MS: Final = 86_400_000
_WHILE_MS: Final = 10_000


class TraceSample(NamedTuple):
    """One sample of a walk: when, and the files as they then were (the state goes on with the walk)."""

    unix_ms: int
    boot_ms: int
    state: FileState


def duration_ms(word: str) -> int | None:
    """Return a duration such as ``1.5s``, ``10m`` or ``2h`` in milliseconds, or None if *word* is none.

    >>> duration_ms("1.5s"), duration_ms("10m"), duration_ms("ten")
    (1500, 600000, None)
    """
    match = _DURATION.fullmatch(word)
    return round(float(match[1]) * _UNITS_MS[match[2]]) if match else None


def is_trace(path: str | Path) -> bool:
    """Return whether the file at *path* begins as a trace does, of whatever version."""
    try:
        if not os.path.isfile(path) or why_not_read(str(path)):
            return False
        with open(path, "rb") as file:
            return file.read(len(FAMILY)) == FAMILY
    except (OSError, ValueError):
        return False


class Trace:
    """The samples of one file, by their times."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._data = self._read()
        found = scan(self._data)
        self.frames: tuple[Frame, ...] = found.frames
        self.damaged_bytes = found.damaged_bytes
        if not self.frames or not self.frames[0].is_key:
            raise RecordingError(self.path, "has no whole sample", hint="was its recorder killed at once?")

    @property
    def times_ms(self) -> tuple[int, ...]:
        """When each sample was taken, in milliseconds since 1970; a clock that was set back goes back here too."""
        return tuple(frame.unix_ms for frame in self.frames)

    @property
    def note(self) -> str | None:
        """What a reader should know: whether something of the file is lost."""
        if not self.damaged_bytes:
            return None
        return (
            f"{self.path}: {self.damaged_bytes:,} bytes are cut off or damaged; {len(self.frames):,} samples are whole"
        )

    def at(self, moment: str) -> Source:
        """Return the machine at *moment*, as a source."""
        index = self.index(moment)
        return _At(self, index, f"{self.path}@{moment}")

    def sample(self, number: int) -> Source:
        """Return the machine of a sample, as a source."""
        return _At(self, number, f"{self.path}@{number}")

    def index(self, moment: str) -> int:
        """Return the number of the last sample at or before *moment*; raise RecordingError for what is no moment."""
        times = self.times_ms
        if moment in {"first", "last"}:
            return 0 if moment == "first" else len(times) - 1
        wanted = self._unix_ms(moment)
        latest, earliest = max(times), min(times)
        if not earliest - 1000 < wanted < latest + _longest_gap(times) + 1000:
            span = f"it is from {_clock(earliest)} to {_clock(latest)}"
            raise RecordingError(self.path, f"has no sample of {quoted(moment)}", hint=span)
        ordered = sorted(range(len(times)), key=times.__getitem__)
        return ordered[max(bisect_right([times[i] for i in ordered], wanted) - 1, 0)]

    def walk(self, first: int = 0) -> Iterator[TraceSample]:
        """Yield the samples from number *first* on, each with one and the same state, which goes on with the walk."""
        begin = next(index for index in range(first, -1, -1) if self.frames[index].is_key)
        state, unpacker = FileState(), Unpacker(self._data)
        for number, frame in enumerate(self.frames[begin:], begin):
            try:
                state.apply(unpacker.unpack(frame))
            except ValueError as problem:
                raise RecordingError(self.path, f"sample {number + 1} is damaged: {problem}") from None
            if number >= first:
                yield TraceSample(frame.unix_ms, state.boot_ms, state)

    def _read(self) -> bytes:
        refuse(self.path)
        try:
            with open(self.path, "rb") as file:
                data = file.read(MAX_TRACE_BYTES + 1)
        except OSError as problem:
            raise RecordingError(self.path, problem.strerror or str(problem)) from problem
        if len(data) > MAX_TRACE_BYTES:
            raise RecordingError(self.path, "is larger than 1 GiB", hint="record with --max-size")
        if not data.startswith(MAGICS):
            if data.startswith(FAMILY):
                version = data[len(FAMILY) : len(FAMILY) + 8].split(b"\n")[0].decode(errors="replace")
                raise RecordingError(self.path, f"is a trace of version {version}; this memtwin reads 1 and 2")
            raise RecordingError(self.path, "is not a trace", hint="memtwin record makes one")
        return data

    def _unix_ms(self, moment: str) -> int:
        """Return what *moment* is in milliseconds since 1970."""
        times = self.times_ms
        away = duration_ms(moment[1:])
        if away is not None and moment[:1] in {"+", "-"}:
            return max(times) - away if moment[0] == "-" else min(times) + away
        match = _CLOCK.fullmatch(moment)
        if match is None:
            raise RecordingError(self.path, f"{quoted(moment)} is no moment", hint=_MOMENTS)
        last = datetime.fromtimestamp(max(times) / 1000)
        try:
            date = (int(match[1]), int(match[2]), int(match[3])) if match[1] else (last.year, last.month, last.day)
            at = round(datetime(*date, int(match[4]), int(match[5]), int(match[6] or 0)).timestamp() * 1000)
        except (OverflowError, ValueError):
            raise RecordingError(self.path, f"{quoted(moment)} is no moment", hint=_MOMENTS) from None
        return at - _DAY_MS if not match[1] and at > max(times) + _longest_gap(times) else at


class _At(Source):
    """The machine of one sample."""

    def __init__(self, trace: Trace, index: int, name: str) -> None:
        super().__init__(name)
        sample = next(trace.walk(index))
        self._trace, self._index = trace, index
        self._state, self._unix_ms = sample.state, sample.unix_ms
        self.note = trace.note
        self._children: dict[str, set[str]] = {}
        for path in self._state.paths():
            parent = ""
            for child in path.split("/"):
                self._children.setdefault(parent, set()).add(child)
                parent = f"{parent}/{child}".lstrip("/")

    @property
    def before(self) -> Source | None:
        """The last sample that is 10 s older, else the first."""
        if not self._index:
            return None
        times = self._trace.times_ms[: self._index]
        number = max((i for i, time in enumerate(times) if time <= self._unix_ms - _WHILE_MS), default=0)
        return _At(self._trace, number, f"{self._trace.path}@{number}")

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of what lies directly under the directory *path*; none if it is absent."""
        return sorted(self._children.get(path.strip("/"), ()))

    def _bytes(self, path: str) -> bytes:
        if path == SNAPSHOT:
            return facts(self._state.meta, self._state.unread, self._unix_ms)
        found = self._state.text(path) if is_inside(path) else None
        if found is None:
            raise FileNotFoundError(path)
        return found


def facts(meta: dict[str, Any], unread: dict[str, str], unix_ms: int) -> bytes:
    """Return ``snapshot.json`` of a sample: what no file of /proc says."""
    facts = {name: meta.get(name) for name in ("memtwin", "kernel", "page_bytes", "ticks_per_s")}
    return json.dumps(facts | {"taken_unix_ms": unix_ms, "unread": unread}, default=str).encode()


def _longest_gap(times: tuple[int, ...]) -> int:
    """Return how long after the last sample a moment may lie: as long as ten usual intervals, at least a minute."""
    usual = sorted(after - before for before, after in pairwise(times))
    return max(usual[len(usual) // 2] * 10 if usual else 0, 60_000)


def _clock(unix_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(unix_ms / 1000))
