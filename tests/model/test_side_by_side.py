"""Do tasks run and wait side by side, on one CPU and on several, and do load, pressure and CPU time say so?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from memtwin import scenario as sc
from memtwin.errors import NotModelledError
from memtwin.linux.check import invariants
from memtwin.linux.core import mm_types
from memtwin.linux.kernel.sched import core as sched
from memtwin.linux.kernel.sched import cputime, loadavg, psi
from memtwin.linux.mm import mm_init
from memtwin.procfs import stat
from memtwin.run.run import Run, machine_for, simulate
from memtwin.sources.source import load
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from memtwin.linux.core.state import State

NS = 1_000_000_000
FIXED_1, EXPONENTS = 2048, (1884, 2014, 2037)
"""Of the load average, as include/linux/sched/loadavg.h has them."""
PSI_EXPONENTS = (1677, 1981, 2034)


def machine(cpus: int, more: str = "", names: str = "AB", pages: str = "8M") -> str:
    started = "".join(f"proc {name}\n{name} mmap h {pages}\n" for name in names)
    return f"machine ram=256M cpus={cpus}\n{more}{started}"


def run(text: str) -> Run:
    return simulate(sc.parse(text), None)


def figures(state: State) -> tuple[object, ...]:
    pressure = [psi.lines(state, resource) for resource in range(3)]
    return state.clock_ns, state.events_by_name(), state.node_stats(), cputime.cpu_times(state), pressure


def booked_ns(done: Run) -> int:
    return sum(cputime.cpu_times(done.machine.state).values())


def faded(averages: tuple[int, ...], exponents: tuple[int, ...], active: int) -> tuple[int, ...]:
    """One step of fading means in fixed point, as the kernel takes it."""
    found = []
    for average, exponent in zip(averages, exponents, strict=True):
        new = average * exponent + active * (FIXED_1 - exponent)
        found.append((new + (FIXED_1 - 1 if active >= average else 0)) // FIXED_1)
    return tuple(found)


BUSY = "w rand:6000000:1 content=random"
"""Some six seconds of work on pages that are there."""


ASLEEP = "touch h 0 4K r rand:900:3 think=20ms"
SCHEDULES = {
    "three tasks at work": ("ABC", "".join(f"{name} touch h 0 4M {BUSY} &\n" for name in "ABC"), 3),
    "one at work, two that wait for a disk, one that sleeps": (
        "ABCD",
        f"A touch h 0 4M {BUSY} &\nB fread f 0 64M 4K rand:900:1 &\nC fread f 0 64M 4K rand:900:2 &\nD {ASLEEP} &\n",
        3,
    ),
    "two that sleep": ("AB", f"A {ASLEEP} &\nB {ASLEEP} &\n", 0),
}
"""Names of tasks, what they do for more than 5 s, and how many of them are load."""


@pytest.mark.parametrize("cpus", [1, 2, 4])
@pytest.mark.parametrize("what", SCHEDULES)
def test_the_load_average_counts_who_runs_and_who_waits(cpus: int, what: str) -> None:
    """However many CPUs there are: exact, by the kernel's arithmetic."""
    names, lines, active = SCHEDULES[what]
    text = machine(cpus, "disk data latency=20ms depth=1 readahead=4K\nfile f 64M\n", names) + lines
    scenario = sc.parse(text)
    done = Run(scenario, machine_for(scenario, None))
    state = done.machine.state
    done.sample(between=True)
    for op in scenario.ops:
        done.do(op)
    steps = 0
    while state.clock_ns < 5.1 * NS + done.samples[0].time_ns:
        before = state.clock_ns
        sched.sleep_until(state, before + NS)
        steps += state.clock_ns // loadavg.LOAD_FREQ_NS - before // loadavg.LOAD_FREQ_NS
    expected: tuple[int, ...] = (0, 0, 0)
    for _ in range(steps):
        expected = faded(expected, EXPONENTS, active * FIXED_1)
    assert steps > 0
    assert loadavg.averages(state) == tuple(loadavg.hundredths(value) for value in expected)


def test_two_tasks_on_one_cpu_are_pressure_on_it_all_the_time() -> None:
    done = run(machine(1) + "".join(f"{name} touch h 0 4M {BUSY} &\n" for name in "AB") + "wait\n")
    first, second = (done.done[number].us for number in (4, 5))
    (_, some_us), (_, full_us) = psi.lines(done.machine.state, 2)
    assert first / second == pytest.approx(1, rel=0.01)
    assert some_us == pytest.approx(min(first, second), abs=50)
    assert full_us == 0


def test_pressure_averages_are_the_kernels_arithmetic() -> None:
    """Whole periods of 2.004 s in which two tasks want one CPU are 100 %, to the printed digit."""
    scenario = sc.parse(machine(1) + "".join(f"{name} touch h 0 4M {BUSY} &\n" for name in "AB"))
    done = Run(scenario, machine_for(scenario, None))
    state = done.machine.state
    done.sample(between=True)
    for op in scenario.ops:
        done.do(op)
    period = psi.PSI_PERIOD_NS
    sched.sleep_until(state, (state.clock_ns // period + 1) * period)
    percent = psi.totals_us(state, 2)[0] * 1000 * 100 // period
    expected = faded((0, 0, 0), PSI_EXPONENTS, percent * FIXED_1)
    for _ in range(3):
        sched.sleep_until(state, state.clock_ns + period)
        expected = faded(expected, PSI_EXPONENTS, 100 * FIXED_1)
    (averages, _), _ = psi.lines(state, 2)
    assert averages == tuple(psi.printed(value) for value in expected)


def test_as_many_cpus_as_tasks_are_no_pressure_and_twice_the_work() -> None:
    lines = "".join(f"{name} touch h 0 4M {BUSY} &\n" for name in "AB") + "wait\n"
    alone = run(machine(2) + f"A touch h 0 4M {BUSY} &\nwait\n")
    both = run(machine(2) + lines)
    shared = run(machine(1) + lines)
    assert both.done[4].us == pytest.approx(alone.done[4].us, rel=0.01)
    assert shared.done[4].us == pytest.approx(2 * alone.done[4].us, rel=0.01)
    assert psi.lines(both.machine.state, 2)[0][1] < 1000


def test_a_stall_counts_by_how_busy_its_cpu_was() -> None:
    """The mean over CPUs, weighed by the jiffies in which each was not idle: 400 ms of 1 s and of 3 s are 100 ms."""
    state = machine_for(sc.parse(machine(2)), None).state
    psi.psi_show(state)
    before = psi.lines(state, 0)[0][1]
    psi.stall_cpu(state, 0, 0, 0, NS * 4 // 10, NS)
    psi.stall_cpu(state, 1, 0, 0, 0, 3 * NS)
    assert psi.totals_us(state, 0)[0] - before == 100_000
    assert psi.lines(state, 0)[0][1] - before == 100_000


def test_a_process_that_reads_pressure_drops_what_is_below_a_jiffy_and_a_view_does_not() -> None:
    """The kernel weighs by whole jiffies since the last collection: 3 ms of a stall are lost to a reader."""
    seen, unseen = (machine_for(sc.parse(machine(2)), None).state for _ in range(2))
    for state, look in ((seen, psi.psi_show), (unseen, lambda state: psi.lines(state, 0))):
        psi.psi_show(state)
        before = psi.lines(state, 0)[0][1]
        for _ in range(2):
            psi.stall_cpu(state, 0, 0, 0, 3_000_000, 3_000_000)
            look(state)
        assert psi.lines(state, 0)[0][1] - before == (0 if state is seen else 6_000)


HEADER = "swap disk size=256M\nfile f 60M\n"
MIXED = """\
A touch h 0 100M w seq &
B touch h 0 100M w rand:40000:1 content=random &
C fread f 0 60M 64K &
C fwrite g 0 20M 64K &
C fsync g &
A touch h 0 100M r rand:9000:2 think=20us &
C touch h 0 4M w seq
sleep 0.3
B touch h 0 4M r seq rate=8M/s
wait A
"""


@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
def test_the_time_booked_is_cpus_times_time(cpus: int) -> None:
    scenario = sc.parse(machine(cpus, HEADER, "ABC", "100M") + MIXED)
    done = Run(scenario, machine_for(scenario, None))
    booked = booked_ns(done)
    done.execute()
    passed = (done.machine.state.clock_ns - done.samples[0].time_ns) * cpus
    assert booked_ns(done) - booked == pytest.approx(passed, rel=0.002)
    invariants.validate(done.machine.state, ())


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
@pytest.mark.parametrize(("cpus", "names"), [(2, "ABC"), (3, "ABCD"), (2, "ABCDE")])
def test_more_tasks_than_cpus_get_on_alike(cpus: int, names: str, kernel: str) -> None:
    """Queues of one and two tasks are evened out over time, though one of the tasks waits at any moment."""
    text = machine(cpus, names=names).replace("ram=", f"kernel={kernel} ram=")
    done = run(text + "".join(f"{name} touch h 0 4M {BUSY} &\n" for name in names) + "wait\n")
    taken = [one.us for one in done.done[2 * len(names) : 3 * len(names)]]
    assert min(taken) > 0.7 * max(taken)
    times = cputime.cpu_times(done.machine.state)
    assert times["idle"] < 0.3 * sum(times.values())
    waiting, ready = len(names) - cpus, psi.lines(done.machine.state, 2)[0][1]
    assert waiting == 1 or ready > 0.9 * min(taken)


def test_the_main_line_shares_its_cpu_with_those_that_wait_for_it() -> None:
    """Two at work beside it on two CPUs: each of the three has two thirds of one."""
    text = machine(2) + "proc M\nM mmap h 4M\n" + "".join(f"{name} touch h 0 4M {BUSY} &\n" for name in "AB")
    done = run(text + f"M touch h 0 4M {BUSY}\nwait\n").done
    taken = [one.us for one in done[6:9]]
    alone = run(machine(2) + f"A touch h 0 4M {BUSY}\n").done[4].us
    assert taken == pytest.approx([1.5 * alone] * 3, rel=0.25)


def test_a_task_that_wakes_up_goes_to_a_cpu_that_idles() -> None:
    """A sleeps and wakes 900 times, beside one that works and the main line: it never waits for a CPU."""
    text = machine(3) + f"proc M\nM mmap h 4M\nB touch h 0 4M {BUSY} &\nA {ASLEEP} &\nM touch h 0 4M {BUSY}\nwait\n"
    done = run(text)
    assert psi.lines(done.machine.state, 2)[0][1] < 2000


def test_a_cpu_that_idles_needs_time_until_who_wakes_up_there_runs() -> None:
    """Meanwhile that one waits for a CPU: 900 times 1 ms."""
    scenario = sc.parse(machine(2) + f"A {ASLEEP} &\nwait\n")
    made = machine_for(scenario, None)
    mm_init.set_costs(made.state, replace(made.costs, wake=1_000_000).as_table())
    Run(scenario, made).execute()
    assert psi.lines(made.state, 2)[0][1] == pytest.approx(900 * 1000, rel=0.1)


@pytest.mark.parametrize("cpus", [1, 2])
def test_memory_is_unmapped_beside_the_rest(cpus: int) -> None:
    """A unmaps what it has touched, after its touches, while B and the main line go on; nothing of it is left."""
    beside = "proc M\nM mmap h 4M\n{}B touch h 0 4M w seq &\nM touch h 0 4M w seq\nwait\n"
    lines = beside.format("A touch h 0 4M w seq &\nA munmap h &\n"), beside.format("")
    done, without = (run(machine(cpus) + line) for line in lines)
    assert [op.outcome for op in done.done] == ["ok"] * len(done.done)
    anon, expected = (each.machine.state.node_stats()["nr_anon_pages"] for each in (done, without))
    assert anon == pytest.approx(expected, abs=8)  # pages of A's program
    assert next(op for op in done.done if op.op.text.startswith("A munmap")).us > 0


def test_work_beside_the_main_line_keeps_up_with_it() -> None:
    """Both touch pages that are there, so that no fault lets the other begin its next piece."""
    text = machine(2) + f"proc M\nM mmap h 4M\nA touch h 0 4M {BUSY} &\nM touch h 0 4M {BUSY}\nwait\n"
    done = run(text).done
    assert done[6].us == pytest.approx(done[7].us, rel=0.1)
    assert done[8].us < done[7].us / 10


@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
def test_each_cpu_books_its_own_time_and_no_more_than_passes(cpus: int) -> None:
    """After every operation: what a CPU has spent is what has passed, but for a piece of work that is under way."""
    scenario = sc.parse(machine(cpus, HEADER, "ABC", "100M") + MIXED)
    done = Run(scenario, machine_for(scenario, None))
    state = done.machine.state
    done.sample(between=True)
    begun = state.clock_ns
    for op in scenario.ops:
        done.do(op)
        passed = state.clock_ns - begun
        for times in (cputime.times_of(state, cpu) for cpu in range(cpus)):
            used = times["user"] + times["system"] + times["iowait"]
            assert used <= passed + 2_000_000
            assert sum(times.values()) == pytest.approx(passed, rel=0.002, abs=2_000_000)
    busy = [cputime.times_of(state, cpu)["user"] for cpu in range(cpus)]
    assert cpus == 1 or sum(cpu > 0 for cpu in busy) >= 2


def test_each_cpu_has_its_line_of_stat() -> None:
    """The main line keeps the first CPU busy, a runner another, a third waits for the disk of another runner."""
    text = machine(4, "disk data latency=20ms depth=1 readahead=4K\nfile f 64M\n") + (
        f"proc M\nM mmap h 4M\nA touch h 0 4M {BUSY} &\nB fread f 0 64M 4K rand:300:1 &\nM touch h 0 4M {BUSY}\n"
    )
    scenario = sc.parse(text)
    done = Run(scenario, machine_for(scenario, None))
    before = load(Twin(done.machine), stat)
    done.execute()
    after = load(Twin(done.machine), stat)
    assert before
    assert after
    spent = {
        number: dict(zip(stat.CPU_FIELDS, (b - a for a, b in zip(before.cpus[number], row, strict=True)), strict=False))
        for number, row in after.cpus.items()
    }
    passed = (done.machine.state.clock_ns - done.samples[0].time_ns) / 1e7
    main_line, *others = (spent[number] for number in range(4))
    assert main_line["user"] + main_line["system"] == pytest.approx(passed, rel=0.1)
    assert sum(other["user"] + other["system"] for other in others) == pytest.approx(passed, rel=0.1)
    assert sum(other["iowait"] for other in others) == pytest.approx(passed, rel=0.1)
    assert max(other["idle"] for other in others) == pytest.approx(passed, rel=0.1)
    total = [b - a for a, b in zip(before.cpu, after.cpu, strict=True)]
    assert sum(total) == pytest.approx(4 * passed, rel=0.01)


@pytest.mark.parametrize("cpus", [1, 4])
def test_the_same_scenario_gives_the_same_bytes(cpus: int) -> None:
    text = machine(cpus, HEADER, "ABC", "100M") + MIXED + "checkpoint end\n"
    assert run(text).files() == run(text).files()


@pytest.mark.parametrize("cpus", [1, 2, 8])
def test_a_copy_in_the_middle_goes_on_as_the_original_does(cpus: int) -> None:
    scenario = sc.parse(machine(cpus, HEADER, "ABC", "100M") + MIXED)
    done = Run(scenario, machine_for(scenario, None))
    done.sample(between=True)
    for op in scenario.ops[:10]:
        done.do(op)
    state = done.machine.state
    for _ in range(30):
        until = state.clock_ns + 3_333_333
        twin = state.copy()
        for one in (state, twin):
            sched.sleep_until(one, until)
        assert figures(state) == figures(twin)
        invariants.validate(twin, ())
        done.processes.beside.collect()


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_process_does_one_thing_after_another(cpus: int) -> None:
    text = machine(cpus) + "A touch h 0 4M w seq &\nA touch h 4M 4M w seq &\nA munmap h\nB touch h 0 4M w seq\n"
    done = run(text).done
    assert [one.outcome for one in done] == ["ok"] * 8
    assert [done[number].deltas["pgfault"] for number in (4, 5)] == [1024, 1024]


@pytest.mark.parametrize("cpus", [1, 4])
def test_when_memory_runs_out_one_of_two_is_killed_and_the_other_goes_on(cpus: int) -> None:
    text = (
        machine(cpus, pages="130M")
        + "A touch h 0 130M w seq &\nB touch h 0 130M w seq &\nA touch h 0 4K r seq &\nwait\n"
    )
    done = run(text).done
    outcomes = {done[number].op.text[0]: done[number].outcome for number in (4, 5)}
    assert sorted(outcomes.values()) == ["died", "ok"]
    assert done[6].outcome == ("skipped" if outcomes["A"] == "died" else "ok")
    assert sum(one.deltas["oom_kill"] for one in done if one.op.text == "wait") == 1


def test_a_fault_that_nothing_mends_ends_its_process_alone() -> None:
    lines = "A mprotect h 0 8M none\nA touch h 0 4K r seq &\nA fread f 0 4K 4K &\nB touch h 0 4M w seq &\nwait\n"
    done = run(machine(1, "file f 1M\n") + lines).done
    assert [one.outcome for one in done[5:8]] == ["died", "skipped", "ok"]
    assert done[5].why.startswith("SIGSEGV")


def test_who_is_killed_from_outside_leaves_its_work() -> None:
    done = run(
        machine(1, "swap disk size=128M\n") + "A touch h 0 8M w seq think=10ms &\nsleep 0.5\nA kill\nwait\n"
    ).done
    assert [one.outcome for one in done[4:]] == ["died", "ok", "ok", "ok"]
    assert done[7].us == 0


def test_an_operation_that_cannot_begin_says_so() -> None:
    done = run(machine(1) + "A touch h 0 16M w seq &\nA touch h 0 4M w seq &\nwait\n").done
    assert (done[4].outcome, done[4].errno) == ("error", 34)
    assert done[5].outcome == "ok"


def test_who_waits_for_a_disk_is_load_and_io_pressure_and_who_sleeps_is_not() -> None:
    waits = run(machine(1, "file f 100M\n") + "A fread f 0 100M 4K rand:20000:1 &\nwait\n")
    sleeps = run(machine(1) + "A touch h 0 4K r rand:500:1 think=10ms &\nwait\n")
    for done, resource in ((waits, 1), (sleeps, 1)):
        (_, some_us), _ = psi.lines(done.machine.state, resource)
        waited = some_us / (done.samples[-1].time_ns - done.samples[0].time_ns) * 1000
        assert (waited > 0.5) == (done is waits)


def test_more_tasks_than_the_model_has_and_more_cpus_are_refused() -> None:
    many = mm_types.MAX_RUNNERS + 1
    text = "".join(f"proc p{number}\np{number} mmap h 4K\np{number} touch h 0 4K w seq &\n" for number in range(many))
    for refused in ("machine ram=256M\n" + text, "machine ram=256M cpus=65\nsync\n"):
        with pytest.raises(NotModelledError):
            run(refused)


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("file", ["g", "tmp/x"])
def test_two_tasks_that_make_the_same_pages_of_a_file_make_each_once(cpus: int, file: str) -> None:
    """Where memory is short each waits in the middle of an allocation, and finds the other's page behind it."""
    lines = "C touch h 0 100M w seq &\n" + "".join(f"{name} fwrite {file} 0 60M 64K &\n" for name in "AB")
    text = (
        machine(cpus, "swap disk size=256M\ntmpfs size=200M\n", "ABC", "100M")
        + lines * 2
        + f"C fwrite {file} 0 60M 64K\n"
    )
    done = run(text)
    assert {one.outcome for one in done.done} == {"ok"}
    invariants.validate(done.machine.state, ())
