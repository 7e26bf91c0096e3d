"""A few machines of the long run (`make soak`), in every test run: the same seeds, so the same operations."""

from __future__ import annotations

import pytest
from soak import Soak


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_random_machine_keeps_every_invariant_to_its_end(seed: int) -> None:
    """Fifteen hundred operations, a check after each two hundred; then swap is emptied and everything ends."""
    soak = Soak(seed, 0, 200)
    soak.live(1500)
    assert soak.counted()["ok"] > 100
