"""What became of one operation of a run, and the counters that its line lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from memtwin.linux.mm import lru_gen_state
from memtwin.procfs.counters import figures_with

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.oom.event import OomEvent
    from memtwin.run.heap import HeapFigures
    from memtwin.scenario import Op


class Ages(NamedTuple):
    """What the multi-gen LRU did during an operation: pages scanned, generations made, pages moved up instead of taken.

    *oldest_ms*: how long ago the oldest generation began, at the end.
    """

    scanned: int
    made: int
    spared: int
    oldest_ms: int


@dataclass(slots=True)
class Done:
    """What became of one operation."""

    op: Op
    outcome: str
    errno: int
    us: int
    deltas: dict[str, int] = field(default_factory=dict)
    """Of the counters that its line lists."""
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
    ages: Ages | None = None
    """None: the machine has active and inactive lists."""
    heap: HeapFigures | None = None
    """What malloc of the process says of itself afterwards, for an operation on the heap."""
    began: bool = False
    """Whether kswapd was woken for the first time meanwhile."""


class Before(NamedTuple):
    """The machine before an operation, as far as it is compared with afterwards; *ooms*: reports of it so far."""

    clock_ns: int
    counters: dict[str, int]
    taken: dict[str, int]
    balances: tuple[int, ...]
    youngest: int
    file_pages: int
    ooms: int
    quiet: bool


def counted(state: State) -> dict[str, int]:
    """Return every counter that an operation's line may list."""
    return {**state.node_stats(), **state.events_by_name()}


def moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return how far counters moved that an operation's line lists."""
    deltas = {name: after[name] - before[name] for name in figures_with("operation", "always")}
    names = (n for n in figures_with("operation", "if it moved") if after[n] != before[n])
    deltas.update({name: after[name] - before[name] for name in names})
    return deltas


def ages(state: State, before: dict[str, int], now: dict[str, int], youngest: int) -> Ages | None:
    """Return what the multi-gen LRU did since *youngest* was its youngest generation; None: it is off."""
    if not lru_gen_state.enabled(state) & 1:
        return None
    there = lru_gen_state.generations(state)
    scanned = sum(now[name] - before[name] for name in ("pgscan_kswapd", "pgscan_direct"))
    return Ages(scanned, there[-1].seq - youngest, now["pgrefill"] - before["pgrefill"], there[0].age_ms)


def youngest(state: State) -> int:
    """Return the number of the youngest generation."""
    return lru_gen_state.generations(state)[-1].seq
