"""The OOM killer: points in the kernel's integers, who is chosen, and what the settings change.

points = resident + swapped + page tables, in pages, + oom_score_adj * (all RAM and swap in pages // 1000)
"""

from __future__ import annotations

import pytest
from growing import Growing
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.linux.check import invariants
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.mm import oom_kill
from memtwin.oom import badness, layout, parse, rank
from memtwin.oom.badness import Charge
from memtwin.twin.twin import Twin

HEADER = "machine ram=128M\nswap disk size={}M\n"


def machine(swap_mib: int = 8) -> Growing:
    """A machine of 128 MiB with a little swap, or none."""
    return Growing(HEADER.format(swap_mib) if swap_mib else "machine ram=128M\n")


def total(run: Growing) -> int:
    """All RAM and swap, pages."""
    return int(run.state.memory_total + run.state.swap_pages[0])


def points(run: Growing, name: str) -> int:
    """A process's points, from what /proc shows of it: by the compiled rule and by that of the reports."""
    process = run.run.processes.by_name[name]
    memory = task_mmu.task_mem(run.state, process.task)
    rows = {row[0]: row for row in oom_kill.task_rows(run.state)}
    _, _, rss, tables, swapped, adj, _ = rows[process.pid]
    assert rss * 4 == memory["VmRSS"]
    worked = badness.points(Charge(rss, swapped, tables // 4096, adj), total(run))
    assert worked == oom_kill.points_of(run.state, process.task)
    return worked


def score(run: Growing, name: str) -> int:
    """What /proc/PID/oom_score shows of it."""
    twin = Twin(run.run.machine, run.run.processes.by_name)
    return twin.oom_score(run.run.processes.by_name[name]).value


def alive(run: Growing) -> set[str]:
    """Who lives."""
    return {name for name, process in run.run.processes.by_name.items() if process.alive}


def fill(run: Growing, mib: int = 95, name: str = "f") -> str:
    """Have a process write more than there is; returns the outcome."""
    assert run.do(f"{name} mmap more {mib}M") == "ok"
    return run.do(f"{name} touch more 0 {mib}M w seq")


# --- points ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("adj", "mib"), [(0, 0), (0, 40), (300, 20), (-300, 40), (1000, 0), (-999, 10), (999, 1)])
def test_the_score_is_the_scaled_points(adj: int, mib: int) -> None:
    """(1000 + points * 1000 / total) * 2 / 3, each division towards zero: 666 for nothing, 1333 and more for 1000."""
    run = machine()
    run.do(f"proc a adj={adj}")
    if mib:
        run.do(f"a mmap h {mib}M")
        run.do(f"a touch h 0 {mib}M w seq")
    share = points(run, "a") * 1000
    scaled = share // total(run) if share >= 0 else -(-share // total(run))
    expected = 1000 + scaled
    assert score(run, "a") == (expected * 2 // 3 if expected >= 0 else -(-expected * 2 // 3))


def test_adj_counts_in_whole_thousandths_of_memory() -> None:
    """adj 1 is as much as one thousandth of RAM and swap, rounded down to pages, once for each."""
    run = machine(64)
    for adj in (0, 1, 500, -500):
        run.do(f"proc p{adj + 1000} adj={adj}")
    step = total(run) // 1000
    base = points(run, "p1000")
    assert [points(run, f"p{adj + 1000}") - base for adj in (1, 500, -500)] == [step, 500 * step, -500 * step]


def test_a_process_that_may_not_be_killed_shows_0() -> None:
    """-1000 is no number of points but never; -999 is a low one."""
    run = machine()
    run.do("proc a adj=-1000")
    run.do("proc b adj=-999")
    assert score(run, "a") == 0
    assert 0 < score(run, "b") < 20


# --- who is chosen ---------------------------------------------------------------------------------------------------


def ready(*processes: tuple[str, int, int], swap_mib: int = 8) -> Growing:
    """Processes of (name, adj, MiB written), in the order in which they start."""
    run = machine(swap_mib)
    for name, adj, mib in processes:
        run.do(f"proc {name} adj={adj}")
        if mib:
            run.do(f"{name} mmap h {mib}M")
            assert run.do(f"{name} touch h 0 {mib}M w seq") == "ok"
    return run


def test_the_largest_is_killed() -> None:
    """20 MiB against what the writer has by then: more, so it dies of its own request, and the other lives."""
    run = ready(("a", 0, 20), ("f", 0, 0))
    assert fill(run) == "died"
    assert alive(run) == {"a"}
    assert run.state.events_by_name()["oom_kill"] == 1
    invariants.validate(run.state)


def test_adj_turns_it_round() -> None:
    """At -900 the writer counts for less than nothing: the one with 20 MiB goes first, then the writer."""
    run = ready(("a", 0, 20), ("f", -900, 0))
    assert fill(run) == "died"
    assert alive(run) == set()
    assert [report.victim.name for report in run.run.ooms if report.victim] == ["a", "f"]


def test_minus_1000_is_never_chosen() -> None:
    """It holds most of what there is and lives."""
    run = ready(("big", -1000, 50), ("small", 0, 1), ("f", 0, 0))
    assert fill(run) == "died"
    assert "big" in alive(run)


def test_of_equals_the_later_one_dies() -> None:
    """Two of the same size: the kernel passes over a process only if it has fewer points than the best so far."""
    run = ready(("a", 300, 20), ("b", 300, 20), ("f", -1000, 0))
    assert points(run, "a") == points(run, "b")
    run.do("f mmap more 90M")
    for mib in range(50, 90):
        run.do(f"f touch more {mib}M 1M w seq") if {"a", "b"} <= alive(run) else None
    assert alive(run) == {"a", "f"}


def test_a_child_has_its_parents_adj() -> None:
    """Of 20 MiB each page is counted with both after a fork; the child maps less of the program: some 170 pages."""
    run = ready(("a", 500, 20), ("f", -1000, 0))
    run.do("a fork c")
    assert abs(points(run, "a") - points(run, "c")) < 200
    task = run.run.processes.by_name["c"].task
    assert task_mmu.task_times(run.state, task)["oom_score_adj"] == 500


# --- what the settings change ----------------------------------------------------------------------------------------


def test_oom_kill_allocating_task_takes_who_asks() -> None:
    """The small one that asks dies at once, not the one with 60 MiB."""
    for setting, left in ((0, {"f"}), (1, {"a"})):
        run = ready(("a", 0, 60), ("f", 0, 0))
        run.do(f"sysctl vm.oom_kill_allocating_task={setting}")
        run.do("f mmap more 45M")
        run.do("f touch more 0 45M w seq")
        assert alive(run) == left
        assert [report.message for report in run.run.ooms] == [
            "Out of memory (oom_kill_allocating_task)" if setting else "Out of memory"
        ]


def test_who_may_not_be_killed_is_not_though_it_asks() -> None:
    """adj -1000 and oom_kill_allocating_task: the usual choice is made instead."""
    run = ready(("a", 0, 60), ("f", -1000, 0))
    run.do("sysctl vm.oom_kill_allocating_task=1")
    run.do("f mmap more 45M")
    assert run.do("f touch more 0 45M w seq") == "ok"
    assert alive(run) == {"f"}


def test_panic_on_oom_stops_the_machine() -> None:
    """Nobody is killed; what comes after is skipped."""
    run = ready(("a", 0, 20), ("f", 0, 0))
    run.do("sysctl vm.panic_on_oom=1")
    assert fill(run) == "died"
    assert run.state.has_panicked
    assert run.state.events_by_name()["oom_kill"] == 0
    assert run.do("a munmap h") == "skipped"
    assert run.run.ooms[-1].victim is None


def test_with_nobody_to_kill_it_stops_too() -> None:
    """All have -1000."""
    run = ready(("a", -1000, 20), ("f", -1000, 0))
    assert fill(run) == "died"
    assert run.state.has_panicked
    assert run.state.events_by_name()["oom_kill"] == 0


def test_a_victims_memory_comes_back() -> None:
    """60 MiB of the victim and its slots are free again: the writer gets them and nobody else dies."""
    run = ready(("a", 0, 60), ("f", 0, 0))
    run.do("f mmap more 45M")
    before = run.state.node_stats()["nr_anon_pages"]
    assert run.do("f touch more 0 45M w seq") == "ok"
    assert run.state.node_stats()["nr_anon_pages"] < before
    assert run.state.swap_pages[1] > run.state.swap_pages[0] - 2 * 64 - 2047
    invariants.validate(run.state)


# --- who asks --------------------------------------------------------------------------------------------------------


def test_memory_for_reading_proc_is_asked_for_by_the_reader() -> None:
    """A chain of forks fills the machine, most of it is killed; what a checkpoint needs then no process asks for."""
    run = machine(0)
    run.do("proc c0")
    run.do("c0 mmap h 2M")
    run.do("c0 touch h 0 2M w seq")
    number = 0
    while run.do(f"c{number} fork c{number + 1}") == "ok":
        number += 1
        run.do(f"c{number} touch h 0 4K w seq")
    run.do("checkpoint end")
    reports = run.run.done[-1].ooms
    assert reports
    assert {report.trigger.pid for report in reports} == {1}
    assert {report.victim.name for report in reports if report.victim} <= {f"c{i}" for i in range(number + 1)}
    invariants.validate(run.state)


# --- the report ------------------------------------------------------------------------------------------------------


def kill_of_two(swap_mib: int, adj: int, setting: str) -> Growing:
    """A machine that runs out of memory once, in one of the ways in which a report can end."""
    run = machine(swap_mib)
    run.do("sysctl vm.overcommit_memory=1")
    for name, size in (("a", 40), ("f", 1)):
        run.do(f"proc {name} adj={adj if name == 'a' else min(adj, 0)}")
        run.do(f"{name} mmap h {size}M")
        run.do(f"{name} touch h 0 {size}M w seq")
    if setting:
        run.do(f"sysctl {setting}")
    fill(run, 200)
    return run


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from((0, 8, 64)),
    st.sampled_from((-1000, -300, 0, 1, 500, 1000)),
    st.sampled_from(("", "vm.panic_on_oom=1", "vm.oom_kill_allocating_task=1", "vm.oom_dump_tasks=0")),
)
def test_the_twins_event_comes_back_from_its_text(swap_mib: int, adj: int, setting: str) -> None:
    """parse(print(event)) == event, and the rule of the reports chooses from the table whom the compiled one chose."""
    for event in kill_of_two(swap_mib, adj, setting).run.ooms:
        assert parse("\n".join(layout.render(event))) == [event]
        ranking = rank(event)
        if event.tasks and event.victim is not None:
            assert ranking.follows is True, ranking.why
        if event.tasks and event.victim is not None and not setting:
            assert ranking.pid == event.victim.pid
