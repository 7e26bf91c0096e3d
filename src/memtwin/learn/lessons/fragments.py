"""Half of memory is free, and there is no block of 2 MiB: fragmentation, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, Unit

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_MIB_PER_BLOCK = 2
_PAGES_PER_MIB = 256


def _story(s: Sizes) -> str:
    then = " Then the administrator has memory compacted." if s["compact"] else ""
    if s["kernel"]:
        return f"The kernel allocates {s['fill']}M for itself, page by page, and frees every other page.{then}"
    way = "one after another" if s["inorder"] else "in random order"
    return f"A writes to the pages of {s['fill']}M, {way}. Then it frees the first half of them.{then}"


def _scene(s: Sizes) -> tuple[str, ...]:
    pages = s["fill"] * _PAGES_PER_MIB
    way = "seq" if s["inorder"] else f"rand:{3 * pages}:133"
    own = (f"kalloc pins 0 {pages} unmovable", "checkpoint filled", "kfree pins every:2")
    programs = (
        "proc A", f"A mmap heap {s['fill']}M", f"A touch heap 0 {s['fill']}M w {way}", "checkpoint filled",
        f"A madvise heap 0 {s['fill'] // 2}M dontneed",
    )  # fmt: skip
    compact = ("compact",) if s["compact"] else ()
    return ("machine ram=256M", *(own if s["kernel"] else programs), *compact, "checkpoint after")


def _asks(s: Sizes) -> Number:
    return Number(
        f"{s['fill'] // 2}M came free. How many more free blocks of 2M are there?", Unit.COUNT, 0, s["fill"] // 2
    )


def _read(found: Found, s: Sizes) -> Reading:
    filled, after = found.at("filled"), found.at("after")
    figures = {
        "freed": after.free - filled.free, "free": after.free, "before": filled.large_blocks,
        "after": after.large_blocks,
    }  # fmt: skip
    return Reading(max(figures["after"] - figures["before"], 0), figures, usual=s["fill"] // 2 // _MIB_PER_BLOCK)


def _holds(r: Reading, s: Sizes) -> bool:
    possible = (r["freed"] >> 10) // _MIB_PER_BLOCK
    mended = (s["compact"] or s["inorder"]) and not s["kernel"]
    return r.result > possible // 2 if mended else r.result < possible // 10


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    large = f"{amount(r['free'])} are free, with {r['after']} blocks of 2M where {r['before']} were before"
    if s["kernel"]:
        return (
            f"{large}: between any two free pages lies one of the kernel's, and compaction cannot move those.",
            "A page of a process is found by its page table alone, so it can be moved; the kernel's own code has pointers to "
            "its pages.",
        )
    if s["inorder"]:
        return (
            f"{large}: neighbours in the heap were neighbours in memory, and came free together.",
            "It is the order of allocation and freeing that fragments memory, not the amount.",
        )
    if s["compact"]:
        return (
            f"{large}: compaction has moved the pages that are in use to one end, and the holes to the other.",
            "A page of a process can be moved, for only its page table names its place; most of the kernel's own cannot.",
        )
    return (
        f"{large}: between any two free pages lies one that is in use.",
        "Programs do not notice, for their pages may lie anywhere. What needs neighbours are huge pages and the kernel.",
        "The kernel moves pages together when such a block is asked for: compaction.",
    )


LESSON = Lesson(
    key="fragments",
    title="Half is free, in which pieces?",
    sections=(chapter.FRAGMENTATION,),
    hook="A database asks for huge pages of 2M. Half of the machine is free.",
    sizes={"fill": (170, 160, 176), "compact": (0,), "inorder": (0,), "kernel": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="A process needs contiguous blocks, and when these become few, requests fail and the killer is called.",
    so="A process needs pages, not neighbours. Only the kernel's own blocks of up to 32K can call the killer that way; "
    "for a larger one the request is refused, and that is all.",
    turns=lambda _: (
        Turn("memory is compacted after that", {"compact": 1}),
        Turn("A wrote its pages one after another", {"inorder": 1}),
        Turn("the pages are the kernel's, and memory is compacted", {"kernel": 1, "compact": 1}),
    ),
    own="memtwin buddyinfo --order 9",
    elsewhere="it needs a machine that it may fill; memtwin buddyinfo --order 9 answers the question for yours",
)
