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
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.event import GLOBAL
from memtwin.oom.lines import cut
from memtwin.render.prose import bullets
from memtwin.render.table import Column, Table, text
from memtwin.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from memtwin.oom.event import OomEvent
    from memtwin.oom.lines import Line

OOMD, EARLYOOM, NOHANG, KUBELET, SYSTEMD, KERNEL = "systemd-oomd", "earlyoom", "nohang", "kubelet", "systemd", "kernel"
UNKNOWN: Final = "unknown"
_TRACE: Final = "trace"
_NEAR_S: Final = 10
"""How far a trace may be from its cause: supervisors notice within seconds."""


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
_UNIT: Final = r"(?P<who>[\w@:.\\/-]{1,255})"


def _oomd_pressure(m: re.Match[str]) -> _Found:
    why = f"memory pressure of {m['of']} was {m['now']}, over its limit of {m['limit']} for {m['long']}"
    return _Found(OOMD, m["who"], None, why)


def _oomd_swap(m: re.Match[str]) -> _Found:
    return _Found(OOMD, m["who"], None, f"memory and swap were both more than {m['limit']} used")


def _oomd_echo(m: re.Match[str]) -> _Found:
    return _Found(_TRACE, m["who"], None, f"systemd-oomd killed {m['count']} of its processes")


def _earlyoom(m: re.Match[str]) -> _Found:
    rss = f", with {m['rss']} MiB in RAM" if m["rss"] else ""
    return _Found(EARLYOOM, m["who"], int(m["pid"]), f"memory and swap were below earlyoom's limits{rss}")


def _kubelet(m: re.Match[str]) -> _Found:
    return _Found(KUBELET, m["who"], None, "the node was low on a resource, and the pod was evicted")


def _low(m: re.Match[str]) -> _Found:
    return _Found(KUBELET, "a pod", None, f"the node was low on {m['what']}")


def _sys_oom(m: re.Match[str]) -> _Found:
    return _Found(_TRACE, m["who"], int(m["pid"]), "kubelet saw the kernel's OOM killer")


def _timeout(m: re.Match[str]) -> _Found:
    return _Found(SYSTEMD, m["who"], None, f"it did not end in time in {m['state']}, and systemd sent SIGKILL")


def _by_systemd(m: re.Match[str]) -> _Found:
    return _Found(
        SYSTEMD, f"{m['name']} of {m['who']}", int(m["pid"]), "systemd sent SIGKILL to what was left of the unit"
    )


def _trace(told: str) -> Callable[[re.Match[str]], _Found]:
    def found(m: re.Match[str]) -> _Found:
        groups = m.groupdict()
        pid = groups.get("pid")
        return _Found(_TRACE, groups.get("who") or "a process", int(pid) if pid else None, told)

    return found


_OOMD_KILL: Final = rf"(?:Killed|Marked) {_UNIT} (?:for killing )?due to memory "
_PRESSURE: Final = (
    r"pressure for (?P<of>\S{1,255}) being (?P<now>[\d.]{1,9}%) > (?P<limit>[\d.]{1,9}%) for > (?P<long>\S{1,16})"
)
_SWAP: Final = r"used .{1,99} and swap used .{1,99} being more than (?P<limit>[\d.]{1,9}%)"
_SIGNALLED: Final = (
    rf'[Ss]ending SIG(?:TERM|KILL) to process {_NUMBER} (?:uid \d{{1,10}} )?"(?P<who>.{{0,64}}?)": '
    r"(?:badness|oom_score) \d.*?VmRSS (?P<rss>\d{1,9})"
)
_EXIT_137: Final = (
    r"[Ee]xit(?:ed)?[ _]?(?:with )?(?:[Cc]ode|[Ss]tatus)?\"?\s?[:=(]?\s{0,8}(?:code )?137\b|Exited \(137\)"
    r"|\breturned (?:exit code )?137\b"
)
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
    rf"{_UNIT}: A process of this unit has been killed by the OOM killer": _trace("systemd saw an OOM kill in it"),
    rf"{_UNIT}: Failed with result 'oom-kill'": _trace("systemd saw an OOM kill in it"),
    rf"{_UNIT}: Main process exited, code=killed, status=9/KILL": _trace("its main process got SIGKILL"),
    r"\bOOMKilled\b": _trace("a container's state is OOMKilled"),
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
        self.events: list[tuple[int, OomEvent]] = []
        """The kernel's events of the same log, by number, as whoever reads them puts them here."""
        self._nohang: tuple[str, int] | None = None

    def over(self, raws: Iterable[str]) -> Iterator[str]:
        """Pass the lines on, looking at each that may tell of a kill."""
        for number, raw in enumerate(raws, 1):
            if _may_tell(raw) and _HINT.search(raw, 0, 1 << 14):
                for line in cut(number, raw):
                    self._look(line)
            yield raw

    def joined(self) -> list[Death]:
        """Return the deaths, each trace with its cause."""
        return joined(self.deaths, self.events)

    def time_line(self) -> list[Death]:
        """Return the deaths and the kernel's kills on one line of time."""
        return time_line(self.joined(), self.events)

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


def joined(deaths: Sequence[Death], events: Sequence[tuple[int, OomEvent]]) -> list[Death]:
    """Return *deaths* with each trace given its cause: an event's number, another killer, or :data:`UNKNOWN`."""
    causes = [death for death in deaths if death.by != _TRACE]
    return [death if death.by != _TRACE else _caused(death, causes, events) for death in deaths]


def time_line(deaths: Sequence[Death], events: Sequence[tuple[int, OomEvent]]) -> list[Death]:
    """Return the joined deaths and the kernel's own kills, in the order of the log; empty if only the kernel killed."""
    if not deaths:
        return []
    kernels = [
        Death(KERNEL, event.first_line, event.stamp, event.victim.name, event.victim.pid, _why(event), number)
        for number, event in events
        if event.victim is not None
    ]
    return sorted((*deaths, *kernels), key=lambda death: death.line)


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
        from datetime import UTC, datetime  # noqa: PLC0415

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


def _caused(death: Death, causes: Sequence[Death], events: Sequence[tuple[int, OomEvent]]) -> Death:
    for number, event in events:
        if event.victim is not None and _is_of(death, event):
            return death._replace(by=KERNEL, event=number)
    for cause in causes:
        if _same(death.who, cause.who) and _near(death, cause.stamp, cause.line):
            return death._replace(by=cause.by)
    if "systemd-oomd" in death.why:
        return death._replace(by=OOMD)
    for number, event in events:
        if event.victim is not None and "OOM" in death.why and _near(death, event.stamp, event.last_line):
            return death._replace(by=KERNEL, event=number)
    return death._replace(by=UNKNOWN)


def _is_of(death: Death, event: OomEvent) -> bool:
    """Whether the event's victim is who died: by pid, by name, or by the unit in its cgroup; and near in time."""
    victim = event.victim
    if victim is None or not _near(death, event.stamp, event.last_line):
        return False
    if death.pid is not None and death.pid == victim.pid:
        return True
    group = event.task_memcg or ""
    return death.who == victim.name or (len(death.who) > 3 and death.who.strip("/") in group)


def _same(who: str, cause: str) -> bool:
    return who == cause or cause.endswith((f"/{who.strip('/')}", f" of {who}"))


def _near(death: Death, stamp: str | None, line: int) -> bool:
    """Whether two lines are within seconds of each other; without clocks that compare, within a screen of lines."""
    one, other = seconds(death.stamp), seconds(stamp)
    if one is None or other is None or one[0] != other[0]:
        return abs(death.line - line) < 200
    return abs(one[1] - other[1]) <= _NEAR_S
