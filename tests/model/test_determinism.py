"""The same input gives the same bytes, and a copy of a running machine goes on as the original does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memtwin.errors import ModelBug
from memtwin.linux import touch
from memtwin.linux.check import invariants, testing
from memtwin.linux.fs import read_write
from memtwin.linux.kernel.sched import core as sched
from memtwin.run import run, settings
from memtwin.scenario import parse
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

WORKLOAD = """machine ram=192M
proc A
A mmap heap 40M
A touch heap 0 40M w hot:30000:20%:80%:9 content=text
A fork B
B touch heap 0 40M w rand:9000:4
sleep 7
checkpoint end
"""


def test_two_runs_leave_the_same_bytes(recordings: Path, tmp_path: Path) -> None:
    """Every file of two runs of one recording's scenario is equal."""
    real = Recording(recordings / "22-fork-cow" / "run1.tar.xz")
    for name in ("one", "two"):
        run.run_scenario(real.scenario(), real.at("boot"), tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 100
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


FILES = """machine ram=192M
file data 220M
file lib 24M
proc A
A fmap l lib shared
A touch l 0 24M r rand:4000:3
A fread data 0 220M 64K seq
A fwrite log 0 60M 64K
A touch l 0 24M w hot:5000:20%:80%:9
sleep 7
A fsync log
A fread data 0 220M 4K rand:9000:4
sleep 33
checkpoint end
"""


def test_two_runs_with_files_leave_the_same_bytes(tmp_path: Path) -> None:
    """Readahead, reclaim, kswapd and the flusher: every file of two runs of one workload is equal."""
    for name in ("one", "two"):
        run.run_scenario(parse(FILES), None, tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 50
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_copy_in_the_midst_of_reclaim_goes_on_alike() -> None:
    """Copied with the flusher and kswapd at work, dirty pages and requests under way: both come to the same state."""
    scenario = parse(FILES)
    done = run.Run(scenario, settings.prepare(scenario, None, settings.settings_of(())))
    for op in scenario.ops[:5]:
        done.do(op)
    state, process = done.machine.state, done.processes.by_name["A"]
    buffer = done.machine.program.io_buffer
    assert state.reclaim_began_ns
    assert state.node_stats()["nr_dirty"] > 0
    twin = state.copy()
    for machine in (state, twin):
        read = read_write.FileIo(machine, process.task, process.files["data"], 0, 65536, 3520, False, buffer, 99)
        assert read.run() == 0
        sched.sleep_until(machine, machine.clock_ns + 8_000_000_000)
    assert state.fingerprint() == twin.fingerprint()
    invariants.validate(twin)


def test_a_copy_goes_on_alike() -> None:
    """After the same further touches a copy and its original have the same frames and counters."""
    done = run.simulate(parse(WORKLOAD), None)
    state = done.machine.state
    process, region = done.processes.by_name["B"], done.processes.by_name["B"].regions["heap"]
    twin = state.copy()
    for machine in (state, twin):
        code = touch.Touch(machine, process.task, region.start, region.pages, True, kind=1, touches=4000, seed=3).run()
        assert code == 0
    assert state.fingerprint() == twin.fingerprint()
    invariants.validate(twin)


def test_a_copy_is_apart() -> None:
    """What happens to a copy does not happen to the original."""
    done = run.simulate(parse(WORKLOAD), None)
    before = done.machine.state.fingerprint()
    twin = done.machine.copy()
    process = done.processes.by_name["A"]
    touch.Touch(twin.state, process.task, process.regions["heap"].start, 500, True, kind=0).run()
    assert done.machine.state.fingerprint() == before
    assert twin.state.fingerprint() != before


def test_a_lost_page_is_found_out() -> None:
    """validate() names a page whose content is not what was written to it."""
    done = run.simulate(parse(WORKLOAD), None)
    process = done.processes.by_name["A"]
    testing.corrupt_page(done.machine.state, process.task, process.regions["heap"].start)
    with pytest.raises(ModelBug, match="does not hold what was written"):
        invariants.validate(done.machine.state)


def test_a_mixed_up_page_is_found_out_at_unmap() -> None:
    """The release build notices wrong content when the kernel handles the page."""
    done = run.simulate(parse(WORKLOAD), None)
    process = done.processes.by_name["A"]
    testing.corrupt_page(done.machine.state, process.task, process.regions["heap"].start)
    with pytest.raises(ModelBug, match="not what was written"):
        done.do(parse(f"{WORKLOAD}A munmap heap\n").ops[-1])
