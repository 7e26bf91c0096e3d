"""What zram holds depends on what is written: its size is a promise too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Choice, first

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_RAM = 256
_CONTENTS: Final = ("random", "half", "text", "zero")
_WORDS: Final = ("random bytes", "pages of half random bytes", "text", "zeros")


def _story(s: Sizes) -> str:
    return (
        f"RAM has {_RAM}M, zram swap has another {_RAM}M, together {2 * _RAM}M. P writes {s['fill']}M of "
        f"{_WORDS[s['content']]}."
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        f"machine ram={_RAM}M",
        f"swap zram size={_RAM}M prio=100",
        "proc P",
        "checkpoint before",
        f"P mmap heap {s['fill']}M",
        f"P touch heap 0 {s['fill']}M w seq content={_CONTENTS[s['content']]}",
        "checkpoint after",
    )


def _asks(_: Sizes) -> Choice:
    return Choice(
        "What happens?",
        ("P gets its memory, part of it lies in zram", "P is killed when zram is full",
         "P is killed while zram still has room", "the kernel refuses the memory at once"),
    )  # fmt: skip


def _read(found: Found, s: Sizes) -> Reading:
    killed, refused = bool(found.died), found.was_refused("P mmap")
    if killed:
        swap = found.ooms[0].swap
        size = swap.total_kib or 0
        figures = {"killed": 1, "size": size, "used": size - (swap.free_kib or 0)}
    else:
        after = found.at("after")
        held, cost = after.zram.orig_data_size >> 10, after.zram.mem_used_total >> 10
        figures = {"killed": 0, "size": after.areas[0].size_kib, "used": held, "cost": cost}
    full = figures["used"] > figures["size"] * 95 // 100
    happened = first([not killed and not refused, killed and full, killed and not full, refused])
    return Reading(happened, figures)


def _holds(r: Reading, s: Sizes) -> bool:
    if _CONTENTS[s["content"]] == "random":
        return r.result == 3
    return r.result == 2 or (r.result == 1 and r["cost"] < r["used"] * 8 // 10)


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    what = _WORDS[s["content"]]
    if r.result == 2:
        return (
            f"P was killed when all of zram, {amount(r['size'])}, was in use.",
            f"zram keeps pages in RAM. Compressed {what} still take RAM, and what was left was not enough for the rest.",
        )
    if r["killed"]:
        return (
            f"P was killed with {amount(r['size'] - r['used'])} of {amount(r['size'])} of swap still free.",
            f"zram keeps pages in RAM (the kernel's part of the picture): {what} cannot be compressed, so a page that goes there costs a whole page and frees "
            "none. Its size is only the most that it may be asked to hold.",
        )
    return (
        f"zram holds {amount(r['used'])} of {what}, and takes {amount(r['cost'])} of RAM for that.",
        "What zram gains is the difference; its size says only how much it may be asked to hold.",
    )


LESSON = Lesson(
    key="compressed",
    title="RAM, zram and random bytes",
    sections=(chapter.VIRTUAL, chapter.FILES),
    hook="A laptop has 16 GiB of RAM and 16 GiB of zram. Does it have 32?",
    sizes={"fill": (300, 320, 290), "content": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="zram stores pages compressed in the zswap cache, and adds its size to the swap that the machine offers.",
    so="zram and zswap are two things: zram is a swap area in RAM, zswap a compressed cache in front of other areas. "
    "Both gain only what compression saves.",
    turns=lambda s: tuple(Turn(f"P writes {_WORDS[n]}", {"content": n}) for n in (1, 2, 3)),
    own="memtwin swaps --explain",
    elsewhere="it needs its own zram, and fills it",
)
