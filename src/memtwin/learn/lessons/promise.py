"""VIRT is a promise: what a process may use, and what it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found


def _story(s: Sizes) -> str:
    writes = f" Then it writes to the first {s['write']}M." if s["write"] else " It writes nothing."
    return f"P asks for {amount(s['map'] << 10)} of memory and gets it. It reads {s['read']}M of that, page by page.{writes}"


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        "sysctl vm.overcommit_memory=1",
        "proc P",
        "checkpoint before",
        f"P mmap heap {s['map']}M",
        f"P touch heap 0 {s['read']}M r seq",
        *([f"P touch heap 0 {s['write']}M w seq"] if s["write"] else []),
        "checkpoint after",
    )


def _asks(s: Sizes) -> Number:
    return size("How much RAM does P have now? (top's RES)", 2 * s["read"])


def _read(found: Found, s: Sizes) -> Reading:
    before, after = found.at("before"), found.at("after")
    figures = {
        "virt": after.process("P", "VmSize"), "res": after.process("P", "VmRSS"),
        "grown": after.process("P", "VmRSS") - before.process("P", "VmRSS"), "taken": before.free - after.free,
    }  # fmt: skip
    return Reading(figures["res"], figures, usual=s["read"] << 10)


def _holds(r: Reading, s: Sizes) -> bool:
    written = s["write"] << 10
    return abs(r["grown"] - written) < 1024 + written // 50 and r["virt"] > s["map"] << 10


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    written = f"{s['write']}M were written, and RES is that much larger" if s["write"] else "nothing was written here"
    return (
        f"VIRT is {amount(r['virt'])}, RES {amount(r['res'])}, and {amount(r['taken'])} of free memory have gone.",
        "A page that was never written holds nothing, so a read maps one page of zeros that all processes share; "
        "RES does not count it.",
        f"The first write to a page gives it memory of its own: {written}.",
    )


LESSON = Lesson(
    key="promise",
    title="What is VIRT?",
    sections=(chapter.TOP, chapter.PAGES),
    hook="On many idle machines top shows a process whose VIRT is larger than all RAM and swap.",
    sizes={"map": (2048,), "read": (256, 192, 320), "write": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="VIRT is the total memory that a process is using, in RAM and in swap.",
    so="VIRT is the size of its address space. Most of that may have no memory behind it, neither RAM nor swap.",
    turns=lambda s: tuple(Turn(f"P also writes to the first {n}M", {"write": n}) for n in (32, 64, 128)),
    own="memtwin ps --explain -p PID",
)
