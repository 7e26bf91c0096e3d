"""One lesson, run on the model with its sizes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtwin.learn import filming, found
from memtwin.learn.lesson import elsewhere, lines
from memtwin.run.run import simulate
from memtwin.scenario import parse

if TYPE_CHECKING:
    from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn
    from memtwin.render.film import Film
    from memtwin.run.run import Run
    from memtwin.sources.source import Source


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
    return Act(lesson, sizes, reading, filming.film(run), lesson.holds(reading, sizes), run, run.machine.notes)
