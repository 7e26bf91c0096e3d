"""Which processes share anonymous pages since a fork, and how many: worked out from Rss and Pss.

A page that *n* processes map counts 1/n in the Pss of each, so a process with *A* anonymous pages and a proportional
share of *P* has d = A - P pages' worth that is others'. Members of a family (processes with a private area at the same
place, each with d > 0) are taken to share in layers: as many pages are shared by all as the smallest d allows,
d * n / (n - 1); then the same among those that are left. What one alone has left is shared with a process that is not
listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtwin.machine.processes import BootProcess

LEAST_SHARED = 1.0
"""Pages' worth of others below which a process shares nothing: rounding."""


@dataclass(slots=True)
class Family:
    """Processes of one fork; *shared*: pages that each has in common with the elder, by pid."""

    members: list[BootProcess]
    shared: dict[int, int] = field(default_factory=dict)

    @property
    def elder(self) -> BootProcess:
        """The member that all others share with."""
        return self.members[0]


def in_swap(processes: list[BootProcess]) -> list[tuple[BootProcess, BootProcess, int]]:
    """Return (process, elder of its family, pages in swap that it shares with the elder), elders before the others."""
    found = families(processes, of_swap=True)
    return [(member, family.elder, family.shared.get(member.pid, 0)) for family in found for member in family.members]


def families(processes: list[BootProcess], *, of_swap: bool = False) -> list[Family]:
    """Return all processes in families, most of them alone; the one that shares most is the first of each.

    *of_swap*: by what they share in swap instead of in memory.
    """
    found: list[Family] = []
    places: dict[tuple[int, int], Family] = {}
    for process in processes:
        starts = [
            (area.start, area.pages)
            for area in process.areas
            if area.is_private_memory and (area.swap if of_swap else area.anon)
        ]
        if _others(process, of_swap=of_swap) < LEAST_SHARED:
            found.append(Family([process]))
            continue
        family = next((places[start] for start in starts if start in places), None)
        if family is None:
            family = Family([])
            found.append(family)
        family.members.append(process)
        places.update((start, family) for start in starts if start not in places)
    for family in found:
        _share(family, of_swap=of_swap)
    return found


def _others(process: BootProcess, *, of_swap: bool) -> float:
    """Return how many pages' worth of a process is others'."""
    return process.shared_swap if of_swap else process.shared_anon


def _share(family: Family, *, of_swap: bool) -> None:
    """Work out the layers of a family."""
    family.members.sort(key=lambda process: -_others(process, of_swap=of_swap))
    left = {process.pid: _others(process, of_swap=of_swap) for process in family.members}
    while len(left) > 1:
        number, least = len(left), min(left.values())
        common = round(least * number / (number - 1))
        for pid in left:
            family.shared[pid] = family.shared.get(pid, 0) + common
        left = {pid: others - least for pid, others in left.items() if others - least >= LEAST_SHARED}
    family.shared.pop(family.elder.pid, None)
