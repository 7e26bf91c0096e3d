"""The map of memory counts every frame: its totals are meminfo's and buddyinfo's to the page, at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin.linux.mm import zswap
from memtwin.run.run import simulate
from memtwin.scenario import parse
from memtwin.sources.recording import Recording
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from memtwin.run.run import Run
    from memtwin.sources.frame_map import FrameMap

RECORDINGS = Path(__file__).parents[1] / "recordings"
SCENARIO = """\
machine ram=256M
swap zram size=96M prio=100
swap disk size=128M
file data 64M
proc A
A mmap heap 160M
A touch heap 0 160M w seq content=half
A fread data 0 64M 128K
proc B
B mmap more 60M
B touch more 0 60M w seq content=text
A munmap heap
B exit
"""


def machine(run: Run) -> Twin:
    return Twin(run.machine, run.processes.by_name)


def counted(twin: Twin, order: int) -> FrameMap:
    """The map, held against every counter that it must equal."""
    shown, memory = twin.frame_map(order), twin.meminfo()
    pages = {label: memory[label] >> 2 for label in memory}
    assert shown.frames("free") == pages["MemFree"]
    assert shown.frames("anon") == pages["AnonPages"]
    assert shown.frames("slab") == pages["Slab"]
    assert shown.frames("shmem") == pages["Shmem"]
    assert shown.frames("file") + shown.frames("shmem") == pages["Cached"] + pages["Buffers"]
    assert shown.frames("swap cache") <= pages["SwapCached"]
    assert shown.frames("tables") == pages["PageTables"]
    pools = twin.counters()["nr_zspages"] + (zswap.stats(twin.state)["pool_total_size"] >> 12)
    assert shown.frames("compressed") <= pools
    in_use = sum(sum(zone.totals) for zone in shown.zones) - shown.frames("hole")
    assert in_use == pages["MemTotal"]
    blocks = {zone.zone: zone.counts for zone in twin.buddyinfo().zones}
    for zone in shown.zones:
        assert zone.free == blocks[zone.name]
        assert len(zone.use) == len(zone.share) == len(zone.largest) == len(zone.age)
    return shown


@pytest.mark.parametrize("order", [0, 4, 9, 10, 12])
def test_totals_are_the_counters_after_every_operation(order: int) -> None:
    whole = parse(SCENARIO, "map.mem")
    for operations in range(1, len(whole.ops) + 1):
        text = "\n".join([line for line in SCENARIO.splitlines() if line][: 4 + operations])
        counted(machine(simulate(parse(text + "\n", "map.mem"), None)), order)


@pytest.mark.parametrize(
    "name", ["29-fragmentation", "35-zram-then-disk-small", "150-gen-hot-then-stream", "112-zswap-fits"]
)
def test_on_the_machines_of_recordings(name: str) -> None:
    recording = Recording(RECORDINGS / name / "run1.tar.xz")
    run = simulate(recording.scenario(), recording.at("boot"))
    shown = counted(machine(run), 9)
    assert any(any(zone.age) for zone in shown.zones)


def test_a_pixel_says_what_lies_there() -> None:
    """At one frame a pixel the map is the frames themselves; larger pixels have the largest of their free blocks."""
    twin = machine(simulate(parse(SCENARIO, "map.mem"), None))
    fine, coarse = twin.frame_map(0), twin.frame_map(6)
    free = fine.classes.index("free")
    for small, large in zip(fine.zones, coarse.zones, strict=True):
        skip = small.first_pfn - large.first_pfn
        for at, order in enumerate(large.largest):
            frames = small.use[max((at << 6) - skip, 0) : max(((at + 1) << 6) - skip, 0)]
            assert (order > 0) == (free in frames)
        assert small.use.count(free) == small.totals[free]
