"""Which process of a snapshot an ``attach`` means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import UsageError
from memtwin.scenario import Attach

if TYPE_CHECKING:
    from memtwin.machine.machine import Booted, Machine
    from memtwin.scenario import Scenario

MOST_CANDIDATES = 12
"""Processes that an error names."""


def candidates(machine: Machine, op: Attach) -> list[Booted]:
    """Return the processes of a machine that an ``attach`` may mean: the one with its pid, or those of its name."""
    alive = [process for process in machine.processes if process.alive]
    if op.pid is not None:
        return [process for process in alive if process.pid == op.pid]
    return [process for process in alive if process.name == op.comm]


def refuse_attach(scenario: Scenario, machine: Machine) -> None:
    """Raise a UsageError for the first ``attach`` that names no process of the machine, or several."""
    for op in scenario.ops:
        found = candidates(machine, op) if isinstance(op, Attach) else [None]
        if len(found) != 1:
            listed = [process for process in found if process] or machine.processes
            some = ", ".join(f"{process.name} {process.pid}" for process in listed[:MOST_CANDIDATES])
            more = f" and {len(listed) - MOST_CANDIDATES} more" if len(listed) > MOST_CANDIDATES else ""
            number = "no process" if not found else f"{len(found)} processes"
            raise UsageError(
                f"{scenario.path}:{op.lineno}: {op.text}: {machine.boot.name} has {number} of this name or pid",
                hint=f"attach NAME pid=N; there are {some or 'none'}{more}",
            )
