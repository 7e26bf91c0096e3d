"""A short set of the trials: real programs for half a minute. All of them: make trials."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import null_models

import trials

SHORT = (
    "leak-small",
    "leak-sawtooth",
    "steady",
    "sawtooth",
    "load-fast",
    "kept",
    "lazy",
    "shared",
    "tables",
    "warm-up",
)


def test_a_short_set(tmp_path: Path) -> None:
    """Nothing is a leak yet, what does not say so with its seconds is right, and other kinds have names."""
    if not shutil.which("gcc") or not Path("/proc/meminfo").exists():
        pytest.skip("no C compiler or no /proc here")
    trials.build(tmp_path)
    judged = trials.watch([(kind, 1) for kind in SHORT], 32.0, (32.0,), tmp_path)[32.0]
    found = {one.kind: one for one in judged}
    assert found.keys() == set(SHORT)
    assert not [one for one in judged if one.verdict == "leak"]
    assert all(one.more for one in judged if one.verdict == "unknown")
    named = {"steady": "steady", "shared": "shmem or tmpfs", "tables": "page tables", "lazy": "lazily freed"}
    for kind, verdict in named.items():
        assert found[kind].verdict == verdict, judged


def test_the_null_models_are_what_they_are_named_for() -> None:
    times = [float(second) for second in range(120)]
    line, flat = [1e6 + 1e4 * at for at in times], [1e6] * 120
    for rule in null_models.RULES.values():
        assert rule(times, line)
        assert not rule(times, flat)
