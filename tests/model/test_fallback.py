"""Which pageblocks can be moved to the lists of another type."""

from __future__ import annotations

from pathlib import Path

import pytest

from memtwin.linux.core import mm_types as t
from memtwin.linux.mm import fallback
from memtwin.machine.build import build
from memtwin.procfs import zoneinfo
from memtwin.sources.recording import Recording, runs_in
from memtwin.sources.source import load

RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.mark.parametrize(("name", "first"), [("05-zram-text", True), ("03-anon-swap-disk.k612", False)])
def test_a_pageblock_beyond_its_zone_is_not_moved(name: str, *, first: bool) -> None:
    """Of the first one of DMA, which begins before the zone, 6.1 moves a part; of the last one nothing is moved."""
    boot = Recording(runs_in(RECORDINGS / name)[0]).at("boot")
    zones = load(boot, zoneinfo)
    assert zones is not None
    zone = next(zone for zone in zones.zones if zone.name == "DMA32")
    assert zone.start_pfn is not None
    last = zone.start_pfn + zone.spanned - 1
    assert (last + 1) % (1 << t.PAGEBLOCK_ORDER)
    machine = build(boot)
    assert fallback.moves_pageblock(machine.state, t.ZONE_DMA, 1) is first
    assert fallback.moves_pageblock(machine.state, t.ZONE_DMA, 1 << t.PAGEBLOCK_ORDER)
    assert fallback.moves_pageblock(machine.state, t.ZONE_DMA32, last) is False
