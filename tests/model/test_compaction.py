"""Does compaction bring large blocks, keep what it moves, and give up where the kernel's own pages are in the way?"""

from __future__ import annotations

import pytest
from growing import Growing

from memtwin.errors import ScenarioError
from memtwin.linux.check import invariants
from memtwin.linux.mm import compaction, compaction_suitable
from memtwin.run import run
from memtwin.scenario import parse

HEADER = "machine ram=192M\nswap disk size=64M\nfile f 20M\n"
DMA32 = 1


def scattered(pages: int = 30000) -> Growing:
    """A machine half of whose memory is free in single pages between movable ones."""
    one = Growing(HEADER)
    one.do("proc A")
    one.do("A fread f 0 20M 64K seq")
    one.do(f"A mmap h {pages}P")
    one.do(f"A touch h 0 {pages}P w rand:{3 * pages}:7 content=text")
    one.do(f"A madvise h 0 {pages // 2}P dontneed")
    return one


def test_a_compaction_of_the_whole_machine_makes_large_blocks_and_keeps_every_page() -> None:
    """Order-9 blocks come back, no page is lost or changed, and nothing is left in compaction's hands."""
    one = scattered()
    before = compaction_suitable.extfrag(one.state, DMA32, 9)
    assert one.do("compact") == "ok"
    assert compaction_suitable.extfrag(one.state, DMA32, 9) < before - 30
    assert one.state.events_by_name()["pgmigrate_success"] > 5000
    invariants.validate(one.state)
    assert one.do("A touch h 0 30000P r seq") == "ok"
    invariants.validate(one.state)


def test_a_request_that_compaction_can_serve_is_served() -> None:
    """Blocks of 256 KiB are had though none was free, by direct compaction."""
    one = scattered()
    assert one.do("kalloc big 6 70 unmovable") == "ok"
    events = one.state.events_by_name()
    assert events["compact_stall"] == events["compact_success"] + events["compact_fail"]
    assert events["compact_success"] > 10
    invariants.validate(one.state)


def test_pages_of_the_kernel_stand_in_the_way() -> None:
    """Every other page is the kernel's: a block of order 4 is refused though much is free, and nobody dies."""
    one = Growing(HEADER)
    one.do("proc A")
    assert one.do("kalloc pins 0 28000 unmovable") == "ok"
    one.do("kfree pins every:2")
    assert one.do("kalloc four 4 2000 unmovable") == "error"
    assert not one.run.done[-1].deaths
    invariants.validate(one.state)
    one.do("kfree pins all")
    one.do("kfree four all")
    assert one.do("kalloc four2 4 1000 unmovable") == "ok"


def test_proactiveness_zero_leaves_memory_as_it_is() -> None:
    one = Growing("sysctl vm.compaction_proactiveness=0\n" + HEADER)
    one.do("proc A")
    one.do("A mmap h 34000P")
    one.do("A touch h 0 34000P w rand:120000:3")
    one.do("A madvise h 0 17000P dontneed")
    one.do("sleep 3")
    assert one.state.events_by_name()["pgmigrate_success"] == 0


def test_a_copy_of_a_machine_compacts_as_the_original_does() -> None:
    one = scattered()
    twin = one.state.copy()
    compaction.compact_memory(one.state)
    compaction.compact_memory(twin)
    assert twin.events_by_name() == one.state.events_by_name()
    invariants.validate(twin)


@pytest.mark.parametrize(
    "line",
    ["kalloc k 11 1 movable", "kalloc k 3 0 movable", "kalloc k 3 1 huge", "kalloc k 3 1", "kfree k all",
     "kalloc k 3 1 movable\nkfree k every:0", "kalloc k 3 1 movable\nkfree k half",
     "kalloc k 3 1 movable\nkalloc k 3 1 movable", "compact now"],
)  # fmt: skip
def test_blocks_are_refused_before_anything_runs(line: str) -> None:
    with pytest.raises(ScenarioError):
        parse(f"proc A\n{line}\n")


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_dma32_is_used_before_a_pageblock_of_normal_is_mixed(kernel: str) -> None:
    """Half of Normal is free in small movable blocks: of 8,000 unmovable pages at least half come from DMA32."""
    text = (
        f"machine ram=4608M kernel={kernel} lru_gen=off\nsysctl vm.watermark_boost_factor=0\nproc A\n"
        "A mmap heap 1700M\nA touch heap 0 1600M w rand:2500000:5\nA madvise heap 0 800M dontneed\n"
    )
    before = run.simulate(parse(text), None).machine.state.events_by_name()["pgalloc_dma32"]
    state = run.simulate(parse(f"{text}kalloc pins 0 8000 unmovable\n"), None).machine.state
    assert state.events_by_name()["pgalloc_dma32"] - before >= 4000
    invariants.validate(state)


def test_an_area_is_cut_while_its_pages_move() -> None:
    """kcompactd, woken by the page for a slab that a cut needs, finds each page in the whole area or in its part.

    Which cut fills a slab is found by trying.
    """
    moved = 0
    for cuts in range(32):
        one = Growing(HEADER)
        for line in ("sysctl vm.compaction_proactiveness=0", "proc A", "A fread f 0 20M 64K seq", "A mmap h 30000P"):
            one.do(line)
        one.do("A touch h 0 30000P w rand:90000:7 content=text")
        one.do("A madvise h 0 15000P dontneed")
        for cut in range(cuts):
            one.do(f"A mprotect h {cut * 8}P 4P r")
        one.do("sysctl vm.compaction_proactiveness=100")
        before = one.state.events_by_name()["pgmigrate_success"]
        assert one.do("A mprotect h 15000P 4P r") == "ok"
        if one.state.events_by_name()["pgmigrate_success"] > before:
            moved += 1
            invariants.validate(one.state)
    assert moved


def test_kcompactd_is_woken_by_the_marks_after_a_boost_was_worked_off() -> None:
    """Streaming mixes pageblocks, which raises the marks; with them raised no zone would have room to compact in."""
    one = Growing(
        "machine ram=192M kernel=6.12 lru_gen=off thp=never\nsysctl vm.compaction_proactiveness=0\nfile f 600M\n"
    )
    one.do("proc A")
    for at in range(0, 600, 50):
        one.do(f"A fread f {at}M 50M 64K seq")
    events = one.state.events_by_name()
    assert events["compact_daemon_wake"] > 0
    assert events["compact_stall"] == 0
    assert events["pgmigrate_success"] > 0
    invariants.validate(one.state)
