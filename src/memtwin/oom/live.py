"""Who would die now: the kernel's choice, made over the processes of a machine that still runs (or of a snapshot).

The rule is :mod:`memtwin.oom.badness`; what it counts stands in /proc/PID/status (VmRSS, VmSwap, VmPTE) and
oom_score_adj. ``totalpages`` is RAM and swap for the machine, and for a cgroup its memory limit and the swap that it
may have. The kernel prints its own figure, /proc/PID/oom_score, against which ours is held. Nothing is changed: the
effect of another oom_score_adj is computed.

Not known from outside: pages that a process gains between two reads, and whether an allocation would be tied to some
nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.oom.badness import OOM_SCORE_ADJ_MIN, Charge, Rule, oom_score, points
from memtwin.render.grid import Column as GridColumn
from memtwin.render.grid import Form, Grid, View, figures
from memtwin.render.prose import bullets, wrapped
from memtwin.render.table import Column, Table, text
from memtwin.render.words import size
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TOP: Final = 10
_INIT: Final = 1


class LiveProcess(NamedTuple):
    """A process that could be chosen. *score* is what the kernel prints; *cgroups* those that it is in, by path."""

    pid: int
    name: str
    charge: Charge
    score: int | None
    cgroups: tuple[str, ...]


class Domain(NamedTuple):
    """What may run out: the machine (*path* None) or a cgroup with a limit; *total* and *used* in pages.

    *kills* counts those of the OOM killer so far: since boot, or since the cgroup was made (memory.events).
    """

    path: str | None
    total: int
    used: int | None
    limit: int | None
    kills: int | None = None


class Candidate(NamedTuple):
    """A process in a domain: its points there, None if it is never killed."""

    process: LiveProcess
    points: int | None


def ranking(domain: Domain, processes: Sequence[LiveProcess], rule: Rule) -> list[Candidate]:
    """Return the processes of *domain* in the order in which they would die; those that never do come last."""
    inside = [one for one in processes if domain.path is None or domain.path in one.cgroups]
    found = [Candidate(one, None if one.pid == _INIT else points(one.charge, domain.total, rule)) for one in inside]
    return sorted(found, key=lambda one: (one.points is None, -(one.points or 0)))


def adjusted(processes: Sequence[LiveProcess], adjustments: Mapping[int, int]) -> list[LiveProcess]:
    """Return *processes* with another oom_score_adj for some."""
    return [
        one._replace(charge=one.charge._replace(oom_score_adj=adjustments[one.pid])) if one.pid in adjustments else one
        for one in processes
    ]


def view(
    domains: Sequence[Domain],
    processes: Sequence[LiveProcess],
    rule: Rule,
    page_kib: int,
    adjustments: Mapping[int, int],
) -> View:
    """Return who would die as a view; CSV has the ranking of each domain."""
    whole = data(domains, processes, rule, page_kib, adjustments)
    rows = [{"cgroup": domain["cgroup"], **row} for domain in whole["domains"] for row in domain["ranking"]]
    columns = tuple(GridColumn(key) for key in (rows[0] if rows else ()))
    flat = Grid(columns, [tuple(row.values()) for row in rows], form=Form.CSV)
    text_of = describe(domains, processes, rule, page_kib, adjustments)
    return View("oom-live", (figures(**whole), flat), text=text_of)


def describe(
    domains: Sequence[Domain],
    processes: Sequence[LiveProcess],
    rule: Rule,
    page_kib: int,
    adjustments: Mapping[int, int],
) -> str:
    """Return who would die on the machine and in each cgroup, and what the adjustments would change."""
    parts = []
    changed = adjusted(processes, adjustments)
    for domain in domains:
        found = ranking(domain, processes, rule)
        lead = f"{_lead(domain, page_kib)}: {_first(found, page_kib)}"
        parts.append(wrapped(lead + _so_far(domain)))
        if adjustments:
            parts.append(wrapped(f"With {_what(adjustments)}: {_first(ranking(domain, changed, rule), page_kib)}"))
        if domain.path is None:
            parts.append(text(_table(found[:TOP], page_kib)))
            if len(found) > TOP:
                parts.append(f"... {len(found) - TOP} more\n")
        parts.append("\n")
    return "".join(parts) + bullets(sentences(processes, domains[0].total))


def sentences(processes: Sequence[LiveProcess], total: int) -> Iterator[str]:
    """Yield how ours compares with the kernel's own score, and what this does not say."""
    scored = [one for one in processes if one.score is not None]
    alike = sum(one.score == oom_score(one.charge, total) for one in scored)
    if scored:
        yield f"Of {len(scored)} processes whose oom_score the kernel prints, {alike} have the score that we compute."
    yield (
        "This is the choice at this moment. Who is largest when memory runs out is another matter, and a cgroup's "
        "limit may be reached first (`memtwin limits PID`). Nothing on this machine was changed."
    )


def data(
    domains: Sequence[Domain],
    processes: Sequence[LiveProcess],
    rule: Rule,
    page_kib: int,
    adjustments: Mapping[int, int],
) -> dict[str, Any]:
    """Return the same for JSON."""
    changed = adjusted(processes, adjustments)
    return {
        "rule": rule.label,
        "adjustments": [{"pid": pid, "oom_score_adj": adj} for pid, adj in adjustments.items()],
        "domains": [
            {
                "cgroup": domain.path,
                "total_bytes": bytes_of(domain.total * page_kib),
                "limit_bytes": None if domain.limit is None else bytes_of(domain.limit * page_kib),
                "oom_kills_count": domain.kills,
                "used_bytes": None if domain.used is None else bytes_of(domain.used * page_kib),
                "ranking": _ranked(ranking(domain, processes, rule)),
                "adjusted_ranking": _ranked(ranking(domain, changed, rule)) if adjustments else None,
            }
            for domain in domains
        ],
    }


def _ranked(found: Sequence[Candidate]) -> list[dict[str, Any]]:
    return [
        {
            "pid": one.process.pid,
            "name": one.process.name,
            "points": one.points,
            "oom_score": one.process.score,
            "oom_score_adj": one.process.charge.oom_score_adj,
            "rss_pages": one.process.charge.rss,
            "swap_pages": one.process.charge.swapents,
            "page_table_pages": one.process.charge.page_tables,
        }
        for one in found
    ]


def _lead(domain: Domain, page_kib: int) -> str:
    if domain.path is None:
        return f"If the machine ran out of memory now ({size(domain.total * page_kib)} of RAM and swap)"
    limit = "?" if domain.limit is None else size(domain.limit * page_kib)
    used = "" if domain.used is None else f", {size(domain.used * page_kib)} used"
    return f"If {domain.path} reached its limit ({limit}{used})"


def _so_far(domain: Domain) -> str:
    if not domain.kills:
        return ""
    since = "boot" if domain.path is None else "the cgroup was made"
    return f" The OOM killer has killed {domain.kills} here since {since}."


def _first(found: Sequence[Candidate], page_kib: int) -> str:
    mortal = [one for one in found if one.points is not None]
    if not mortal:
        return "no process could be killed; the kernel would panic, or the cgroup's tasks would fail or wait."
    first = mortal[0]
    death = f"{first.process.name} ({first.process.pid}) would die, with {first.points:,} points"
    if len(mortal) == 1:
        return f"{death}; it is the only one that can."
    second = mortal[1]
    margin = (first.points or 0) - (second.points or 0)
    return f"{death}, {margin:,} ({size(margin * page_kib)}) before {second.process.name} ({second.process.pid})."


def _what(adjustments: Mapping[int, int]) -> str:
    return ", ".join(f"oom_score_adj {adj} for {pid}" for pid, adj in adjustments.items())


def _table(found: Sequence[Candidate], page_kib: int) -> Table:
    titles = ("PID", "POINTS", "RSS", "SWAP", "TABLES", "ADJ", "SCORE")
    rows = tuple(
        (
            str(one.process.pid),
            "never" if one.points is None else f"{one.points:,}",
            *(size(pages * page_kib) for pages in one.process.charge[:3]),
            str(one.process.charge.oom_score_adj),
            "-" if one.process.score is None else str(one.process.score),
            one.process.name + (" (oom_score_adj -1000)" if _is_spared(one) else ""),
        )
        for one in found
    )
    return Table((*(Column(title, "right") for title in titles), Column("NAME")), rows)


def _is_spared(one: Candidate) -> bool:
    return one.process.charge.oom_score_adj == OOM_SCORE_ADJ_MIN
