"""The choice of the kernel, made again from the table: who had the most points, and whether that explains who died.

The victim follows from the table if it beats everybody whatever the hidden part of the points is; it does not if
another beats it whatever that is; else it cannot be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.oom import badness
from memtwin.oom.why.follows import judge
from memtwin.oom.why.generation import rule_of
from memtwin.oom.why.rows import RankedTask, Ranking, charges
from memtwin.oom.why.total import Total, totalpages

if TYPE_CHECKING:
    from memtwin.oom.badness import Rule
    from memtwin.oom.event import OomEvent, Task


def rank(event: OomEvent) -> Ranking:
    """Rank the processes of *event* by the rule of its kernel."""
    total = totalpages(event)
    rule, check, total = rule_of(event, total)
    rows = tuple(_row(event, task, rule, total) for task in event.tasks)
    return judge(event, rows, rule, total, check)


def _row(event: OomEvent, task: Task, rule: Rule | None, total: Total | None) -> RankedTask:
    low, high = charges(event, task, rule)
    spared = None
    if low.oom_score_adj == badness.OOM_SCORE_ADJ_MIN:
        spared = "oom_score_adj is -1000"
    elif task.pid in event.killed_before:
        spared = "was killed before"
    found = score = None
    if rule is not None and task.rss is not None and spared is None:
        if total is not None and total.is_exact:
            found = badness.points(low, total.low, rule)
            score = badness.printed_score(low, total.low, rule)
        elif total is not None and not rule.permille:
            found = badness.points(low, total.low, rule)
        elif low.oom_score_adj == 0 and not rule.permille and not (low.root and rule.root == "thirtieth"):
            found = badness.points(low, 1, rule)
    return RankedTask(task, low, high, found, score, spared)
