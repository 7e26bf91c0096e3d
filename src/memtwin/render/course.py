"""A machine over time, as data for pictures: what RAM held, how full swap was, what was counted, what happened.

Time runs evenly while something happens. A long stretch in which nothing moves is drawn short.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOVED: Final = 0.002
"""Share of RAM by which a figure must move for something to happen."""
SHORT: Final = 0.04
"""Share of the busy time that an idle stretch takes in a picture."""
EVENTS: Final = {
    "X": "a process is killed", "E": "an operation fails", "F": "a swap area is full", "R": "reclaim begins",
    "W": "tasks wait for reclaim",
}  # fmt: skip
"""What letters under a picture mean; where several fall on one place, the first."""
_WATCHED: Final = ("MemFree", "SwapFree", "Cached", "Dirty", "AnonPages")


class Part(NamedTuple):
    """A part of a stack over time: its name, the group that coarser pictures show it in, and KiB at each time."""

    name: str
    group: str
    kib: tuple[int, ...]


class Area(NamedTuple):
    """A swap area: KiB in use and its size at each time, None where it is off."""

    name: str
    used_kib: tuple[int | None, ...]
    size_kib: tuple[int | None, ...]


class Happened(NamedTuple):
    """An event: when, a letter of :data:`EVENTS`, and what it was in words."""

    time_ns: int
    letter: str
    text: str = ""


class Course(NamedTuple):
    """What a machine did over time; times begin with 0, and every series has a value for each of them.

    *counts* are sums since the beginning, None where a sample lacks them. *is_idle* says of each stretch between two
    times whether nothing moved in it.
    """

    times_ns: tuple[int, ...]
    total_kib: int
    parts: tuple[Part, ...]
    areas: tuple[Area, ...]
    counts: Mapping[str, tuple[int | None, ...]]
    is_idle: tuple[bool, ...]
    events: tuple[Happened, ...]
    labels: tuple[tuple[int, str], ...]
    """Checkpoints: when, and their names."""


class Axis(NamedTuple):
    """Where times lie: *ends* are positions of samples, from 0 to *columns*; *idle* what is drawn short, in columns."""

    times: tuple[int, ...]
    ends: tuple[float, ...]
    columns: int
    idle: tuple[tuple[float, float], ...]

    def place(self, time_ns: int) -> float:
        """Return the position of a time."""
        number = min(max(bisect_right(self.times, time_ns) - 1, 0), len(self.times) - 2)
        begin, end = self.times[number : number + 2]
        share = min(max((time_ns - begin) / (end - begin), 0.0), 1.0) if end > begin else 0.0
        return self.ends[number] + share * (self.ends[number + 1] - self.ends[number])

    def at(self, time_ns: int) -> int:
        """Return the column of a time."""
        return min(int(self.place(time_ns)), self.columns - 1)

    def shown(self) -> list[int]:
        """Return the number of the sample that each column shows: the last that lies in it or before it."""
        return [max(bisect_right(self.ends, at + 1 - 1e-9) - 1, 0) for at in range(self.columns)]


def is_idle(before: Mapping[str, int], after: Mapping[str, int], total_kib: int) -> bool:
    """Return whether nothing moved between two samples, by rows of /proc/meminfo and the counter ``pgscan``."""
    quiet = all(abs(after.get(name, 0) - before.get(name, 0)) < MOVED * total_kib for name in _WATCHED)
    return quiet and after.get("pgscan") == before.get("pgscan")


def axis(times_ns: Sequence[int], idle: Sequence[bool], columns: int) -> Axis | None:
    """Return the axis of a course, or None where no time has passed."""
    spans = [(after - before, still) for (before, after), still in zip(pairwise(times_ns), idle, strict=True)]
    busy = sum(span for span, still in spans if not still)
    most = SHORT * busy if busy else float("inf")
    stretches: list[float] = []
    taken = 0.0
    for span, still in spans:  # idle seconds that follow each other are one stretch
        width = min(float(span), max(most - taken, 0.0)) if still else float(span)
        taken = taken + width if still else 0.0
        stretches.append(width)
    whole = sum(stretches)
    if not whole:
        return None
    ends = [0.0]
    for width in stretches:
        ends.append(ends[-1] + width / whole * columns)
    short = [(a, b) for (a, b), width, (span, _) in zip(pairwise(ends), stretches, spans, strict=True) if width < span]
    return Axis(tuple(times_ns), tuple(ends), columns, tuple(short))
