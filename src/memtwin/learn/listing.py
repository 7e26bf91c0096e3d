"""The list of lessons: their sections of the chapter, their minutes, and how good the guesses were."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from memtwin.learn import pages
from memtwin.learn.act import sizes_of
from memtwin.learn.question import Quality
from memtwin.render.table import Column, Table
from memtwin.render.table import lines as table_lines
from memtwin.render.terminal import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.learn.lesson import Lesson
    from memtwin.learn.store import Progress, Taken

_AFTER_S = 105
"""Seconds that the pages after the first answer take, two more answers among them; a test counts them."""


def minutes(number: int, lesson: Lesson) -> int:
    """Return how long a lesson takes."""
    sizes = sizes_of(lesson, 0)
    shown = (pages.scene(number, lesson, sizes, PLAIN), pages.predict(number, lesson, sizes, PLAIN))
    return math.ceil((pages.seconds_of(shown) + _AFTER_S) / 60)


def lines(lessons: Sequence[Lesson], state: Progress) -> list[str]:
    """Return the list."""
    rows = []
    for number, lesson in enumerate(lessons, 1):
        taken = state.lessons.get(lesson.key)
        guess, again = _guesses(taken)
        if state.open is not None and state.open.lesson == lesson.key:
            guess = f"{guess} *".strip()
        rows.append((f"{number}", lesson.title, lesson.sections[0], f"{minutes(number, lesson)}", guess, again))
    heads = (
        Column("", "right", 2), Column("lesson"), Column("section"), Column("min", "right"),
        Column("guess"), Column("reviews"),
    )  # fmt: skip
    is_open = state.open is not None
    found = [line.rstrip() for line in table_lines(Table(heads, tuple(rows)), gap=2)]
    return [*found, *(["", "* is open: it goes on where it was left"] if is_open else [])]


def _guesses(taken: Taken | None) -> tuple[str, str]:
    """Return how good the newest guess was, and how many reviews were answered well."""
    if taken is None:
        return "", ""
    firsts = [guess.quality for guess in taken.guesses if not guess.review]
    reviews = [guess.quality for guess in taken.guesses if guess.review]
    good = sum(quality in {Quality.EXACT.value, Quality.NEAR.value} for quality in reviews)
    return firsts[-1] if firsts else "", f"{good} of {len(reviews)}" if reviews else ""
