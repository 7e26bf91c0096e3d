"""A process of the table as a candidate: what it counts with at least and at most, and who beats whom.

What a report hides (swap and page tables of older tables, who of root has CAP_SYS_ADMIN, how much swap a cgroup may
use) gives each process a range of points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom import badness
from memtwin.oom.badness import Charge, Rule, points
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from memtwin.oom.event import OomEvent, Task
    from memtwin.oom.why.total import Total

_HUGE: Final = 1 << 50
"""Pages of a totalpages that has no bound: beyond it nothing but oom_score_adj decides."""
_ROWS_PER_TABLE_PAGE: Final = 256
"""Pages that one page of page tables maps at least, where entries have up to 16 bytes."""


class RankedTask(NamedTuple):
    """One process of the table. *points*: None if it is never killed, or if points need a totalpages not known."""

    task: Task
    low: Charge
    high: Charge
    points: int | None
    score: int | None
    """Points in thousandths of totalpages."""
    spared: str | None
    """Why it is never killed."""


class ScoreCheck(NamedTuple):
    """The printed score against the computed one; *equal* None: the text does not have what it is computed from."""

    printed: int
    computed: int | None
    equal: bool | None
    why: str
    total: int | None = None
    """The totalpages with which they are equal."""


class Ranking(NamedTuple):
    """The processes, the most points first. *pid*: who is chosen by the rule, None if none is or it is not known."""

    rows: tuple[RankedTask, ...]
    rule: Rule | None
    total: Total | None
    chosen: RankedTask | None
    """The row of the process that the kernel chose."""
    runner_up: RankedTask | None
    margin: int | None
    """Points between the chosen and the next; negative when another had more."""
    pid: int | None
    follows: bool | None
    why: str
    score_check: ScoreCheck | None


def charges(event: OomEvent, task: Task, rule: Rule | None) -> tuple[Charge, Charge]:
    """Return what *task* counts with at least and at most; root's bonus is in the first, not in the second."""
    adj = task.oom_score_adj
    if adj is None:
        adj = badness.adj_of(task.oom_adj) if task.oom_adj is not None else 0
    rss = task.rss or 0
    tables, most_tables = _page_tables(event, task, rule)
    swap, most_swap = _swapents(event, task)
    is_root = task.uid == 0 and rule is not None and rule.root != "none"
    return Charge(rss, swap, tables, adj, is_root), Charge(rss, most_swap, most_tables, adj)


def _page_tables(event: OomEvent, task: Task, rule: Rule | None) -> tuple[int, int]:
    if task.pgtables_bytes is not None:
        pages = task.pgtables_bytes // bytes_of(event.page_kib)
        return pages, pages
    if task.page_tables is not None:
        return task.page_tables, task.page_tables
    if rule is not None and not rule.page_tables:
        return 0, 0
    most = (task.total_vm or 0) // _ROWS_PER_TABLE_PAGE + 8
    return 0, min(most, event.counts.get("pagetables", most))


def _swapents(event: OomEvent, task: Task) -> tuple[int, int]:
    if task.swapents is not None:
        return task.swapents, task.swapents
    most = max((task.total_vm or 0) - (task.rss or 0), 0)
    if event.swap.total_kib is not None and event.swap.free_kib is not None:
        most = min(most, max(event.swap.total_kib - event.swap.free_kib, 0) // event.page_kib)
    return 0, most


def always_beats(one: RankedTask, other: RankedTask, rule: Rule, total: Total | None) -> bool:
    """Whether *one* has as many points as *other* or more, whatever the hidden parts are."""
    return all((points(one.low, at, rule) or 0) >= (points(other.high, at, rule) or 0) for at in _ends(total))


def never_beats(one: RankedTask, other: RankedTask, rule: Rule, total: Total | None) -> bool:
    """Whether *one* has fewer points than *other*, whatever the hidden parts are."""
    return all((points(one.high, at, rule) or 0) < (points(other.low, at, rule) or 0) for at in _ends(total))


def _ends(total: Total | None) -> tuple[int, int]:
    """Both ends of what totalpages may be: points are linear between them."""
    if total is None:
        return 1, _HUGE
    return total.low, _HUGE if total.high is None else total.high
