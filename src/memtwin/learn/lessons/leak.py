"""A leak on a machine with swap: the curve that stays flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_STEP = 300


def _story(s: Sizes) -> str:
    return (
        f"leak asks for memory, writes to it and never frees any. RAM is 512M, swap {s['swap']}M. It has written "
        f"{2 * _STEP}M, and some time later {s['last']}M."
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        f"swap disk size={s['swap']}M",
        f"proc leak ; leak mmap heap {s['last']}M",
        f"leak touch heap 0 {_STEP}M w seq ; checkpoint first",
        f"leak touch heap {_STEP}M {_STEP}M w seq ; checkpoint middle",
        f"leak touch heap {2 * _STEP}M {s['last'] - 2 * _STEP}M w seq",
        "checkpoint last",
    )


def _asks(s: Sizes) -> Number:
    return size(f"The leak has written {s['last']}M. What is its RES?", s["last"])


def _read(found: Found, s: Sizes) -> Reading:
    figures: dict[str, int] = {}
    for label in ("first", "middle", "last"):
        at = found.at(label)
        figures[f"res_{label}"], figures[f"swap_{label}"] = at.process("leak", "VmRSS"), at.process("leak", "VmSwap")
    return Reading(figures["res_last"], figures, usual=s["last"] << 10)


def _holds(r: Reading, s: Sizes) -> bool:
    is_flat = abs(r["res_last"] - r["res_middle"]) < r["res_middle"] // 10
    written = s["last"] << 10
    return is_flat and abs(r["res_last"] + r["swap_last"] - written) < written // 50


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    steps = ", ".join(amount(r[f"res_{label}"]) for label in ("first", "middle", "last"))
    swapped = ", ".join(amount(r[f"swap_{label}"]) for label in ("first", "middle", "last"))
    return (
        f"At three times RES was {steps}: it rises until RAM is full, and then it is flat.",
        f"In the same time its part of swap was {swapped}: the kernel moves out what was not used "
        "recently, and a leak never touches again what it has lost.",
        "So watch RES and swap together, or PSS and SwapPss; the kill comes when swap is full too.",
    )


LESSON = Lesson(
    key="leak",
    title="A leak, seen from outside",
    sections=(chapter.LEAK,),
    hook="A service leaks. Its owners watch its RES in a graph, and wait for it to rise.",
    sizes={"last": (900, 1000, 800), "swap": (1024,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="A leak asks for memory again and again, until the system is slow or the killer cannot free enough.",
    so="In between lies swap, which hides it: what was lost costs swap, not RAM, and the machine may stay fast to the end.",
    turns=lambda s: tuple(Turn(f"it has written {n}M in the end", {"last": n}) for n in (700, 1000, 1100)),
    own="memtwin leak -p PID --for 5m",
    elsewhere="it fills a machine's swap; memtwin leak -p PID watches a process of yours",
)
