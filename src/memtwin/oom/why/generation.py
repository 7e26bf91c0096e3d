"""Which generation of the rule a report was made by.

The printed score says it best: distributions ported changes to kernels that bear an old number. Where no score is
printed (5.1 and later), only the floor of 1 point differs, and the version says that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.oom.badness import (
    RULE_2_6_36,
    RULE_2_6_39,
    RULE_3_5,
    RULE_3_14,
    RULE_4_17,
    RULE_5_9,
    Rule,
    printed_score,
    rule_of_release,
)
from memtwin.oom.event import MEMCG
from memtwin.oom.why.rows import ScoreCheck, charges

if TYPE_CHECKING:
    from memtwin.oom.badness import Charge
    from memtwin.oom.event import OomEvent, Task
    from memtwin.oom.why.total import Total

_WITH_SCORE = (RULE_4_17, RULE_3_14, RULE_3_5, RULE_2_6_39, RULE_2_6_36)

_SPARED = {"share": "; root is spared 3 % of its own memory", "thirtieth": "; root is spared 3 % of all memory"}
_NOT_SPARED = "; this root, without CAP_SYS_ADMIN, is not spared"


def by_version(event: OomEvent) -> Rule | None:
    """Return the rule by the version, or else by the columns; None for the rule before 2.6.36."""
    has_adj = "oom_score_adj" in event.columns or event.trigger.oom_score_adj is not None
    if event.columns and not has_adj:
        return None
    if event.kernel is not None:
        return rule_of_release(event.kernel)
    if event.score is None:
        return RULE_5_9 if not any(task.page_tables is not None for task in event.tasks) else RULE_3_14
    return RULE_4_17 if "pgtables_bytes" in event.columns else RULE_3_14


def rule_of(event: OomEvent, total: Total | None) -> tuple[Rule | None, ScoreCheck | None, Total | None]:
    """Return the rule of *event*, the printed score held against it, and the totalpages that the score decides."""
    rule, check = _rule_of(event, total)
    if check is None or check.total is None or total is None or total.is_exact:
        return rule, check, total
    reason = f"{total.made_of.partition(';')[0]}, with the swap that the printed score has in it"
    return rule, check, total._replace(low=check.total, high=check.total, made_of=reason)


def _rule_of(event: OomEvent, total: Total | None) -> tuple[Rule | None, ScoreCheck | None]:
    rule = by_version(event)
    if event.score is None:
        return rule, None
    if rule is None:
        return None, ScoreCheck(event.score, None, None, "before 2.6.36 the score came from run times and nice levels")
    task = chosen_task(event)
    if task is None or task.rss is None:
        return rule, ScoreCheck(event.score, None, None, "the row of the chosen process is not in the text")
    if total is None:
        return rule, ScoreCheck(event.score, None, None, "how much memory there is in all is not in the text")
    return _checked(event, task, rule, total, event.score)


def _checked(event: OomEvent, task: Task, rule: Rule, total: Total, score: int) -> tuple[Rule, ScoreCheck]:
    rules = (rule, *(other for other in _WITH_SCORE if other is not rule))
    for other, at in ((other, at) for at in total.ends for other in rules):
        low, _ = charges(event, task, other)
        for charge in (low, low._replace(root=False)):
            if printed_score(charge, at, other) == score:
                reason = _by(rule, other, total, at)
                if low.root:
                    reason += _SPARED[other.root] if charge.root else _NOT_SPARED
                is_spared = charge.root == low.root or event.constraint != MEMCG
                found = other if is_spared else other._replace(root="none")  # all of a container are such a root
                return found, ScoreCheck(score, score, equal=True, why=reason, total=at if score > 0 else None)
    for other in rules:
        low, high = charges(event, task, other)
        is_hidden = low != high._replace(root=low.root) or not total.is_exact
        if is_hidden and _between(low, high, total, other, score):
            computed = printed_score(low, total.low, other)
            return other, ScoreCheck(score, computed, None, _hidden(low, high, total, score - (computed or 0)))
    low, _ = charges(event, task, rule)
    why = "memory changed between the choice and the table"
    if event.chosen_pid is not None and task.pid != event.chosen_pid:
        why = "a thread was chosen, and the table has its process"
    return rule, ScoreCheck(score, printed_score(low, total.low, rule), equal=False, why=why)


def _between(low: Charge, high: Charge, total: Total, rule: Rule, score: int) -> bool:
    """Whether the score fits for some of what is hidden."""
    ends = [total.low, total.high if total.high is not None else 1 << 50]
    found = [printed_score(charge, at, rule) or 0 for charge in (low, high) for at in ends]
    return min(found) <= score <= max(found)


def _by(rule: Rule, other: Rule, total: Total, at: int) -> str:
    reason = f"by the rule of {other.label}"
    if other is not rule:
        reason += ", which this kernel has under an older number"
    return reason + ("" if total.is_exact else f"; of a total of {at:,} pages")


def _hidden(low: Charge, high: Charge, total: Total, thousandths: int) -> str:
    hidden = []
    if low.swapents != high.swapents:
        about = f" (some {thousandths * total.low // 1000:,})" if total.is_exact else ""
        hidden.append(f"its pages in swap{about}")
    if low.page_tables != high.page_tables:
        hidden.append("its page tables")
    if not total.is_exact:
        hidden.append("how much swap the cgroup may use")
    return f"the report does not show {' and '.join(hidden)}, which the score has in it"


def is_child(event: OomEvent) -> bool:
    """Whether another process died than was chosen, a child in its place: before 5.1."""
    chosen, victim = event.chosen_pid, event.victim
    if chosen is None or victim is None or victim.pid == chosen:
        return False
    row = next((task for task in event.tasks if task.pid == chosen), None)
    return row is None or row.tgid != victim.pid or event.chosen_name != victim.name


def chosen_task(event: OomEvent) -> Task | None:
    """Return the row of the process that was chosen, or of its process if a thread was."""
    pids = [event.chosen_pid, event.victim.pid if event.victim else None]
    if event.chosen_pid is not None and is_child(event):
        pids = [event.chosen_pid]
    for pid in pids:
        for task in event.tasks:
            if pid is not None and pid in {task.pid, task.tgid}:
                return task
    return None
