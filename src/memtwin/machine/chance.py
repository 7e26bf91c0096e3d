"""What a real machine leaves to chance, drawn from a seed: the same seed draws the same.

Two boots of one machine differ by when its first programs ran and which free block each got; a disk is never twice as
fast; between two operations of a program lie some milliseconds in which others run. Seed 0 leaves all of it as it is.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from memtwin.machine.costs import CostProfile

PAUSE_NS: Final = (1_000_000, 50_000_000)
"""Between two operations: less than a tick of 4 ms up to what a busy machine takes to run a program again."""
LATENCY: Final = (0.5, 2.0)
"""A disk's latency, as a share of the profile's."""


def pause_ns(seed: int, operation: int) -> int:
    """Return how long the machine is idle before an operation."""
    return _draws(seed, "pause", operation).randint(*PAUSE_NS) if seed else 0


def profile(seed: int, usual: CostProfile) -> CostProfile:
    """Return what operations cost on a machine with another disk of the same kind."""
    if not seed:
        return usual
    low, high = LATENCY
    share = low * (high / low) ** _draws(seed, "disk").random()
    return replace(usual, disk=replace(usual.disk, latency_ns=round(usual.disk.latency_ns * share)))


def place(seed: int, pfn: int) -> float:
    """Return where a free block stands on its list after boot: by address, or, with a seed, anywhere."""
    return _draws(seed, "place", pfn).random() if seed else pfn


def _draws(seed: int, *what: str | int) -> random.Random:
    return random.Random(f"{seed} {what}")  # noqa: S311 - chance that is the same each time
