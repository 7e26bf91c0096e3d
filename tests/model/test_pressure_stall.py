"""Pressure of schedules that are written here, to the printed digit, against arithmetic that is written here too.

The arithmetic follows kernel/sched/psi.c of Linux 6.1: counts of tasks by CPU and state (``test_state``,
``psi_group_change``), times of each CPU, their mean weighed by jiffies of work (``collect_percpu_times``), and averages
that take a step every 2.004 s (``update_averages``, ``calc_avgs``).
"""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import pytest

from memtwin import scenario as sc
from memtwin.linux.check import testing
from memtwin.linux.core import mm_types
from memtwin.linux.kernel.sched import psi
from memtwin.run.run import machine_for

if TYPE_CHECKING:
    from memtwin.linux.core.state import State

JIFFY_NS = 4_000_000
PERIOD_NS = 501 * JIFFY_NS
FIXED_1 = 2048
EXPONENTS = (1677, 1981, 2034)
FIRST = mm_types.NR_SCHED_ENTITIES
"""The first entity that is no thread of the kernel's."""
STATES = ("", "r", "c", "cm", "rm", "i", "im", "m")
"""Asleep, ready, on a CPU, there in reclaim, ready in reclaim, waiting for I/O, for I/O in a stall, stalled."""


def true_states(tasks: list[str]) -> set[str]:
    """Which pressure states hold on a CPU with tasks in these states."""
    running = sum("r" in task or "c" in task for task in tasks)
    on_cpu = [task for task in tasks if "c" in task]
    stalled = sum("m" in task for task in tasks)
    stalled_running = sum("m" in task and ("r" in task or "c" in task) for task in tasks)
    waiting = sum("i" in task for task in tasks)
    found = {
        "memory some": stalled,
        "memory full": stalled and (running == stalled_running or any("m" in task for task in on_cpu)),
        "io some": waiting,
        "io full": waiting and not running,
        "cpu some": running > len(on_cpu),
        "busy": running or stalled or waiting,
    }
    return {name for name, holds in found.items() if holds}


class Kernel:
    """What /proc/pressure would print."""

    def __init__(self, cpus: int) -> None:
        self.times: list[Counter[str]] = [Counter() for _ in range(cpus)]
        self.total: Counter[str] = Counter()
        self.averaged: Counter[str] = Counter()
        self.averages: dict[str, list[int]] = {}

    def let_pass(self, placed: dict[int, tuple[int, str]], ns: int) -> None:
        for cpu, times in enumerate(self.times):
            for name in true_states([states for at, states in placed.values() if at == cpu]):
                times[name] += ns

    def collect(self) -> None:
        weights = [times["busy"] // JIFFY_NS for times in self.times]
        for name in {name for times in self.times for name in times} - {"busy"}:
            weighed = sum(times[name] * weight for times, weight in zip(self.times, weights, strict=True))
            self.total[name] += weighed // max(sum(weights), 1)
        self.times = [Counter() for _ in self.times]

    def step(self) -> None:
        self.collect()
        for name in ("memory some", "memory full", "io some", "io full", "cpu some"):
            stalled = min(self.total[name] - self.averaged[name], PERIOD_NS)
            self.averaged[name] += stalled
            percent = stalled * 100 // PERIOD_NS * FIXED_1
            old = self.averages.get(name, [0, 0, 0])
            self.averages[name] = [
                (average * factor + percent * (FIXED_1 - factor) + (FIXED_1 - 1 if percent >= average else 0))
                // FIXED_1
                for average, factor in zip(old, EXPONENTS, strict=True)
            ]

    def line(self, name: str) -> tuple[tuple[str, ...], int]:
        """The averages as printed, the total in microseconds."""
        averages = self.averages.get(name, [0, 0, 0])
        return tuple(f"{a >> 11}.{(a % FIXED_1) * 100 >> 11:02d}" for a in averages), self.total[name] // 1000


def printed(lines: tuple[tuple[tuple[int, int, int], int], ...]) -> list[tuple[tuple[str, ...], int]]:
    return [(tuple(f"{a // 100}.{a % 100:02d}" for a in averages), total) for averages, total in lines]


def idle_machine(cpus: int) -> State:
    """A machine whose own tasks sleep, and on which nothing has stalled yet."""
    state = machine_for(sc.parse(f"machine ram=128M cpus={cpus}\n"), None).state
    testing.set_state(state, mm_types.SCHED_TASK, 0, "", 0)
    for resource, kind in product(range(3), range(2)):
        psi.set_line(state, resource, kind, (0, 0, 0), 0)
    psi.step(state)
    return state


@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_a_random_schedule_is_exact_to_the_printed_digit(cpus: int, seed: int) -> None:
    """Tasks change state and CPU at random times; all of memory, io and cpu, at each of 12 steps of the averages."""
    rng = random.Random(seed)
    state = idle_machine(cpus)
    kernel = Kernel(cpus)
    placed: dict[int, tuple[int, str]] = {}
    for _ in range(12):
        left = PERIOD_NS
        while left:
            ns = min(left, rng.choice((100_000, 3_999_999, 20_000_000, 300_000_000)))
            who = FIRST + rng.randrange(2 * cpus + 2)
            at, states = rng.randrange(cpus), rng.choice(STATES)
            if "c" in states and any("c" in other for cpu, other in placed.values() if cpu == at):
                states = states.replace("c", "r")
            placed[who] = (at, states)
            testing.set_state(state, who, at, states, 1 << 60)
            testing.let_pass(state, ns)
            kernel.let_pass(placed, ns)
            left -= ns
        psi.step(state)
        kernel.step()
        for resource, name in enumerate(("memory", "io", "cpu")):
            some, full = printed(psi.lines(state, resource))
            assert some == kernel.line(f"{name} some")
            assert full == (kernel.line(f"{name} full") if name != "cpu" else (("0.00",) * 3, 0))


def test_two_of_four_cpus_that_wait_are_half_of_the_time() -> None:
    """Two tasks wait for a disk all the time, two run: io some is half, full is half, for each CPU has one task."""
    state = idle_machine(4)
    for number, states in enumerate(("i", "i", "c", "c")):
        testing.set_state(state, FIRST + number, number, states, 1 << 60)
    for _ in range(3):
        testing.let_pass(state, PERIOD_NS)
        psi.step(state)
    averages, total_us = psi.lines(state, 1)[0]
    expected = Fraction(0)
    for _ in range(3):
        expected += (50 - expected) * Fraction(FIXED_1 - EXPONENTS[0], FIXED_1)
    assert total_us == 3 * PERIOD_NS // 2000
    assert averages[0] / 100 == pytest.approx(float(expected), abs=0.01)
    assert psi.lines(state, 1)[1] == psi.lines(state, 1)[0]
    assert psi.lines(state, 0)[0][1] == 0
