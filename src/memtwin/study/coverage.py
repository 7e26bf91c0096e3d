"""How often an ensemble's range holds what real runs did, and how wide it is beside theirs.

A figure's range is from the lowest to the highest of the ensemble's runs, and never narrower than :data:`RESOLUTION`
to either side of their median: the model does not claim to know a figure more exactly, and where its runs agree to the
page two kernels do not. Figures, counts since boot and floors are those of ``validate.py``; a figure below its floor in
all runs says nothing and is left out.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.study.validate import Kind, floors_of, since_boot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.sources.recording import Recording

RESOLUTION: Final[dict[Kind, float]] = {"size": 0.0075, "score": 0.0075, "count": 0.015}
"""By kind of figure: of it, or of its floor where that is more, to either side.

Chosen on twenty recordings: for counts of events the widest with which ranges are at most three times as wide as those
of the real runs in the median.
"""


class Range(NamedTuple):
    """A figure of a checkpoint: what the real runs have, and the ensemble's range, with the resolution and without."""

    checkpoint: str
    figure: str
    reals: tuple[int, ...]
    low: float
    high: float
    bare_low: int
    bare_high: int
    floor: float


class Coverage(NamedTuple):
    """Shares of the real runs' figures inside, and widths; None: no figure of that kind."""

    figures: int
    inside: float | None
    """With the resolution."""
    bare: float | None
    """Between the lowest and the highest run."""
    width: float | None
    """Where the real runs differ: the median of the range's width over theirs."""
    quiet: float | None
    """Elsewhere: the median of the range's width over the figure."""


def ranges(reals: Sequence[Recording], ensemble: Sequence[Recording]) -> Iterator[Range]:
    """Yield each figure that all runs have, at each checkpoint of the first real run."""
    floors = floors_of(reals[0])
    for checkpoint in reals[0].checkpoints:
        if checkpoint == "boot" or any(checkpoint not in run.checkpoints for run in (*reals, *ensemble)):
            continue
        real, own = ([since_boot(run, checkpoint) for run in runs] for runs in (reals, ensemble))
        for name, (kind, _) in real[0].items():
            if any(name not in run for run in (*real, *own)):
                continue
            theirs, ours = (tuple(run[name].value for run in runs) for runs in (real, own))
            if max(map(abs, (*theirs, *ours))) >= floors[kind]:
                low, high = _widened(ours, floors[kind], RESOLUTION[kind])
                yield Range(checkpoint, name, theirs, low, high, min(ours), max(ours), floors[kind])


def _widened(ours: tuple[int, ...], floor: float, resolution: float) -> tuple[float, float]:
    """Return the range of some values, no narrower than the resolution to either side of their median."""
    middle = median(ours)
    least = resolution * max(abs(middle), floor)
    return min(*ours, middle - least), max(*ours, middle + least)


def coverage(found: Sequence[Range]) -> Coverage:
    """Return what the ranges come to.

    >>> coverage([Range("end", "MemFree", (100, 102), 99, 103, 101, 101, 1)])
    Coverage(figures=1, inside=1.0, bare=0.0, width=2.0, quiet=None)
    """
    inside = [one.low <= real <= one.high for one in found for real in one.reals]
    bare = [one.bare_low <= real <= one.bare_high for one in found for real in one.reals]
    spreads = [(one, max(one.reals) - min(one.reals)) for one in found]
    width = [(one.high - one.low) / spread for one, spread in spreads if spread]
    quiet = [(one.high - one.low) / max(abs(one.reals[0]), one.floor) for one, spread in spreads if not spread]
    return Coverage(len(found), _share(inside), _share(bare), _median(width), _median(quiet))


def _share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
