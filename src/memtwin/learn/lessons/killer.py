"""Memory is out: who dies, and by what rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn
from memtwin.learn.question import Choice

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_NAMES: Final = ("database", "editor", "old", "newcomer")
_OLD = 30


def _grow(name: str, mib: int) -> str:
    return f"{name} mmap heap {mib}M ; {name} touch heap 0 {mib}M w seq"


def _story(s: Sizes) -> str:
    adj = f" with oom_score_adj {s['adj']}" if s["adj"] else ""
    return (
        f"There is no swap. old has run the longest and has {_OLD}M, a database has {s['database']}M{adj}, an editor "
        f"{s['editor']}M. A newcomer writes {s['newcomer']}M, and memory runs out in the middle of that."
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        "proc old ; " + _grow("old", _OLD),
        "proc database" + (f" adj={s['adj']}" if s["adj"] else ""),
        _grow("database", s["database"]),
        "proc editor ; " + _grow("editor", s["editor"]),
        "proc newcomer",
        _grow("newcomer", s["newcomer"]),
    )


def _asks(_: Sizes) -> Choice:
    return Choice(
        "Who is killed first?",
        ("the database: it is the largest", "the editor", "old: it has run for the longest time",
         "the newcomer: it asked for too much"),
    )  # fmt: skip


def _read(found: Found, s: Sizes) -> Reading:
    points = found.points()
    figures = {f"points_{name}": points.get(name, 0) for name in _NAMES}
    return Reading(_NAMES.index(found.died[0]) + 1, figures | {"adj": s["adj"], "kills": len(found.died)})


def _holds(r: Reading, s: Sizes) -> bool:
    most = max(_NAMES, key=lambda name: r[f"points_{name}"])
    return most == _NAMES[r.result - 1]


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    order = sorted(_NAMES, key=lambda name: -r[f"points_{name}"])
    points = ", ".join(f"{name} {r[f'points_{name}']:,}" for name in order)
    adj = f"; the database's {r['adj']} is {r['adj'] / 10:+.0f}% of it" if r["adj"] else ""
    return (
        f"The kernel kills the process with the most points. At that moment: {points}.",
        f"Points are pages in RAM and in swap and of page tables, plus oom_score_adj in thousandths of all memory{adj}.",
        "How long a process has run, who asked last and how important it is do not count.",
    )


LESSON = Lesson(
    key="killer",
    title="Who is killed?",
    sections=(chapter.ALLOCATION,),
    hook="Memory ran out at night, and the OOM killer took a program that had done nothing wrong.",
    sizes={"database": (200, 190, 210), "editor": (120, 130, 125), "newcomer": (110, 105, 100), "adj": (-500,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="The killer judges by uptime, by the last restart, by whether a process is critical.",
    so="Nothing of that is in the rule. Only the administrator's oom_score_adj can say that a process is critical.",
    turns=lambda _: (
        Turn("the database has no oom_score_adj", {"adj": 0}),
        Turn("the newcomer writes 300M", {"newcomer": 300}),
        Turn("the editor is small (60M), the newcomer large (200M)", {"editor": 60, "newcomer": 200}),
    ),
    own="memtwin oom --live",
    elsewhere="it runs a machine out of memory; memtwin oom --live says who would die on yours",
)
