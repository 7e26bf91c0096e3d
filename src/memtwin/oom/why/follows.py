"""Whether the victim follows from the table, in a sentence that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtwin.oom.badness import printed_score
from memtwin.oom.event import NO_VICTIM, PANIC
from memtwin.oom.why.generation import chosen_task, is_child
from memtwin.oom.why.rows import Ranking, always_beats, never_beats

if TYPE_CHECKING:
    from memtwin.oom.badness import Rule
    from memtwin.oom.event import OomEvent
    from memtwin.oom.why.rows import RankedTask, ScoreCheck
    from memtwin.oom.why.total import Total


class Verdict(NamedTuple):
    """Whether the choice follows, why, and who is chosen by the rule."""

    follows: bool | None
    why: str
    pid: int | None


def judge(
    event: OomEvent, rows: tuple[RankedTask, ...], rule: Rule | None, total: Total | None, check: ScoreCheck | None
) -> Ranking:
    """Put the rows in order and hold the kernel's choice against it."""
    # of equals the later of the list wins, unless this kernel prints scores (before 5.1): there it is the earlier
    listed = rows if event.score is not None else rows[::-1]
    order = sorted(listed, key=lambda row: (row.points is not None, row.points or 0), reverse=True)
    candidates = [row for row in order if row.points is not None]
    task = chosen_task(event)
    chosen = next((row for row in rows if task is not None and row.task is task), None)
    follows, why, pid = _verdict(event, candidates, chosen, rule, total)
    child = event.victim.pid if event.victim is not None and is_child(event) else None
    others = [
        row for row in candidates if row is not chosen and row.task.pid != child and not _same_memory(row, chosen)
    ]
    runner_up = others[0] if others else None
    margin = None
    if chosen is not None and chosen.points is not None and runner_up is not None and runner_up.points is not None:
        margin = chosen.points - runner_up.points
    return Ranking(tuple(order), rule, total, chosen, runner_up, margin, pid, follows, why, check)


def _verdict(
    event: OomEvent, candidates: list[RankedTask], chosen: RankedTask | None, rule: Rule | None, total: Total | None
) -> Verdict:
    first = candidates[0].task.pid if candidates else None
    if event.message and "oom_kill_allocating_task" in event.message:
        is_it = event.victim is not None and event.trigger.pid in {event.victim.pid, None}
        why = "vm.oom_kill_allocating_task is set: the allocating task is killed, whatever the points"
        return Verdict(is_it, why, event.trigger.pid)
    if event.outcome == NO_VICTIM:
        return _nobody(candidates, first)
    unknown = _why_unknown(event, chosen, rule)
    if unknown is not None or chosen is None or rule is None:
        return Verdict(None, unknown or "", first if rule else None)
    return _held(event, candidates, chosen, rule, total)


def _why_unknown(event: OomEvent, chosen: RankedTask | None, rule: Rule | None) -> str | None:
    """Return what keeps the choice from being judged."""
    reasons = (
        (event.outcome == PANIC, "vm.panic_on_oom is set: the kernel panics and chooses no process"),
        (event.outcome is None, "the line of the kill is not in the text"),
        (rule is None, "kernels before 2.6.36 judged by run time and nice level, which no report has"),
        (
            not event.tasks and "rows of the task table that are cut off" in event.unread,
            "the rows of the task table are cut off",
        ),
        (not event.tasks, "the task table is not in the text"),
        (chosen is None, "the row of the victim is not in the text"),
    )
    return next((why for is_so, why in reasons if is_so), None)


def _nobody(candidates: list[RankedTask], first: int | None) -> Verdict:
    if not candidates:
        return Verdict(follows=True, why="no process of the table may be killed", pid=None)
    names = ", ".join(f"{row.task.name} ({row.task.pid})" for row in candidates[:3])
    why = (
        f"by the rule {names} could have been killed; the kernel passes over those that were killed before and whose"
        " memory it has taken already, which the table does not show"
    )
    return Verdict(follows=False, why=why, pid=first)


def _held(
    event: OomEvent, candidates: list[RankedTask], chosen: RankedTask, rule: Rule, total: Total | None
) -> Verdict:
    """Hold the choice against every other row."""
    first = candidates[0].task.pid if candidates else None
    if chosen.spared is not None:
        why = f"{chosen.task.name} should have been spared: it {_was(chosen.spared)}"
        return Verdict(follows=False, why=why, pid=first)
    rivals = [row for row in candidates if row is not chosen and not _same_memory(row, chosen)]
    better = [row for row in rivals if never_beats(chosen, row, rule, total)]
    if better:
        return _does_not_follow(event, chosen, better, first)
    unsure = [row for row in rivals if not always_beats(chosen, row, rule, total)]
    if unsure:
        unknown = _unknown(chosen, unsure, total, first)
        return unknown._replace(why=unknown.why + _first_of_equals(event, candidates, chosen, rule, total))
    ties = [row for row in rivals if row.points == chosen.points and row.points is not None]
    why = f"{chosen.task.name} has the most points" if rivals else "it is the only process that may be killed"
    if ties:
        why = f"{chosen.task.name} has as many points as {ties[0].task.name} ({ties[0].task.pid}): their order decides"
    if event.victim is not None and event.victim.pid not in {chosen.task.pid, chosen.task.tgid}:
        why += f"; its child {event.victim.name} ({event.victim.pid}) died in its place, as before 5.1"
    return Verdict(follows=True, why=why, pid=chosen.task.pid)


def _does_not_follow(event: OomEvent, chosen: RankedTask, better: list[RankedTask], first: int | None) -> Verdict:
    row = better[0]
    named, have = f"{row.task.name} ({row.task.pid})", "have" if len(better) > 1 else "has"
    if event.score is None and event.chosen_pid is None and event.tasks and event.tasks[0].page_tables is not None:
        why = f"the line that says who was chosen is missing: {chosen.task.name} may be a child of {named}"
        return Verdict(None, why, first)
    more = f" and {len(better) - 1} more" if len(better) > 1 else ""
    why = (
        f"this does not follow from the table: {named}{more} {have} more points; the kernel passes over a process that"
        " was killed before, is in vfork() or changed its memory since, which the table does not show"
    )
    return Verdict(follows=False, why=why, pid=first)


def _unknown(chosen: RankedTask, unsure: list[RankedTask], total: Total | None, first: int | None) -> Verdict:
    hidden = []
    if any(row.low.swapents != row.high.swapents for row in (chosen, *unsure)):
        hidden.append("pages in swap")
    if any(row.low.page_tables != row.high.page_tables for row in (chosen, *unsure)):
        hidden.append("page tables")
    if any(row.low.root for row in (chosen, *unsure)):
        hidden.append("who of root has CAP_SYS_ADMIN")
    if (total is None or not total.is_exact) and any(
        row.low.oom_score_adj != chosen.low.oom_score_adj for row in unsure
    ):
        hidden.append("what oom_score_adj is a thousandth of")
    count = f"{len(unsure)} other process{'es' if len(unsure) > 1 else ''}"
    why = f"the table does not show {' and '.join(hidden)}: {count} may have had more points"
    return Verdict(None, why, first)


def _first_of_equals(
    event: OomEvent, candidates: list[RankedTask], chosen: RankedTask, rule: Rule, total: Total | None
) -> str:
    """Return what the printed score says of a choice that hidden swap decides: whether it was the first of equals."""
    if event.score is None or total is None:
        return ""
    equals = {row.task.pid for row in candidates if printed_score(row.low, total.low, rule) == event.score}
    first = next((task for task in event.tasks if task.pid in equals), None)
    if len(equals) < _TWO or first is not chosen.task:
        return ""
    return (
        f". {len(equals)} processes have the printed score of {event.score} by what the table shows; of equals this"
        f" kernel takes the first of the list, and that is {chosen.task.name} ({chosen.task.pid})"
    )


_TWO = 2


def _same_memory(row: RankedTask, chosen: RankedTask | None) -> bool:
    """Whether two rows are one memory (threads of other processes that share it): alike in all that counts."""
    if chosen is None or row.task.tgid is None:
        return False
    return row.task.tgid == chosen.task.tgid


def _was(spared: str) -> str:
    return spared if spared.startswith("was") else f"has {spared}".replace("has oom_score_adj is", "has oom_score_adj")
