"""Every recorded moment becomes a machine with its processes, its swap and its files, and prints them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.linux.check import invariants, testing
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import fork
from memtwin.linux.mm import zswap
from memtwin.machine.build import build
from memtwin.machine.processes import Vma
from memtwin.procfs import buddyinfo, meminfo
from memtwin.procfs.pid import maps, smaps_rollup
from memtwin.run.run import Run
from memtwin.scenario import parse
from memtwin.sources.recording import Recording, runs_in
from memtwin.sources.source import load
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.sources.source import Source

ROWS = ("MemFree", "Cached", "Dirty", "Shmem", "AnonPages", "Slab", "SwapFree", "PageTables")
LISTS = ("Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "Mlocked")
RECORDINGS = (
    "03-anon-swap-disk", "10-file-once", "21-dirty-fsync", "28-mlock", "29-fragmentation",
    "93-two-disks-priorities", "107-oom-four-adj", "118-oom-zram-text",
)  # fmt: skip


def checkpoints(recordings: Path, name: str) -> list[Source]:
    recording = Recording(recordings / name / "run1.tar.xz")
    return [recording.at(label) for label in recording.checkpoints]


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_checkpoint_boots_and_prints_its_files_back(recordings: Path, name: str) -> None:
    for source in checkpoints(recordings, name):
        built = build(source)
        invariants.validate(built.state, (source.name,))
        read, now = load(source, meminfo), Twin(built).meminfo()
        assert read is not None
        for row in ROWS:
            assert abs(read[row] - now[row]) <= read["MemTotal"] // 1000, (source.name, row, read[row], now[row])
        assert [read[row] for row in LISTS] == [now[row] for row in LISTS], source.name
        assert Twin(built).buddyinfo() == load(source, buddyinfo), source.name


@pytest.mark.parametrize("name", [*RECORDINGS, "96-zram-lz4"])
def test_owners_lie_in_pageblocks_of_their_type(recordings: Path, name: str) -> None:
    """What could be moved in movable ones, the kernel's in others: so each goes back to its own type's list."""
    machine = build(Recording(recordings / name / "run1.tar.xz").at("boot"))
    found = testing.pages_by_pageblock(machine.state)
    movable = {owner: found.get((owner, t.MIGRATE_MOVABLE), 0) for owner, _ in found}
    whole = {owner: sum(count for (o, _), count in found.items() if o == owner) for owner in movable}
    assert movable[t.OWNER_ANON] == whole[t.OWNER_ANON] > 100
    assert movable[t.OWNER_SLAB] == movable[t.OWNER_TABLE] == 0
    assert whole[t.OWNER_SLAB] > 2_000


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_booted_process_is_what_its_files_say(recordings: Path, name: str) -> None:
    seen = 0
    for source in checkpoints(recordings, name):
        built = build(source)
        for process in built.processes:
            where, shown = (source.name, process.name), process.read.status
            has = task_mmu.task_mem(built.state, process.task)
            for row in ("RssAnon", "RssFile", "RssShmem", "VmSwap", "VmSize", "VmLck", "VmPTE"):
                assert abs((shown.kib(row) or 0) - has[row]) <= 16, (*where, row, shown.kib(row), has[row])
            rollup = load(source, smaps_rollup, f"{process.read.root}/smaps_rollup")
            walked = task_mmu.smaps_rollup(built.state, process.task)
            assert rollup is not None
            for row in ("Rss", "Anonymous", "Swap"):
                assert abs(rollup.rows[row] - walked[row]) <= 16, (*where, row, rollup.rows[row], walked[row])
            score = int(source.read(f"{process.read.root}/oom_score") or 0)
            assert Twin(built).oom_score(process).value == score, where
            seen += 1
    assert seen


def test_the_oom_killer_takes_a_booted_process(recordings: Path) -> None:
    """A hog on a machine whose own process is larger: that one dies, by its name, and its files are gone."""
    source = Recording(recordings / "107-oom-four-adj" / "run1.tar.xz").at("grown")
    machine = build(source)
    largest = max(machine.processes, key=lambda process: Twin(machine).oom_score(process).value)
    run = Run(parse("proc hog adj=-900\nhog mmap a 200M\nhog touch a 0 200M w seq\ncheckpoint after\n"), machine)
    run.execute()
    deaths = [death for done in run.done for death in done.deaths]
    assert (largest.name, largest.pid) in {(death["name"], death["pid"]) for death in deaths}
    assert f"proc/{largest.pid}/status" in run.checkpoints["boot"]
    assert f"proc/{largest.pid}/status" not in run.checkpoints["after"]
    assert any(f"Killed process {largest.pid} ({largest.name})" in line for line in run.dmesg)
    invariants.validate(machine.state, ())


def test_zswap_has_the_pages_of_processes(recordings: Path) -> None:
    """What zswap holds is the process's whose pages are in swap: with its exit the pool is empty."""
    machine = build(Recording(runs_in(recordings / "112-zswap-fits")[0]).at("random"))
    before = zswap.stats(machine.state)
    assert before["stored_pages"] == machine.boot.meminfo["Zswapped"] >> 2
    assert before["pool_total_size"] >> 10 == machine.boot.meminfo["Zswap"]
    assert not [note for note in machine.notes if "zswap" in note]
    (worker,) = (booted for booted in machine.processes if booted.read.swap)
    fork.exit_task(machine.state, worker.task)
    after = zswap.stats(machine.state)
    assert after["stored_pages"] < before["stored_pages"] // 100
    assert after["pool_total_size"] < before["pool_total_size"] // 100
    invariants.validate(machine.state)


@given(swap=st.integers(0, 5000), never=st.integers(0, 5000), returned=st.integers(0, 5000))
def test_what_came_back_lies_between_what_is_in_swap(swap: int, never: int, returned: int) -> None:
    """The runs of an area cover its used pages, each once, and no part of the old ones has all that came back."""
    row = maps.parse("100000000-200000000 rw-p 00000000 00:00 0 \n").rows[0]
    area = Vma(row, 0x100000, 20000, anon=never + returned, swap=swap, returned=returned)
    resident = [(first, count) for first, count, _ in area.resident_runs()]
    runs = sorted([*area.swapped_runs(), *resident])
    assert [first for first, _ in runs] == [0x100000 + sum(count for _, count in runs[:i]) for i in range(len(runs))]
    assert sum(count for _, count in area.swapped_runs()) == swap
    assert sum(count for _, count in resident) == never + returned
    if min(swap, returned) >= 128:
        half = 0x100000 + (swap + returned) // 2
        below = sum(count for first, count in resident if first < half)
        assert abs(below - returned / 2) <= returned / 32 + 1
