"""Swap areas: which slot, from which area, when it is free again, and what swapping in reads besides.

Worked numbers follow the kernel's rules step by step; see the heads of `linux/mm/swapfile.py` and `linux/mm/swapin.py`.
"""

from __future__ import annotations

import time
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from growing import Growing

from memtwin.linux.check import invariants, testing
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.mm import mm_init, swapon
from memtwin.run import run as runs
from memtwin.scenario import load

CLUSTER = 512
BATCH = 64


def machine(*swaps: str) -> Growing:
    """A machine of 128 MiB with these `swap` lines, each given without its first word."""
    return Growing("machine ram=128M\n" + "".join(f"swap {swap}\n" for swap in swaps))


def inuse(run: Growing) -> int:
    """Slots in use as /proc/swaps has them, all areas together: those in the cpu's caches are."""
    return sum(swapon.area_info(run.state, area.number).inuse for area in run.run.machine.areas)


def take(run: Growing, slots: int) -> list[tuple[int, int]]:
    """Take slots one by one: (area, slot) of each."""
    return [swapon.take_slot(run.state) for _ in range(slots)]


# --- which slot ------------------------------------------------------------------------------------------------------


def test_a_fresh_rotating_disk_is_filled_in_order() -> None:
    """Slots 1, 2, 3, … whatever the batches are."""
    assert take(machine("disk size=64M rot=1"), 3000) == [(0, slot) for slot in range(1, 3001)]


def test_a_rotating_disk_gives_a_batch_of_three_after_each_search() -> None:
    """Looking for 512 free slots leaves breath for three; then eight batches of 64, 515 in all, and so again."""
    run, sizes = machine("disk size=64M rot=1"), []
    for _ in range(1200):
        take(run, 1)
        sizes.append(inuse(run))
    expected = [3, *(3 + BATCH * n for n in range(1, 9)), 518, *(518 + BATCH * n for n in range(1, 9)), 1033]
    assert sorted(set(sizes))[: len(expected)] == expected


def test_a_disk_without_a_head_is_filled_by_clusters() -> None:
    """Of 512 MiB: clusters 32, 64, … 224 first, then 1, 33, 65: column by column of 32; each from its first slot."""
    slots = [slot for _, slot in take(machine("disk size=512M rot=0"), CLUSTER * 10)]
    clusters = [*range(32, 256, 32), 1, 33, 65]
    assert slots == [cluster * CLUSTER + slot for cluster in clusters for slot in range(CLUSTER)]


def test_zram_is_filled_like_a_disk_without_a_head() -> None:
    """64 MiB are 32 clusters, one column each: the second, for the first has the header, is the first to be used."""
    assert take(machine("zram size=64M"), 3) == [(0, CLUSTER), (0, CLUSTER + 1), (0, CLUSTER + 2)]


def test_slots_of_the_first_and_of_a_partial_cluster_come_last() -> None:
    """2,047 usable slots: clusters 1 to 3 of four, then what stands on no list, upwards."""
    run = machine("disk size=8M rot=0")
    slots = [slot for _, slot in take(run, 2047)]
    assert slots[: 3 * CLUSTER] == list(range(CLUSTER, 4 * CLUSTER))
    assert sorted(slots[3 * CLUSTER :]) == list(range(1, CLUSTER))
    assert swapon.take_slot(run.state) == (0, 0)


def test_slots_in_use_at_boot_leave_their_clusters() -> None:
    """700 slots of a snapshot's owners: clusters 0 and 1 are not free, and 2 is the first that is."""
    run = machine("disk size=8M rot=0")
    swapon.hold_slots(run.state, 0, 700)
    assert take(run, CLUSTER)[0] == (0, 2 * CLUSTER)
    assert inuse(run) == 700 + CLUSTER


def test_a_rotating_disk_goes_back_to_the_lowest_512_free_slots() -> None:
    """A hole of 512 behind is used when the next run is due, one of 511 is not."""
    for hole, first in ((CLUSTER, 100), (CLUSTER - 1, 2061)):
        run = machine("disk size=64M rot=1")
        take(run, 2060)
        for slot in range(100, 100 + hole):
            testing.give_slot(run.state, 0, slot)
        for slot in range(1000, 1064):  # the parked ones go back with the 65th that follows them
            testing.give_slot(run.state, 0, slot)
        slots = [slot for _, slot in take(run, CLUSTER + BATCH)]
        run_starts = [b for a, b in pairwise(slots) if b != a + 1]
        assert (run_starts[0] if run_starts else slots[-1]) == first or first in slots
        assert (100 in slots) == (hole == CLUSTER)


# --- the cpu's slots -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("usable", "first"), [(320, 1), (321, BATCH)])
def test_slots_are_taken_in_advance_from_321_free_ones_on(usable: int, first: int) -> None:
    """More than 5 * 64 a cpu: then one page takes 64 slots, else one."""
    run = machine(f"disk size={usable + 1}P rot=0")
    take(run, 1)
    assert inuse(run) == first
    assert run.state.swap_pages == (usable, usable - first)


def test_slots_are_no_longer_taken_in_advance_below_128_free_ones() -> None:
    """Of 400: six batches would leave 16; after the fifth 80 are free, and the next page gives back what is spare."""
    run, sizes = machine("disk size=401P rot=0"), []
    for _ in range(330):
        take(run, 1)
        sizes.append(inuse(run))
    assert [size for size, _ in groupby(sizes)][:5] == [64, 128, 192, 256, 320]
    assert sizes[255:260] == [256, 320, 258, 259, 260]
    assert sizes[-1] == 330


def test_freed_slots_are_parked_by_sixty_four() -> None:
    """Of 200 slots given up one by one the 65th, the 129th and the 193rd bring 64 back each."""
    run = machine("disk size=64M rot=0")
    taken = take(run, 256)
    free = []
    for area, slot in taken[:200]:
        testing.give_slot(run.state, area, slot)
        free.append(run.state.swap_pages[1])
    rises = [number for number, (a, b) in enumerate(pairwise([16383 - 256, *free]), 1) if b != a]
    assert rises == [65, 129, 193]
    assert free[-1] - (16383 - 256) == 3 * BATCH
    assert not set(take(run, BATCH)) & set(taken[192:200])


# --- areas by priority -----------------------------------------------------------------------------------------------


def test_the_highest_priority_is_filled_first() -> None:
    """2,047 slots at 7, then 2,047 at 5, then at -2; the last batch of an area is not filled up from the next one."""
    run = machine("disk size=8M rot=0 prio=5", "disk size=8M rot=0 prio=7", "disk size=8M rot=0")
    areas = [area for area, _ in take(run, 3 * 2047)]
    assert [(area, len(list(slots))) for area, slots in groupby(areas)] == [(1, 2047), (0, 2047), (2, 2047)]


def test_equal_priorities_take_turns_by_batches() -> None:
    """Three areas at 5: 64 slots each in turn, in the order in which they were turned on."""
    run = machine(*("disk size=64M rot=0 prio=5" for _ in range(3)))
    areas = [area for area, _ in take(run, 9 * BATCH)]
    assert [(area, len(list(slots))) for area, slots in groupby(areas)] == [(n % 3, BATCH) for n in range(9)]


def test_a_turn_is_a_batch_however_small() -> None:
    """A rotating disk beside one without a head: 3 slots against 64, then 64 against 64."""
    run = machine("disk size=64M rot=0 prio=5", "disk size=64M rot=1 prio=5")
    areas = [area for area, _ in take(run, 2 * (BATCH + 3 + BATCH))]
    assert [(a, len(list(slots))) for a, slots in groupby(areas)][:4] == [(0, BATCH), (1, 3), (0, BATCH), (1, BATCH)]


def test_priorities_that_the_kernel_chooses() -> None:
    """-2, -3, -4 in order; when the second goes the third moves up; what is turned on then comes below it."""
    run = machine("disk size=8M", "disk size=8M", "disk size=8M")

    def priorities() -> list[int]:
        found = [swapon.area_info(run.state, number) for number in range(3)]
        return [info.prio for info in found if info.used]

    assert priorities() == [-2, -3, -4]
    assert run.do("swapoff disk2") == "ok"
    assert priorities() == [-2, -3]
    assert run.do("swapon disk2") == "ok"
    assert priorities() == [-2, -4, -3]


# --- swapping in -----------------------------------------------------------------------------------------------------


def out(swap: str, cluster: int = 3, *, held: int = 0) -> Growing:
    """A process with 20 MiB, all of it in swap, and free memory again; *held*: slots that somebody else has."""
    run = machine(swap)
    if held:
        swapon.hold_slots(run.state, 0, held)
    lines = (
        f"sysctl vm.page-cluster={cluster}", "proc A", "A mmap h 5120P", "A touch h 0P 5120P w seq", "proc B",
        "B mmap b 90M", "B touch b 0 90M w seq", "B touch b 0 90M w seq", "B exit", "sleep 1", "A touch h 0P 1P r seq",
    )  # fmt: skip
    for line in lines:
        assert run.do(line) == "ok"
    task = run.run.processes.by_name["A"].task
    assert task_mmu.task_mem(run.state, task)["VmSwap"] >= 5100 * 4
    mm_init.set_sysctl(run.state, "page_cluster", cluster)
    return run


def read(run: Growing, *pages: int, write: bool = False) -> list[tuple[int, int]]:
    """Touch single pages: (major faults, pages swapped in) of each."""
    found = []
    for page in pages:
        assert run.do(f"A touch h {page}P 1P {'w' if write else 'r'} seq") == "ok"
        deltas = run.run.done[-1].deltas
        found.append((deltas["pgmajfault"], deltas["pswpin"]))
    return found


@pytest.mark.parametrize("swap", ["disk size=200M rot=0", "disk size=200M rot=1"])
def test_a_pass_in_order_settles_at_eight_pages_a_fault(swap: str) -> None:
    """4,096 pages in order are 512 windows of eight, and 7 of 8 faults find their page in the swap cache."""
    run = out(swap)
    assert run.do("A touch h 512P 4096P r seq") == "ok"
    deltas = run.run.done[-1].deltas
    assert 4096 <= deltas["pswpin"] <= 4096 + 32
    assert 512 <= deltas["pgmajfault"] <= 512 + 32
    invariants.validate(run.state)


@pytest.mark.parametrize("swap", ["disk size=200M rot=0", "disk size=200M rot=1"])
def test_far_faults_halve_the_window(swap: str) -> None:
    """After a window of eight nobody's page was wanted: 4, 2, 1 and then single pages."""
    run = out(swap)
    run.do("A touch h 512P 64P r seq")
    windows = [pages for _, pages in read(run, 1000, 2000, 3000, 4000, 4500)]
    assert windows[-1] == 1
    assert all(now in {before, before // 2} for before, now in pairwise(windows))


@pytest.mark.parametrize("swap", ["disk size=200M rot=0", "disk size=200M rot=1", "zram size=200M"])
def test_without_readahead_each_fault_reads_its_page(swap: str) -> None:
    """vm.page-cluster 0, and zram read by one who has the page alone: one major fault, one page."""
    cluster = 3 if swap.startswith("zram") else 0
    assert read(out(swap, cluster), 700, 701, 702, 1900, 1899) == [(1, 1)] * 5


def test_a_slot_is_kept_while_swap_is_half_empty() -> None:
    """A page that is read back stays in the swap cache with its slot; with more than half in use it gives it up."""
    for held, kept in ((0, True), (30000, False)):
        run = out("disk size=200M rot=0", held=held)
        before = inuse(run)
        run.do("A touch h 1024P 1024P r seq")
        assert (before - inuse(run) < BATCH) == kept
        assert (run.state.node_stats()["nr_swapcached"] >= 1024) == kept
        invariants.validate(run.state) if not held else None


def test_a_write_by_the_only_owner_gives_the_slot_up() -> None:
    """Half empty or not: of 1,024 pages written no slot is kept beyond the 64 that are parked."""
    run = out("disk size=200M rot=0", cluster=0)
    before = inuse(run)
    run.do("A touch h 1024P 1024P w seq")
    assert 1024 - BATCH <= before - inuse(run) <= 1024
    invariants.validate(run.state)


# --- when swap is full ------------------------------------------------------------------------------------------------


def test_an_attempt_in_a_full_area_passes_by_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operation `p15 touch r30` makes 500,000 attempts in an area of 102,399 slots: it took 85 % of the run's time."""
    took: dict[str, float] = {}
    carry_out = runs.Run.do

    def timed(self: runs.Run, op: runs.Op) -> None:
        since = time.process_time()
        carry_out(self, op)
        took[op.text] = time.process_time() - since

    monkeypatch.setattr(runs.Run, "do", timed)
    done = runs.simulate(load(str(Path(__file__).with_name("full_swap.mem"))), None)
    invariants.validate(done.machine.state)
    assert took["p15 touch r30 0 12000P w seq content=random"] < 0.4 * sum(took.values())
