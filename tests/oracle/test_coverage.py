"""How many of the real runs' figures does an ensemble's range hold, and how wide is it?

None of these recordings was used when the resolutions of ``study/coverage.py`` were chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("memtwin.linux.core.state")

from memtwin.sources.recording import Recording, runs_in
from memtwin.study.coverage import Range, coverage, ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    Rerun = Callable[..., Path]

RECORDINGS = Path(__file__).parents[1] / "recordings"
NAMES = (
    "07-zram-zero", "28-mlock", "36-equal-priorities", "95-swapon-later", "151-lists-hot-then-stream", "202-shm-zram",
    "211-mprotect-swap", "g06",
)  # fmt: skip
RUNS = 4
INSIDE = 0.65
"""With four runs; with twelve, 0.76, and 0.82 with the twenty recordings on which the resolutions were chosen."""
WIDTH = 3.0
QUIET = 0.02


def held(name: str, rerun_of: Rerun) -> list[Range]:
    reals = [Recording(run) for run in runs_in(RECORDINGS / name)]
    return list(ranges(reals, [Recording(rerun_of(name, seed % len(reals), seed)) for seed in range(RUNS)]))


def test_ranges_hold_what_real_runs_did(rerun_of: Rerun) -> None:
    """Over all recordings; and they are not so wide that they hold anything."""
    found = coverage([one for name in NAMES for one in held(name, rerun_of)])
    print(found)
    assert found.inside is not None
    assert found.width is not None
    assert found.quiet is not None
    assert found.inside >= INSIDE
    assert found.width <= WIDTH
    assert found.quiet <= QUIET
