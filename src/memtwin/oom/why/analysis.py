"""All that follows from one event, computed once: what the terminal, JSON and HTML show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtwin.oom.why.advice import advice
from memtwin.oom.why.culprit import Culprit, culprit
from memtwin.oom.why.ranking import rank
from memtwin.oom.why.remedies import Change, ruled_out, would_change
from memtwin.oom.why.sheet import Sheet, sheet
from memtwin.oom.why.zones import ZoneView, zone_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.oom.event import OomEvent
    from memtwin.oom.why.rows import Ranking


class Analysis(NamedTuple):
    """An event and what follows from it; None and () where the text has too little."""

    event: OomEvent
    ranking: Ranking
    zones: tuple[ZoneView, ...]
    sheet: Sheet | None
    culprit: Culprit | None
    changes: tuple[Change, ...]
    advice: tuple[str, ...]
    """Clauses: the one or two changes that would help most."""
    ruled_out: tuple[str, ...]
    """Sentences: what would not have helped, and what no figure can be given for."""
    follows_a_kill: bool
    """Whether the same text reports a kill just before."""


def analyse(event: OomEvent, *, follows_a_kill: bool = False) -> Analysis:
    """Compute all that follows from *event*."""
    ranking = rank(event)
    balance = sheet(event)
    holder = culprit(event, balance)
    changes = would_change(event, ranking, holder)
    found = Analysis(event, ranking, zone_views(event), balance, holder, changes, (), ruled_out(event), follows_a_kill)
    return found._replace(advice=advice(found))


def analyses(events: Iterable[OomEvent]) -> Iterator[Analysis]:
    """Analyse event after event, as they come."""
    killed = False
    for event in events:
        yield analyse(event, follows_a_kill=killed)
        killed = event.victim is not None
