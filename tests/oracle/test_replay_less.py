"""A trace of real programs with enough RAM, replayed with a third less: swap, major faults and kills of real runs."""

from __future__ import annotations

import json

import pytest
from replay_less import REPLAYS, is_like, less_bytes, real, replayed, runs_of

LIKE = ("awk", "perl", "sort", "sqlite")
"""Those whose figures are all near those of the real runs; what the others come to is in docs/trace.md."""


@pytest.mark.parametrize("name", LIKE)
def test_with_a_third_less_a_replay_swaps_and_faults_as_the_real_program(name: str) -> None:
    program = REPLAYS / name
    less = runs_of(program)
    runs = [real(one) for one in less]
    ram_bytes = less_bytes(less[0])
    assert len(runs) > 1
    assert ram_bytes * 3 <= json.loads((program / "run.json").read_text())["ram_bytes"] * 2
    assert not any(real(program)[:2]), "the trace is not of enough memory"
    model = replayed(program, ram_bytes)
    assert all(is_like(model, runs)), f"{model} in the model, {runs}"
