"""Does a real kernel show what the lessons teach? Each reads recordings with its own code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from memtwin import oom
from memtwin.learn.found import Found, Names, of_recording
from memtwin.learn.lessons import all_lessons
from memtwin.sources.recording import Recording, runs_in

if TYPE_CHECKING:
    from memtwin.learn.lesson import Reading, Sizes

RECORDINGS = Path(__file__).parents[1] / "recordings"
LESSONS = {lesson.key: lesson for lesson in all_lessons()}
A = {"P": "A"}
NOT_RECORDED: set[str] = set()
"""Lessons for which there is no recording."""
MAPPED_KIB = 32 << 10
"""Of recording 30: pages of a file that a process maps, which drop_caches leaves too."""


class Case(NamedTuple):
    """A lesson, the recording that it is held against, and what stands there for what."""

    lesson: str
    recording: str
    sizes: Sizes
    names: Names


def case(lesson: str, recording: str, sizes: Sizes, words: dict[str, str], since: str = "", **labels: str) -> Case:
    return Case(lesson, recording, sizes, Names(labels, words, since))


def pieces(fill: int, compact: int = 0, kernel: int = 0) -> Sizes:
    """Sizes of the lesson on fragmentation."""
    return {"fill": fill, "compact": compact, "kernel": kernel, "inorder": 0}


CASES = (
    case("promise", "02-anon-fits", {"map": 0, "read": 64, "write": 0}, A, before="unmapped", after="zeropage"),
    case("promise", "02-anon-fits", {"map": 0, "read": 0, "write": 80}, A, before="mapped", after="f80"),
    case("cache", "11-file-reread-fits", {"film": 200, "drop": 0}, {"film": "data"}, before="boot", once="pass1"),
    case("room", "26-oom-noswap", {"need": 50, "swappiness": 60}, {}, before="start", after="b50"),
    case("fork", "22-fork-cow", {"heap": 128, "write": 0}, {}, before="before", after="forked"),
    case("fork", "22-fork-cow", {"heap": 128, "write": 32}, {}, before="before", after="child32"),
    case("order", "35-zram-then-disk-small", {"back": 0}, {}, filled="f350", after="f350"),
    case("order", "35-zram-then-disk-small", {"back": 1}, {}, filled="f350", after="random"),
    case("order", "36-equal-priorities", {"back": 0}, {}, filled="filledA", after="filledA"),
    case("order", "37-disk-over-zram-ssd", {"back": 0}, {}, filled="filled", after="filled"),
    case("compressed", "05-zram-text", {"content": 2}, A, after="f280"),
    case("compressed", "06-zram-random", {"content": 0}, A, after="f280"),
    case("compressed", "92-zram-half", {"content": 1}, A, after="f260"),
    case("killer", "107-oom-four-adj", {"adj": -500},
         {"database": "Spared", "editor": "Plain", "newcomer": "Grower", "old": "Willing"}),
    case("killer", "108-oom-swap-full", {"adj": -200},
         {"database": "Old", "editor": "Even", "newcomer": "Grower", "old": "Liked"}),
    case("leak", "03-anon-swap-disk", {"last": 400}, {"leak": "A"}, first="f180", middle="f280", last="f400"),
    case("fragments", "29-fragmentation", pieces(107), {}, filled="filled",
         after="holes"),
    case("fragments", "29-fragmentation", pieces(107, compact=1), {}, filled="filled",
         after="compacted"),
    case("fragments", "133-frag-compaction-saves", pieces(170), {}, filled="filled",
         after="holes"),
    case("fragments", "135-frag-refused", pieces(138, kernel=1), {}, filled="full",
         after="holes"),
    case("fragments", "135-frag-refused", pieces(138, compact=1, kernel=1), {}, filled="full",
         after="compacted"),
    case("tables", "02-anon-fits", {"map": 320, "pages": 320 << 8, "spread": 0}, A, before="mapped", after="f320"),
    case("overcommit", "33-overcommit2", {"first": 200, "second": 1024, "mode": 0}, {**A, "a": "g", "b": "h"},
         since="forked", before="forked", after="heuristic"),
    case("overcommit", "33-overcommit2", {"first": 4096, "second": 0, "mode": 1}, {**A, "a": "i"}, since="heuristic",
         before="heuristic", after="always"),
)  # fmt: skip


def read(one: Case) -> list[Reading]:
    """Return what the lesson reads in each run of the recording."""
    readings = []
    for path in runs_in(RECORDINGS / one.recording):
        recording = Recording(path)
        found: Found = of_recording(recording, one.names, oom.parse(recording.dmesg or ""))
        readings.append(LESSONS[one.lesson].read(found, one.sizes))
    assert readings
    return readings


@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.lesson}-{one.recording}")
def test_a_real_kernel_shows_the_rule(one: Case) -> None:
    """The lesson's own reading of the recording, and its own claim."""
    for reading in read(one):
        assert LESSONS[one.lesson].holds(reading, one.sizes), reading


def test_swap_that_was_read_back_stays_in_use_on_a_real_kernel() -> None:
    """Recording 97 reads half of it, so that the lesson's claim on all of it is held here in part."""
    one = case("stale", "97-swap-fork", {"writes": 0}, {"idle": "C"}, quiet="unmapped", back="childread")
    for reading in read(one):
        assert reading["after"] == reading["before"]
        assert reading["own_after"] < reading["own_before"] * 6 // 10
        assert reading["cached"] > 60 << 10


def test_dirty_pages_are_not_dropped_by_a_real_kernel() -> None:
    """Recording 30 has mapped pages beside the dirty ones; what is left is the two of them."""
    one = case("dirty", "30-drop-caches", {"log": 16, "sync": 0}, {}, before="boot", written="before", dropped="d1")
    for reading in read(one):
        assert reading["waiting"] == reading["still"] == 16 << 10
        assert reading["left"] - MAPPED_KIB == reading["still"]


def test_every_lesson_is_held_against_a_recording() -> None:
    held = {one.lesson for one in CASES} | {"stale", "dirty"}
    assert held == set(LESSONS) - NOT_RECORDED


def test_a_recording_of_something_else_does_not_show_the_rule() -> None:
    """The control: text where random bytes are claimed, and a heap that was written where it was only read."""
    wrong = (
        case("compressed", "05-zram-text", {"content": 0}, A, after="f280"),
        case("promise", "02-anon-fits", {"map": 0, "read": 80, "write": 0}, A, before="mapped", after="f80"),
        case("fragments", "29-fragmentation", pieces(107, compact=1), {}, filled="filled",
             after="holes"),
    )  # fmt: skip
    for one in wrong:
        for reading in read(one):
            assert not LESSONS[one.lesson].holds(reading, one.sizes), one
