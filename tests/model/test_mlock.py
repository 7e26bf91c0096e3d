"""Locked pages: which list they are on while batches are still to be emptied.

A new page waits in a batch of 15 for its list; a lock on it waits in another.  Whichever is emptied first, the page
comes to lie on one list, once.
"""

from __future__ import annotations

import pytest

from memtwin.linux.check import invariants
from memtwin.run import run
from memtwin.scenario import parse


def locked(op: str, size: str = "70M") -> run.Run:
    """A machine on which a shared map of a file has been operated on by *op*."""
    return run.simulate(parse(f"machine ram=256M\nfile f {size}\nproc A\nA fmap m f shared\n{op}\n"), None)


@pytest.mark.parametrize("offset", [0, 511, 512, 600, 864])
def test_a_locked_page_that_waits_for_its_list_is_listed_once(offset: int) -> None:
    """Of 20 pages read in and locked, 15 filled a batch and are unevictable; 5 wait; all lists are linked both ways."""
    done = locked(f"A mlock m {offset}P 20P")
    invariants.validate(done.machine.state)
    node = done.machine.state.node_stats()
    before = locked("").machine.state.node_stats()
    assert node["nr_unevictable"] - before["nr_unevictable"] == 15


def test_unlocked_pages_come_back_to_the_inactive_list() -> None:
    """munlock empties the batches first, then rescues all 20."""
    done = locked("A mlock m 600P 20P\nA munlock m 600P 20P\nA mlock m 0 15P")
    invariants.validate(done.machine.state)
    events = done.machine.state.events_by_name()
    assert events["unevictable_pgs_rescued"] == 20


SWAPPED = """machine ram=192M kernel={kernel}
swap disk size=256M rot=0
proc A
A mmap a 40M
A touch a 0 40M w seq content=random
proc B
B mmap b 150M
B touch b 0 150M w seq content=random
B exit
A mlock a 0 8M
"""


@pytest.mark.parametrize(("kernel", "kept"), [("6.1", True), ("6.12", False)])
def test_what_comes_from_swap_into_a_locked_area_is_locked_at_once_until_6_11(kernel: str, kept: bool) -> None:
    """6.12 maps it as a new page, which it does not lock; reclaim does so when it meets the page (recording 216)."""
    before = run.simulate(parse(SWAPPED.format(kernel=kernel).replace("A mlock", "# A mlock")), None)
    after = run.simulate(parse(SWAPPED.format(kernel=kernel)), None)
    invariants.validate(after.machine.state)
    pages = [found.machine.state.events_by_name()["unevictable_pgs_mlocked"] for found in (before, after)]
    assert after.machine.state.events_by_name()["pswpin"] >= 1500
    assert (pages[1] - pages[0] == 2048) == kept
    pressed = f"{SWAPPED.format(kernel=kernel)}proc C\nC mmap c 160M\nC touch c 0 160M w seq\n"
    squeezed = run.simulate(parse(pressed), None)
    invariants.validate(squeezed.machine.state)
    locked_pages = squeezed.machine.state.events_by_name()["unevictable_pgs_mlocked"] - pages[0]
    assert locked_pages == 2048
