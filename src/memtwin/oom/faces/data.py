"""An event for programs: one object, sizes in pages where the kernel counts pages and in bytes elsewhere.

docs/oom.schema.json has the whole answer as JSON Schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.oom import gfp
from memtwin.oom.faces.report import sentence
from memtwin.oom.tell import summary, tell
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from memtwin.oom.event import Kill, Memcg, OomEvent, Task
    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.remedies import Change
    from memtwin.oom.why.rows import RankedTask
    from memtwin.oom.why.zones import ZoneView

VERSION: Final = 2


def data(found: Analysis) -> dict[str, Any]:
    """Return *found* as an object of JSON; what the text does not have is null."""
    event = found.event
    return {
        "kernel": event.kernel, "stamp": event.stamp, "first_line": event.first_line, "last_line": event.last_line,
        "constraint": event.constraint, "constraint_printed": event.constraint_printed, "complete": event.complete,
        "missing": list(event.missing), "unread": list(event.unread), "confidence": event.confidence,
        "outcome": event.outcome, "message": event.message, "panic": event.panic,
        "page_bytes": bytes_of(event.page_kib), "page_size_known": event.page_size_from is not None,
        "trigger": _trigger(event), "victim": _kill(event.victim),
        "also_killed": [_kill(kill) for kill in event.also_killed],
        "reaped": [{"pid": line.pid, "name": line.name} for line in event.reaped],
        "printed_score": event.score, "chosen_pid": event.chosen_pid,
        "tasks": [_task(task) for task in event.tasks],
        "ranking": [_row(row) for row in found.ranking.rows],
        "recomputed": _recomputed(found),
        "culprit": found.culprit._asdict() if found.culprit else None,
        "advice": list(found.advice),
        "would_change": [_change(change) for change in found.changes],
        "ruled_out": list(found.ruled_out),
        "zones": [_zone(view) for view in found.zones],
        "memory": _memory(found),
        "memcg": _memcg(event, event.memcg),
        "summary": summary(found),
        "answers": {part.question: part.answer for part in tell(found)},
    }  # fmt: skip


def _trigger(event: OomEvent) -> dict[str, Any]:
    trigger = event.trigger
    return {
        "name": trigger.name, "pid": trigger.pid, "order": trigger.order, "gfp_mask": trigger.gfp_mask,
        "gfp_flags": gfp.flags(trigger), "oom_score_adj": trigger.oom_score_adj, "cpuset": trigger.cpuset,
        "mems_allowed": trigger.mems_allowed, "nodemask": trigger.nodemask,
        "highest_zone": gfp.highest_zone(trigger), "purpose": gfp.purpose(event), "sysrq": event.sysrq,
    }  # fmt: skip


def _kill(kill: Kill | None) -> dict[str, Any] | None:
    if kill is None:
        return None
    sizes = {f"{name.replace('-', '_')}_bytes": bytes_of(kib) for name, kib in kill.sizes.items()}
    return {"pid": kill.pid, "name": kill.name, "uid": kill.uid, "oom_score_adj": kill.oom_score_adj, **sizes}


def _task(task: Task) -> dict[str, Any]:
    return {
        "pid": task.pid, "name": task.name, "uid": task.uid, "tgid": task.tgid, "total_vm_pages": task.total_vm,
        "rss_pages": task.rss, "rss_anon_pages": task.rss_anon, "rss_file_pages": task.rss_file,
        "rss_shmem_pages": task.rss_shmem, "pgtables_bytes": task.pgtables_bytes,
        "page_table_pages": task.page_tables, "swapents_pages": task.swapents,
        "oom_score_adj": task.oom_score_adj, "oom_adj": task.oom_adj,
    }  # fmt: skip


def _row(row: RankedTask) -> dict[str, Any]:
    return {"pid": row.task.pid, "name": row.task.name, "points": row.points, "score": row.score, "spared": row.spared}


def _recomputed(found: Analysis) -> dict[str, Any]:
    ranking = found.ranking
    check = ranking.score_check
    return {
        "pid": ranking.pid, "follows": ranking.follows, "why": ranking.why,
        "rule": ranking.rule.label if ranking.rule else None,
        "totalpages": ranking.total.low if ranking.total and ranking.total.is_exact else None,
        "totalpages_from": ranking.total.made_of if ranking.total else None,
        "margin_points": ranking.margin,
        "runner_up": ranking.runner_up.task.pid if ranking.runner_up else None,
        "score_check": check._asdict() if check else None,
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    is_adj = "adj" in change.what
    return {
        "what": change.what, "gives": change.gives, "pid": change.pid, "name": change.name,
        "oom_score_adj": change.amount if is_adj else None, "was": change.was,
        "more_bytes": None if is_adj else bytes_of(change.amount), "then_pid": change.then_pid,
        "then_name": change.then_name, "assumes": change.assumes, "sentence": sentence(change),
    }  # fmt: skip


def _zone(view: ZoneView) -> dict[str, Any]:
    sizes = {
        f"{name}_bytes": bytes_of(kib)
        for name, kib in (
            ("managed", view.managed), ("free", view.free), ("unusable", view.unusable), ("min", view.min),
            ("low", view.low), ("high", view.high), ("reserve", view.reserve), ("short", view.short),
        )
    }  # fmt: skip
    state = {"has_block": view.has_block, "passes": view.passes, "why_not": view.why_not}
    return {"node": view.node, "name": view.name, **sizes, **state}


def _memory(found: Analysis) -> dict[str, Any]:
    event, sheet = found.event, found.sheet
    swap = event.swap
    return {
        "what": sheet.what if sheet else None,
        "total_bytes": bytes_of(sheet.total_kib) if sheet else None,
        "items": [
            {"key": item.key, "label": item.label, "bytes": bytes_of(item.kib), "of_processes": item.of_processes}
            for item in (sheet.items if sheet else ())
        ],
        "swap_total_bytes": bytes_of(swap.total_kib),
        "swap_free_bytes": bytes_of(swap.free_kib),
    }  # fmt: skip


def _memcg(event: OomEvent, memcg: Memcg | None) -> dict[str, Any] | None:
    if memcg is None:
        return None
    sizes = {
        f"{name}_bytes": bytes_of(kib)
        for name, kib in memcg._asdict().items() if name not in {"path", "failcnt", "stats"}
    }  # fmt: skip
    return {"path": memcg.path, "task_memcg": event.task_memcg, "failcnt": memcg.failcnt, **sizes}
