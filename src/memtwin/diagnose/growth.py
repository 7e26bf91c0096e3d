r"""How a quantity grows: its lower envelope in ten bins, judged without a model of the noise.

A program's memory swings with its work; what it never frees is under the swings. So the window is cut into ten
bins, the least value of each is taken, and the nine steps between them are asked whether their mean is beyond their
own scatter (Student's t). Whether growth slows down is the ratio of its rate late and early in the window: a leak does
not slow down, what warms up does. The smallest rate that this window could have shown follows from the same scatter.

>>> grown = growth([float(s) for s in range(300)], [40_000_000 + 20_000 * s for s in range(300)])
>>> round(grown.rate), grown.is_growing, round(grown.slowing, 1)
(20000, True, 1.0)
>>> growth([float(s) for s in range(300)], [40_000_000 + 3_000_000 * (s % 7) for s in range(300)]).is_growing
False
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS: Final = 10
_LEAST_BINS: Final = 6
LIMIT: Final = 4.0
"""How many standard errors the mean step must be beyond 0: one in 500 of steady series is, at nine steps."""
LEAST_RISE_BYTES: Final = 512 << 10
"""Below this nothing grows: the kernel's counters of RSS are off by 64 pages for each CPU, and programs settle."""
_LATE_BINS: Final = 4
_LONG_BINS: Final = 6
STOPPED: Final = 0.1
"""Share of the rise within which the last four bins lie of what has stopped growing; a steady climb has a third."""


class Growth(NamedTuple):
    """What became of a series over *seconds*; rates in units per second."""

    seconds: float
    rise: float
    """From the first bin's least value to the last's."""
    rate: float
    t: float
    """Mean step in standard errors."""
    resolution: float
    """The smallest rate that would have been seen."""
    slowing: float
    """Rate in the last four bins, as a share of the one before them: 1 as ever, 0 none any more."""
    shares: tuple[float, ...]
    """The rate in each third of the window."""
    envelope: tuple[float, ...]
    error: float
    """Standard error of the mean step, as a rate."""
    least: float
    """The rise below which nothing counts as growth."""

    @property
    def is_growing(self) -> bool:
        """Whether it rose, beyond its scatter and beyond what counts at all."""
        return self.rise >= self.least and self.t >= LIMIT

    @property
    def is_even(self) -> bool:
        """Whether it grew alike in each third of the window, within a factor of two; a swing of load does not."""
        return min(self.shares) >= 0.5 * max(self.shares)

    @property
    def has_stopped(self) -> bool:
        """Whether it rose early, without falling back or long ago, and late in the window hardly changes any more."""
        late, long = self.envelope[-_LATE_BINS:], self.envelope[-_LONG_BINS:]
        near = max(STOPPED * self.rise, self.least / 8)
        falls = any(after < before - near for before, after in pairwise(self.envelope))
        return (
            self.rise >= self.least and (not falls or max(long) - min(long) <= near) and max(late) - min(late) <= near
        )

    @property
    def slows_down_evenly(self) -> bool:
        """Whether the rate falls by one and the same factor: a filling store, which has an end."""
        first, second, third = self.shares
        if not first > second > third > 0:
            return False
        return 0.75 <= (third / second) / (second / first) <= 1.4 and third / first < 0.6


def growth(times_s: Sequence[float], values: Sequence[float], least: float = LEAST_RISE_BYTES) -> Growth:
    """Return how *values* grow, by *least* or more; raise ValueError where fewer than six tenths have samples."""
    pairs = sorted(dict(zip(times_s, values, strict=True)).items())
    begin, end = pairs[0][0], pairs[-1][0]
    width = (end - begin) / BINS * len(pairs) / max(len(pairs) - 1, 1)  # the last sample stands for its interval too
    floors: dict[int, tuple[float, float]] = {}
    for at, value in pairs if width else ():
        index = min(int((at - begin) / width), BINS - 1)
        if index not in floors or value < floors[index][1]:
            floors[index] = (at, value)
    if len(floors) < _LEAST_BINS:
        raise ValueError("too few samples")
    middles = [(begin + (index + 0.5) * width, floors[index][1]) for index in sorted(floors)]
    steps = [(b - a) / (to - at) for (at, a), (to, b) in pairwise(middles)]
    mean = sum(steps) / len(steps)
    error = math.sqrt(sum((step - mean) ** 2 for step in steps) / (len(steps) - 1) / len(steps))
    rate = float(median((b - a) / (to - at) for (at, a), (to, b) in combinations(middles, 2)))
    values_ = [value for _, value in middles]
    return Growth(
        end - begin,
        values_[-1] - values_[0],
        rate,
        mean / error if error else math.copysign(math.inf, mean) if mean else 0.0,
        max(LIMIT * error, least / max(end - begin, 1e-9)),
        _slowing(middles),
        _shares(middles),
        tuple(values_),
        error,
        least,
    )


def seconds_more(grown: Growth) -> float:
    """Return how much longer to look until a growth of this kind would be beyond its scatter: t goes with time^1.5."""
    if grown.t <= 0:
        return grown.seconds
    factor = math.pow(LIMIT / min(grown.t, LIMIT), 2 / 3)
    return min(max(grown.seconds * (factor - 1), 30.0), 3 * grown.seconds)


def _slowing(middles: list[tuple[float, float]]) -> float:
    cut = len(middles) - _LATE_BINS
    early, late = _rate(middles[: cut + 1]), _rate(middles[cut:])
    return late / early if early > 0 else math.inf if late > 0 else 0.0


def _shares(middles: list[tuple[float, float]]) -> tuple[float, float, float]:
    third = len(middles) // 3
    return _rate(middles[: third + 1]), _rate(middles[third : 2 * third + 1]), _rate(middles[2 * third :])


def _rate(part: list[tuple[float, float]]) -> float:
    (at, a), (to, b) = part[0], part[-1]
    return (b - a) / (to - at)
