"""A few machines of the long run (`make soak`), in every test run: the same seeds, so the same operations."""

from __future__ import annotations

import random

import pytest
from soak import Soak, header

SEEDS = (1, 2, 4, 5, 6, 7, 19, 27)


def test_the_seeds_have_zswap_in_front_of_zram_and_of_several_disks() -> None:
    """With each kind of pool; and machines without swap, or without zswap, are among them."""
    headers = [header(random.Random(seed)) for seed in SEEDS]
    all_three = [text for text, areas in headers if "swap zswap" in text and "zram" in areas and len(areas) > 2]
    assert {pool for pool in ("zbud", "zsmalloc") if any(f"zpool={pool}" in text for text in all_three)} == {
        "zbud",
        "zsmalloc",
    }
    assert any("swap zswap" not in text for text, _ in headers)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_machine_keeps_every_invariant_to_its_end(seed: int) -> None:
    """Fifteen hundred operations, a check after each two hundred; then swap is emptied and everything ends."""
    soak = Soak(seed, 0, 200)
    soak.live(1500)
    assert soak.counted()["ok"] > 100
