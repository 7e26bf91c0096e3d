"""How large the part is that a process works with, and how often: from working sets of two lengths.

A trace says how much was touched in an interval, not how often. If a program goes about H bytes by chance, *a* bytes a
second, an interval of t seconds touches ``W(t) = H (1 - exp(-a t / H))`` of them. Two intervals of different lengths,
one after the other, have two such W, which give H and *a*: the same W in both is a small part that is used all
the time, a W that grows with t a large one that is used seldom. What misses with less memory follows from that, where
a working set of one length alone says nothing of it.

After P. J. Denning, *The working set model for program behavior* (1968): the slope of W is the rate of misses.
"""

from __future__ import annotations

from math import log1p
from typing import NamedTuple

SHORTEST_RATIO = 1.8
"""Intervals that are less different than that say nothing."""
STEPS = 60
"""Of the search for H, by halving."""
KNOWN = 0.5
"""Of a part: who has touched less of it in the longer interval has hardly come back, and its size is not known."""
SATURATED = 0.98
"""Of a part: more than that of it touched does not say how often."""


class Look(NamedTuple):
    """What was touched in an interval: its length, and bytes."""

    seconds: float
    touched_bytes: int


class Part(NamedTuple):
    """What a process works with: bytes, and the bytes that it touches a second, each time counted; None: not known."""

    size_bytes: int
    touched_bytes_per_s: float | None


def worked_with(looks: list[Look], at: int, most_bytes: int) -> Part | None:
    """Return what a process works with at a look, of at most *most_bytes*; None: no look near it is of another length.

    >>> worked_with([Look(1, 1000), Look(3, 1000)], 0, 5000)
    Part(size_bytes=1000, touched_bytes_per_s=None)
    >>> worked_with([Look(1, 1000), Look(3, 3000)], 1, 5000).size_bytes
    5000
    >>> worked_with([Look(1, 1000)], 0, 5000)
    """
    near = [look for look in looks[max(at - 2, 0) : at + 3] if look.seconds > 0 and look.touched_bytes > 0]
    if not near or most_bytes <= 0:
        return None
    short, long = min(near), max(near)
    if long.seconds < SHORTEST_RATIO * short.seconds:
        return None
    low, high = float(min(short.touched_bytes, most_bytes)), float(most_bytes)
    for _ in range(STEPS):
        middle = (low + high) / 2
        left = (1 - min(short.touched_bytes / middle, 1.0)) ** (long.seconds / short.seconds)
        low, high = (middle, high) if middle * (1 - left) < long.touched_bytes else (low, middle)
    if long.touched_bytes < KNOWN * high:
        return None
    share = short.touched_bytes / high
    return Part(round(high), None if share > SATURATED else -high * log1p(-share) / short.seconds)


def touches(part: int, of: int, known: float | None) -> int | None:
    """Return how many touches by chance touch *part* of *of* pages; where that is all, as many as are *known*, or None.

    >>> touches(0, 100, None), touches(50, 100, 3.0), touches(100, 100, 300.4), touches(100, 100, None)
    (0, 69, 300, None)
    """
    if part > SATURATED * of:
        return None if known is None else round(known)
    return round(-of * log1p(-part / of))
