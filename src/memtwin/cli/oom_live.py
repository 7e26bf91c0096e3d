"""``memtwin oom --live``: reads the processes of a source for :mod:`memtwin.oom.live`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.cli.common import memory_of, note, open_root, show
from memtwin.errors import SnapshotError, UsageError
from memtwin.oom import live
from memtwin.oom.badness import RULE_5_9, Charge, rule_of_release
from memtwin.procfs import vmstat
from memtwin.procfs.pid import oom_score, oom_score_adj, status
from memtwin.sources import cgroups
from memtwin.sources.host import host
from memtwin.sources.processes import HIDDEN, are_hidden, are_kept, processes
from memtwin.sources.source import load
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

_RUNNERS_UP: Final = 2
"""Places in the ranking that must be exact: the first, and who comes after."""


def tell(root: str, form: str | None, adjustments: Sequence[str]) -> None:
    """Print who would die now on the machine of *root*, and with ``PID=N`` of *adjustments* in force."""
    source = open_root(root)
    facts = host(source)
    page_kib = facts.page_kib
    if not are_kept(source):
        problem = "has no processes: who would die is not known"
        raise SnapshotError(source.owner, problem, hint="memtwin snapshot keeps them")
    found = list(_candidates(source, page_kib))
    wanted = dict(_adjustment(word) for word in adjustments)
    for pid in wanted:
        if pid not in {one.pid for one, _ in found}:
            raise UsageError(f"--adj {pid}: there is no such process with memory of its own", hint="memtwin ps")
    rule = rule_of_release(facts.kernel) if facts.kernel else RULE_5_9
    domains = _domains(source, page_kib, [group for _, groups in found for group in groups])
    show(live.view(domains, [one for one, _ in found], rule, page_kib, wanted), form, source)
    if are_hidden(source):
        note(HIDDEN)


def _adjustment(word: str) -> tuple[int, int]:
    pid, equals, adj = word.partition("=")
    if not equals or not pid.isdecimal() or not adj.removeprefix("-").isdecimal() or abs(int(adj)) > 1000:
        raise UsageError(f"--adj {word}: not PID=N with N from -1000 to 1000", hint="as in --adj 4242=-500")
    return int(pid), int(adj)


def first_to_die(source: Source) -> list[live.Candidate]:
    """Return who would die first on the machine, and who after: of the processes whose oom_score is the highest.

    The kernel prints points in thousandths: those within one of the highest may be the first, all others may not.
    """
    scores = [(process, process.load(oom_score)) for process in processes(source)]
    known = sorted((one.value for _, one in scores if one is not None), reverse=True)
    least = known[_RUNNERS_UP] - 1 if len(known) > _RUNNERS_UP else 0
    near = [(process, one) for process, one in scores if one is None or one.value >= least]
    facts = host(source)
    found = [one for process, score in near if (one := _candidate(process, facts.page_kib, score))]
    rule = rule_of_release(facts.kernel) if facts.kernel else RULE_5_9
    return live.ranking(_machine(source, facts.page_kib), found, rule)


def _candidates(source: Source, page_kib: int) -> Iterator[tuple[live.LiveProcess, list[cgroups.Group]]]:
    """Yield the processes that have memory, each with the cgroups that limit it."""
    known: dict[str, list[cgroups.Group]] = {}
    for process in processes(source):
        one = _candidate(process, page_kib, process.load(oom_score))
        if one is not None:
            groups = _limiting(source, process, known)
            yield one._replace(cgroups=tuple(group.path for group in groups)), groups


def _candidate(process: SourceProcess, page_kib: int, score: oom_score.OomScore | None) -> live.LiveProcess | None:
    """Return what the OOM killer counts of a process, its cgroups left out; None if it has no memory of its own."""
    record = process.load(status)
    rss_kib = record.kib("VmRSS") if record else None
    if record is None or rss_kib is None:
        return None
    adj = process.load(oom_score_adj)
    charge = Charge(
        rss_kib // page_kib,
        (record.kib("VmSwap") or 0) // page_kib,
        (record.kib("VmPTE") or 0) // page_kib,
        adj.value if adj else 0,
        (record.get("Uid") or "").split("\t")[0] == "0",
    )
    return live.LiveProcess(process.pid, record.get("Name", "?"), charge, score.value if score else None, ())


def _limiting(source: Source, process: SourceProcess, known: dict[str, list[cgroups.Group]]) -> list[cgroups.Group]:
    """Return the cgroups with a limit that *process* is in; those of one path are read once."""
    found = cgroups.path_of(process)
    if found is None:
        return []
    if found[0] not in known:
        groups = cgroups.of_process(source, process)
        known[found[0]] = [group for group in groups if group.limit_bytes is not None]
    return known[found[0]]


def _machine(source: Source, page_kib: int) -> live.Domain:
    memory = memory_of(source, "MemTotal")
    counters = load(source, vmstat)
    kills = counters.get("oom_kill") if counters else None
    return live.Domain(None, (memory["MemTotal"] + memory.get("SwapTotal", 0)) // page_kib, None, None, kills)


def _domains(source: Source, page_kib: int, groups: Sequence[cgroups.Group]) -> list[live.Domain]:
    swap = memory_of(source, "MemTotal").get("SwapTotal", 0) // page_kib
    page_bytes = bytes_of(page_kib)
    domains = [_machine(source, page_kib)]
    for group in {group.path: group for group in groups}.values():
        limit = (group.limit_bytes or 0) // page_bytes
        both = group.amounts.get("memory.memsw.limit_in_bytes")
        of_swap = group.amounts.get("memory.swap.max")
        total = limit + (swap if of_swap is None else min(swap, of_swap // page_bytes))
        total = total if both is None else min(total, both // page_bytes)
        used = None if group.used_bytes is None else group.used_bytes // page_bytes
        domains.append(live.Domain(group.path, total, used, limit, group.events.get("oom_kill")))
    return domains
