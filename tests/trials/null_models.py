"""What published rules say of a series: the null models that `memtwin leak` has to beat, on the same samples."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def _fit(t: Sequence[float], v: Sequence[float]) -> tuple[float, float, float]:
    """Slope, r squared and t of a least-squares line."""
    n, mt, mv = len(t), sum(t) / len(t), sum(v) / len(v)
    sxx = sum((a - mt) ** 2 for a in t)
    sxy = sum((a - mt) * (b - mv) for a, b in zip(t, v, strict=True))
    syy = sum((b - mv) ** 2 for b in v)
    slope = sxy / sxx if sxx else 0.0
    rest = max(syy - slope * sxy, 0.0)
    r2 = 1 - rest / syy if syy else 0.0
    error = math.sqrt(rest / max(n - 2, 1) / sxx) if sxx and rest else 0.0
    return slope, r2, slope / error if error else math.inf if slope > 0 else 0.0


def least_squares(t: Sequence[float], v: Sequence[float]) -> bool:
    """A line whose slope is beyond 0 at p < 0.01."""
    return _fit(t, v)[2] > 2.33


def mann_kendall(t: Sequence[float], v: Sequence[float]) -> bool:
    """More pairs rise than fall, at p < 0.01."""
    del t
    v = v[:: max(len(v) // 150, 1)]
    n = len(v)
    s = sum((b > a) - (b < a) for i, a in enumerate(v) for b in v[i + 1 :])
    return s / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) > 2.33


def straight_line(t: Sequence[float], v: Sequence[float]) -> bool:
    """r squared of 0.8 and a tenth more than at the beginning."""
    slope, r2, _ = _fit(t, v)
    return slope > 0 and r2 >= 0.8 and v[-1] > 1.1 * v[0]


def quarters(t: Sequence[float], v: Sequence[float]) -> bool:
    """The last quarter of the second half lies above its first quarter by 1 %."""
    del t
    half = v[len(v) // 2 :]
    part = max(len(half) // 4, 1)
    return median(half[-part:]) > 1.01 * median(half[:part])


def last_segment(t: Sequence[float], v: Sequence[float]) -> bool:
    """No drop to less than a half, a rising line, the last quarter's slope at least 30 % of it, and 5 % of growth."""
    begin = max((i for i in range(1, len(v)) if v[i] < 0.5 * v[i - 1]), default=0)
    t, v = t[begin:], v[begin:]
    if len(v) < 8:
        return False
    part = len(v) // 4
    slope, late = _fit(t, v)[0], _fit(t[-part:], v[-part:])[0]
    return slope > 0 and late >= 0.3 * slope and v[-1] - v[0] >= 0.05 * v[0]


def rising_minima(t: Sequence[float], v: Sequence[float]) -> bool:
    """The least values of six parts each above the one before."""
    del t
    part = max(len(v) // 6, 1)
    least = [min(v[i * part : (i + 1) * part]) for i in range(6) if v[i * part : (i + 1) * part]]
    return all(b > a for a, b in pairwise(least))


RULES = {
    "least squares, p < 0.01": least_squares,
    "Mann-Kendall, p < 0.01": mann_kendall,
    "r2 >= 0.8 and +10 %": straight_line,
    "quarters of the second half": quarters,
    "last segment, late slope (scaled)": last_segment,
    "minima of 6 bins rise": rising_minima,
}
