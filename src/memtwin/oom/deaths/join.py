"""Which lines of a log are of one death, and who killed: from what stands in the lines, never from what does not.

Lines are of one death when they name the same unit, container, pod or process within a minute. A group of such lines
has its cause from the strongest of them::

    the kernel's event whose victim or cgroup they name       certain
    a killer's own line                                       certain
    a line that says "the OOM killer"                         certain: the kernel; which event, if one is near
    nothing but the kill, and one kernel's event near         probably that event
    the same, and several near                                possibly the nearest
    nothing                                                   unknown: this log does not say who

Work is linear in the lines: what is near is found by bisection, and only so much of it is compared.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from memtwin.oom.deaths.death import KERNEL, UNKNOWN, Death, KernelKill
from memtwin.oom.deaths.witnesses import (
    ATTEMPT,
    CLEANUP,
    DISK,
    KILLER,
    KUBELET,
    OOMD,
    OTHER,
    SAYS_NOT,
    SAYS_OOM,
    SAYS_OOMD,
    TRACE,
    UNNAMED_PROCESS,
    Witness,
)
from memtwin.oom.event import CERTAIN, POSSIBLE, PROBABLE
from memtwin.oom.read.clock import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NEAR_S: Final = 10
"""How far a line without a name may be from its cause: supervisors notice within seconds."""
_SAME_S: Final = 60
"""The same for lines that name who died: kubelet and docker report up to a minute later."""
_NEAR_LINES: Final = 200
"""The same in lines, where clocks cannot be compared."""
_RECORD_LINES: Final = 12
"""Lines of one record without any time: a container's state as kubectl or docker prints it."""
_MOST_NEAR: Final = 128
"""Candidates on each side of a line that are compared with it: a log can have thousands in one second."""
_SHORTEST_NAME: Final = 4


class Seen(NamedTuple):
    """A line's word on a death, and where it stands."""

    line: int
    stamp: str | None
    witness: Witness


class _Cause(NamedTuple):
    by: str
    event: int | None
    confidence: str
    reason: str


def joined(seen: Sequence[Seen], kills: Sequence[KernelKill]) -> list[Death]:
    """Return a death for each line of *seen*, with its cause; of attempts those that no line says the outcome of."""
    seen = _without_attempts(seen)
    events = _Nearby(kills)
    found: dict[int, _Cause] = {}
    for group in _groups(seen):
        lines = [seen[place] for place in group]
        cause = _cause_of(lines, events)
        for place, one in zip(group, lines, strict=True):
            found[place] = _own(one, cause)
    _lend(seen, found)
    return [_death(one, found[place], seen) for place, one in enumerate(seen)]


def _death(one: Seen, cause: _Cause, seen: Sequence[Seen]) -> Death:
    witness = one.witness
    resource = witness.resource
    if witness.role == KILLER and witness.by == KUBELET and resource == OTHER:
        resource = _resource_near(one, seen)
    return Death(
        cause.by, one.line, one.stamp, witness.who, witness.pid, witness.why, cause.event, cause.confidence,
        cause.reason, resource,
    )  # fmt: skip


def _resource_near(one: Seen, seen: Sequence[Seen]) -> str:
    """Return what a node was short of, by another line of kubelet's near."""
    place = bisect_left(seen, one.line, key=lambda other: other.line)
    for other in seen[max(place - 8, 0) : place + 8]:
        if other.witness.by == KUBELET and other.witness.role == KILLER and other.witness.resource != OTHER:
            return other.witness.resource
    return OTHER


def _own(one: Seen, cause: _Cause) -> _Cause:
    """Return the cause of one line of a group: what a line says of itself stands."""
    witness = one.witness
    if witness.role == KILLER:
        return _Cause(witness.by, None, CERTAIN, f"{witness.by} says so")
    if witness.role == ATTEMPT:
        return _Cause(witness.by, None, POSSIBLE, "an attempt: the log does not say that it killed")
    if witness.role == CLEANUP and cause.by == KERNEL:
        return _Cause(witness.by, None, CERTAIN, "it cleaned up after the kernel's kill")
    return cause


def _without_attempts(seen: Sequence[Seen]) -> Sequence[Seen]:
    """Leave out attempts of a killer near which it says whom it killed."""
    kills = [one for one in seen if one.witness.role in {KILLER, SAYS_OOMD}]
    lines = [one.line for one in kills]
    kept = []
    for one in seen:
        near = kills[bisect_left(lines, one.line - _NEAR_LINES) : bisect_right(lines, one.line + _NEAR_LINES)]
        if one.witness.role != ATTEMPT or all(other.witness.by != one.witness.by for other in near[:_MOST_NEAR]):
            kept.append(one)
    return kept


# --- which lines are of one death ------------------------------------------------------------------------------------


def _keys(witness: Witness) -> Iterable[str]:
    """Return what names who died."""
    if witness.who != UNNAMED_PROCESS:
        yield f"who {witness.who.strip('/').rpartition('/')[2].rpartition(' of ')[2]}"
    if witness.container:
        yield f"container {witness.container}"
    if witness.pid is not None and witness.role != CLEANUP:
        yield f"pid {witness.pid}"


def _groups(seen: Sequence[Seen]) -> list[list[int]]:
    """Return the places of *seen* by death: joined where they share a name near in time, or are one record."""
    parent = list(range(len(seen)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    last: dict[str, int] = {}
    for place, one in enumerate(seen):
        for key in _keys(one.witness):
            before = last.get(key)
            if before is not None and _is_near(seen[before], one, _SAME_S):
                parent[root(place)] = root(before)
            last[key] = place
        if place and _is_one_record(seen[place - 1], one):
            parent[root(place)] = root(place - 1)
    groups: dict[int, list[int]] = {}
    for place in range(len(seen)):
        groups.setdefault(root(place), []).append(place)
    return list(groups.values())


def _is_near(one: Seen, other: Seen, within_s: float) -> bool:
    a, b = seconds(one.stamp), seconds(other.stamp)
    if a is not None and b is not None and a[0] == b[0]:
        return abs(a[1] - b[1]) <= within_s
    return abs(one.line - other.line) <= _NEAR_LINES


def _is_one_record(before: Seen, one: Seen) -> bool:
    """Whether two lines stand together, the second without a time and at most one with a name: a printed record."""
    if one.stamp is not None or abs(one.line - before.line) > _RECORD_LINES:
        return False
    is_named_twice = UNNAMED_PROCESS not in {before.witness.who, one.witness.who}
    if before.stamp is not None and one.witness.who != UNNAMED_PROCESS:
        return False
    return not is_named_twice and before.witness.role != one.witness.role


# --- who killed ------------------------------------------------------------------------------------------------------


def _cause_of(lines: Sequence[Seen], events: _Nearby[KernelKill]) -> _Cause:
    """Return who killed, by the strongest of the lines of one death."""
    for one in lines:
        for kill in events.of(one, _SAME_S):
            how = _names(one.witness, kill)
            if how:
                return _Cause(KERNEL, kill.number, CERTAIN, how)
    roles = {one.witness.role: one for one in lines}
    return _by_role(roles) or (_said(roles[SAYS_OOM], lines, events) if SAYS_OOM in roles else _near(lines, events))


def _by_role(roles: Mapping[str, Seen]) -> _Cause | None:
    """Return who killed, where one of the lines is a killer's own, or rules the kernel out."""
    if SAYS_OOMD in roles or (KILLER in roles and roles[KILLER].witness.by == OOMD):
        return _Cause(OOMD, None, CERTAIN, "systemd-oomd's own line, or systemd's of it")
    if KILLER in roles and SAYS_OOM not in roles:
        by = roles[KILLER].witness.by
        return _Cause(by, None, CERTAIN, f"{by}'s own line about the same")
    if SAYS_OOM in roles:
        return None
    if SAYS_NOT in roles:
        return _Cause(UNKNOWN, None, CERTAIN, f"{roles[SAYS_NOT].witness.by} says that it was not OOM-killed")
    if CLEANUP in roles:
        return _Cause(roles[CLEANUP].witness.by, None, CERTAIN, "systemd sent SIGKILL itself")
    return None


def _names(witness: Witness, kill: KernelKill) -> str:
    """Return how a line names the kernel's victim: by pid, unit, container or name; "" if it does not."""
    if witness.pid is not None and (witness.pid == kill.pid or witness.pid in kill.also):
        return f"the same pid {witness.pid}"
    if witness.pid is not None and witness.role != CLEANUP:
        return ""
    if witness.container and witness.container in kill.group:
        return f"container {witness.container} is in the victim's cgroup"
    who = witness.who.strip("/")
    if who != UNNAMED_PROCESS and len(who) >= _SHORTEST_NAME and who in kill.group:
        return f"{who} is in the victim's cgroup"
    return "the same name" if who == kill.who else ""


def _said(says: Seen, lines: Sequence[Seen], events: _Nearby[KernelKill]) -> _Cause:
    """Return the cause of a death that a line gives to the OOM killer."""
    lead = f"{says.witness.by} says that it was the OOM killer"
    near = {
        kill.number: kill for one in lines for kill in events.of(one, _NEAR_S) if not _contradicts(one.witness, kill)
    }
    if len(near) == 1:
        return _Cause(KERNEL, next(iter(near)), PROBABLE, f"{lead}; the only event near it")
    if near:
        return _Cause(KERNEL, next(iter(near)), POSSIBLE, f"{lead}; one of {len(near)} events near it")
    return _Cause(KERNEL, None, CERTAIN, f"{lead}; the kernel's report is not in this text")


def _near(lines: Sequence[Seen], events: _Nearby[KernelKill]) -> _Cause:
    """Return the cause of a kill of which nothing is said: an event of the kernel's within seconds, or none."""
    near = {
        kill.number: kill for one in lines for kill in events.of(one, _NEAR_S) if not _contradicts(one.witness, kill)
    }
    if not near:
        return _Cause(UNKNOWN, None, CERTAIN, "this log does not say who")
    number = next(iter(near))
    if len(near) == 1:
        return _Cause(KERNEL, number, PROBABLE, "the only event near it, and nothing speaks against it")
    return _Cause(KERNEL, number, POSSIBLE, f"one of {len(near)} events near it")


def _contradicts(witness: Witness, kill: KernelKill) -> bool:
    """Whether a line names another process, unit or container than the kernel's victim and its cgroup."""
    if witness.pid is not None and witness.role in {TRACE, SAYS_OOM}:
        return witness.pid != kill.pid and witness.pid not in kill.also and witness.by != "systemd"
    is_named = witness.who.endswith((".service", ".scope", ".slice")) or bool(witness.container)
    return bool(kill.group) and is_named and witness.who.strip("/") not in kill.group


def _lend(seen: Sequence[Seen], found: dict[int, _Cause]) -> None:
    """Give a kill without a name and without a cause that of the only death near that has one."""
    known = [
        place for place in found
        if found[place].by != UNKNOWN and seen[place].witness.role in {KILLER, SAYS_OOM, SAYS_OOMD}
        and seen[place].witness.resource != DISK
    ]  # fmt: skip
    index = _Nearby([_Known(seen[place].line, seen[place].stamp, place) for place in known])
    for place, one in enumerate(seen):
        is_bare = one.witness.role == TRACE and one.witness.who == UNNAMED_PROCESS and one.witness.pid is None
        if not is_bare or found[place].by != UNKNOWN or one.stamp is None:
            continue
        near = {found[other.place].by: found[other.place] for other in index.of(one, _NEAR_S)}
        if len(near) == 1:
            (cause,) = near.values()
            found[place] = cause._replace(confidence=PROBABLE, reason="the only kill near it that is explained")


class _Known(NamedTuple):
    """A place in the log whose cause is known."""

    line: int
    stamp: str | None
    place: int


T = TypeVar("T", KernelKill, _Known)


class _Nearby(Generic[T]):
    """Things of a log by their time and by their line, so that those near another are found without a look at all."""

    def __init__(self, things: Sequence[T]) -> None:
        self._by_line: list[T] = sorted(things, key=lambda thing: thing.line)
        self._lines: list[int] = [thing.line for thing in self._by_line]
        self._by_clock: dict[str, list[tuple[float, int, T]]] = {}
        for place, thing in enumerate(self._by_line):
            clock = seconds(thing.stamp)
            if clock is not None:
                self._by_clock.setdefault(clock[0], []).append((clock[1], place, thing))
        for times in self._by_clock.values():
            times.sort(key=lambda time: time[:2])

    def of(self, seen: Seen, within_s: float) -> list[T]:
        """Return what is within seconds of *seen*; what has no clock like its own, within a screen of lines."""
        clock = seconds(seen.stamp)
        near = []
        if clock is not None:
            times = self._by_clock.get(clock[0], [])
            start = bisect_left(times, clock[1] - within_s, key=lambda time: time[0])
            end = bisect_right(times, clock[1] + within_s, key=lambda time: time[0])
            middle = bisect_left(times, (clock[1], bisect_left(self._lines, seen.line)), key=lambda time: time[:2])
            start, end = max(start, middle - _MOST_NEAR), min(end, middle + _MOST_NEAR)
            near = [(place, thing) for _, place, thing in times[start:end]]
        start = bisect_left(self._lines, seen.line - _NEAR_LINES)
        end = bisect_right(self._lines, seen.line + _NEAR_LINES)
        for place in range(start, end):
            thing = self._by_line[place]
            other = seconds(thing.stamp)
            if clock is None or other is None or other[0] != clock[0]:
                near.append((place, thing))
        return [thing for _, thing in sorted(near, key=lambda pair: (abs(pair[1].line - seen.line), pair[0]))]
