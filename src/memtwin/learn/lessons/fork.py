"""Two processes and one set of pages: fork, RES and PSS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found


def _story(s: Sizes) -> str:
    writes = f"C writes to {s['write']}M of its memory." if s["write"] else "Neither writes any more."
    return f"P has written {s['heap']}M. It forks: C is its child, with the same memory. {writes}"


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        "proc P",
        f"P mmap heap {s['heap']}M",
        f"P touch heap 0 {s['heap']}M w seq content=text",
        "checkpoint before",
        "P fork C",
        *([f"C touch heap 0 {s['write']}M w seq"] if s["write"] else []),
        "checkpoint after",
    )


def _asks(s: Sizes) -> Number:
    return size("How much RAM do P and C take together?", 2 * s["heap"] + 64)


def _read(found: Found, s: Sizes) -> Reading:
    before, after = found.at("before"), found.at("after")
    figures = {
        "alone": before.pss("P"), "together": after.pss("P") + after.pss("C"),
        "res_p": after.process("P", "VmRSS"), "res_c": after.process("C", "VmRSS"), "pss_p": after.pss("P"),
        "pss_c": after.pss("C"), "taken": before.free - after.free,
    }  # fmt: skip
    return Reading(figures["together"], figures, usual=figures["res_p"] + figures["res_c"])


def _holds(r: Reading, s: Sizes) -> bool:
    grown, written = r["together"] - r["alone"], s["write"] << 10
    return abs(grown - written) < 2048 and abs(r["taken"] - written) < 3072


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    copied = f"{s['write']}M were written, and {amount(r['taken'])} of free memory have gone"
    nothing = (
        f"nothing was written, and {amount(max(r['taken'], 0))} of free memory have gone, most of it for page tables"
    )
    return (
        "After a fork both processes map the same pages, read-only; the first write to a page copies that page alone.",
        f"So {copied if s['write'] else nothing}.",
        f"RES counts a shared page twice: {amount(r['res_p'])} + {amount(r['res_c'])}. PSS divides it by those who map "
        f"it: {amount(r['pss_p'])} + {amount(r['pss_c'])}, which is what the two really take.",
    )


LESSON = Lesson(
    key="fork",
    title="Two processes, one memory",
    sections=(chapter.TOP, chapter.PAGES),
    hook="The RES of a web server's workers add up to more than the machine has.",
    sizes={"heap": (128, 96, 160), "write": (32, 24, 48)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="RES is memory that no other process can use, and each page of RAM has a unique virtual address.",
    so="A frame may be in many address spaces at once. RES counts it in each; only PSS adds up.",
    turns=lambda s: tuple(
        Turn(f"C writes to {n}M" if n else "C writes nothing", {"write": n}) for n in (0, s["heap"] // 2, s["heap"])
    ),
    own="memtwin ps --sort -PSS",
)
