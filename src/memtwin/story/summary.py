"""A run in five sentences: what ran, what it needed, what reclaim did and why, what swap did, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.oom.event import KILLED
from memtwin.oom.tell import headline
from memtwin.oom.tell import summary as in_short
from memtwin.oom.why.analysis import analyse
from memtwin.render.words import count, listed, seconds, size
from memtwin.scenario import Checkpoint, Proc
from memtwin.story import reclaim, swap
from memtwin.story.phrases import PAGE_KIB, phrase

if TYPE_CHECKING:
    from memtwin.run.done import Done
    from memtwin.run.run import Run
    from memtwin.run.timeline import Sample

_SHOWN = 3


def sentences(run: Run) -> list[str]:
    """Return the five, each a paragraph of its own, and what was changed before; what did not happen has none."""
    said = (_what_ran(run), *run.machine.changes, _needed(run), _reclaimed(run), _swapped(run), _ended(run))
    return [text for text in said if text]


def _what_ran(run: Run) -> str:
    first, last = run.samples[0], run.samples[-1]
    swap_kib = sum(area.size_kib for area in first.areas)
    with_swap = f" and {size(swap_kib)} of swap" if swap_kib else ", without swap"
    started = sum(isinstance(done.op, Proc) for done in run.done)
    by = f" by {started:,} process{'' if started == 1 else 'es'}" if started else ""
    did = count(len(_operations(run)), "operation")
    return (
        f"{did}{by} took {seconds(last.time_ns - first.time_ns)} on a machine with "
        f"{size(run.machine.state.memory_total * PAGE_KIB)} of memory{with_swap}; "
        f"{size(first.figures['MemFree'])} were free at the start."
    )


def _operations(run: Run) -> list[Done]:
    return [done for done in run.done if not isinstance(done.op, Checkpoint)]


def _claimed(sample: Sample) -> int:
    """Return what programs had in RAM and in swap, in KiB."""
    return sample.figures["AnonPages"] + sum(area.used_kib for area in sample.areas)


def _needed(run: Run) -> str:
    """Return when programs claimed the most, beside RAM."""
    peak = max(run.samples, key=_claimed)
    claimed, total = _claimed(peak), run.machine.state.memory_total * PAGE_KIB
    at = seconds(peak.time_ns - run.samples[0].time_ns)
    during = next((done for done in run.done[peak.ops_done - (1 if peak.between else 0) :]), None)
    doing = f", while {phrase(during.op)}" if during is not None and not isinstance(during.op, Checkpoint) else ""
    cached = max(sample.figures["Cached"] for sample in run.samples)
    in_swap = sum(area.used_kib for area in peak.areas)
    of_it = f", {size(in_swap)} of it in swap" if in_swap else ""
    return (
        f"Programs had the most after {at}{doing}: {size(claimed)}{of_it}, {100 * claimed // total} % of RAM; "
        f"files in the page cache had up to {size(cached)}."
    )


def _reclaimed(run: Run) -> str:
    """Return when reclaim began, what it took from whom and why, who waited, and what was missed."""
    first, last = run.samples[0], run.samples[-1]
    change = {name: last.figures[name] - first.figures[name] for name in last.figures}
    began = run.machine.state.reclaim_began_ns
    if not began or not change["pgsteal"]:
        least = min(sample.figures["MemAvailable"] for sample in run.samples)
        return f"Nothing had to be reclaimed: {size(least)} or more were available all the time."
    during = next((f", while {phrase(done.op)}" for done in run.done if done.began), "")
    when = f"after {seconds(began - first.time_ns)}{during}" if began > first.time_ns else "before the run"
    balances = tuple(run.machine.state.scan_balances)
    most = tuple(passes if passes == max(balances) else 0 for passes in balances)
    why = reclaim.why(most, int(run.machine.sysctl["swappiness"]), swap_free=last.figures["SwapFree"] > 0)
    missed = reclaim.missed(change)
    largest = sorted(run.taken().items(), key=lambda item: -item[1])[:_SHOWN]
    taken = reclaim.from_whom(dict(largest))
    return " ".join((f"Reclaim began {when}, and took {taken}{reclaim.who_waited(change)}.", why, *missed)).strip()


def _swapped(run: Run) -> str:
    return " ".join(swap.areas(run))


def _ended(run: Run) -> str:
    """Return who was killed and why, and which operations failed."""
    kills = [analyse(event) for event in (*run.ooms_before, *(event for done in run.done for event in done.ooms))]
    panics = [one for one in kills if one.event.outcome != KILLED]
    kills = [one for one in kills if one.event.outcome == KILLED]
    said = [headline(one) for one in panics] if run.machine.state.has_panicked else []
    said += [in_short(kills[0])] if kills else []
    said += [headline(kill) for kill in kills[1:_SHOWN]]
    if len(kills) > _SHOWN:
        said.append(f"{len(kills) - _SHOWN} more kills follow.")
    done = _operations(run)
    failed = [one for one in done if one.outcome != "ok"]
    if failed:
        said.append(f"{len(failed):,} of {count(len(done), 'operation')} did not succeed: {listed(_named(failed))}.")
    elif not kills and not panics:
        said.append("Every operation succeeded, and nothing was killed.")
    return " ".join(said)


def _named(failed: list[Done]) -> list[str]:
    """Return the first failures with what became of them."""
    words = {"died": "killed", "skipped": "skipped", "error": "refused"}
    named = [f"{phrase(done.op)} ({words.get(done.outcome, done.outcome)})" for done in failed[:_SHOWN]]
    return [*named, f"{len(failed) - _SHOWN:,} more"] if len(failed) > _SHOWN else named
