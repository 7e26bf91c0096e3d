"""A machine from which memory is taken, beside a real one in which a process locks as much, step by step.

In the recordings ``180`` to ``182`` a process locks 128 MiB, 16 at a time, on a machine of 512 MiB that its other
processes fill: with a swap disk, with zram, without swap. The twin boots from the checkpoint before, loses as much to a
balloon, and is compared with the checkpoint after. What counts the locked pages themselves is not compared,
nor what is relative to MemTotal, which is less in the twin alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from future import resumed

from memtwin.machine import resize
from memtwin.run.change import squeeze
from memtwin.scenario import Checkpoint, Sleep
from memtwin.sources.recording import Recording, runs_in
from memtwin.study.validate import quantile, score

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.run.run import Run

MEAN, P90 = 0.06, 0.20
LOCKED_BYTES = 128 << 20
OF_THE_LOCKED = {"AnonPages", "Unevictable", "Mlocked", "pgfault", "Committed_AS", "PageTables"}
"""Figures that count the pages of the process that locks them, which the twin does not have."""


def squeezed(recording: Recording) -> Run:
    """Boot from `before`, take the memory away, and go on as the recording does without the process that locks."""
    scenario = recording.scenario()
    place = next(op.index for op in scenario.ops if isinstance(op, Checkpoint) and op.label == "before")
    rest = tuple(op for op in scenario.ops[place + 1 :] if isinstance(op, Sleep | Checkpoint))
    run = resumed(recording, "before", rest)
    run.checkpoint("boot")
    before = run.checkpoints["boot"]
    squeeze(run.machine, resize.present_bytes(run.machine.boot) - LOCKED_BYTES)
    run.execute()
    run.checkpoints["boot"] = before
    return run


@pytest.mark.parametrize("name", ["180-squeeze-disk", "181-squeeze-zram", "182-squeeze-oom"])
def test_what_goes_is_what_goes_on_the_kernel(recordings: Path, tmp_path: Path, name: str) -> None:
    reals = [Recording(path) for path in runs_in(recordings / name)]
    run = squeezed(reals[0])
    run.write(tmp_path / "run")
    found = score(reals, Recording(tmp_path / "run", partial=True), since="before")
    rows = [row for row in found.rows if row.kind != "score" and row.figure not in OF_THE_LOCKED]
    errors = [row.error for row in rows if row.error is not None]
    mean, p90 = sum(min(error, 1.0) for error in errors) / len(errors), quantile(errors, 0.9)
    killed = run.meta()["oom_victims"]
    print(name, f"{len(errors)} figures, mean {mean:.1%}, p90 {p90:.1%}, victims {killed}")
    assert all([name for _, name in real.victims()] == killed for real in reals)
    assert mean <= MEAN
    assert p90 <= P90
