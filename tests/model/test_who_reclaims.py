"""Who reclaims where one cpu is shared, and what asks on when nothing is left.

A kswapd that has run for longer than its share waits for the next tick; swap writes wait for bios; a victim that asks
for memory itself makes its rounds once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.check import invariants
from memtwin.run import run, settings
from memtwin.scenario import parse

if TYPE_CHECKING:
    import pytest

    from memtwin.linux.records import Notice
    from memtwin.twin.twin import Twin

SQUEEZE = "swap disk size=512M rot=0\nproc A\nA mmap h 400M\nA touch h 0 400M w seq\n"
ROUNDS = 17


def squeezed(text: str) -> run.Run:
    """A machine of 256 MiB after a workload."""
    return run.simulate(parse(f"machine ram=256M\n{text}"), None)


def test_a_task_reclaims_for_itself_while_kswapd_waits_for_its_turn() -> None:
    """400 MiB on 256: both work; whoever does it, what is freed is what was written, but for what is in the cache."""
    events = squeezed(SQUEEZE).machine.state.events_by_name()
    assert events["allocstall_movable"] > 100
    assert events["pgsteal_kswapd"] > 1000
    assert events["pgsteal_direct"] > 1000
    assert events["pgsteal_kswapd"] + events["pgsteal_direct"] <= events["pswpout"] + events["pgsteal_file"]


def test_pages_written_while_they_are_isolated_stay_in_the_swap_cache() -> None:
    """Below the min mark writers wait for bios with 32 pages in their hands: what ends meanwhile is not rotated."""
    done = squeezed(SQUEEZE)
    events, node = done.machine.state.events_by_name(), done.machine.state.node_stats()
    left = events["pswpout"] - events["pgrotated"]
    assert 0 < node["nr_swapcached"] <= left < events["pswpout"] // 5
    invariants.validate(done.machine.state)


def test_a_victim_that_asks_goes_round_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """zram full of random data leaves nothing free: the kill comes after 17 rounds, and 17 more follow it."""
    text = "machine ram=256M\nswap zram size=256M\nproc A\nA mmap h 400M\nA touch h 0 400M w seq content=random\n"
    scenario = parse(text)
    done = run.Run(scenario, settings.prepare(scenario, None, settings.settings_of(())))
    state = done.machine.state
    stalls: list[int] = []
    event = run.oom_event.event

    def noted(twin: Twin, notice: Notice) -> object:
        stalls.append(notice.then.events_by_name()["allocstall_movable"])
        return event(twin, notice)

    monkeypatch.setattr(run.oom_event, "event", noted)
    for op in scenario.ops:
        done.do(op)
    (killed,) = stalls
    assert killed >= ROUNDS
    assert ROUNDS <= state.events_by_name()["allocstall_movable"] - killed <= 3 * ROUNDS
    assert done.done[-1].outcome == "died"
    invariants.validate(state)
