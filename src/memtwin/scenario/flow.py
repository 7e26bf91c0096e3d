"""When operations begin, and what they run beside: ``loop``, ``at``, ``&`` and ``wait``.

In: lines that were cut into words. Out: blocks of lines that are repeated, and operations on the order itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario.open_files import Close, Fsync
from memtwin.scenario.patterns import Listed
from memtwin.scenario.words import Line, like

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MAX_REPEATS: Final = 1_000_000
MAX_SECONDS_NS: Final = 10**18
BESIDE: Final = (kinds.Touch, kinds.Fread, kinds.Fwrite, Fsync, Close, kinds.Munmap)
"""Operations that may run beside what follows: those that take time."""


@dataclass(frozen=True, slots=True)
class Wait(kinds.Op):
    """Wait until what *names* do beside the rest is over; no names: what every process does."""

    names: tuple[str, ...]


@dataclass(slots=True)
class Loop:
    """The lines between ``loop N {`` and its ``}``; *line* is the first of these two."""

    line: Line
    repeats: int
    body: list[Line | Loop] = field(default_factory=list)
    length: int = 0
    """Lines of one repetition."""

    @property
    def count(self) -> int:
        """How many lines all repetitions have."""
        return self.repeats * self.length

    def add(self, item: Line | Loop) -> None:
        """Add a line, or a loop that has ended."""
        self.body.append(item)
        self.length += item.count if isinstance(item, Loop) else 1

    def lines(self) -> Iterable[Line]:
        """Every line of every repetition, in order."""
        for _ in range(self.repeats):
            for item in self.body:
                if isinstance(item, Loop):
                    yield from item.lines()
                else:
                    yield item


def loop(line: Line) -> Loop:
    """Read ``loop N {``."""
    if line.words[0] != "loop" or len(line.words) != 3:
        raise line.error("`loop N {` with its `}` in a line of its own")
    return Loop(line, line.integer(line.words[1], "N", 1, MAX_REPEATS))


def close(line: Line, open_loops: list[Loop]) -> Loop:
    """Read the ``}`` that ends the innermost of *open_loops*, and return it."""
    if not open_loops:
        raise line.error("an operation", hint="no `loop N {` stands before this `}`")
    ended = open_loops.pop()
    if not ended.body:
        raise ended.line.error("a line between `loop N {` and its `}`")
    return ended


def refuse_open(open_loops: list[Loop]) -> None:
    """Raise a ScenarioError for a loop without an end."""
    if open_loops:
        raise open_loops[-1].line.error("a `}` that ends this loop")


def at(line: Line, run_ns: int, earliest_ns: int) -> tuple[kinds.Until, Line]:
    """Read ``at SECONDS OPERATION``: wait until the run is *run_ns* old, and the line of what is done then.

    *earliest_ns*: how old the run is here at least, by the lines before.
    """
    if len(line.words) < 3:
        raise line.error("`at SECONDS OPERATION ...`")
    if run_ns < earliest_ns:
        raise line.error(
            f"a time to come, not {quoted(line.words[1])}",
            hint=f"by the lines before, the run is at least {earliest_ns / 1_000_000_000:g} s old here",
        )
    wait = kinds.Until(line.index, line.lineno, " ".join(line.words[:2]), run_ns, is_strict=True)
    return wait, Line(line.path, line.lineno, line.words[2:], line.index + 1)


def earliest_after(op: kinds.Op, earliest_ns: int) -> int:
    """How old the run is at least after *op*, if it was *earliest_ns* old before: by what it sleeps."""
    if isinstance(op, kinds.Sleep):
        earliest_ns += op.sleep_ns
    elif isinstance(op, kinds.Until):
        earliest_ns = max(earliest_ns, op.run_ns)
    return min(earliest_ns, MAX_SECONDS_NS)


def beside(line: Line, op: kinds.Op) -> kinds.Op:
    """Let an operation whose line ends with ``&`` run beside what follows."""
    if not isinstance(op, BESIDE):
        verbs = ", ".join(kind.__name__.lower() for kind in BESIDE)
        raise line.error(f"{verbs} before `&`", hint="all else is over at once, or names what later lines work on")
    if isinstance(op, kinds.Touch) and isinstance(op.pattern, Listed):
        raise line.error("another pattern before `&` than a set of pages")
    return replace(op, beside=True)


def wait(line: Line, known: Collection[str]) -> kinds.Op:
    """Read ``wait [NAME...]``; *known* are the processes started so far."""
    names = line.words[1:]
    for name in names:
        if name not in known:
            hint = like(name, known) or f"start it with `proc {name}`"
            raise line.error(f"a process started before, not {quoted(name)}", hint=hint)
    return Wait(line.index, line.lineno, line.text, tuple(names))
