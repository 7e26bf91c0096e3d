"""More memory than there is: what a kernel refuses, and what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Choice, first

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_MODES: Final = ("0, as it is from the start", "1", "2")


def _story(s: Sizes) -> str:
    return (
        f"RAM is 512M and swap 256M. vm.overcommit_memory is {_MODES[s['mode']]}. P asks for {s['first']}M, then for "
        f"{s['second']}M more, and writes to none of it."
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        "swap disk size=256M",
        *([f"sysctl vm.overcommit_memory={s['mode']}"] if s["mode"] else []),
        "proc P",
        "checkpoint before",
        f"P mmap a {s['first']}M",
        f"P mmap b {s['second']}M",
        "checkpoint after",
    )


def _asks(_: Sizes) -> Choice:
    return Choice(
        "What does the kernel say?",
        ("it gives both, and free memory falls by as much", "it gives both, and free memory stays as it is",
         "it gives the first and refuses the second", "it refuses both"),
    )  # fmt: skip


def _read(found: Found, s: Sizes) -> Reading:
    before, after = found.at("before"), found.at("after")
    refused = [found.was_refused(f"P mmap {region} ") for region in ("a", "b")]
    memory = after.memory
    figures = {
        "taken": before.free - after.free, "promised": memory["Committed_AS"], "limit": memory["CommitLimit"],
        "all": memory["MemTotal"] + memory["SwapTotal"],
    }  # fmt: skip
    is_taken = figures["taken"] > s["first"] << 9
    happened = first([
        not any(refused) and is_taken, not any(refused) and not is_taken, refused == [False, True], all(refused),
    ])  # fmt: skip
    return Reading(happened, figures)


def _holds(r: Reading, s: Sizes) -> bool:
    asked = (s["first"] << 10, s["second"] << 10)
    if s["mode"] == 2:
        room = [asked[0] < r["limit"], sum(asked) < r["limit"]]
    else:
        room = [s["mode"] == 1 or kib < r["all"] for kib in asked]
    expected = {(True, True): 2, (True, False): 3, (False, False): 4}.get((room[0], room[1]))
    return r.result == expected and r["taken"] < 4096


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    rule = (
        f"With 0 a single request may not be larger than all RAM and swap, {amount(r['all'])}; how much was promised before "
        "does not matter.",
        "With 1 nothing is refused.",
        f"With 2 all promises together have to stay below CommitLimit, {amount(r['limit'])}.",
    )[s["mode"]]
    return (
        rule,
        f"{amount(r['promised'])} are promised now (Committed_AS), and {amount(max(r['taken'], 0))} of memory have been "
        "taken: asking costs nothing, writing does.",
    )


LESSON = Lesson(
    key="overcommit",
    title="Asking for more than there is",
    sections=(chapter.ALLOCATION,),
    hook="A program asks for more memory than the machine has. Should malloc fail?",
    sizes={"first": (600, 550, 650), "second": (600, 650, 550), "mode": (0,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="A process asks for memory with malloc; when the system has none left, the OOM killer comes.",
    so="malloc is a function of a library, and the kernel sees brk and mmap. It mostly says yes, and finds memory, or a "
    "victim, when pages are written.",
    turns=lambda _: (
        Turn("the second request is for 4096M", {"second": 4096}),
        Turn("it is for 4096M, and vm.overcommit_memory is 1", {"second": 4096, "mode": 1}),
        Turn("vm.overcommit_memory is 2", {"mode": 2}),
    ),
    own="memtwin limits PID",
    elsewhere="its requests are measured against its own RAM and swap",
)
