"""Cache that cannot be dropped: pages that a disk must get first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_SLACK = 2048
"""KiB: pages that are written between two looks."""


def _story(s: Sizes) -> str:
    sync = " waits until the disk has everything (sync), and" if s["sync"] else ""
    return f"W writes a log of {s['log']}M. At once root{sync} drops the page cache."


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        "proc W",
        "checkpoint before",
        f"W fwrite log 0 {s['log']}M 64K",
        "checkpoint written",
        *(["sync"] if s["sync"] else []),
        "drop_caches 1",
        "checkpoint dropped",
    )


def _asks(s: Sizes) -> Number:
    return size("How much of the log is still in memory?", s["log"])


def _read(found: Found, s: Sizes) -> Reading:
    before, written, dropped = (found.at(label).memory for label in ("before", "written", "dropped"))
    waiting = written["Dirty"] + written["Writeback"]
    figures = {
        "cached": written["Cached"] - before["Cached"], "waiting": waiting, "buffers": written["Buffers"],
        "left": max(dropped["Cached"] - before["Cached"], 0), "still": dropped["Dirty"] + dropped["Writeback"],
    }  # fmt: skip
    return Reading(figures["left"], figures, usual=0)


def _holds(r: Reading, s: Sizes) -> bool:
    if s["sync"]:
        return r["left"] < 2048
    return r["still"] > 0 and r["still"] - _SLACK <= r["left"] <= r["waiting"] + _SLACK


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    begun = f"When the log was written, {amount(r['waiting'])} of its {amount(r['cached'])} in the cache were not on the disk yet."
    if s["sync"]:
        return (begun, "After sync every page is on the disk, so every page may be dropped.")
    return (
        begun,
        f"A dirty page is the only copy, so drop_caches leaves it: {amount(r['left'])} are still there.",
        "The flusher writes the rest when it is old enough or when too much of memory is dirty.",
    )


LESSON = Lesson(
    key="dirty",
    title="Dropping the cache",
    sections=(chapter.FILES,),
    hook="A large copy to a USB stick is done at once. The light of the stick goes on blinking.",
    sizes={"log": (100, 90, 110), "sync": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="Buffers are data that wait for being written to the disk; cache are files that were read.",
    so="What waits is in Cached, and counted as Dirty. Buffers are blocks of disks, such as directories, read or written.",
    turns=lambda s: (
        Turn("root calls sync first", {"sync": 1}),
        Turn(f"the log has {s['log'] // 4}M", {"log": s["log"] // 4}),
        Turn(f"the log has {s['log'] * 2}M", {"log": s["log"] * 2}),
    ),
    own="memtwin meminfo --explain Dirty",
)
