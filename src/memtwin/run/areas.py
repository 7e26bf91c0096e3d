"""Swap areas that a scenario turns on and off while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.machine import swap_areas
from memtwin.scenario import SwapOff, SwapOn

if TYPE_CHECKING:
    from memtwin.run.run import Run


def switch(run: Run, op: SwapOn | SwapOff) -> int:
    """Turn a swap area on or off; returns an Outcome."""
    filename = run.scenario.swap_devices[op.area]
    if isinstance(op, SwapOff):
        return swap_areas.switch_off(run.machine, filename, run.machine.rest)
    swap = next(swap for swap in run.scenario.swaps if swap.name == op.area)
    prio = swap.prio if op.prio is None else op.prio
    return swap_areas.switch_on(run.machine, filename, swap.size_bytes, prio)
