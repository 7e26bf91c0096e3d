"""The lessons, one file each; :data:`ORDER` is their place in the list."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from memtwin.learn.lesson import Lesson

ORDER: Final = (
    "memtwin.learn.lessons.promise",
    "memtwin.learn.lessons.cache",
    "memtwin.learn.lessons.room",
    "memtwin.learn.lessons.fork",
    "memtwin.learn.lessons.order",
    "memtwin.learn.lessons.compressed",
    "memtwin.learn.lessons.killer",
    "memtwin.learn.lessons.stale",
    "memtwin.learn.lessons.leak",
    "memtwin.learn.lessons.fragments",
    "memtwin.learn.lessons.tables",
    "memtwin.learn.lessons.overcommit",
    "memtwin.learn.lessons.dirty",
)
"""The most surprising first."""


def all_lessons() -> tuple[Lesson, ...]:
    """Return every lesson, in order."""
    return tuple(import_module(name).LESSON for name in ORDER)
