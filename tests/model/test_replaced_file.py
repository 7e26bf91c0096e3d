"""A file that is truncated, written again and closed: what is lost, what is freed, and when the disk is written."""

from __future__ import annotations

from itertools import pairwise

import pytest

from memtwin import scenario as sc
from memtwin.errors import NotModelledError
from memtwin.linux.check import invariants
from memtwin.linux.mm import filemap
from memtwin.run.run import Run, machine_for, simulate

HEAD = "machine ram=512M cpus={cpus}\ndisk data read=100M write=100M {disk}\nfile old 40M\nproc A\nproc B\n"


def run(lines: str, disk: str = "", cpus: int = 2) -> Run:
    done = simulate(sc.parse(HEAD.format(disk=disk, cpus=cpus) + lines), None)
    invariants.validate(done.machine.state)
    return done


def written(lines: str, disk: str = "") -> list[int]:
    """MiB that each operation wrote to the disk, those that start the processes left out."""
    scenario = sc.parse(HEAD.format(disk=disk, cpus=2) + lines)
    done = Run(scenario, machine_for(scenario, None))
    done.sample(between=True)
    found = [0]
    for op in scenario.ops:
        done.do(op)
        found.append(done.machine.state.events_by_name()["pgpgout"] >> 10)
    invariants.validate(done.machine.state)
    return [after - before for before, after in pairwise(found)][2:]


def test_truncation_drops_pages_that_were_never_written() -> None:
    lines = "A fwrite new 0 30M 1M\nA fread old 0 40M 1M\nA truncate new\nA truncate old\nA fread old 0 40M 1M\n"
    done = run(lines)
    assert {one.outcome for one in done.done} == {"ok"}
    assert written(lines) == [0] * 5
    for name in ("old", "new"):
        info = filemap.file_info(done.machine.state, done.disk.numbers[name])
        assert (info.pages, info.cached, info.dirty) == (0, 0, 0)


def test_truncation_waits_for_what_is_under_way() -> None:
    done = run("A fwrite new 0 30M 1M\nB fsync new &\nA truncate new\nwait\n")
    assert done.done[4].us > 0
    assert filemap.file_info(done.machine.state, done.disk.numbers["new"]).cached == 0


@pytest.mark.parametrize("beside", ["", " &"])
@pytest.mark.parametrize("disk", ["fs=ext4", "fs=xfs"])
def test_a_replaced_file_is_queued_at_its_close(disk: str, beside: str) -> None:
    """40 MiB at 100 MiB/s, but for the 12 requests of 1 MiB less a bit that the queue holds."""
    lines = f"A truncate old\nA fwrite old 0 40M 1M{beside}\nA close old{beside}\nwait\n"
    done = run(lines, disk)
    assert {one.outcome for one in done.done} == {"ok"}
    assert sum(written(lines, disk)) == 40
    assert 0.26 < done.done[4].us / 1e6 < 0.42
    assert filemap.file_info(done.machine.state, done.disk.numbers["old"]).dirty == 0


def test_a_new_file_stays_in_memory() -> None:
    lines = "A fwrite new 0 40M 1M\nA close new\nA close new\n"
    assert [(one.outcome, one.errno) for one in run(lines).done[2:]] == [("ok", 0), ("ok", 0), ("error", 9)]
    assert written(lines) == [0, 0, 0]


def test_pages_that_have_their_blocks_stay_in_memory() -> None:
    """What is written over blocks that fsync has allocated is no reason to write at the close."""
    lines = "A truncate old\nA fwrite old 0 20M 1M\nA fsync old\nA fwrite old 0 8M 1M\nA close old\n"
    assert written(lines)[4] == 0
    assert written(lines.replace("old 0 8M", "old 20M 8M"))[4] == 8


def test_on_xfs_writeback_forgets_that_the_file_was_replaced() -> None:
    lines = "A truncate old\nA fwrite old 0 20M 1M\nA fsync old\nA fwrite old 20M 8M 1M\nA close old\n"
    assert [written(lines, disk)[4] for disk in ("fs=ext4", "fs=xfs")] == [8, 0]


def test_the_last_of_two_descriptors_writes() -> None:
    """A fork's child has the same descriptor: closing one of them is nothing yet, and the exit of the other writes."""
    lines = "A truncate old\nA fwrite old 0 8M 1M\nA fork C\nA close old\nC exit\nsync\n"
    assert written(lines) == [0, 0, 0, 0, 8, 0]


def test_blocks_come_back_to_a_full_disk() -> None:
    """16 MiB free and a file of 40: when it is truncated 56 may be written."""
    done = run("A fwrite new 0 16M 1M\nA fwrite more 0 1M 1M\nA truncate old\nA fwrite more 0 40M 1M\n"
               "A fwrite more 40M 1M 1M\nA truncate new\nA fwrite more 40M 16M 1M\n", "free=16M")  # fmt: skip
    assert [one.errno for one in done.done[2:]] == [0, 28, 0, 0, 28, 0, 0]


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_file_is_truncated_while_others_read_and_write_it(cpus: int) -> None:
    lines = (
        "B fread old 0 40M 64K &\nA fwrite old 0 40M 64K &\nproc C\nC truncate old\n"
        "C fwrite old 0 20M 64K &\nC close old &\nB fwrite old 8M 8M 64K &\nwait\n"
    )
    assert {one.outcome for one in run(lines, cpus=cpus).done} == {"ok"}


def test_a_file_of_the_disk_that_is_mapped_is_not_truncated() -> None:
    with pytest.raises(NotModelledError, match="truncating"):
        run("A fmap r old shared\nA truncate old\n")
