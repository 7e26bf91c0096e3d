"""The deaths of a log as a table, and as sentences that say no more than the log does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.oom.deaths.death import KERNEL, UNKNOWN
from memtwin.oom.event import CERTAIN, POSSIBLE, PROBABLE
from memtwin.render.prose import bullets
from memtwin.render.table import Column, Table, text
from memtwin.render.words import capital, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.oom.deaths.death import Death

_MOST: Final = 4
_ADVERBS: Final = {POSSIBLE: "possibly", PROBABLE: "probably", CERTAIN: "certainly"}
_HOW_TO_KNOW: Final = (
    "The kernel counts its own kills: oom_kill in /proc/vmstat and in the cgroup's memory.events; its report is in"
    " `journalctl -k` or `dmesg`"
)


def table(deaths: Sequence[Death], events: int) -> str:
    """Return the time line of the deaths, and what it says as a whole."""
    columns = (Column("WHEN"), Column("WHO"), Column("KILLED BY"), Column("WHY"))
    rows = tuple((when(death), who(death), killer(death), death.why) for death in deaths)
    return "Deaths in this log\n" + text(Table(columns, rows), gap=2) + bullets(sentences(deaths, events))


def when(death: Death) -> str:
    """Return the time stamp, or the line."""
    return death.stamp or f"line {death.line}"


def who(death: Death) -> str:
    """Return who died, with the pid where it is known."""
    return death.who if death.pid is None else f"{death.who} ({death.pid})"


def killer(death: Death) -> str:
    """Return who killed, and how sure that is."""
    if death.by == UNKNOWN:
        return "unknown"
    lead = "" if death.confidence == CERTAIN else f"{_ADVERBS[death.confidence]} "
    if death.by != KERNEL:
        return f"{lead}{death.by}"
    if death.event is None:
        return f"{lead}the kernel"
    return f"the kernel ({lead}event {death.event})"


def sentences(deaths: Sequence[Death], events: int) -> Iterator[str]:
    """Yield what the log says as a whole: whether it was the kernel, who else killed, and what it does not say."""
    yield from _of_the_kernel(deaths, events)
    yield from _of_others(deaths, events)
    unknown = [death for death in deaths if death.by == UNKNOWN]
    said_not = [death for death in unknown if "not OOM-killed" in death.reason]
    if said_not:
        yield (
            f"Of {_names(said_not)} the runtime says that it was not OOM-killed: its limit was not what ended it."
            " SIGKILL had another sender (a stop after its grace period, a probe, `kill -9`), or the kernel killed"
            " another process of the container."
        )
    silent = [death for death in unknown if death not in said_not]
    if silent:
        yield (
            f"Of {_names(silent)} this log has the SIGKILL and does not say who sent it: the OOM killer, `kill -9`,"
            f" `docker stop` after its grace period and supervisors all leave the same trace. {_HOW_TO_KNOW}."
        )


def _of_the_kernel(deaths: Sequence[Death], events: int) -> Iterator[str]:
    said = [death for death in deaths if death.by == KERNEL and death.event is None]
    if said:
        by = list(dict.fromkeys(death.reason.partition(" says ")[0] for death in said))
        more = "" if events else " `journalctl -k` or `dmesg` of that machine has it, with the reason."
        lead = f"The kernel's OOM killer killed {_names(said)}, as {listed(by)} says"
        yield f"{lead}; its report is not in this text.{more}"
    guessed: dict[tuple[int | None, str, str], list[Death]] = {}
    for death in deaths:
        if death.by == KERNEL and death.confidence != CERTAIN:
            guessed.setdefault((death.event, death.confidence, death.reason), []).append(death)
    for (event, confidence, reason), own in list(guessed.items())[:_MOST]:
        of = "the kernel's" if event is None else f"event {event}"
        yield f"{capital(_ADVERBS[confidence])} {of}: {_names(own)} ({reason})."


def _of_others(deaths: Sequence[Death], events: int) -> Iterator[str]:
    others = [death for death in deaths if death.by not in {KERNEL, UNKNOWN}]
    for by in dict.fromkeys(death.by for death in others):
        own = [death for death in others if death.by == by]
        if all(death.resource == "disk" for death in own):
            yield f"{by} ended {_names(own)} for lack of disk: memory had no part in it."
        elif all(death.confidence == POSSIBLE for death in own):
            yield f"{by} set about killing ({_names(own)}); the log does not say that it killed."
        elif all(death.reason.startswith("it cleaned up") for death in own):
            yield f"{by} ended {_names(own)} afterwards, as it does with what is left of a unit."
        elif all(death.resource == "other" for death in own):
            yield f"{by} ended {_names(own)}; the log does not say that memory was the reason."
        elif events:
            yield f"Not all of it was the kernel: {by} killed too ({_names(own)})."
        else:
            yield f"{by} killed {_names(own)}. The kernel's OOM killer is not in this text."


def _names(deaths: Sequence[Death]) -> str:
    names = list(dict.fromkeys(who(death) for death in deaths))
    return listed(names[:_MOST] + ([f"{len(names) - _MOST} more"] if len(names) > _MOST else []))
