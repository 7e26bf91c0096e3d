"""A machine over time, as a screen walks through it: this host as it runs, a stored moment, a run, a trace.

:meth:`Film.look` looks at the moment that is shown; the other methods go to another. Where there is only one moment,
they raise UsageError.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.procfs import uptime
from memtwin.sources.figures import Condition, condition, value
from memtwin.sources.looks import Looker
from memtwin.sources.source import load
from memtwin.sources.time_line import Event, Operation, TimeLine
from memtwin.sources.trace import duration_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.sources.looks import Look, Wants
    from memtwin.sources.recording import Recording
    from memtwin.sources.source import Source
    from memtwin.sources.trace import Trace

_ONE: Final = "there is one moment only: a run, a recording or a trace has more, this host when it is paused (Z)"
_FIXED: Final = "what was recorded cannot be changed: memtwin htop SCENARIO runs the model"
_MOST_ROWS: Final = 30_000
"""Rows of tasks in the looks that are kept of this host."""
_MOST_LOOKS: Final = 120
"""Looks of a small machine take some 80 kB each."""


class Film:
    """One moment of *source*; what has more moments is a subclass."""

    def __init__(self, source: Source, pids: Sequence[int] = ()) -> None:
        self.looker = Looker(source, pids=pids)
        self.figure = ""

    def look(self, wants: Wants) -> Look:
        """Look at the moment that is shown."""
        return self.looker.look(wants)._replace(time=self.time_line())

    def refill(self, look: Look, wants: Wants) -> Look:
        """Return the newest look with what *wants* names too."""
        return self.looker.refill(look, wants)._replace(time=self.time_line())

    def close(self) -> None:
        """Close what is open."""
        self.looker.close()

    def idle(self) -> bool:
        """Do a piece of work that nothing waits for; return whether there is more."""
        return False

    def time_line(self) -> TimeLine | None:
        """Return the moments there are; None: one."""
        return None

    def pause(self, *, paused: bool) -> None:
        """Stand still, or go on."""
        raise UsageError(_ONE)

    def step(self, by: int) -> None:
        """Go so many samples on; back if negative."""
        raise UsageError(_ONE)

    def to_event(self, direction: int) -> None:
        """Go to the next event, or the one before."""
        raise UsageError(_ONE)

    def seek(self, words: str) -> None:
        """Go to a time (``41.8``), ``+30s`` on, an event's text, the ``peak`` of the pinned figure, first or last."""
        raise UsageError(_ONE)

    def until(self, words: str) -> None:
        """Go to where a condition comes true next; with ``-`` in front to where it did last before."""
        raise UsageError(_ONE)

    def pin(self, figure: str) -> None:
        """Follow a figure over all moments."""
        self.figure = figure

    def change(self, words: str) -> None:
        """Go on into another future, with an operation that comes next."""
        raise UsageError(_FIXED)

    def switch(self) -> None:
        """Go to the other future."""
        raise UsageError(_FIXED)

    def compare(self) -> list[str]:
        """Return the figures of both futures side by side."""
        raise UsageError(_FIXED)


class Walk(Film):
    """Moments in order: subclasses say when they are and how the machine is opened at one."""

    badge = ""

    def __init__(self, times_s: Sequence[float], source: Source, at: int, pids: Sequence[int] = ()) -> None:
        super().__init__(source, pids)
        self.times_s, self.at = tuple(times_s), at
        self.operations: tuple[Operation, ...] = ()
        self.events: tuple[Event, ...] = ()
        self.paused = True
        self._values: dict[str, tuple[float | None, ...]] = {}

    def open(self, index: int) -> Source:
        """Return the machine at moment *index*."""
        raise NotImplementedError

    def series(self, figure: str) -> tuple[float | None, ...]:
        """Return a figure at each moment."""
        return tuple(value(self.open(index), figure) for index in range(len(self.times_s)))

    def look(self, wants: Wants) -> Look:
        """Look at the moment that is shown; one further each time while it plays."""
        if not self.paused and self.at + 1 < len(self.times_s):
            self.go(self.at + 1)
        return super().look(wants)

    def time_line(self) -> TimeLine | None:
        """Return all moments."""
        values = self._values.get(self.figure, ())
        return TimeLine(self.times_s, self.at, self.operations, self.events, self.figure, values, self.badge)

    def go(self, index: int) -> None:
        """Go to moment *index*, or to the end that is nearer."""
        index = min(max(index, 0), len(self.times_s) - 1)
        if index != self.at:
            is_later, self.at = index > self.at, index
            self.looker.turn_to(self.open(index), is_later=is_later)

    def pause(self, *, paused: bool) -> None:
        """Stand still, or play."""
        self.paused = paused

    def step(self, by: int) -> None:
        """Go so many samples on."""
        self.go(self.at + by)

    def to_event(self, direction: int) -> None:
        """Go to the next event, or the one before."""
        self.go(self.index_at(event_beside(self.events, self.times_s[self.at], direction)))

    def seek(self, words: str) -> None:
        """Go where *words* say."""
        values = self._values.get(self.figure, ())
        self.go(sought(words, self.times_s, self.at, self.events, values))

    def until(self, words: str) -> None:
        """Go to where a condition comes true."""
        back, asked = read_until(words)
        found = crossing(self.series_of(asked.figure), asked, self.at, back=back)
        if found is None:
            raise UsageError(never(asked, back=back))
        self.go(found)

    def pin(self, figure: str) -> None:
        """Follow a figure over all moments."""
        super().pin(figure)
        if figure:
            self.series_of(figure)

    def series_of(self, figure: str) -> tuple[float | None, ...]:
        """Return a figure at each moment, read once."""
        if figure not in self._values:
            self._values[figure] = self.series(figure)
        return self._values[figure]

    def index_at(self, time_s: float) -> int:
        """Return the last moment at or before a time."""
        return max((at for at, known in enumerate(self.times_s) if known <= time_s + 1e-9), default=0)


class RecordingFilm(Walk):
    """The checkpoints of a recording or a run, with its operations."""

    badge = "recording"

    def __init__(self, recording: Recording, pids: Sequence[int] = ()) -> None:
        self.recording = recording
        found = [(label, load(recording.at(label), uptime)) for label in recording.checkpoints]
        moments = [(at.up_cs / 100, label) for label, at in found if at is not None]
        if not moments:
            raise UsageError(f"{recording.path}: no checkpoint has proc/uptime")
        self.labels = [label for _, label in moments]
        super().__init__([time_s for time_s, _ in moments], recording.at(self.labels[0]), 0, pids)
        self.events = tuple(Event(time_s, label) for time_s, label in moments)
        self.operations = tuple(_operations(recording, self.times_s[0]))

    def index_of(self, label: str) -> int:
        """Return the number of a checkpoint by its label, or by seconds since the machine's boot."""
        if label in self.labels:
            return self.labels.index(label)
        number = label.removesuffix("s")
        if not number.replace(".", "", 1).isdigit():
            self.recording.at(label)  # says which there are
        return self.labels.index(self.recording.nearest(float(number)))

    def open(self, index: int) -> Source:
        """Return the files of a checkpoint."""
        return self.recording.at(self.labels[index])


class TraceFilm(Walk):
    """The samples of a trace."""

    badge = "trace"

    def __init__(self, trace: Trace, pids: Sequence[int] = ()) -> None:
        self.trace = trace
        first = trace.times_ms[0]
        super().__init__([(at - first) / 1000 for at in trace.times_ms], trace.sample(0), 0, pids)

    def open(self, index: int) -> Source:
        """Return the machine of a sample."""
        return self.trace.sample(index)


class LiveFilm(Walk):
    """This host: as it runs, and while it is paused the looks before."""

    badge = "live"

    def __init__(self, source: Source, pids: Sequence[int] = ()) -> None:
        super().__init__((), source, 0, pids)
        self.paused = False
        self._looks: deque[Look] = deque()
        self._rows = 0

    def look(self, wants: Wants) -> Look:
        """Look at the host, or again at what was kept."""
        if self.paused:
            return self._looks[self.at]._replace(time=self.time_line())
        found = self.looker.look(wants)
        self._looks.append(found)
        self._rows += len(found.sample.tasks)
        while len(self._looks) > 1 and (self._rows > _MOST_ROWS or len(self._looks) > _MOST_LOOKS):
            self._rows -= len(self._looks.popleft().sample.tasks)
        return found

    def refill(self, look: Look, wants: Wants) -> Look:
        """Return the newest look with more; one that was kept stays as it is."""
        if self.paused and self.at + 1 < len(self._looks):
            return look
        found = self.looker.refill(look, wants)
        self._looks[-1] = found._replace(time=None)
        return found

    def pause(self, *, paused: bool) -> None:
        """Stand still at the newest look, or go on."""
        if not self._looks:
            return
        self.paused, self.at = paused, len(self._looks) - 1
        self.times_s = tuple(one.sample.up_s or 0.0 for one in self._looks)
        self._values.clear()
        if self.figure:
            self.series_of(self.figure)

    def go(self, index: int) -> None:
        """Go to a look that was kept."""
        if not self.paused:
            raise UsageError(_ONE)
        self.at = min(max(index, 0), len(self._looks) - 1)

    def series(self, figure: str) -> tuple[float | None, ...]:
        """Return a figure of the looks that were kept."""
        return tuple(_of_look(one, figure) for one in self._looks)

    def time_line(self) -> TimeLine | None:
        """Return the looks that were kept, while the host is paused."""
        return super().time_line() if self.paused else None


def event_beside(events: Sequence[Event], time_s: float, direction: int) -> float:
    """Return the time of the next event, or the one before."""
    times = sorted(event.time_s for event in events)
    beside = [at for at in times if at > time_s + 1e-9] if direction > 0 else [at for at in times if at < time_s - 1e-9]
    if not beside:
        raise UsageError("no event after this" if direction > 0 else "no event before this")
    return beside[0] if direction > 0 else beside[-1]


def sought(
    words: str, times_s: Sequence[float], at: int, events: Sequence[Event], values: Sequence[float | None]
) -> int:  # fmt: skip
    """Return the moment that *words* name."""
    word = words.strip()
    if word in {"first", "last"}:
        return 0 if word == "first" else len(times_s) - 1
    if word == "peak":
        known = [(one, -index) for index, one in enumerate(values) if one is not None]
        if not known:
            raise UsageError("no figure is pinned (f)")
        return -max(known)[1]
    event = next((one for one in events if word and word in one.text), None)
    step = duration_ms(word[1:]) if word[:1] in {"+", "-"} else None
    if step is not None:
        time_s = times_s[at] + step / 1000 * (1 if word[0] == "+" else -1)
    elif event is not None:
        time_s = event.time_s
    else:
        try:
            time_s = float(word.removesuffix("s"))
        except ValueError:
            raise UsageError(f"{word}: no moment", hint="41.8, +30s, an event, peak, first or last") from None
    return max((index for index, known in enumerate(times_s) if known <= time_s + 1e-9), default=0)


def read_until(words: str) -> tuple[bool, Condition]:
    """Return whether to go back, and until which condition."""
    word = words.strip()
    return word.startswith("-"), condition(word.removeprefix("-"))


def crossing(values: Sequence[float | None], asked: Condition, at: int, *, back: bool) -> int | None:
    """Return the next moment at which a condition comes true, or the last one before."""
    found = [index for index in range(1, len(values)) if asked.is_met(values[index - 1], values[index])]
    if back:
        return max((index for index in found if index < at), default=None)
    return min((index for index in found if index > at), default=None)


def never(asked: Condition, *, back: bool) -> str:
    """Say that a condition does not come true."""
    what = "changes" if not asked.comparison else f"comes to be {asked.comparison} {asked.bound:g}"
    return f"{asked.figure} never {what} {'before' if back else 'after'} this"


def _operations(recording: Recording, begin_s: float) -> list[Operation]:
    """Return when each operation was done, by how long each took."""
    found, at = [], begin_s
    for op in recording.ops:
        end = at + op.get("us", 0) / 1e6
        found.append(Operation(at, end, str(op.get("op", ""))))
        at = end
    return found


def _of_look(look: Look, figure: str) -> float | None:
    memory, counters = look.sample.memory, look.detail.counters if look.detail else None
    if memory is not None and figure in memory:
        return memory[figure] << 10
    if figure.startswith("psi."):
        kind, _, what = figure.removeprefix("psi.").partition(".")
        stall = getattr(look.pressure.get(kind), what, None)
        return None if stall is None else stall.avg10_hundredths / 100
    return None if counters is None else counters.get(figure)
