"""Who waited: stalls of allocations, reclaim by kswapd and by the tasks apart, memory pressure and compaction.

Huge pages are measured in the same way: how many there are, and what became of them.

How often a task had to reclaim for itself depends on the microsecond at which a thread gets the CPU, so two runs of the
same kernel differ, and these figures have a measure of their own::

    error = distance from the range of the real runs / max(middle of that range, floor)       at most 1

A figure's error is the mean over the checkpoints at which it says something: where it lies below its floor in the real
runs and in the twin's, nothing happened and nothing is compared.  The **control** is what the kernel gets by the same
measure: each real run against the others, and the mean of that.  With two real runs the others are a single one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final

from memtwin.procfs.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.sources.recording import Recording
    from memtwin.sources.source import Source

STALLED: Final = ("allocstall", "psi_some", "psi_full")
"""The figures that have a bar: the control, and MARGIN."""
MARGIN: Final = 0.10
HUGE_FLOOR: Final = 8.0
HUGE_FLOORS: Final = dict.fromkeys(
    (
        "nr_anon_transparent_hugepages", "thp_fault_alloc", "thp_fault_fallback", "thp_collapse_alloc",
        "thp_split_page", "thp_split_pmd", "thp_deferred_split_page", "thp_swpout", "thp_swpout_fallback",
    ),
    HUGE_FLOOR,
)  # fmt: skip
"""What is compared of huge pages, and below how many nothing happened."""


@dataclass(frozen=True, slots=True)
class Stall:
    """One figure of a scenario: the mean error of the twin and the control's, as shares."""

    figure: str
    checkpoints: int
    """At how many it was compared."""
    twin: float
    control: float | None
    """None: there is one real run only."""
    low: int
    high: int
    """The real runs' range at the last checkpoint, since boot."""
    own: int
    """The twin's there."""

    @property
    def within(self) -> bool:
        """Whether the twin is as near as a real run that was left out, and ten points."""
        return self.control is None or self.twin <= self.control + MARGIN


def _floors() -> dict[str, float]:
    """Return what is compared, and below how much of it nothing happened."""
    return {name: counter.stall_floor for name, counter in COUNTERS.items() if counter.stall_floor is not None}


def stalls(reals: Sequence[Recording], twin: Recording) -> tuple[Stall, ...]:
    """Return each figure with a floor that says something in *reals* or *twin*, in the table's order."""
    return _compared(reals, twin, _floors())


def huge_pages(reals: Sequence[Recording], twin: Recording) -> tuple[Stall, ...]:
    """Return each figure of huge pages that says something in *reals* or *twin*."""
    return _compared(reals, twin, HUGE_FLOORS)


def _compared(reals: Sequence[Recording], twin: Recording, floors: dict[str, float]) -> tuple[Stall, ...]:
    labels = [label for label in reals[0].checkpoints if label != "boot"]
    runs = [[_since_boot(run, label, floors) for label in labels] for run in (*reals, twin)]
    found = (_stall(name, [_column(run, name) for run in runs], floor) for name, floor in floors.items())
    return tuple(one for one in found if one)


def _stall(name: str, runs: list[list[int | None]], floor: float) -> Stall | None:
    """Compare the last of *runs*, the twin's, with the others; None: nothing happened, or a run lacks the figure."""
    *reals, own = runs
    compared = [error for error in _errors(reals, own, floor) if error is not None]
    if not compared:
        return None
    ends = [run[-1] or 0 for run in reals]
    return Stall(name, len(compared), fmean(compared), _control(reals, floor), min(ends), max(ends), own[-1] or 0)


def _control(reals: list[list[int | None]], floor: float) -> float | None:
    if len(reals) < 2:
        return None
    rounds = []
    for left_out, run in enumerate(reals):
        others = [other for number, other in enumerate(reals) if number != left_out]
        rounds += [error for error in _errors(others, run, floor) if error is not None]
    return fmean(rounds) if rounds else 0.0


def _errors(reals: list[list[int | None]], own: list[int | None], floor: float) -> Iterable[float | None]:
    for *values, value in zip(*reals, own, strict=True):
        there = [real for real in values if real is not None]
        yield None if value is None or len(there) < len(values) else error(min(there), max(there), value, floor)


def error(low: int, high: int, value: int, floor: float) -> float | None:
    """Return the distance of *value* from *low*..*high* over the middle, at most 1; None: all are below *floor*.

    >>> error(80, 120, 130, 16.0), error(0, 1, 9, 16.0), error(0, 0, 400, 16.0)
    (0.1, None, 1.0)
    """
    if max(high, value) < floor:
        return None
    nearest = min(max(value, low), high)
    return min(abs(value - nearest) / max((low + high) / 2, floor), 1.0)


def _column(run: list[dict[str, int]], name: str) -> list[int | None]:
    return [figures.get(name) for figures in run]


def _since_boot(run: Recording, label: str, floors: dict[str, float]) -> dict[str, int]:
    if label not in run.checkpoints:
        return {}
    before = _figures(run.at("boot"), floors) if "boot" in run.checkpoints else {}
    return {name: value - before.get(name, 0) for name, value in _figures(run.at(label), floors).items()}


def _figures(source: Source, floors: dict[str, float]) -> dict[str, int]:
    """Return the figures with a floor that *source* has."""
    found: dict[str, int] = {}
    for line in (source.read("proc/vmstat") or "").splitlines():
        name, _, value = line.partition(" ")
        name = "allocstall" if name.startswith("allocstall_") else name
        if name in floors and value.isdigit():
            found[name] = found.get(name, 0) + int(value)
    for state, total in re.findall(r"^(some|full) .*total=(\d+)$", source.read("proc/pressure/memory") or "", re.M):
        found[f"psi_{state}"] = int(total)
    return found
