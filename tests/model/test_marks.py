"""A booted machine has as many pages marked as referenced as the run had whose checkpoint it is booted from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memtwin.linux.check import testing
from memtwin.linux.core import mm_types as t
from memtwin.machine.build import build
from memtwin.procfs.pid import smaps_rollup
from memtwin.run.run import Run, machine_for
from memtwin.scenario import parse
from memtwin.sources.recording import Recording
from memtwin.sources.source import load
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.machine.machine import Machine

SWAP_READ = """swap disk size=512M rot=0
proc A
A mmap heap 200M
A touch heap 0 200M w seq content=text
A touch heap 0 60M r seq
sleep 2"""
WORKLOADS = {
    "file read": "file data 200M\nproc A\nA fread data 0 200M 64K seq",
    "file read twice": "file data 60M\nproc A\nA fread data 0 60M 64K seq\nA fread data 0 60M 64K seq",
    "file written": "file data 60M\nproc A\nA fwrite data 0 60M 64K\nA fsync data",
    "locked": "proc A\nA mmap heap 40M\nA mlock heap 0 40M",
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_booted_machine_has_the_marks_of_the_run(tmp_path: Path, name: str) -> None:
    scenario = parse(f"machine ram=160M\n{WORKLOADS[name]}\ncheckpoint end\n")
    run = Run(scenario, machine_for(scenario, None))
    run.execute()
    run.write(tmp_path / "run")
    booted = build(Recording(tmp_path / "run", partial=True).at("end"))
    for owner in (t.OWNER_ANON, t.OWNER_FILE):
        had, has = (marked(machine, owner) for machine in (run.machine, booted))
        listed = marked(run.machine, owner, 0)
        assert abs(had - has) <= max(listed // 8, 64), (owner, had, has, listed)


def marked(machine: Machine, owner: int, flag: int = t.PG_REFERENCED) -> int:
    """Count the pages of *owner* on LRU lists that have *flag*."""
    found = testing.pages_by_flags(machine.state)
    return sum(count for (whose, flags), count in found.items() if whose == owner and flags & flag == flag)


def test_pages_that_came_back_from_swap_to_be_read_are_clean(tmp_path: Path) -> None:
    """As smaps of the run says: they have their slots still, and go again without a write."""
    scenario = parse(f"machine ram=160M\n{SWAP_READ}\ncheckpoint end\n")
    run = Run(scenario, machine_for(scenario, None))
    run.execute()
    run.write(tmp_path / "run")
    source = Recording(tmp_path / "run", partial=True).at("end")
    booted = build(source)
    twin = Twin(booted, {process.name: process for process in booted.processes})
    had, has = (load(one, smaps_rollup, "workers/A/smaps_rollup").rows["Private_Clean"] for one in (source, twin))
    cached, still = (marked(machine, t.OWNER_ANON, t.PG_SWAPCACHE) for machine in (run.machine, booted))
    assert had > 40_000
    assert abs(cached - still) <= cached // 20
    assert abs(had - has) < had // 20, (had, has)
