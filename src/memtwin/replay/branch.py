"""One future: a run that can be gone through, by keyframes from which it runs again.

The whole of it is run once to know its time line; then keyframes are placed so that no sample is far behind one in CPU
time: best just after a step that takes long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.sources.time_line import Event, Operation

if TYPE_CHECKING:
    from memtwin.replay.remote import Remote
    from memtwin.sources.figures import Condition

MOST_KEYFRAMES: Final = 8
_SURVEY_S: Final = 0.1
_WORTH_S: Final = 0.02
"""A run of less than twice this CPU time needs no keyframes."""
_CLOSE_S: Final = 0.001
"""How exactly the longest way is found."""
_NS: Final = 1e9


class Branch:
    """The future that begins where *first* stands; it goes on in :attr:`cursor`, the process whose machine is shown."""

    def __init__(self, name: str, first: Remote, parent: Branch | None = None) -> None:
        self.name, self.first, self.parent = name, first, parent
        self.keyframes: dict[int, Remote] = {first.state.samples: first}
        self.cursor = first.fork()
        self.scout = first.fork()
        """The process that has run to the end, as far as it has come; it keeps the checkpoints."""
        self.scout.ask("keep_checkpoints")
        self._costs_s: list[float] = []
        self._placer: Remote | None = None
        self._marks: list[int] | None = None
        self._known: tuple[list[float], list[int]] = ([], [])
        self._values: dict[str, list[float | None]] = {}
        self.operations: tuple[Operation, ...] = ()
        self.events: tuple[Event, ...] = ()
        self._read_scout()

    @property
    def is_whole(self) -> bool:
        """Whether all of its time is known."""
        return self.scout.state.is_over

    @property
    def times_s(self) -> list[float]:
        """When each sample is taken, as far as that is known."""
        return self._known[0]

    @property
    def at(self) -> int:
        """The sample at which the cursor stands, from 0."""
        return self.cursor.state.samples - 1

    def work(self) -> bool:
        """Survey a little more of the run, then place a keyframe; return whether there is more to do."""
        if not self.is_whole:
            self.scout.go(seconds=_SURVEY_S)
            self._read_scout()
            return True
        if self._marks is None:
            self._marks = marks(self._costs_s, self.first.state.samples)
        if not self._marks:
            self._close_placer()
            return False
        if self._placer is None:
            self._placer = self.first.fork()
        self._placer.go(self._marks.pop(0))
        self.keyframes[self._placer.state.samples] = self._placer.fork()
        return True

    def go(self, index: int) -> None:
        """Let the cursor stand at sample *index*, or at the last there is."""
        samples = max(index + 1, self.first.state.samples)
        if samples == self.cursor.state.samples:
            return
        nearest = max(key for key in self.keyframes if key <= samples)
        if not nearest <= self.cursor.state.samples <= samples:
            self._move_cursor(self.keyframes[nearest].fork())
        if self.cursor.state.samples < samples:
            self.cursor.go(samples)

    def until(self, condition: Condition) -> bool:
        """Let the cursor stand where *condition* comes true next; False: it does not, and the cursor stays."""
        probe = self.cursor.fork()
        if probe.go(until=condition):
            self._move_cursor(probe)
            return True
        probe.close()
        return False

    def back_until(self, condition: Condition) -> bool:
        """Let the cursor stand where *condition* came true last before; False: it did not, and the cursor stays."""
        last = self.cursor.state.samples - 1
        for key in sorted((key for key in self.keyframes if key <= last), reverse=True):
            found = self._last_met(self.keyframes[key].fork(), condition, last)
            if found is not None:
                self.go(found - 1)
                return True
            last = key
        return False

    def values(self, figure: str) -> list[float | None]:
        """Return a figure at each sample; None where samples do not note it."""
        known = self._values.setdefault(figure, [])
        if len(known) < len(self.times_s):
            known += [value for _, _, value in self.scout.ask("series", figure, len(known))]
        return known

    def change(self, words: str) -> None:
        """Let an operation come next; only of a branch that nothing has been done with yet."""
        for remote in (self.first, self.cursor, self.scout):
            remote.ask("change", words)

    def complete(self) -> None:
        """Run to the end, and have the files of all checkpoints, those from before this future began too."""
        while not self.is_whole:
            self.work()
        lacking = self.scout.ask("lacking")
        if self.parent is not None and lacking:
            self.parent.complete()
            self.scout.ask("adopt", self.parent.scout.ask("kept", lacking))

    def index_at(self, time_s: float) -> int:
        """Return the last sample at or before a time."""
        return max((at for at, known in enumerate(self.times_s) if known <= time_s + 1e-9), default=0)

    def close(self) -> None:
        """End every process of it."""
        self._close_placer()
        for remote in (*self.keyframes.values(), self.cursor, self.scout):
            remote.close()

    def _last_met(self, remote: Remote, condition: Condition, last: int) -> int | None:
        found = None
        while remote.state.samples < last and not remote.state.is_over:
            if remote.go(last, condition):
                found = remote.state.samples
        remote.close()
        return found

    def _move_cursor(self, to: Remote) -> None:
        self.cursor.close()
        self.cursor = to

    def _close_placer(self) -> None:
        if self._placer is not None:
            self._placer.close()
            self._placer = None

    def _read_scout(self) -> None:
        times, ops = self._known
        self._costs_s += self.scout.ask("costs", len(self._costs_s))
        more: list[tuple[int, int, Any]] = self.scout.ask("series", "", len(times))
        times += [time_ns / _NS for time_ns, _, _ in more]
        ops += [done for _, done, _ in more]
        self.operations = tuple(
            Operation(begin / _NS, end / _NS, text) for begin, end, text, _ in self.scout.ask("operations")
        )
        self.events = tuple(Event(time_ns / _NS, text) for time_ns, text in self.scout.ask("events"))


def marks(costs_s: list[float], first: int) -> list[int]:
    """Return at which samples, counted from 1, keyframes stand: the longest way from one to a sample is the shortest.

    *costs_s* is the CPU time that the run had taken at each sample, from number *first* on.

    >>> marks([0.0, 0.1, 0.4, 0.5, 0.9], 1), marks([0.0, 0.01, 0.03], 1)
    ([2, 3, 4, 5], [])
    """
    longest_s = costs_s[-1] - costs_s[0]
    if longest_s < _WORTH_S * 2:
        return []
    too_short_s = 0.0
    while longest_s - too_short_s > _CLOSE_S:
        tried_s = (longest_s + too_short_s) / 2
        if len(_reached(costs_s, tried_s)) > MOST_KEYFRAMES:
            too_short_s = tried_s
        else:
            longest_s = tried_s
    return [first + at for at in _reached(costs_s, longest_s)]


def _reached(costs_s: list[float], longest_s: float) -> list[int]:
    """Return at which of the samples a keyframe must stand if none may be further than *longest_s* behind one."""
    found: list[int] = []
    since_s = costs_s[0]
    for at, cost_s in enumerate(costs_s):
        if cost_s - since_s > longest_s:
            found.append(at)
            since_s = cost_s
    return found
