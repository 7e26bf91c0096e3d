"""Little is free, and a program needs much: what gives way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_FILMS = 400


def _story(s: Sizes) -> str:
    return (
        f"R has read {_FILMS}M of films, twice, and they fill the page cache; little is free. "
        f"Now P writes {s['need']}M."
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M ; swap disk size=512M",
        *([f"sysctl vm.swappiness={s['swappiness']}"] if s["swappiness"] != 60 else []),
        f"file films {_FILMS}M",
        f"proc R ; R fread films 0 {_FILMS}M 64K ; R fread films 0 {_FILMS}M 64K",
        "proc P ; checkpoint before",
        f"P mmap heap {s['need']}M",
        f"P touch heap 0 {s['need']}M w seq",
        "checkpoint after",
    )


def _asks(s: Sizes) -> Number:
    return size("How much is in swap afterwards?", s["need"])


def _read(found: Found, s: Sizes) -> Reading:
    before, after = found.at("before"), found.at("after")
    figures = {
        "free": before.free, "need": s["need"] << 10, "swapped": after.swap_used - before.swap_used,
        "dropped": before.memory["Cached"] - after.memory["Cached"], "left": after.free,
        "available": after.memory["MemAvailable"],
    }  # fmt: skip
    return Reading(figures["swapped"], figures, usual=max(figures["need"] - figures["free"], 0))


def _holds(r: Reading, s: Sizes) -> bool:
    gave = r["dropped"] + r["swapped"] + r["free"] - r["left"]
    files_gave_way = r["dropped"] > r["swapped"]
    return gave > r["need"] * 9 // 10 and files_gave_way == (s["swappiness"] <= 100)


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    return (
        f"{amount(r['free'])} were free and {amount(r['need'])} were needed: {amount(r['dropped'])} of films were dropped "
        f"and {amount(r['swapped'])} written to swap.",
        "A clean page of a file costs nothing to drop, for the file still has it; the kernel weighs the two kinds by "
        f"vm.swappiness, {s['swappiness']} of 200 here, and by which kind had to be read back recently.",
        f"Now {amount(r['left'])} are free and {amount(r['available'])} available, which is enough for what comes next.",
    )


LESSON = Lesson(
    key="room",
    title="Nothing is free, what gives way?",
    sections=(chapter.FILES,),
    hook="free reports a few MB of free memory, and the administrator orders more RAM.",
    sizes={"need": (250, 225, 200), "swappiness": (60,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="Memory that is not free is used for cache, and the cache is reclaimed when a program needs it.",
    so="Yes. (It asks about 293 MB free, its own table has 263.) The column to look at is available, which counts the cache "
    "that can be dropped.",
    turns=lambda s: tuple(Turn(f"vm.swappiness is {n}", {"swappiness": n}) for n in (1, 100, 200)),
    own="memtwin free",
    elsewhere="it needs a machine whose memory is full of one file",
)
