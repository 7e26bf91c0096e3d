"""The "totalpages" of an event: all that its processes could have had, of which ``oom_score_adj`` is in thousandths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.event import CPUSET, GLOBAL, MEMPOLICY

if TYPE_CHECKING:
    from memtwin.oom.event import Memcg, OomEvent

SOURCE = "mm/oom_kill.c", "v6.1"

UNLIMITED_KIB: Final = 1 << 50
"""A cgroup's limit from here on is none: the kernel prints 9007199254740988kB."""


class Total(NamedTuple):
    """Pages, at least *low* and at most *high* (None: unbounded); *made_of*: what of."""

    low: int
    high: int | None
    made_of: str
    least_swap: int | None = None
    """With the swap that is in use, which is the least that the machine can have; None: not known."""

    @property
    def is_exact(self) -> bool:
        """Whether the report has it to the page."""
        return self.low == self.high

    @property
    def ends(self) -> tuple[int, ...]:
        """What it can be exactly: without swap, with the swap in use, with all that the cgroup may use."""
        return tuple(dict.fromkeys(pages for pages in (self.low, self.high, self.least_swap) if pages is not None))


def swap_used_kib(memcg: Memcg) -> int | None:
    """Return what the cgroup has in swap; None where the text does not have it, or where version 1 did not count it."""
    if memcg.swap_usage is not None:
        return memcg.swap_usage
    if memcg.memsw_usage is None or memcg.usage is None:
        return None
    if memcg.memsw_usage < memcg.usage // 2:  # swap accounting is off: both together cannot be less than one of them
        return None
    return max(memcg.memsw_usage - memcg.usage, 0)


def totalpages(event: OomEvent) -> Total | None:
    """Return the totalpages of *event*; None if the text does not have what is needed.

    Follows constrained_alloc(), mm/oom_kill.c, and mem_cgroup_get_max(), mm/memcontrol.c.
    """
    if event.constraint in {CPUSET, MEMPOLICY}:
        return _nodes(event)
    if event.memcg is not None and event.memcg.limit is not None and event.constraint != GLOBAL:
        return _memcg(event, event.memcg, event.memcg.limit)
    return _machine(event) if event.constraint == GLOBAL else None


def ram_pages(event: OomEvent) -> int | None:
    """Return the pages that the kernel manages: all but what it reserved at boot."""
    present, reserved = event.counts.get("RAM"), event.counts.get("reserved")
    if present is not None and reserved is not None:
        return present - reserved
    managed = [zone.fields["managed"] for zone in event.zones if "managed" in zone.fields]
    return sum(managed) // event.page_kib if managed and len(managed) == len(event.zones) else None


def _machine(event: OomEvent) -> Total | None:
    ram, swap = ram_pages(event), event.swap.total_kib
    if ram is None or swap is None:
        return None
    total = ram + swap // event.page_kib
    return Total(total, total, "RAM and swap of the machine" if swap else "RAM of the machine, which has no swap")


def _nodes(event: OomEvent) -> Total | None:
    """Swap, and what is present on the nodes that the process may use."""
    allowed = event.trigger.nodemask if event.constraint == MEMPOLICY else event.trigger.mems_allowed
    nodes = node_list(allowed or "")
    zones = [zone for zone in event.zones if zone.node in nodes]
    if not zones or event.swap.total_kib is None or not all("present" in zone.fields for zone in zones):
        return None
    total = (sum(zone.fields["present"] for zone in zones) + event.swap.total_kib) // event.page_kib
    return Total(total, total, f"memory of node {allowed} and swap")


def _memcg(event: OomEvent, memcg: Memcg, limit_kib: int) -> Total:
    page = event.page_kib
    if limit_kib >= UNLIMITED_KIB:
        return Total((memcg.usage or 0) // page, None, "no limit of this cgroup is printed")
    limit = limit_kib // page
    most: int | None = None
    if memcg.memsw_limit is not None and memcg.memsw_limit < UNLIMITED_KIB:
        most = max(memcg.memsw_limit // page, limit)
    elif memcg.memsw_limit is None and memcg.swap_limit is not None and memcg.swap_limit < UNLIMITED_KIB:
        most = limit + memcg.swap_limit // page
    if event.swap.total_kib is not None:
        machine = limit + event.swap.total_kib // page
        total = machine if most is None else min(machine, most)
        return Total(total, total, "the limit of the cgroup and what it may have of the swap")
    if most == limit:
        return Total(limit, limit, "the limit of the cgroup, which may not swap")
    basis = "the limit of the cgroup; how much swap the machine has is not printed"
    in_use = max((swap_used_kib(memcg) or 0) // page, sum(task.swapents or 0 for task in event.tasks))
    return Total(limit, most, basis, limit + in_use if in_use and (most is None or limit + in_use < most) else None)


def node_list(text: str) -> set[int]:
    """Return the numbers of a list of nodes.

    >>> sorted(node_list("0-2,5"))
    [0, 1, 2, 5]
    """
    nodes: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            low, high = int(first), int(last or first)
            nodes.update(range(low, min(high, low + 4096) + 1))
    return nodes
