"""Which figures the real runs of a scenario agree on, and how near the twin is to those.

Where tasks run side by side two runs of the same kernel differ more than elsewhere.  A figure whose real runs differ by
more than a third is reported and not judged.  The **control** is a real run that is left out and held against the
others as the twin is held against all.

Load averages and pressure depend on how fast the machine was at the time: they are judged where the real runs agree
within 20 %, and there the twin is inside their range or at most 10 % beside it.
"""

from __future__ import annotations

import re
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.study.validate import Score, floors_of, quantile, score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.sources.recording import Recording
    from memtwin.sources.source import Source
    from memtwin.study.validate import ScoreRow

WIDEST: Final = 1 / 3
"""How far apart the real runs of a judged figure are at most, as a share of the greatest."""
WIDEST_WAIT: Final = 0.2
"""The same of a load average or a pressure total."""
BESIDE: Final = 0.1
"""How far beside the real runs' range the twin's load or pressure may be, as a share of the range's end."""
_WAITS: Final = ("memory", "io", "cpu")
_FLOORS: Final = {"load": 10, "pressure": 20_000}
"""Hundredths of a task, microseconds: a figure that is below in every run says nothing."""


class Agreed(NamedTuple):
    """The figures that the real runs agree on: how many, of how many, and the errors of twin and control."""

    judged: int
    compared: int
    mean: float
    p90: float
    control_mean: float | None
    """None: there are too few real runs to leave one out."""
    control_p90: float | None
    waits: tuple[Wait, ...]
    """Load averages and pressure."""

    @property
    def waits_judged(self) -> tuple[Wait, ...]:
        """Those that the real runs agree on."""
        return tuple(wait for wait in self.waits if wait.is_judged)


class Wait(NamedTuple):
    """A load average in hundredths or a pressure total in microseconds since boot, at a checkpoint."""

    checkpoint: str
    figure: str
    low: int
    high: int
    twin: int

    @property
    def is_judged(self) -> bool:
        """Whether the real runs agree within 20 %."""
        return self.high - self.low <= WIDEST_WAIT * self.high

    @property
    def is_inside(self) -> bool:
        """Whether the twin is in the range of the real runs, or at most 10 % beside it."""
        return self.low * (1 - BESIDE) <= self.twin <= self.high * (1 + BESIDE)


def agreed(reals: Sequence[Recording], twin: Recording, verdict: Score) -> Agreed:
    """Hold *twin* against what *reals* agree on; *verdict* is its score."""
    errors = steady(verdict.rows, reals[0])
    controls = [
        errors_of_one
        for number, left_out in enumerate(reals)
        if len(reals) > 2
        for others in [[real for place, real in enumerate(reals) if place != number]]
        for errors_of_one in [steady(score(others, left_out).rows, reals[0])]
    ]
    return Agreed(
        len(errors),
        verdict.compared,
        _mean(errors),
        quantile(errors, 0.9),
        fmean(map(_mean, controls)) if controls else None,
        fmean(quantile(each, 0.9) for each in controls) if controls else None,
        tuple(waits(reals, twin)),
    )


def steady(rows: Iterable[ScoreRow], real: Recording) -> list[float]:
    """Return the errors of the figures whose real runs differ by a third at most."""
    floors = floors_of(real)
    return [
        row.error
        for row in rows
        if row.error is not None and row.high - row.low <= WIDEST * max(abs(row.high), floors[row.kind])
    ]


def _mean(errors: Sequence[float]) -> float:
    return fmean(min(error, 1.0) for error in errors) if errors else 0.0


def waits(reals: Sequence[Recording], twin: Recording) -> Iterable[Wait]:
    """Yield load averages and pressure of each checkpoint after ``boot`` that say something."""
    boots = [_waits(run.at("boot")) if "boot" in run.checkpoints else {} for run in (*reals, twin)]
    for label in reals[0].checkpoints:
        if label == "boot" or any(label not in run.checkpoints for run in (*reals, twin)):
            continue
        found = [_since(boot, _waits(run.at(label))) for run, boot in zip((*reals, twin), boots, strict=True)]
        for name in sorted(set.intersection(*map(set, found))):
            *values, own = (figures[name] for figures in found)
            if max(*values, own) >= _FLOORS[name.split()[0]]:
                yield Wait(label, name, min(values), max(values), own)


def _since(boot: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    return {name: value - boot.get(name, 0) if name[0] == "p" else value for name, value in now.items()}


def _waits(source: Source) -> dict[str, int]:
    found: dict[str, int] = {}
    words = (source.read("proc/loadavg") or "").split()
    for minutes, word in zip((1, 5, 15), words, strict=False):
        found[f"load {minutes}"] = round(float(word) * 100)
    for resource in _WAITS:
        text = source.read(f"proc/pressure/{resource}") or ""
        for state, total in re.findall(r"^(some|full) .*total=(\d+)$", text, re.M):
            found[f"pressure {resource} {state}"] = int(total)
    return found
