"""A data disk with a limit: what a write takes, and what becomes of one for which no block is left."""

from __future__ import annotations

import pytest

from memtwin.errors import ScenarioError
from memtwin.linux.check import invariants
from memtwin.linux.mm import filemap
from memtwin.run import run
from memtwin.scenario import parse

HEAD = "machine ram=256M\ndisk data free=16M\nfile old 8M\nfile holes 32M content=zero\nproc A\n"


def done(text: str) -> run.Run:
    finished = run.simulate(parse(HEAD + text), None)
    invariants.validate(finished.machine.state)
    return finished


def outcomes(finished: run.Run) -> list[tuple[str, int]]:
    return [(one.outcome, one.errno) for one in finished.done[1:]]


def test_a_new_file_grows_until_the_disk_is_full() -> None:
    """16 MiB are written, the rest is ENOSPC; what was written stays, and is written back."""
    finished = done("A fwrite new 0 24M 1M\nsync\nA fwrite new 0 16M 1M\nA fread new 0 16M 1M\n")
    assert outcomes(finished) == [("error", 28), ("ok", 0), ("ok", 0), ("ok", 0)]
    assert "data disk is full: 16,384 kB were free" in finished.done[1].why
    assert filemap.disk_usage(finished.machine.state) == (4096, 4096)
    assert finished.disk.pages("new") == 4096


def test_a_file_that_has_its_blocks_is_written_again_on_a_full_disk() -> None:
    finished = done("A fwrite new 0 16M 1M\nA fwrite old 0 8M 1M\nA fwrite old 8M 1M 1M\n")
    assert outcomes(finished) == [("ok", 0), ("ok", 0), ("error", 28)]


def test_a_hole_takes_a_block_once() -> None:
    finished = done(
        "A fwrite holes 0 8M 1M\nsync\nA fwrite holes 0 8M 1M\nA fwrite holes 8M 8M 1M\nA fwrite holes 16M 1M 1M\n"
    )
    assert outcomes(finished) == [("ok", 0), ("ok", 0), ("ok", 0), ("ok", 0), ("error", 28)]


def test_a_touch_of_a_hole_on_a_full_disk_is_sigbus() -> None:
    """The process dies of it, and another reads the file on."""
    finished = done("A fmap map holes shared\nA touch map 0 20M w seq\nproc B\nB fread holes 0 1M 1M\n")
    assert outcomes(finished) == [("ok", 0), ("died", 0), ("ok", 0), ("ok", 0)]
    assert finished.done[2].deaths[0]["signal"] == 7


def test_without_a_limit_nothing_is_counted() -> None:
    finished = run.simulate(parse("machine ram=256M\nproc A\nA fwrite new 0 64M 1M\n"), None)
    assert filemap.disk_usage(finished.machine.state) == (0, 0)


@pytest.mark.parametrize(
    "line",
    [
        "disk data free=",
        "disk data free=0",
        "disk data free=1",
        "disk data size=1M",
        "disk data free=1M\ndisk data free=1M",
    ],
)
def test_a_line_that_is_wrong_is_refused(line: str) -> None:
    with pytest.raises(ScenarioError):
        parse(f"{line}\nproc A\n")
