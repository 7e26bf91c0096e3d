"""A run whose scenario grows line by line: for tests that decide what comes next by what became of the last line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.run import settings
from memtwin.run.done import Before, Done
from memtwin.run.run import Run
from memtwin.scenario import parse, parser
from memtwin.scenario.header import Header
from memtwin.scenario.words import Line

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.scenario import Op


class Growing:
    """A machine made from header lines, and operations one at a time, each parsed as the scenario's next line.

    *run*: :class:`Silent` where what each operation did is not read.
    """

    def __init__(self, header: str, run: type[Run] = Run) -> None:
        self.header = header
        self.lines: list[str] = []
        scenario = parse(header)
        self.run = run(scenario, settings.prepare(scenario, None, settings.settings_of(())))
        settings.apply_sysctls(self.run.machine, scenario, settings.settings_of(()))
        self.run.sample(between=True)
        head = Header()
        for number, line in enumerate(header.splitlines(), 1):
            head.take(Line("<growing>", number, line.split(), 0))
        self._body = parser._Body(head, "<growing>")

    @property
    def state(self) -> State:
        """The machine's arrays."""
        return self.run.machine.state

    def do(self, line: str) -> str:
        """Carry out one more line; returns its outcome."""
        self.lines.append(line)
        number = len(self.lines)
        self._body.take(Line("<growing>", number, line.split(), number - 1))
        self.run.do(self._body.ops.pop())
        return self.run.done[-1].outcome

    def forget(self) -> None:
        """Let go of what the run keeps for its report: a long run would keep too much."""
        for kept in (self.run.done, self.run.samples, self.run.ooms, self.run.dmesg):
            del kept[:-1]

    def text(self) -> str:
        """The scenario so far: `memtwin run` does the same with it."""
        return self.header + "".join(f"{line}\n" for line in self.lines)


class Silent(Run):
    """A run that keeps the outcome of each operation and no figures: these take longer than most operations."""

    def _begin(self, op: Op) -> Before:
        del op
        return Before(self.machine.state.clock_ns, {}, {}, (), 0, 0, 0, quiet=False)

    def _compare(self, done: Done, before: Before) -> None:
        pass

    def sample(self, *, between: bool = False) -> None:
        if not self.samples:  # `until` counts from the first
            super().sample(between=between)
