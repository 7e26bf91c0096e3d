"""Looks at the lines of a log as they pass, and keeps what they say of deaths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.deaths.death import KERNEL, Death, KernelKill, kernel_kill
from memtwin.oom.deaths.join import Seen, joined
from memtwin.oom.deaths.witnesses import KILLER, NOHANG, UNNAMED_PROCESS, Witness, may_be_one, may_tell, witness_of
from memtwin.oom.event import CERTAIN
from memtwin.oom.read.lines import cut
from memtwin.oom.read.marks import is_code, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.oom.event import OomEvent
    from memtwin.oom.read.prefixes import LogLine

_VICTIM: Final = re.compile(r"PID: (?P<pid>\d{1,10}), [Nn]ame: (?P<who>.{1,64}?), badness: \d")
_KILL: Final = re.compile(
    r"Sending SIG(?:TERM|KILL) to the victim|Run the command: kill -(?:TERM|KILL|9|15)\b(?: (?P<pid>\d{1,10}))?"
)
_KERNELS_OWN: Final = re.compile(
    r"Killed process \d|oom_reaper: reaped|invoked oom-killer|oom-kill:constraint=|no killable"
)


class _Condemned(NamedTuple):
    """A victim that nohang has named and not killed yet."""

    who: str = UNNAMED_PROCESS
    pid: int | None = None


class Watch:
    """What the programs of a log, and its kernel, say of deaths."""

    def __init__(self) -> None:
        self.kills: list[KernelKill] = []
        self._seen: list[Seen] = []
        self._nohang = _Condemned()

    def over(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Pass the numbered lines on, looking at each that may speak of a death."""
        for number, raw in lines:
            if may_tell(raw) and may_be_one(raw):
                for line in cut(number, raw):
                    self._look(line)
            yield number, raw

    def note(self, number: int, event: OomEvent) -> None:
        """Take notice of the kernel's event *number* in the same log."""
        kill = kernel_kill(number, event)
        if kill is not None:
            self.kills.append(kill)

    def joined(self) -> list[Death]:
        """Return the deaths that programs speak of, each with its cause."""
        return joined(self._seen, self.kills)

    def time_line(self) -> list[Death]:
        """Return the joined deaths and the kernel's kills, in the order of the log; empty if only the kernel killed."""
        if not self._seen:
            return []
        kernels = [
            Death(KERNEL, kill.first_line, kill.stamp, kill.who, kill.pid, kill.why, kill.number, CERTAIN, "its report")
            for kill in self.kills
        ]
        return sorted((*self.joined(), *kernels), key=lambda death: death.line)

    def _look(self, line: LogLine) -> None:
        text = line.text
        if _KERNELS_OWN.search(text, 0, 4096) and (
            line.source in {"", "kernel"} or mark_of(text, is_logged=True) is not None
        ):
            return
        victim = _VICTIM.search(text)
        if victim:
            self._nohang = _Condemned(victim["who"], int(victim["pid"]))
            return
        kill = _KILL.search(text)
        if kill:
            pid = int(kill["pid"]) if kill["pid"] else self._nohang.pid
            who = self._nohang.who if pid == self._nohang.pid else UNNAMED_PROCESS
            self._add(line, Witness(KILLER, NOHANG, who, pid, "memory was below nohang's limits"))
            return
        found = witness_of(text)
        if found is not None and not is_code(text):
            self._add(line, found)

    def _add(self, line: LogLine, witness: Witness) -> None:
        self._seen.append(Seen(line.number, line.stamp, witness))
