"""One point's run, in whatever process: the same job gives the same row, bit for bit."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from memtwin.errors import HostMemoryError, InputError, MemtwinError, NotModelledError, UsageError
from memtwin.run.change import swap_change
from memtwin.run.run import Run, machine_without_sysctls
from memtwin.run.settings import apply_sysctls, settings_of
from memtwin.sweep.figures import Figures, figures_of
from memtwin.sweep.subject import changes_of, described, refuse_operations, scenario_of

if TYPE_CHECKING:
    from memtwin.machine.boot import Boot
    from memtwin.machine.machine import Machine
    from memtwin.scenario import Scenario
    from memtwin.sweep.subject import Job

REFUSED = (UsageError, InputError, NotModelledError, HostMemoryError)
"""What keeps one point from being run, and not the others."""


class Row(NamedTuple):
    """What became of a run: *refused*: the machine cannot be so, and *reason* says why."""

    state: Literal["done", "refused"]
    reason: str | None = None
    victims: tuple[str, ...] = ()
    figures: Figures | None = None


class Stem(NamedTuple):
    """A machine that is built, and what runs on it: runs that differ in later settings begin here."""

    scenario: Scenario
    machine: Machine


def build(one: Job) -> Stem:
    """Build the machine of a job, without its later settings."""
    scenario = scenario_of(one)
    if one.boot is None:
        scenario = described(scenario, one.swap)
        asked = replace(settings_of(one.settings), seed=one.seed)
        return Stem(scenario, machine_without_sysctls(scenario, None, asked))
    boot: Boot = pickle.loads(one.boot)  # noqa: S301 - what this program has packed
    if one.swap and one.swap != "zswap":
        refuse_operations(scenario, one.swap, ())
    swaps, more = changes_of(boot, one.swap)
    asked = replace(settings_of((*one.settings, *more)), seed=one.seed)
    return Stem(scenario, machine_without_sysctls(scenario, boot, asked, [swap_change(word) for word in swaps]))


def carry_out(one: Job, stem: Stem) -> Row:
    """Run a job on its machine, which is used up."""
    apply_sysctls(stem.machine, stem.scenario, settings_of((*one.settings, *one.later)))
    run = Run(stem.scenario, stem.machine)
    run.execute()
    return Row("done", None, tuple(run.meta()["oom_victims"]), figures_of(run, one.endurance_bytes))


def row(one: Job) -> Row:
    """Build and run a job; what refuses it is its row."""
    try:
        return carry_out(one, build(one))
    except REFUSED as problem:
        return refused(problem)


def refused(problem: MemtwinError) -> Row:
    """Return the row of a point that cannot be run."""
    return Row("refused", str(problem))
