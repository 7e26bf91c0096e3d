"""One lesson, run on the model with its sizes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtwin.learn import found
from memtwin.learn.lesson import elsewhere, lines
from memtwin.render.film import Film, Frame
from memtwin.run.run import simulate
from memtwin.scenario import Checkpoint, Proc, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn
    from memtwin.run.run import Run
    from memtwin.run.timeline import Sample
    from memtwin.sources.source import Source

FRAMES = 12


@dataclass(frozen=True, slots=True)
class Act:
    """What a lesson's run has shown."""

    lesson: Lesson
    sizes: Sizes
    reading: Reading
    film: Film
    holds: bool
    run: Run
    notes: tuple[str, ...]


def sizes_of(lesson: Lesson, seed: int) -> Sizes:
    """Return the sizes that *seed* chooses; seed 0: the first of each."""
    draw = random.Random(f"{lesson.key} {seed}")  # noqa: S311 - sizes of an exercise
    return {name: values[0] if seed == 0 else draw.choice(values) for name, values in lesson.sizes.items()}


def turned(sizes: Sizes, turn: Turn) -> Sizes:
    """Return *sizes* with the change of *turn*."""
    return {**sizes, **turn.sizes}


def scenario_text(lesson: Lesson, sizes: Sizes) -> str:
    """Return the lesson as a scenario that ``memtwin run`` takes."""
    return f"# memtwin learn: {lesson.title}\n{lines(lesson.scene(sizes))}"


def perform(lesson: Lesson, sizes: Sizes, boot: Source | None = None) -> Act:
    """Run *lesson*; *boot*: on this machine instead of its own."""
    scene = lesson.scene(sizes)
    run = simulate(parse(lines(scene if boot is None else elsewhere(scene)), f"lesson {lesson.key}"), boot)
    reading = lesson.read(found.of_run(run), sizes)
    return Act(lesson, sizes, reading, _film(run), lesson.holds(reading, sizes), run, run.machine.notes)


def _film(run: Run) -> Film:
    """Return where RAM and swap were after each operation, at most :data:`FRAMES` times."""
    state = run.machine.state
    total = int(state.memory_total) * 4
    swap = int(state.swap_pages[0]) * 4
    shown = _thinned([(sample, _label(run, sample)) for sample in run.samples])
    return Film(total, swap, tuple(_frame(sample, label, total, swap) for sample, label in shown))


def _label(run: Run, sample: Sample) -> str:
    """Return the operation that *sample* was taken after; empty for a checkpoint or a new process."""
    if sample.ops_done == 0 and sample.between:
        return "at the beginning"
    if not sample.between:
        return "..."
    done = run.done[sample.ops_done - 1]
    if isinstance(done.op, (Checkpoint, Proc)):
        return ""
    killed = "".join(f"{death['name']} is killed: " for death in done.deaths if death["signal"])
    return f"{killed}{'refused: ' if done.outcome == 'error' else ''}{done.op.text}"


def _thinned(frames: Sequence[tuple[Sample, str]]) -> list[tuple[Sample, str]]:
    """Leave out what has no label, then as much as is too much, evenly; the first and the last stay."""
    kept = [frame for frame in frames if frame[1]]
    if len(kept) <= FRAMES:
        return kept
    return [kept[round(i * (len(kept) - 1) / (FRAMES - 1))] for i in range(FRAMES)]


def _frame(sample: Sample, label: str, total: int, swap: int) -> Frame:
    figures = sample.figures
    free, files, programs = figures["MemFree"], figures["Cached"], figures["AnonPages"]
    parts = {"kernel": max(total - free - files - programs, 0), "programs": programs, "files": files, "free": free}
    return Frame(label, parts, swap - figures["SwapFree"])
