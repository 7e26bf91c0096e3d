"""A run over time, drawn: what RAM held, how full each swap area was, and what happened when.

Time runs evenly while something happens. A long stretch in which nothing moves is drawn short, and marked under the
picture.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column
from memtwin.render.table import clean
from memtwin.render.words import seconds
from memtwin.scenario import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.run.run import Run
    from memtwin.run.timeline import Sample

_RAM_ROWS: Final = 4
_NARROWEST: Final = 20
_GLYPHS: Final = {"programs": ("█", "#"), "kernel": ("▒", "k"), "cache": ("░", "c"), "free": ("·", ".")}
_LEVELS: Final = ("·▁▂▃▄▅▆▇█", "._-=+*%%#")
_IDLE: Final = ("┄", "~")
_MOVED: Final = 0.002
"""Share of RAM by which a figure must move for something to happen."""
_SHORT: Final = 0.04
"""Share of the busy time that an idle stretch takes in the picture."""
EVENTS: Final = {
    "X": "a process is killed", "E": "an operation fails", "F": "a swap area is full", "R": "reclaim begins",
    "W": "tasks wait for reclaim",
}  # fmt: skip
"""What letters under the picture mean; where several fall on one place, the first."""


class Axis(NamedTuple):
    """Where times lie: *ends* are positions of samples, from 0 to *columns*; *idle* what is drawn short, in columns."""

    times: tuple[int, ...]
    ends: tuple[float, ...]
    columns: int
    idle: tuple[tuple[float, float], ...]

    def at(self, time_ns: int) -> int:
        """Return the column of a time."""
        number = min(max(bisect_right(self.times, time_ns) - 1, 0), len(self.times) - 2)
        begin, end = self.times[number : number + 2]
        share = (time_ns - begin) / (end - begin) if end > begin else 0.0
        where = self.ends[number] + share * (self.ends[number + 1] - self.ends[number])
        return min(int(where), self.columns - 1)


def axis(samples: Sequence[Sample], columns: int, total_kib: int) -> Axis | None:
    """Return the axis of a run, or None where no time has passed."""
    spans = [
        (after.time_ns - before.time_ns, _is_idle(before, after, total_kib)) for before, after in pairwise(samples)
    ]
    busy = sum(span for span, is_idle in spans if not is_idle)
    most = _SHORT * busy if busy else float("inf")
    stretches: list[float] = []
    idle = 0.0
    for span, is_idle in spans:  # idle seconds that follow each other are one stretch
        width = min(float(span), max(most - idle, 0.0)) if is_idle else float(span)
        idle = idle + width if is_idle else 0.0
        stretches.append(width)
    whole = sum(stretches)
    if not whole:
        return None
    ends = [0.0]
    for width in stretches:
        ends.append(ends[-1] + width / whole * columns)
    short = [(a, b) for (a, b), width, (span, _) in zip(pairwise(ends), stretches, spans, strict=True) if width < span]
    return Axis(tuple(sample.time_ns for sample in samples), tuple(ends), columns, tuple(short))


def draw(run: Run, columns: int, *, unicode: bool = True) -> list[str]:
    """Return the picture in lines of at most *columns* characters; nothing of a run in which no time passes."""
    samples, total = run.samples, run.machine.state.memory_total * 4
    names = list(dict.fromkeys(area.name for sample in samples for area in sample.areas))
    heads = [f"RAM {column(total << 10)}", *(_head(samples, name) for name in names)]
    width = max(map(len, heads)) + 1
    scale = axis(samples, max(columns - width, _NARROWEST), total)
    if scale is None:
        return []
    shown = _shown(samples, scale)
    ram = list(_ram(shown, total, unicode=unicode))
    rows = [*zip((heads[0], *("" for _ in ram[1:])), ram, strict=True)]
    rows += [(head, _fullness(shown, name, unicode=unicode)) for head, name in zip(heads[1:], names, strict=True)]
    letters, said = _events(run, scale)
    if letters:
        rows.append(("events", letters))
    rows += [("", line) for line in _ticks(run, scale, unicode=unicode)]
    at = 0 if unicode else 1
    legend = [f"{glyphs[at]} {name}" for name, glyphs in _GLYPHS.items()] + said
    if scale.idle:
        legend.append(f"{_IDLE[at]} nothing happens: drawn short")
    lines = [f"{clean(head):{width}}{row}".rstrip() for head, row in rows]
    return [*lines, *_legend(legend, columns, width)]


def _is_idle(before: Sample, after: Sample, total_kib: int) -> bool:
    names = ("MemFree", "SwapFree", "Cached", "Dirty", "AnonPages")
    quiet = all(abs(after.figures[name] - before.figures[name]) < _MOVED * total_kib for name in names)
    return quiet and after.figures["pgscan"] == before.figures["pgscan"]


def _shown(samples: Sequence[Sample], scale: Axis) -> list[Sample]:
    """Return the sample that each column shows: the last that lies in it or before it."""
    return [samples[max(bisect_right(scale.ends, at + 1 - 1e-9) - 1, 0)] for at in range(scale.columns)]


def _head(samples: Sequence[Sample], name: str) -> str:
    sizes = [area.size_kib for sample in samples for area in sample.areas if area.name == name]
    return f"{name.rpartition('/')[2]} {column(max(sizes) << 10)}"


def _ram(shown: Sequence[Sample], total_kib: int, *, unicode: bool) -> Iterator[str]:
    """Yield the rows of RAM, the top first; each cell has the part that lies at its middle."""
    glyphs = [pair[0 if unicode else 1] for pair in _GLYPHS.values()]
    for row in range(_RAM_ROWS - 1, -1, -1):
        middle = (row + 0.5) / _RAM_ROWS * total_kib
        yield "".join(glyphs[bisect_right(_borders(sample, total_kib), middle)] for sample in shown)


def _borders(sample: Sample, total_kib: int) -> tuple[int, int, int]:
    """Return where programs, the kernel and the cache end, from the bottom up."""
    programs, cache, free = (sample.figures[name] for name in ("AnonPages", "Cached", "MemFree"))
    return programs, max(total_kib - free - cache, programs), total_kib - free


def _fullness(shown: Sequence[Sample], name: str, *, unicode: bool) -> str:
    levels = _LEVELS[0 if unicode else 1]
    cells = []
    for sample in shown:
        area = next((area for area in sample.areas if area.name == name), None)
        if area is None:
            cells.append(" ")
            continue
        share = area.used_kib / area.size_kib if area.size_kib else 0.0
        cells.append(levels[0] if not area.used_kib else levels[min(1 + int(share * 8), 8)])
    return "".join(cells)


def _events(run: Run, scale: Axis) -> tuple[str, list[str]]:
    """Return the row of letters, and what those that are there mean."""
    marks: dict[int, str] = {}
    for time_ns, letter in happened(run):
        at = scale.at(time_ns)
        marks[at] = min(marks.get(at, letter), letter, key=list(EVENTS).index)
    row = "".join(marks.get(at, " ") for at in range(scale.columns)).rstrip()
    return row, [f"{letter} {meaning}" for letter, meaning in EVENTS.items() if letter in row]


def happened(run: Run) -> Iterator[tuple[int, str]]:
    """Yield what happened in a run: when, in nanoseconds of the machine's clock, and a letter of :data:`EVENTS`."""
    began = run.machine.state.reclaim_began_ns
    if began >= run.samples[0].time_ns:
        yield began, "R"
    full: set[str] = set()
    for before, after in pairwise(run.samples):
        if after.figures["allocstall"] > before.figures["allocstall"]:
            yield after.time_ns, "W"
        now = {area.name for area in after.areas if area.used_kib >= area.size_kib}
        if now - full:
            yield after.time_ns, "F"
        full = now
    ends = [sample.time_ns for sample in run.samples if sample.between]
    for number, done in enumerate(run.done):
        if done.ooms:
            yield ends[number + 1], "X"
        elif done.outcome != "ok":
            yield ends[number + 1], "E"


def _ticks(run: Run, scale: Axis, *, unicode: bool) -> Iterator[str]:
    """Yield the line of time, and the names of checkpoints with their times where there is room."""
    line = ["─" if unicode else "-"] * scale.columns
    for begin, end in scale.idle:
        for at in range(int(begin), max(int(end), int(begin) + 1)):
            line[min(at, scale.columns - 1)] = _IDLE[0 if unicode else 1]
    labels = [" "] * scale.columns
    first = run.samples[0].time_ns
    ends = [sample.time_ns for sample in run.samples if sample.between]
    free_from = 0
    for number, done in enumerate(run.done):
        if not isinstance(done.op, Checkpoint):
            continue
        at = scale.at(ends[number + 1])
        line[at] = "┴" if unicode else "+"
        text = f"{clean(done.op.label)} {seconds(ends[number + 1] - first)}"
        begin = min(at, scale.columns - len(text))
        if begin >= free_from:
            labels[begin : begin + len(text)] = text
            free_from = begin + len(text) + 1
    if free_from == 0:
        last = seconds(run.samples[-1].time_ns - first)
        labels[-len(last) :] = last
    yield "".join(line)
    yield "".join(labels).rstrip()


def _legend(parts: Sequence[str], columns: int, indent: int) -> list[str]:
    lines = [" " * indent]
    for part in parts:
        if len(lines[-1]) + len(part) + 2 > columns and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += part if not lines[-1].strip() else f"  {part}"
    return lines
