"""What would have changed it: the smallest change of each kind that gives another victim, or none, at this moment.

A report is one moment. Each change is computed on its figures with everything else as it was, and says what it assumes;
whether memory would have run out a minute later is what only a run of the workload can say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.badness import OOM_SCORE_ADJ_MIN, points
from memtwin.oom.event import GLOBAL, KILLED, MEMCG
from memtwin.oom.why.culprit import MEMORY, Culprit
from memtwin.oom.why.generation import is_child
from memtwin.oom.why.total import UNLIMITED_KIB, swap_used_kib
from memtwin.oom.why.zones import zone_views
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memtwin.oom.event import OomEvent, Zone
    from memtwin.oom.why.rows import RankedTask, Ranking
    from memtwin.oom.why.zones import ZoneView

ANOTHER, NONE = "another victim", "no kill"
ZRAM_RATIO: Final = 3
"""Uncompressed to compressed, of zram and zswap: what zstd and lzo-rle make of usual process memory, roughly."""
_ADJ_MAX: Final = 1000
_SMALL: Final = 20
"""A zone with less than a twentieth of the largest is no place where RAM is added."""
_MOST_RAM: Final = 1
"""Additions of RAM beyond so many times what is there are no advice."""


class Change(NamedTuple):
    """One change. *amount*: kB more, or the new value of oom_score_adj; *pid*: whose; *then*: who is killed instead."""

    what: str
    amount: int
    gives: str
    pid: int | None
    name: str | None
    then_pid: int | None
    then_name: str | None
    assumes: str
    was: int | None = None


def would_change(event: OomEvent, ranking: Ranking, culprit: Culprit | None) -> tuple[Change, ...]:
    """Return the changes that can be computed from the text; () when no process was killed by the rule."""
    if event.outcome != KILLED:
        return ()
    found = [_victim_adj(event, ranking), _hog_adj(ranking, culprit), _ram_for_another(event, ranking)]
    if event.constraint == MEMCG:
        found += [_limit(event), _limit_for_all(event), _memcg_swap(event)]
    elif event.constraint == GLOBAL and not event.sysrq:
        found += list(_memory(event))
    changes = [change for change in found if change is not None]
    return tuple(sorted(changes, key=lambda change: "adj" in change.what))


def ruled_out(event: OomEvent) -> tuple[str, ...]:
    """Return, as sentences, what would not have helped, and what no figure can be given for."""
    if event.outcome != KILLED or event.sysrq:
        return ()
    if event.constraint == MEMCG:
        return _ruled_out_in_cgroup(event)
    return _ruled_out_on_machine(event) if event.constraint == GLOBAL else ()


def _ruled_out_in_cgroup(event: OomEvent) -> tuple[str, ...]:
    memcg = event.memcg
    if memcg is None or not memcg.swap_limit or memcg.swap_usage or not memcg.stats.get("anon"):
        return ()
    hint = "The cgroup was allowed to swap and had nothing in swap: swap on the machine may have helped"
    return (f"{hint}; how much it has is not in the text.",)


def _ruled_out_on_machine(event: OomEvent) -> tuple[str, ...]:
    views = [view for view in zone_views(event) if view.why_not is None]
    if not views or not event.trigger.gfp_mask:
        return ()
    if any(view.passes for view in views):
        return ("More RAM or swap is no answer: a zone had enough free when the report was printed.",)
    if any(view.short <= 0 for view in views):
        piece = size(event.page_kib << max(event.trigger.order or 0, 0))
        return (f"More RAM or swap is no answer: memory was free, but in no piece of {piece}.",)
    nearest = _nearest(views)
    free = event.swap.free_kib
    if free is not None and free > nearest.short:
        return (f"More swap would not have helped: {size(free)} of it were free.",)
    zone = next(zone for zone in event.zones if (zone.node, zone.name) == (nearest.node, nearest.name))
    if free is not None and not _has_anon(zone, nearest.short * ZRAM_RATIO):
        return (f"Swap would not have helped in {nearest.place}: it has nothing that could be written there.",)
    return ()


def _at(ranking: Ranking) -> tuple[int, str] | None:
    """Return the totalpages to reckon with, and what that assumes."""
    if ranking.total is None:
        return None
    if ranking.total.is_exact:
        return ranking.total.low, "the processes as they were"
    return ranking.total.low, f"the processes as they were, and a total of {ranking.total.low:,} pages"


def _victim_adj(event: OomEvent, ranking: Ranking) -> Change | None:
    chosen, other, rule, at = ranking.chosen, ranking.runner_up, ranking.rule, _at(ranking)
    if chosen is None or ranking.follows is not True or "allocating_task" in (event.message or "") or is_child(event):
        return None
    task, was = chosen.task, chosen.low.oom_score_adj
    if other is None or rule is None or at is None:
        assumes = "no other process may be killed: then the one that asks fails, or the kernel panics"
        if other is not None:
            return None
        return Change("adj of the victim", OOM_SCORE_ADJ_MIN, NONE, task.pid, task.name, None, None, assumes, was)
    least = points(other.low, at[0], rule) or 0

    def spared(adj: int) -> bool:
        return (points(chosen.low._replace(oom_score_adj=adj), at[0], rule) or 0) < least

    new = _bisect(was - 1, OOM_SCORE_ADJ_MIN, spared)
    if new is None:
        new = OOM_SCORE_ADJ_MIN
    return Change("adj of the victim", new, ANOTHER, task.pid, task.name, other.task.pid, other.task.name, at[1], was)


def _hog_adj(ranking: Ranking, culprit: Culprit | None) -> Change | None:
    """Return the adj with which the largest process would have been chosen."""
    chosen, rule, at = ranking.chosen, ranking.rule, _at(ranking)
    if culprit is None or culprit.is_victim or culprit.kind == MEMORY or ranking.follows is not True:
        return None
    if chosen is None or rule is None or at is None:
        return None
    rows = [row for row in ranking.rows if row.task.name == culprit.name and row is not chosen]
    hog = max(rows, key=lambda row: row.low.rss + row.low.swapents, default=None)
    if hog is None or hog.task.pid == chosen.task.pid or hog.spared == "was killed before":
        return None
    most = points(chosen.low, at[0], rule) or 0
    was = hog.low.oom_score_adj

    def first(adj: int) -> bool:
        return (points(hog.low._replace(oom_score_adj=adj), at[0], rule) or 0) > most

    new = _bisect(was + 1, _ADJ_MAX, first)
    if new is None:
        return None
    task = hog.task
    return Change("adj of the hog", new, ANOTHER, task.pid, task.name, task.pid, task.name, at[1], was)


def _bisect(first: int, last: int, holds: Callable[[int], bool]) -> int | None:
    """Return the value nearest to *first* for which *holds*, which once true stays so towards *last*."""
    step = 1 if last >= first else -1
    if (last - first) * step < 0 or not holds(last):
        return None
    low, high = 0, abs(last - first)
    while low < high:
        middle = (low + high) // 2
        if holds(first + step * middle):
            high = middle
        else:
            low = middle + 1
    return first + step * low


def _ram_for_another(event: OomEvent, ranking: Ranking) -> Change | None:
    """Return the RAM with which a process of a higher adj overtakes: each unit of adj then weighs more."""
    chosen, total = ranking.chosen, ranking.total
    rule = ranking.rule
    if chosen is None or ranking.follows is not True or total is None or not total.is_exact or rule is None:
        return None
    if rule.permille or event.constraint != GLOBAL:
        return None
    best: tuple[int, RankedTask] | None = None
    for row in ranking.rows:
        step = row.low.oom_score_adj - chosen.low.oom_score_adj
        if row is chosen or row.points is None or chosen.points is None or step <= 0:
            continue
        more = (chosen.points - row.points) // step + 1
        if best is None or more < best[0]:
            best = more, row
    if best is None:
        return None
    pages = (total.low // 1000 + best[0]) * 1000 - total.low
    if pages > total.low * _MOST_RAM:
        return None
    task = best[1].task
    assumes = "the processes as they were: each unit of oom_score_adj weighs a thousandth of all memory"
    return Change("RAM", pages * event.page_kib, ANOTHER, None, None, task.pid, task.name, assumes)


def _memory(event: OomEvent) -> tuple[Change, ...]:
    """Return how much more RAM, swap or zram would have let this one request pass."""
    views = [view for view in zone_views(event) if view.why_not is None]
    if (
        not views
        or any(view.short <= 0 for view in views)
        or (event.trigger.order or 0) > 0
        or not event.trigger.gfp_mask
    ):
        return ()
    nearest = _nearest(views)
    where = nearest.place
    changes = [*_huge_pages(event, nearest.short)]
    changes += [
        Change("RAM", nearest.short, NONE, None, None, None, None,
               f"it lies in {where}, nothing else takes it, and the watermarks stay as they are"),
    ]  # fmt: skip
    zone = next(zone for zone in event.zones if (zone.node, zone.name) == (nearest.node, nearest.name))
    swap_free = event.swap.free_kib
    if swap_free is None or swap_free > nearest.short or not _has_anon(zone, nearest.short * ZRAM_RATIO):
        return tuple(changes)
    with_zram = -(-nearest.short * ZRAM_RATIO // (ZRAM_RATIO - 1))
    rounded = -(-with_zram // event.page_kib) * event.page_kib
    changes += [
        Change("swap", nearest.short, NONE, None, None, None, None,
               f"reclaim writes that much of {where} out in time"),
        Change("zram", rounded, NONE, None, None, None, None,
               f"pages compress {ZRAM_RATIO}:1, and {where} gives and takes them"),
    ]  # fmt: skip
    return tuple(changes)


def _nearest(views: Sequence[ZoneView]) -> ZoneView:
    """Return the zone that lacked least, of those that RAM can be added to: the small ones at the bottom are fixed."""
    largest = max(view.managed or view.free for view in views)
    return min((view for view in views if (view.managed or view.free) * _SMALL >= largest), key=lambda view: view.short)


def _huge_pages(event: OomEvent, short: int) -> list[Change]:
    """Return how many huge pages fewer would have let the request pass: those that were not used."""
    for huge in event.huge_pages:
        if huge.free * huge.size_kib >= max(short, 1):
            amount = -(-max(short, 1) // huge.size_kib) * huge.size_kib
            assumes = f"{huge.free:,} of the {huge.total:,} huge pages of {size(huge.size_kib)} were free"
            return [Change("huge pages", amount, NONE, None, None, None, None, assumes)]
    return []


def _has_anon(zone: Zone, kib: int) -> bool:
    return zone.fields.get("active_anon", 0) + zone.fields.get("inactive_anon", 0) >= kib


def _limit(event: OomEvent) -> Change | None:
    memcg = event.memcg
    if memcg is None or memcg.usage is None or memcg.limit is None or memcg.limit >= UNLIMITED_KIB:
        return None
    more = memcg.usage + (event.page_kib << max(event.trigger.order or 0, 0)) - memcg.limit
    assumes = "one request passes and no more; the machine and the cgroups above have that much left"
    return Change("limit of the cgroup", more, NONE, None, None, None, None, assumes) if more > 0 else None


def _limit_for_all(event: OomEvent) -> Change | None:
    """Return the limit that holds in RAM what the cgroup had in RAM and swap."""
    memcg = event.memcg
    if memcg is None or memcg.usage is None or memcg.limit is None or memcg.limit >= UNLIMITED_KIB:
        return None
    swap = swap_used_kib(memcg)
    if not swap or swap < 0:
        return None
    more = memcg.usage + swap + (event.page_kib << max(event.trigger.order or 0, 0)) - memcg.limit
    assumes = "all that it had in swap comes back to RAM, and it asks for nothing more"
    return Change("limit of the cgroup", more, NONE, None, None, None, None, assumes)


def _memcg_swap(event: OomEvent) -> Change | None:
    memcg = event.memcg
    if memcg is None or memcg.swap_limit is None or memcg.swap_usage is None or memcg.limit is None:
        return None
    more = event.page_kib << max(event.trigger.order or 0, 0)
    left = memcg.swap_limit - memcg.swap_usage
    if left >= more or memcg.stats.get("anon", 0) >> 10 < more:
        return None
    assumes = "the machine has free swap, and reclaim writes that much out in time"
    return Change("swap of the cgroup", more - max(left, 0), NONE, None, None, None, None, assumes)
