"""Swap that is in use and does no harm: what comes back keeps its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found


def _story(s: Sizes) -> str:
    does = "writes to" if s["writes"] else "reads"
    return (
        f"idle has {s['idle']}M. A build took {s['build']}M beside it and has ended; a part of idle is still in swap. "
        f"Now idle {does} all of its memory."
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M ; swap disk size=512M",
        f"proc idle ; idle mmap heap {s['idle']}M",
        f"idle touch heap 0 {s['idle']}M w seq",
        f"proc build ; build mmap heap {s['build']}M",
        f"build touch heap 0 {s['build']}M w seq",
        "build exit ; checkpoint quiet",
        f"idle touch heap 0 {s['idle']}M {'w' if s['writes'] else 'r'} seq",
        "checkpoint back",
    )


def _asks(s: Sizes) -> Number:
    return size("How much swap is in use then?", s["idle"])


def _read(found: Found, s: Sizes) -> Reading:
    quiet, back = found.at("quiet"), found.at("back")
    figures = {
        "free": quiet.free, "before": quiet.swap_used, "after": back.swap_used,
        "cached": back.memory["SwapCached"], "own_before": quiet.process("idle", "VmSwap"),
        "own_after": back.process("idle", "VmSwap"),
    }  # fmt: skip
    return Reading(figures["after"], figures, usual=0)


def _holds(r: Reading, s: Sizes) -> bool:
    came_back = r["own_after"] < r["own_before"] // 5
    freed = r["after"] < r["before"] // 5 if s["writes"] else r["after"] > r["before"] * 9 // 10
    return came_back and freed


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    if s["writes"]:
        return (
            f"{amount(r['before'])} were in use, {amount(r['after'])} are now.",
            "A page that is written to differs from its copy in swap, so the kernel gives up the copy.",
        )
    return (
        f"{amount(r['before'])} of swap were in use, and {amount(r['after'])} are now, though idle has all but "
        f"{amount(r['own_after'])} of its memory back.",
        f"The copy in swap stays while the page is unchanged and swap is not half full ({amount(r['cached'])} of SwapCached): if the page has to "
        "go again, nothing needs to be written.",
        "Used swap only says what had to go once. Trouble is traffic now: the columns si and so of vmstat.",
    )


LESSON = Lesson(
    key="stale",
    title="Swap is in use, is that bad?",
    sections=(chapter.VIRTUAL,),
    hook="Monitoring is red: swap is half full. Nothing on the machine is slow.",
    sizes={"idle": (200, 180, 190), "build": (350, 360, 340), "writes": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="A system that swaps a lot is one whose memory is used too much.",
    so="What counts is the traffic, not the amount that lies there. Old pages in swap that no program needs make room "
    "for others.",
    turns=lambda s: (
        Turn("idle writes to its memory, instead of reading it", {"writes": 1}),
        Turn(f"the build took {s['build'] - 50}M", {"build": s["build"] - 50}),
        Turn(f"the build took {s['build'] + 50}M", {"build": s["build"] + 50}),
    ),
    own="memtwin swapuse",
    elsewhere="it needs a machine that it may fill",
)
