"""Other killers than the kernel's OOM killer, recognised in the same log, and which death was whose.

Known: systemd-oomd, earlyoom, nohang, kubelet's evictions, systemd's own timeouts; and the traces that a kill leaves
with those who looked after the process: ``status=9/KILL``, ``oom-kill``, ``OOMKilled``, exit code 137 (128 + SIGKILL).
A trace is joined with its cause: the kernel's report, or another killer's line. Where there is neither, it was not the
OOM killer as far as this log tells, and that is an answer.

Layouts: src/oom/oomd-util.c and oomd-manager.c of systemd, kill.c of earlyoom, nohang 0.2, eviction_manager.go of
Kubernetes.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from memtwin.oom.event import GLOBAL
from memtwin.oom.read.lines import cut
from memtwin.render.prose import bullets
from memtwin.render.table import Column, Table, text
from memtwin.render.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from memtwin.oom.event import OomEvent
    from memtwin.oom.read.lines import Line

OOMD, EARLYOOM, NOHANG, KUBELET, SYSTEMD, KERNEL = "systemd-oomd", "earlyoom", "nohang", "kubelet", "systemd", "kernel"
UNKNOWN: Final = "unknown"
_TRACE, _OOM_TRACE, _OOMD_TRACE = "trace", "trace of an OOM kill", "trace of systemd-oomd"
"""What a kill leaves with those who looked after the process, until it is joined with who did it."""
_NEAR_S: Final = 10
"""How far a trace may be from its cause: supervisors notice within seconds."""
_NEAR_LINES: Final = 200
"""The same in lines, where clocks cannot be compared."""
_MOST_NEAR: Final = 128
"""Candidates on each side of a trace that are compared with it: a log can have thousands in one second."""


class Death(NamedTuple):
    """Somebody died, or was chosen to. *by* is who did it; *why* is a clause in words."""

    by: str
    line: int
    stamp: str | None
    who: str
    pid: int | None
    why: str
    event: int | None = None
    """The number of the kernel's event that did it."""


class KernelKill(NamedTuple):
    """What is kept of an event of the kernel's: a long journal has thousands."""

    number: int
    first_line: int
    line: int
    stamp: str | None
    who: str
    pid: int
    group: str
    why: str


class _Found(NamedTuple):
    by: str
    who: str
    pid: int | None
    why: str


_HINT: Final = re.compile(
    r"earlyoom|oomd|nohang|[Ee]vict|low on resource|sys oom event|OOMKilled|oom-kill'|the OOM killer|9/KILL|SIGKILL"
    r"|SIGTERM|timed out\. Killing|\b137\b|highest badness|PID: |Killing process"
)
_NUMBER: Final = r"(?P<pid>\d{1,10})"
_UNIT: Final = r"(?<![\w@:.\\/-])(?P<who>[\w@:.\\/-]{1,255})"
"""A unit's name. It starts at the start of a word only, so that matching is linear in the length of the line."""


def _oomd_pressure(m: re.Match[str]) -> _Found:
    why = f"memory pressure of {m['of']} was {m['now']}, over its limit of {m['limit']} for {m['long']}"
    return _Found(OOMD, m["who"], None, why)


def _oomd_swap(m: re.Match[str]) -> _Found:
    return _Found(OOMD, m["who"], None, f"memory and swap were both more than {m['limit']} used")


def _oomd_echo(m: re.Match[str]) -> _Found:
    return _Found(_OOMD_TRACE, m["who"], None, f"systemd-oomd killed {m['count']} of its processes")


def _earlyoom(m: re.Match[str]) -> _Found:
    rss = f", with {m['rss']} MiB in RAM" if m["rss"] else ""
    return _Found(EARLYOOM, m["who"], int(m["pid"]), f"memory and swap were below earlyoom's limits{rss}")


def _kubelet(m: re.Match[str]) -> _Found:
    return _Found(KUBELET, m["who"], None, "the node was low on a resource, and the pod was evicted")


def _low(m: re.Match[str]) -> _Found:
    return _Found(KUBELET, "a pod", None, f"the node was low on {m['what']}")


def _sys_oom(m: re.Match[str]) -> _Found:
    return _Found(_OOM_TRACE, m["who"], int(m["pid"]), "kubelet saw the kernel's OOM killer")


def _timeout(m: re.Match[str]) -> _Found:
    return _Found(SYSTEMD, m["who"], None, f"it did not end in time in {m['state']}, and systemd sent SIGKILL")


def _by_systemd(m: re.Match[str]) -> _Found:
    return _Found(
        SYSTEMD, f"{m['name']} of {m['who']}", int(m["pid"]), "systemd sent SIGKILL to what was left of the unit"
    )


def _trace(told: str, kind: str = _TRACE) -> Callable[[re.Match[str]], _Found]:
    def found(m: re.Match[str]) -> _Found:
        groups = m.groupdict()
        pid = groups.get("pid")
        return _Found(kind, groups.get("who") or "a process", int(pid) if pid else None, told)

    return found


_OOMD_KILL: Final = rf"(?:Killed|Marked) {_UNIT} (?:for killing )?due to memory "
_PRESSURE: Final = (
    r"pressure for (?P<of>\S{1,255}) being (?P<now>[\d.]{1,9}%) > (?P<limit>[\d.]{1,9}%) for > (?P<long>\S{1,16})"
)
_SWAP: Final = r"used .{1,99} and swap used .{1,99} being more than (?P<limit>[\d.]{1,9}%)"
_SIGNALLED: Final = (
    rf'[Ss]ending SIG(?:TERM|KILL) to process {_NUMBER} (?:uid \d{{1,10}} )?"(?P<who>.{{0,64}}?)": '
    r"(?:badness|oom_score) \d.{0,80}?VmRSS (?P<rss>\d{1,9})"
)
_EXIT_137: Final = (
    r"[Ee]xit(?:ed)?[ _]?(?:with )?(?:[Cc]ode|[Ss]tatus)?\"?\s?[:=(]?\s{0,8}(?:code )?137\b|Exited \(137\)"
    r"|\breturned (?:exit code )?137\b"
)
_OOM_IN_UNIT: Final = _trace("systemd saw an OOM kill in it", _OOM_TRACE)
_TOLD: Final[dict[str, Callable[[re.Match[str]], _Found]]] = {
    _OOMD_KILL + _PRESSURE: _oomd_pressure,
    _OOMD_KILL + _SWAP: _oomd_swap,
    rf"{_UNIT}: systemd-oomd killed (?P<count>\d{{1,9}}|some) process": _oomd_echo,
    _SIGNALLED: _earlyoom,
    rf"Low memory! Killing process {_NUMBER} (?P<who>\S{{1,64}})(?P<rss>)": _earlyoom,
    r'[Ee]viction manager: pod is evicted successfully" pod="(?P<who>[\w./-]{1,255})': _kubelet,
    r"eviction manager: pod (?P<who>[\w./()-]{1,255}) is evicted successfully": _kubelet,
    r"[Nn]ode was low on resource: (?P<what>[\w.\[\]-]{1,64})\.?": _low,
    rf"sys oom event.{{0,40}}Pid:{_NUMBER} ProcessName:(?P<who>[^\s}}]{{1,64}})": _sys_oom,
    rf"{_UNIT}: State '(?P<state>[\w-]{{1,40}})' timed out\. Killing": _timeout,
    rf"{_UNIT}: Killing process {_NUMBER} \((?P<name>.{{0,64}}?)\) with signal SIGKILL": _by_systemd,
    rf"{_UNIT}: A process of this unit has been killed by the OOM killer": _OOM_IN_UNIT,
    rf"{_UNIT}: Failed with result 'oom-kill'": _OOM_IN_UNIT,
    rf"{_UNIT}: Main process exited, code=killed, status=9/KILL": _trace("its main process got SIGKILL"),
    r"\bOOMKilled\b": _trace("a container's state is OOMKilled", _OOM_TRACE),
    _EXIT_137: _trace("it ended with exit code 137, which is 128 + SIGKILL"),
}
_PATTERNS: Final = tuple((re.compile(pattern), told) for pattern, told in _TOLD.items())
_NOHANG_VICTIM: Final = re.compile(rf"PID: {_NUMBER}, [Nn]ame: (?P<who>.{{1,64}}?), badness: \d")
_NOHANG_KILL: Final = re.compile(r"Sending SIG(?:TERM|KILL) to the victim")


def _may_tell(raw: str) -> bool:
    """Whether a line can hold a hint at all: a long journal is looked at as fast as Python finds a substring."""
    return (
        "oom" in raw or "OOM" in raw or "137" in raw or "SIG" in raw or "KILL" in raw or "vict" in raw
        or "low on resource" in raw or "badness" in raw or "PID: " in raw or "illing" in raw or "timed out" in raw
    )  # fmt: skip


class Watch:
    """Looks at the lines of a log as they pass, and keeps the deaths that others than the kernel tell of."""

    def __init__(self) -> None:
        self.deaths: list[Death] = []
        self.kills: list[KernelKill] = []
        self._nohang: tuple[str, int] | None = None

    def over(self, raws: Iterable[str]) -> Iterator[str]:
        """Pass the lines on, looking at each that may tell of a kill."""
        for number, raw in enumerate(raws, 1):
            if _may_tell(raw) and _HINT.search(raw, 0, 1 << 14):
                for line in cut(number, raw):
                    self._look(line)
            yield raw

    def saw(self, number: int, event: OomEvent) -> None:
        """Take notice of the kernel's event *number* in the same log."""
        victim = event.victim
        if victim is not None:
            self.kills.append(
                KernelKill(
                    number, event.first_line, event.last_line, event.stamp, victim.name, victim.pid,
                    event.task_memcg or "", _why(event),
                )
            )  # fmt: skip

    def joined(self) -> list[Death]:
        """Return the deaths, each trace given its cause: a kill of the kernel's, another killer, or UNKNOWN."""
        kills = _Nearby(self.kills)
        causes = _Nearby([death for death in self.deaths if death.by not in _TRACES])
        return [death if death.by not in _TRACES else _caused(death, causes, kills) for death in self.deaths]

    def time_line(self) -> list[Death]:
        """Return the joined deaths and the kernel's kills, in the order of the log; empty if only the kernel killed."""
        if not self.deaths:
            return []
        kernels = [
            Death(KERNEL, kill.first_line, kill.stamp, kill.who, kill.pid, kill.why, kill.number) for kill in self.kills
        ]
        return sorted((*self.joined(), *kernels), key=lambda death: death.line)

    def _look(self, line: Line) -> None:
        if line.source == "kernel":
            return
        victim = _NOHANG_VICTIM.search(line.text)
        if victim:
            self._nohang = victim["who"], int(victim["pid"])
            return
        if _NOHANG_KILL.search(line.text):
            who, pid = self._nohang or ("a process", 0)
            self._add(line, _Found(NOHANG, who, pid or None, "memory was below nohang's limits"))
            return
        for pattern, told in _PATTERNS:
            found = pattern.search(line.text)
            if found:
                self._add(line, told(found))
                return

    def _add(self, line: Line, found: _Found) -> None:
        self.deaths.append(Death(found.by, line.number, line.stamp, found.who, found.pid, found.why))


_TRACES: Final = {_TRACE, _OOM_TRACE, _OOMD_TRACE}
T = TypeVar("T", Death, KernelKill)


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

    def of(self, death: Death) -> list[T]:
        """Return what is within seconds of *death*; what has no clock like its own, within a screen of lines."""
        clock = seconds(death.stamp)
        near = []
        if clock is not None:
            times = self._by_clock.get(clock[0], [])
            start = bisect_left(times, clock[1] - _NEAR_S, key=lambda time: time[0])
            end = bisect_right(times, clock[1] + _NEAR_S, key=lambda time: time[0])
            middle = bisect_left(times, (clock[1], bisect_left(self._lines, death.line)), key=lambda time: time[:2])
            start, end = max(start, middle - _MOST_NEAR), min(end, middle + _MOST_NEAR)
            near = [(place, thing) for _, place, thing in times[start:end]]
        start = bisect_left(self._lines, death.line - _NEAR_LINES)
        end = bisect_right(self._lines, death.line + _NEAR_LINES)
        for place in range(start, end):
            thing = self._by_line[place]
            other = seconds(thing.stamp)
            if clock is None or other is None or other[0] != clock[0]:
                near.append((place, thing))
        return [thing for _, thing in sorted(near, key=lambda pair: pair[0])]


def _why(event: OomEvent) -> str:
    if event.memcg is not None and event.memcg.path:
        return f"cgroup {event.memcg.path} had reached its limit"
    return "the machine was out of memory" if event.constraint == GLOBAL else f"out of memory ({event.constraint})"


def told(deaths: Sequence[Death], events: int) -> str:
    """Return the time line of the deaths, and what it says as a whole."""
    columns = (Column("WHEN"), Column("WHO"), Column("KILLED BY"), Column("WHY"))
    rows = tuple(
        (
            death.stamp or f"line {death.line}",
            death.who if death.pid is None else f"{death.who} ({death.pid})",
            f"the kernel (event {death.event})" if death.event else death.by,
            death.why,
        )
        for death in deaths
    )
    return "Deaths that the log tells of\n" + text(Table(columns, rows), gap=2) + bullets(sentences(deaths, events))


def sentences(deaths: Sequence[Death], events: int) -> Iterator[str]:
    """Yield what the log says as a whole: whether it was the kernel, and who else."""
    others = list(dict.fromkeys(death.by for death in deaths if death.by not in {KERNEL, UNKNOWN}))
    unknown = [death for death in deaths if death.by == UNKNOWN]
    if others and not events:
        yield f"It was not the kernel's OOM killer: {listed(others)} killed, before or instead of it."
    elif others:
        yield f"Not all of it was the kernel: {listed(others)} killed too."
    if unknown:
        who = ", ".join(dict.fromkeys(death.who for death in unknown[:4]))
        yield (
            f"Of {who} this log has the SIGKILL, and nobody who says why: it was not the kernel's OOM killer, if the "
            "log is whole. `kill -9`, `docker stop` after its grace period, a supervisor or a debugger do the same. A "
            "kill by the OOM killer is counted: `grep oom_kill` in the cgroup's memory.events and in /proc/vmstat."
        )


@lru_cache(maxsize=1024)
def seconds(stamp: str | None) -> tuple[str, float] | None:
    """Return a stamp as (kind of clock, seconds), to be compared with its like; None if it is of another kind.

    >>> seconds("  123.5"), seconds("May 28 16:05:50")
    (('uptime', 123.5), ('day', 13190750.0))
    """
    text = (stamp or "").strip()
    if re.fullmatch(r"\d{1,12}\.\d{1,9}", text):
        return "uptime", float(text)
    iso = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)", text)
    if iso:
        from datetime import UTC, datetime  # noqa: PLC0415 - few logs have such stamps

        try:
            return "date", datetime.fromisoformat(f"{iso[1]}T{iso[2]}").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None
    day = re.match(r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2})\s{1,2}(\d{1,2}) (?:\d{4} )?(\d\d):(\d\d):(\d\d)", text)
    if day and day[1] in _MONTHS:
        days = _MONTHS.index(day[1]) * 31 + int(day[2])
        return "day", float(((days * 24 + int(day[3])) * 60 + int(day[4])) * 60 + int(day[5]))
    return None


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _caused(death: Death, causes: _Nearby[Death], kills: _Nearby[KernelKill]) -> Death:
    near = kills.of(death)
    for kill in near:
        if _is_of(death, kill):
            return death._replace(by=KERNEL, event=kill.number)
    for cause in causes.of(death):
        if _same(death.who, cause.who):
            return death._replace(by=cause.by)
    if death.by == _OOMD_TRACE:
        return death._replace(by=OOMD)
    if death.by == _OOM_TRACE and near:
        return death._replace(by=KERNEL, event=near[0].number)
    return death._replace(by=UNKNOWN)


def _is_of(death: Death, kill: KernelKill) -> bool:
    """Whether the kernel's victim is who died: by pid, by name, or by the unit in its cgroup."""
    if death.pid is not None and death.pid == kill.pid:
        return True
    return death.who == kill.who or (len(death.who) > 3 and death.who.strip("/") in kill.group)


def _same(who: str, cause: str) -> bool:
    return who == cause or cause.endswith((f"/{who.strip('/')}", f" of {who}"))
