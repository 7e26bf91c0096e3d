"""How findings are shown: a row each, what they rest on, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.amount import COLUMN
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Style, View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.diagnose.leak import Finding

_ORDER: Final = (
    "leak", "more processes", "slab", "page tables", "kernel memory", "shmem or tmpfs", "file", "unknown",
    "growing cache", "page cache",
    "freed and kept: trim helps", "freed and kept: trim does not help", "lazily freed", "warm-up", "steady",
)  # fmt: skip
"""The verdicts, the gravest first."""
_RATE: Final = Style(lambda rate: f"{rate / 1024:.1f}K", "right")
_SHARE: Final = Style(lambda share: f"{share:.0%}", "right")
_SECONDS: Final = Style(lambda seconds: f"{seconds:.0f}s", "right")
_COLUMNS: Final = (
    Column("pid", "PID", NUMBER),
    Column("name", "NAME"),
    Column("verdict", "VERDICT"),
    Column("confidence", "CONFIDENCE", _SHARE),
    Column("rise_bytes", "RISE", COLUMN),
    Column("rate_bytes_per_s", "RATE/s", _RATE),
    Column("resolution_bytes_per_s", "SEEN FROM/s", _RATE),
    Column("seconds", "OVER", _SECONDS),
    Column("look_seconds_more", "LOOK ON", _SECONDS),
    Column("next_tool"),
    Column("evidence"),
)


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """Return findings with the gravest first, and the fastest of one kind."""
    return sorted(found, key=lambda one: (_ORDER.index(one.verdict), -one.rate_bytes_per_s, one.pid or 0))


def view(found: Iterable[Finding], *, quiet_too: bool = False) -> View:
    """Return the view of *found*; steady ones are in the table if they are few or asked for (*quiet_too*)."""
    rows = ordered(found)
    shown = [one for one in rows if quiet_too or one.verdict != "steady" or len(rows) <= 5]
    data = Grid(_COLUMNS, tuple(_row(one) for one in rows), "findings", form=Form.DATA)
    table = Grid(_COLUMNS, tuple(_row(one) for one in shown), form=Form.TERMINAL)
    sentences = [
        Sentence(f"{_who(one)}: {sentence.text}", sentence.rests_on)
        for one in shown
        if one.verdict != "steady" or len(rows) <= 5
        for sentence in one.evidence
    ]
    sentences += [Sentence(f"{_who(one)}: next: {one.next_tool}", ()) for one in shown if one.next_tool]
    sentences += [
        Sentence(f"{_who(one)}: not known yet: watch {one.look_seconds_more} more seconds.", ())
        for one in shown
        if one.look_seconds_more and one.verdict == "unknown"
    ]
    quiet = sum(one.verdict == "steady" for one in rows)
    if quiet and len(shown) < len(rows):
        sentences.append(Sentence(f"{quiet} processes are steady.", ()))
    return View("leak", (table, data), tuple(sentences))


def _who(one: Finding) -> str:
    return one.name if one.pid is None else f"{one.name} ({one.pid})"


def _row(one: Finding) -> tuple[object, ...]:
    return (
        one.pid, one.name, one.verdict, one.confidence, one.rise_bytes, round(one.rate_bytes_per_s, 1),
        round(one.resolution_bytes_per_s, 1), round(one.seconds, 1), one.look_seconds_more, one.next_tool,
        tuple(sentence.text for sentence in one.evidence),
    )  # fmt: skip
