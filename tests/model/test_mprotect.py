"""Rights of memory, stacks and a process's own limits; `linux/mm/mprotect.py`, `mmap.py`."""

from __future__ import annotations

from itertools import pairwise

import pytest
from growing import Growing

from memtwin.linux.check import invariants
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import fork
from memtwin.linux.mm import mprotect
from memtwin.linux.records import Outcome
from memtwin.twin.perms import perms_of


def machine(*lines: str, header: str = "") -> Growing:
    """A machine of 128 MiB with a process A, on which *lines* have succeeded."""
    made = Growing(f"machine ram=128M\n{header}")
    for line in ("proc A", *lines):
        assert made.do(line) == "ok", line
    return made


def rights(made: Growing, name: str = "A") -> list[tuple[int, str]]:
    """(MiB, rights) of each area of the regions of a process."""
    found = task_mmu.areas(made.state, made.run.processes.by_name[name].task)
    return [((end - start) >> 8, perms_of(flags)) for start, end, flags, *_ in found if 1 << 32 <= start < 7 << 32]


def test_a_part_gets_its_own_area_and_becomes_one_with_the_rest_again() -> None:
    """8 MiB of 32 read-only are an area of their own, until they are writable again."""
    made = machine("A mmap h 32M", "A touch h 0 32M w seq", "A mprotect h 8M 8M r", "A mprotect h 16M 4M none")
    assert rights(made) == [(8, "rw-p"), (8, "r--p"), (4, "---p"), (12, "rw-p")]
    invariants.validate(made.state)
    assert made.do("A mprotect h 8M 12M rw") == "ok"
    assert rights(made) == [(32, "rw-p")]
    invariants.validate(made.state)
    before = made.state.events_by_name()["pgfault"]
    assert made.do("A touch h 0 32M w seq") == "ok"
    assert made.state.events_by_name()["pgfault"] == before  # written before, and A's alone: writable at once


@pytest.mark.parametrize(
    ("right", "touch", "signal"),
    [("r", "w", 11), ("none", "r", 11), ("none", "w", 11), ("rx", "w", 11), ("r", "r", 0), ("rwx", "w", 0)],
)
def test_a_touch_that_is_not_allowed_ends_that_process_alone(right: str, touch: str, signal: int) -> None:
    """SIGSEGV for who touches; its forked neighbour has the page as it was."""
    made = machine("A mmap h 4M", "A touch h 0 4M w seq", "A fork B", f"A mprotect h 1M 1M {right}")
    outcome = made.do(f"A touch h 0 4M {touch} seq")
    assert (outcome, [death["signal"] for death in made.run.done[-1].deaths]) == (
        ("died", [signal]) if signal else ("ok", [])
    )
    assert ("SIGSEGV" in made.run.done[-1].why) == bool(signal)
    assert made.do("B touch h 0 4M w seq") == "ok"
    invariants.validate(made.state)


def test_what_may_not_be_touched_is_swapped_and_comes_back_with_its_rights() -> None:
    """40 MiB without rights and 40 read-only are taken by reclaim, come back by swapoff, and are as written."""
    made = machine(
        "A mmap h 40M", "A touch h 0 40M w seq content=text", "A mprotect h 0 20M none", "A mprotect h 20M 20M r",
        "A madvise h 0 40M pageout", header="swap disk size=100M",
    )  # fmt: skip
    assert made.state.swap_pages[0] - made.state.swap_pages[1] >= 9 << 10
    assert made.do("A touch h 20M 20M r seq") == made.do("swapoff disk") == "ok"
    invariants.validate(made.state)
    assert made.do("A mprotect h 0 40M rw") == made.do("A touch h 0 40M w seq") == "ok"
    invariants.validate(made.state)


def test_a_write_after_rights_came_back_copies_what_a_fork_shares() -> None:
    """Rights do not make a shared page writable: the child's write is a copy on write."""
    made = machine("A mmap h 4M", "A touch h 0 4M w seq", "A fork B", "B mprotect h 0 4M r", "B mprotect h 0 4M rw")
    before = made.state.node_stats()["nr_anon_pages"]
    assert made.do("B touch h 0 4M w seq") == "ok"
    assert made.state.node_stats()["nr_anon_pages"] - before >= 1 << 10
    invariants.validate(made.state)


def test_a_hole_is_enomem_and_what_lies_before_it_is_done() -> None:
    """mprotect over the end of what is mapped changes the mapped part."""
    made = machine("A mmap h 4M")
    region = made.run.processes.by_name["A"].regions["h"]
    task = made.run.processes.by_name["A"].task
    assert mprotect.mprotect(made.state, task, region.start, region.pages + 5, True, False, False) == Outcome.ENOMEM
    assert rights(made) == [(4, "r--p")]
    assert mprotect.mprotect(made.state, task, region.start - 1, 2, True, True, False) == Outcome.ENOMEM
    assert rights(made) == [(4, "r--p")]


def test_making_memory_writable_is_a_promise_that_overcommit_may_refuse() -> None:
    """A read-only private mapping promises nothing; as a writable one it is promised, and may be refused."""
    made = machine()
    task = made.run.processes.by_name["A"].task
    assert fork.mmap(made.state, task, 1 << 32, 1 << 15, 1) == Outcome.OK
    before = made.state.committed_pages
    assert mprotect.mprotect(made.state, task, 1 << 32, 1 << 10, True, True, False) == Outcome.OK
    assert made.state.committed_pages - before == 1 << 10
    assert made.do("sysctl vm.overcommit_memory=2") == "ok"
    assert mprotect.mprotect(made.state, task, 1 << 32, 1 << 15, True, True, False) == Outcome.ENOMEM
    invariants.validate(made.state)


def test_a_stack_grows_by_itself_to_its_limit() -> None:
    """7 MiB of the 8 that a process may have by default; a smaller limit stops it; a fork hands the limit on."""
    made = machine("A stack 7M", "A fork B", "B limit stack 7M", "B fork C")
    found = task_mmu.areas(made.state, made.run.processes.by_name["A"].task)
    assert found[-1][1] - found[-1][0] >= 7 << 8
    assert made.do("A stack 9M") == "died"
    assert (made.run.done[-1].deaths[0]["signal"], "RLIMIT_STACK" in made.run.done[-1].why) == (11, True)
    assert made.do("C stack 8M") == "died"
    assert made.do("B stack 6M") == "ok"
    assert all(first[1] <= second[0] for first, second in pairwise(found))
    invariants.validate(made.state)


def test_a_stack_keeps_its_distance_from_what_lies_below() -> None:
    """The guard gap is 256 pages: a mapping that near stops the stack before its limit."""
    made = machine()
    task = made.run.processes.by_name["A"].task
    stack = task_mmu.areas(made.state, task)[-1]
    assert fork.mmap(made.state, task, stack[0] - 400, 4, 3) == Outcome.OK
    assert made.do("A stack 400K") == "ok"
    assert made.do("A stack 1M") == "died"
    assert "1 MiB" in made.run.done[-1].why


@pytest.mark.parametrize(("what", "word"), [("as", "RLIMIT_AS"), ("data", "RLIMIT_DATA")])
def test_a_processs_own_limit_refuses_it_alone(what: str, word: str) -> None:
    """ENOMEM for A's mmap, and not for B's; without the limit it succeeds."""
    made = machine("proc B", f"A limit {what} 32M")
    assert made.do("A mmap h 40M") == "error"
    assert (made.run.done[-1].errno, word in made.run.done[-1].why) == (12, True)
    assert made.do("B mmap h 40M") == made.do(f"A limit {what} none") == made.do("A mmap h 40M") == "ok"
    invariants.validate(made.state)


def test_what_was_data_once_becomes_so_again_only_within_the_limit() -> None:
    """60 MiB of heap made read-only leave room for 50 MiB more under a limit of 80; writable again it would be 110."""
    made = Growing("machine ram=256M")
    for line in ("proc A", "A limit data 80M", "A mmap heap 60M", "A mprotect heap 0 60M r", "A mmap more 50M"):
        assert made.do(line) == "ok", line
    assert made.do("A mprotect heap 0 60M rw") == "error"
    assert made.do("A limit data none") == made.do("A mprotect heap 0 60M rw") == "ok"
    invariants.validate(made.state)
