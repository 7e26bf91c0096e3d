"""swapoff: everything comes back, whatever memory there is for it; see the head of `linux/mm/swapon.py`."""

from __future__ import annotations

import pytest
from growing import Growing

from memtwin.linux.check import invariants
from memtwin.linux.mm import swapon

FILLED = ("proc A adj={adj}", "A mmap h {a}M", "A touch h 0 {a}M w seq content=text", "proc B", "B mmap h {b}M")
SECOND = "B touch h 0 {b}M w seq content=text"


def filled(header: str, a: int, b: int, adj: int = 0) -> Growing:
    """A machine of 128 MiB on which two processes have written so many MiB."""
    machine = Growing(f"machine ram=128M\n{header}")
    for line in (*FILLED, SECOND):
        assert machine.do(line.format(a=a, b=b, adj=adj)) == "ok"
    return machine


@pytest.mark.parametrize("kind", ["zram", "disk rot=0 size=0", "disk rot=1 size=0"])
def test_all_of_it_comes_back(kind: str) -> None:
    """50 and 60 MiB in 128, then B ends: A's pages in swap fit into memory again, and nobody is killed."""
    swap = f"swap {kind} size=200M\n".replace(" size=0", "")
    machine = filled(swap, 50, 60)
    assert swapon.area_info(machine.state, 0).inuse > 2500
    assert machine.do("B exit") == "ok"
    assert machine.do(f"swapoff {kind.split(maxsplit=1)[0]}") == "ok"
    info = swapon.area_info(machine.state, 0)
    assert (info.used, info.inuse, machine.state.swap_pages) == (False, 0, (0, 0))
    assert machine.state.events_by_name()["oom_kill"] == 0
    invariants.validate(machine.state)


def test_a_process_that_is_killed_while_its_pages_come_back() -> None:
    """60 and 60 MiB do not fit into 128: swapoff goes on through the death of one whose pages it reads, and ends."""
    machine = filled("swap disk size=200M\n", 60, 60, adj=1000)
    assert machine.do("swapoff disk") == "ok"
    assert machine.state.events_by_name()["oom_kill"] == 1
    assert [process.alive for process in machine.run.processes.by_name.values()] == [False, True]
    assert machine.state.swap_pages == (0, 0)
    invariants.validate(machine.state)


def test_with_another_area_it_is_moved_there() -> None:
    """50 and 60 MiB on zram, and a disk beside: what comes back from zram pushes as much out to the disk."""
    machine = filled("swap zram size=200M prio=9\nswap disk size=200M prio=1\n", 50, 60)
    before = [swapon.area_info(machine.state, area.number) for area in machine.run.machine.areas]
    assert machine.do("swapoff zram") == "ok"
    after = [swapon.area_info(machine.state, area.number) for area in machine.run.machine.areas]
    assert [info.inuse > 0 for info in before] == [True, False]
    assert [info.inuse > 0 for info in after] == [False, True]
    assert machine.state.events_by_name()["oom_kill"] == 0
    invariants.validate(machine.state)
