"""Memory that the kernel takes for a process: page tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_PAGE_KIB = 4
_MIB_PER_TABLE = 2
"""A page table of 4 KiB has 512 entries, each for a page of 4 KiB."""


def _story(s: Sizes) -> str:
    where = f"{s['pages']:,} pages at random places of it" if s["spread"] else f"its first {s['pages']:,} pages"
    return f"P maps {s['map'] >> 10}G and writes to {where}, {amount(s['pages'] * _PAGE_KIB)} in all."


def _scene(s: Sizes) -> tuple[str, ...]:
    touch = (
        f"P touch heap 0 {s['map']}M w rand:{s['pages']}:1" if s["spread"] else f"P touch heap 0 {s['pages']}P w seq"
    )
    return (
        "machine ram=512M",
        "sysctl vm.overcommit_memory=1",
        "proc P",
        "checkpoint before",
        f"P mmap heap {s['map']}M",
        touch,
        "checkpoint after",
    )


def _asks(s: Sizes) -> Number:
    return size("How much memory does the kernel take for P's page tables?", 64)


def _read(found: Found, s: Sizes) -> Reading:
    before, after = found.at("before"), found.at("after")
    figures = {
        "tables": after.process("P", "VmPTE") - before.process("P", "VmPTE"),
        "written": after.process("P", "VmRSS") - before.process("P", "VmRSS"), "taken": before.free - after.free,
    }  # fmt: skip
    return Reading(figures["tables"], figures, usual=figures["written"] // 512)


def _holds(r: Reading, s: Sizes) -> bool:
    least = -(-s["pages"] // 512) * _PAGE_KIB
    if not s["spread"]:
        return least <= r["tables"] <= least + 64
    possible = s["map"] // _MIB_PER_TABLE * _PAGE_KIB
    return min(r["written"], possible) // 2 < r["tables"] <= min(r["written"], possible) + 1024


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    return (
        f"{amount(r['tables'])} of page tables, for {amount(r['written'])} that P has written; "
        f"{amount(r['taken'])} of free memory have gone.",
        "One table of 4K serves 2M of addresses, and is made at the first page there: pages side by side share one, pages "
        "far apart need one each.",
        "The kernel takes such memory from the same free pages as programs do, when it is needed.",
    )


LESSON = Lesson(
    key="tables",
    title="What the kernel takes for you",
    sections=(chapter.HIERARCHY, chapter.ALLOCATION),
    hook="The processes of a database have less memory, all together, than is missing from free.",
    sizes={"map": (65536,), "pages": (8000, 7000, 9000), "spread": (1,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="Kernel memory is a part of RAM that is reserved for the kernel.",
    so="Little is reserved. The kernel takes pages as it needs them, for page tables, stacks and slabs, and what it does "
    "for processes grows with them.",
    turns=lambda s: (
        Turn("the pages lie side by side", {"spread": 0}),
        Turn("P maps 1G and writes as many pages, at random", {"map": 1024}),
        Turn(f"P writes {s['pages'] // 2:,} pages, at random", {"pages": s["pages"] // 2}),
    ),
    own="memtwin account",
)
