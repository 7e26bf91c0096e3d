"""What became of one operation of a run, and the counters that its line lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memtwin.procfs.counters import figures_with

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.oom.event import OomEvent
    from memtwin.run.heap import HeapFigures
    from memtwin.scenario import Op


@dataclass(slots=True)
class Done:
    """What became of one operation."""

    op: Op
    outcome: str
    errno: int
    us: int
    deltas: dict[str, int]
    deaths: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""
    """The rule by which the kernel refused."""
    file_pages: int = 0
    """How long the file that it names was before."""
    ooms: list[OomEvent] = field(default_factory=list)
    """The kernel's reports of memory that ran out meanwhile."""
    taken: dict[str, int] = field(default_factory=dict)
    """Pages that reclaim took meanwhile, by whose they were."""
    balances: tuple[int, ...] = ()
    """How often reclaim decided between files and anonymous pages meanwhile, by reason (ScanBalance)."""
    swappiness: int = 0
    heap: HeapFigures | None = None
    """What malloc of the process says of itself afterwards, for an operation on the heap."""
    began: bool = False
    """Whether kswapd was woken for the first time meanwhile."""


def counted(state: State) -> dict[str, int]:
    """Return every counter that an operation's line may list."""
    return {**state.node_stats(), **state.events_by_name()}


def moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return how far counters moved that an operation's line lists."""
    deltas = {name: after[name] - before[name] for name in figures_with("operation", "always")}
    names = (n for n in figures_with("operation", "if it moved") if after[n] != before[n])
    deltas.update({name: after[name] - before[name] for name in names})
    return deltas
