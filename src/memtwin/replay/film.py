"""The futures of one run together, as a screen walks through them: a :class:`~memtwin.sources.films.Film`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import UsageError
from memtwin.procfs import meminfo
from memtwin.procfs.vmstat import PATH as VMSTAT
from memtwin.procfs.vmstat import parse as parse_vmstat
from memtwin.render.amount import column as size
from memtwin.replay.branch import Branch
from memtwin.replay.remote import Nursery, RemoteMachine
from memtwin.sources.films import Film, event_beside, never, read_until, sought
from memtwin.sources.source import load
from memtwin.sources.time_line import TimeLine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memtwin.machine.machine import Machine
    from memtwin.scenario import Scenario
    from memtwin.sources.looks import Look, Wants

_COUNTERS = ("pgscan_kswapd", "pgscan_direct", "pswpin", "pswpout", "pgmajfault", "workingset_refault_anon", "oom_kill")


class ModelFilm(Film):
    """A run of *scenario* on the machine that *make* builds, in processes of its own."""

    def __init__(self, scenario: Scenario, make: Callable[[], Machine]) -> None:
        self.nursery = Nursery()
        try:
            self.branches = [Branch("main", self.nursery.begin(scenario, make))]
        except BaseException:
            self.nursery.close()
            raise
        self.current, self.paused = 0, True
        super().__init__(self._machine())

    @property
    def branch(self) -> Branch:
        """The future that is shown."""
        return self.branches[self.current]

    def look(self, wants: Wants) -> Look:
        """Look at the moment that is shown; one sample further each time while it plays."""
        if not self.paused:
            self.step(1)
        return super().look(wants)

    def idle(self) -> bool:
        """Survey what is not known of the futures yet, and place keyframes."""
        return sum(branch.work() for branch in self.branches) > 0  # a piece for each of them

    def close(self) -> None:
        """End every process."""
        super().close()
        for branch in self.branches:
            branch.close()
        self.nursery.close()

    def time_line(self) -> TimeLine:
        """Return the time of the future that is shown, as far as it is known."""
        branch, at = self.branch, self.branch.at
        values = tuple(branch.values(self.figure)) if self.figure else ()
        total, done = len(branch.operations), branch.cursor.state.ops_done
        doing = branch.operations[done].text if done < total else "the end"
        return TimeLine(
            tuple(branch.times_s), min(at, len(branch.times_s) - 1), branch.operations, branch.events, self.figure,
            values, branch.name, f"op {done}/{total}{'' if branch.is_whole else '+'} next: {doing}", branch.is_whole,
        )  # fmt: skip

    def pause(self, *, paused: bool) -> None:
        """Stand still, or run on."""
        self.paused = paused

    def step(self, by: int) -> None:
        """Go so many samples on."""
        self._go(self.branch.at + by)

    def to_event(self, direction: int) -> None:
        """Go to the next event, or the one before."""
        branch = self.branch
        self._go(branch.index_at(event_beside(branch.events, branch.times_s[branch.at], direction)))

    def seek(self, words: str) -> None:
        """Go where *words* say."""
        branch = self.branch
        values = branch.values(self.figure) if self.figure else ()
        self._go(sought(words, branch.times_s, branch.at, branch.events, values))

    def until(self, words: str) -> None:
        """Run to where a condition comes true next, or did last before."""
        back, asked = read_until(words)
        at = self.branch.at
        if not (self.branch.back_until(asked) if back else self.branch.until(asked)):
            raise UsageError(never(asked, back=back))
        self._turn(is_later=self.branch.at > at)

    def change(self, words: str) -> None:
        """Go on into another future, in which the operation *words* comes next."""
        first = self.branch.cursor.fork()
        try:
            first.ask("change", words)
        except UsageError:
            first.close()
            raise
        self.branches.append(Branch(f"future-{len(self.branches)}: {words.strip()}", first, self.branch))
        self.current = len(self.branches) - 1
        self._turn(is_later=False)

    def switch(self) -> None:
        """Show the next future at the same time."""
        if len(self.branches) == 1:
            raise UsageError("there is one future only: B begins another")
        time_s = self.branch.cursor.state.time_ns / 1e9
        self.current = (self.current + 1) % len(self.branches)
        self._go(self.branch.index_at(time_s))
        self._turn(is_later=False)

    def compare(self) -> list[str]:
        """Return main figures of this future beside those of the first, at the same time."""
        if len(self.branches) == 1:
            raise UsageError("there is one future only: B begins another")
        other = self.branches[0 if self.current else 1]
        other.go(other.index_at(self.branch.cursor.state.time_ns / 1e9))
        return _beside(self._machine(), RemoteMachine(other.cursor, other.name), self.branch.name, other.name)

    def save(self, where: Path) -> None:
        """Write the run directory of the future that is shown; all of it is run first."""
        self.branch.complete()
        self.branch.scout.ask("save", where)

    def _go(self, index: int) -> None:
        at = self.branch.at
        if index + 1 < self.branch.first.state.samples and self.current:
            raise UsageError("this future begins here: V goes to the one that it comes from")
        self.branch.go(max(index, 0))
        if self.branch.at != at:
            self._turn(is_later=self.branch.at > at)

    def _turn(self, *, is_later: bool) -> None:
        self.looker.turn_to(self._machine(), is_later=is_later)

    def _machine(self) -> RemoteMachine:
        return RemoteMachine(self.branch.cursor, self.branch.name)


def _beside(mine: RemoteMachine, others: RemoteMachine, name: str, other: str) -> list[str]:
    rows = [f"{'':18} {other[:16]:>16} {name[:16]:>16} {'Δ':>10}"]
    old, new = load(others, meminfo), load(mine, meminfo)
    for label in new or ():
        if old is not None and new is not None and label in old and old[label] != new[label]:
            a, b = old[label] << 10, new[label] << 10
            rows.append(f"{label:18} {size(a):>16} {size(b):>16} {'+' if b > a else '-'}{size(abs(b - a)):>9}")
    counts = [parse_vmstat(one.read(VMSTAT) or "", VMSTAT) for one in (others, mine)]
    for label in _COUNTERS:
        before, after = (one.get(label) for one in counts)
        if before is not None and after is not None and before != after:
            rows.append(f"{label:18.18} {before:>16,} {after:>16,} {after - before:>+10,}")
    return rows if len(rows) > 1 else [*rows, "no difference"]
