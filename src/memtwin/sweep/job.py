"""One point's run, in whatever process: the same job gives the same row, bit for bit."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from memtwin.errors import HostMemoryError, InputError, MemtwinError, NotModelledError, UsageError
from memtwin.run.change import change_swaps, squeeze, swap_change
from memtwin.run.run import Run, machine_without_sysctls
from memtwin.run.settings import apply_sysctls, settings_of
from memtwin.sweep.figures import Figures, figures_of
from memtwin.sweep.subject import changes_of, described, refuse_operations, scenario_of

if TYPE_CHECKING:
    from memtwin.machine.boot import Boot
    from memtwin.machine.machine import Machine
    from memtwin.run.change import SwapChange
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
    boot: Boot | None
    """What it was built from; None: the scenario's header."""


def build(one: Job) -> Stem:
    """Build the machine of a job as its stem is, without what is changed later."""
    one = one.stem
    scenario = scenario_of(one)
    asked = replace(settings_of(one.settings), seed=one.seed)
    if one.boot is None:
        scenario = described(scenario, one.swap)
        return Stem(scenario, machine_without_sysctls(scenario, None, asked), None)
    boot: Boot = pickle.loads(one.boot)  # noqa: S301 - what this program has packed
    swaps, more = _swaps(one, scenario, boot)
    asked = replace(settings_of((*one.settings, *more)), seed=one.seed)
    return Stem(scenario, machine_without_sysctls(scenario, boot, asked, swaps), boot)


def carry_out(one: Job, stem: Stem) -> Row:
    """Run a job on its machine, which is used up."""
    if one.is_changed_later and stem.boot is not None:
        if one.ram_bytes is not None:
            squeeze(stem.machine, one.ram_bytes, as_booted=True)
        change_swaps(stem.machine, _swaps(one, stem.scenario, stem.boot)[0])
    apply_sysctls(stem.machine, stem.scenario, settings_of((*one.settings, *one.later)))
    run = Run(stem.scenario, stem.machine)
    run.execute()
    return Row("done", None, tuple(run.meta()["oom_victims"]), figures_of(run, one.endurance_bytes))


def _swaps(one: Job, scenario: Scenario, boot: Boot) -> tuple[list[SwapChange], list[str]]:
    """Return the changes of a booted machine's swap areas, and the ``--set`` words that go with them."""
    if one.swap and one.swap != "zswap":
        refuse_operations(scenario, one.swap, ())
    swaps, more = changes_of(boot, one.swap)
    return [swap_change(word) for word in swaps], more


def row(one: Job) -> Row:
    """Build and run a job; what refuses it is its row."""
    try:
        return carry_out(one, build(one))
    except REFUSED as problem:
        return refused(problem)


def refused(problem: MemtwinError) -> Row:
    """Return the row of a point that cannot be run."""
    return Row("refused", str(problem))
