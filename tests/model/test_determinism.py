"""The same input gives the same bytes, and a copy of a running machine goes on as the original does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memtwin import run
from memtwin.errors import ModelBug
from memtwin.mm import debug, memory, touch
from memtwin.recording import Recording
from memtwin.scenario import parse

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
    debug.validate(twin)


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
    memory.corrupt_page(done.machine.state, process.task, process.regions["heap"].start)
    with pytest.raises(ModelBug, match="does not hold what was written"):
        debug.validate(done.machine.state)


def test_a_mixed_up_page_is_found_out_at_unmap() -> None:
    """The release build notices wrong content when the kernel handles the page."""
    done = run.simulate(parse(WORKLOAD), None)
    process = done.processes.by_name["A"]
    memory.corrupt_page(done.machine.state, process.task, process.regions["heap"].start)
    with pytest.raises(ModelBug, match="not what was written"):
        done.processes.munmap(process, "heap")
