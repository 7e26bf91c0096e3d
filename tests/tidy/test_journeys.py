"""The count of rooms, moves and climbs comes out the same each time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_a_journey_is_counted_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """``free --json``, walked twice, has the same moves and climbs in the same order."""
    monkeypatch.syspath_prepend(str(DOCS))
    import journeys

    core, height = journeys.Core(), journeys.heights()
    first, second = (journeys.judge([journeys.free(core)], height) for _ in range(2))
    assert first == second
    assert list(first.moves.items()) == list(second.moves.items())
    assert {"cli", "views"} <= first.rooms
    assert first.moves
    del sys.modules["journeys"]
