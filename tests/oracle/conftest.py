"""The model's run of a recording, made once for all tests that look at it."""

from __future__ import annotations

import fcntl
import os
from functools import cache
from typing import TYPE_CHECKING

import pytest

from memtwin.run.speed import rerun
from memtwin.sources.recording import Recording, runs_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rerun = Callable[..., Path]


@pytest.fixture(scope="session")
def rerun_of(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Rerun:
    """Return what gives the directory of the model's run of a recording: ``rerun_of(name, run=0, seed=0)``.

    *run*: from the boot of which of its real runs; *seed*: of chance. The processes of a test run share a run.
    """
    own = tmp_path_factory.getbasetemp()
    where = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "reruns"
    where.mkdir(exist_ok=True)

    @cache
    def made(name: str, run: int = 0, seed: int = 0) -> Path:
        out = where / f"{name}-{run}-{seed}"
        with out.with_name(f"{out.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not out.exists():  # which it does when it is whole
                rerun(Recording(runs_in(recordings / name)[run]), out, seed=seed)
        return out

    return made
