"""A run over time: what RAM held, how full each swap area was, and what happened when."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from memtwin.procfs.kinds import KINDS, kinds
from memtwin.render import course_lines
from memtwin.render.course import EVENTS, Area, Course, Happened, Part, is_idle
from memtwin.scenario import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.run.run import Run
    from memtwin.run.timeline import Sample


def draw(run: Run, columns: int, *, unicode: bool = True) -> list[str]:
    """Return the picture in lines of at most *columns* characters; nothing of a run in which no time passes."""
    return course_lines.draw(course(run), columns, unicode=unicode)


def course(run: Run) -> Course:
    """Return what a run was over time."""
    samples, total = run.samples, run.machine.state.memory_total * 4
    first = samples[0].time_ns
    ends = [sample.time_ns - first for sample in samples if sample.between]
    stacks = [kinds(sample.figures, total) for sample in samples]
    return Course(
        tuple(sample.time_ns - first for sample in samples),
        total,
        tuple(Part(*kind, tuple(stack[at] for stack in stacks)) for at, kind in enumerate(KINDS)),
        tuple(_areas(samples)),
        {},
        still(samples, total),
        tuple(Happened(time_ns - first, letter, EVENTS[letter]) for time_ns, letter in happened(run)),
        tuple(
            (ends[number + 1], done.op.label) for number, done in enumerate(run.done) if isinstance(done.op, Checkpoint)
        ),
    )


def still(samples: Sequence[Sample], total_kib: int) -> tuple[bool, ...]:
    """Return of each stretch between two samples whether nothing moved in it."""
    return tuple(is_idle(before.figures, after.figures, total_kib) for before, after in pairwise(samples))


def _areas(samples: Sequence[Sample]) -> Iterator[Area]:
    for name in dict.fromkeys(area.name for sample in samples for area in sample.areas):
        found = [next((area for area in sample.areas if area.name == name), None) for sample in samples]
        used = tuple(None if area is None else area.used_kib for area in found)
        yield Area(name, used, tuple(None if area is None else area.size_kib for area in found))


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
