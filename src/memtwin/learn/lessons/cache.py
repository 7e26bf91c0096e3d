"""A file that is read twice: what the page cache gives, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, Unit
from memtwin.render.words import seconds

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_HIGHEST = 120


def _story(s: Sizes) -> str:
    between = " In between root writes 1 to vm.drop_caches." if s["drop"] else ""
    return f"R reads a file of {s['film']}M from the disk. Then it reads the same file again.{between}"


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        f"file film {s['film']}M",
        "proc R",
        "checkpoint before",
        f"R fread film 0 {s['film']}M 64K",
        "checkpoint once",
        *(["drop_caches 1"] if s["drop"] else []),
        f"R fread film 0 {s['film']}M 64K",
    )


def _asks(_: Sizes) -> Number:
    return Number("How long does the second read take, in % of the first?", Unit.PERCENT, 0, _HIGHEST)


def _read(found: Found, s: Sizes) -> Reading:
    before, once = found.at("before"), found.at("once")
    first_us, second_us = found.took_us("R fread film 0")[:2]
    figures = {
        "first_us": first_us, "second_us": second_us, "free": before.free - once.free,
        "available": before.memory["MemAvailable"] - once.memory["MemAvailable"], "ram": once.memory["MemTotal"],
    }  # fmt: skip
    return Reading(min(100 * second_us // first_us, _HIGHEST), figures, usual=80)


def _holds(r: Reading, s: Sizes) -> bool:
    is_again_slow = s["drop"] or s["film"] << 10 > r["ram"]
    costs_free_memory = r["available"] < r["free"] // 10
    return (r.result > 80 if is_again_slow else r.result < 20) and costs_free_memory


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    times = f"The first read took {seconds(r['first_us'] * 1000)}, the second {seconds(r['second_us'] * 1000)}"
    if s["drop"]:
        why = f"{times}: what the cache held had been dropped."
    elif s["film"] << 10 > r["ram"]:
        why = f"{times}: the file is larger than memory, so its last pages had replaced its first ones."
    else:
        why = f"{times}: the kernel keeps what was read, in RAM that nothing else needs."
    return (
        why,
        f"After the first read {amount(r['free'])} less was free, but only {amount(max(r['available'], 0))} less was "
        "available: the kernel gives the cache back as soon as a program needs the room.",
    )


LESSON = Lesson(
    key="cache",
    title="The same file, twice",
    sections=(chapter.WHAT,),
    hook="A backup runs at night, and in the morning nearly nothing is free. The machine is as fast as ever.",
    sizes={"film": (128, 96, 160), "drop": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="RAM holds what must be reached quickly, because a disk is slower.",
    so="Yes, and without being asked: every file that is read or written stays in memory as long as there is room.",
    turns=lambda s: (
        Turn("root drops the cache between the two", {"drop": 1}),
        Turn(f"the file has {s['film'] // 2}M", {"film": s["film"] // 2}),
        Turn("the file has 600M", {"film": 600}),
    ),
    own="memtwin free --explain",
)
