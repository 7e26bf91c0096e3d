"""The rule by which the kernel refused what an operation asked for, in words with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.mm import util
from memtwin.linux.records import Refusal
from memtwin.units import kib

if TYPE_CHECKING:
    from memtwin.machine.machine import Machine

REFUSALS = {
    Refusal.NOT: "no page was free, and none could be freed",
    Refusal.LENGTH: "a mapping has a length",
    Refusal.TASK_SIZE: "a process has 128 TiB of addresses, and so much is not left of them",
    Refusal.SWAPOFF: "what lies in the area would find no room",
}
"""Rules that refuse without numbers, by Refusal."""


def refusal(machine: Machine) -> str:
    """Return the rule of the kernel that refused, with its numbers."""
    state = machine.state
    if state.refused_by == Refusal.MAP_COUNT:
        return f"a process may not have more areas than vm.max_map_count, {machine.sysctl['max_map_count']}"
    if state.refused_by != Refusal.OVERCOMMIT:
        return REFUSALS[Refusal(state.refused_by)]
    if machine.sysctl["overcommit_memory"] == "2":
        limit, promised = kib(util.commit_limit(state)), kib(state.committed_pages)
        return (
            f"overcommit_memory is 2: {promised:,} kB are promised and CommitLimit is {limit:,} kB "
            "(less a reserve for recovery)"
        )
    total = kib(state.memory_total + state.swap_pages[0])
    return f"overcommit_memory is 0: one request may not exceed all RAM and swap, {total:,} kB"
