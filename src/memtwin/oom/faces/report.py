"""The post-mortem for a terminal: words first, then the figures they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.badness import OOM_SCORE_ADJ_MIN
from memtwin.oom.event import MEMCG
from memtwin.oom.tell import headline, summary, tell, who
from memtwin.oom.why.remedies import NONE
from memtwin.render import table
from memtwin.render.prose import wrapped
from memtwin.render.table import Column, Table
from memtwin.render.words import listed, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.oom.event import OomEvent
    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.remedies import Change
    from memtwin.oom.why.rows import RankedTask

_INDENT: Final = 15
_TOP: Final = 12
"""Processes of the ranking that are shown, and the victim."""


def text(found: Analysis, number: int, *, every: bool = False) -> str:
    """Return the post-mortem of the event *number*; *every*: all processes, not only the first."""
    return "".join(_parts(found, number, every=every))


def _parts(found: Analysis, number: int, *, every: bool) -> Iterator[str]:
    yield wrapped(_title(found, number))
    yield "\n" + wrapped(summary(found)) + "\n"
    for part in tell(found):
        yield wrapped(part.answer, first=f"{part.question:{_INDENT}}", rest=" " * _INDENT)
    if found.changes or found.ruled_out:
        yield "\nWhat would have changed it, at this moment:\n"
        for change in found.changes:
            yield wrapped(sentence(change), first="- ", rest="  ")
        for line in found.ruled_out:
            yield wrapped(line, first="- ", rest="  ")
        yield "" if found.event.sysrq or not found.changes else wrapped(
            "These are the smallest changes: a request fails at the first page too few. Whether the next one would have"
            " failed no report can say; a replay of the workload can.",
            first="  ", rest="  ",
        )  # fmt: skip
    if found.event.missing:
        yield "\n" + wrapped(f"Not in the text: {listed(found.event.missing)}. What needs it is left out.")
    if found.event.unread:
        yield wrapped(f"Not read: {listed(found.event.unread)}.")
    for title, rows in (
        ("Zones", _zones(found)),
        ("Where the memory was", _sheet(found)),
        (_pages(found), _ranking(found, every=every)),
    ):
        if rows is not None:
            yield f"\n{title}\n" + table.text(rows, gap=2)


def _pages(found: Analysis) -> str:
    rule = found.ranking.rule
    if rule is not None and rule.permille:
        return f"Ranking (points in thousandths, memory in pages of {found.event.page_kib} KiB)"
    return f"Ranking (points and memory in pages of {found.event.page_kib} KiB, score in thousandths)"


class _Line(NamedTuple):
    """Events of a listing that are alike: the first's number and time, the last's, and what happened."""

    number: int
    last: int
    when: str
    until: str
    what: str


class Listing:
    """A line for each event of many, those that repeat each other in one, and the last one that is whole."""

    def __init__(self) -> None:
        self.events = 0
        self.fullest: tuple[int, Analysis] | None = None
        """The last event of those that lack least: it says most about why."""
        self._lines: list[_Line] = []

    def add(self, found: Analysis, number: int) -> None:
        """Add an event; only the fullest so far is kept whole."""
        self.events += 1
        event = found.event
        if self.fullest is None or _completeness(event) >= _completeness(self.fullest[1].event):
            self.fullest = number, found
        when, what = event.stamp or f"line {event.first_line}", _without_pid(headline(found), event)
        before = self._lines[-1] if self._lines else None
        if before is not None and before.what == what:
            self._lines[-1] = before._replace(last=number, until=when)
        else:
            self._lines.append(_Line(number, number, when, when, what))

    def text(self) -> str:
        """Return the lines, and what follows them."""
        columns = (Column("event", "right"), Column("when"), Column("what"))
        rows = tuple(
            (str(line.number), line.when, line.what)
            if line.last == line.number
            else (
                f"{line.number}-{line.last}",
                f"{line.when} to {line.until}",
                f"{line.last - line.number + 1} x {line.what}",
            )
            for line in self._lines
        )
        assert self.fullest is not None
        number, found = self.fullest
        which = "The last of them" if found.event.complete else "The one that says most"
        hint = f"{which} is event {number} (--event N shows another, --all every one):"
        return f"{table.text(Table(columns, rows), gap=2)}\n{hint}\n\n"


def _completeness(event: OomEvent) -> tuple[bool, int]:
    return event.complete, -len(event.missing)


def _without_pid(sentence: str, event: OomEvent) -> str:
    """Return the sentence without the victim's pid: restarted, the same program dies again under another."""
    return sentence if event.victim is None else sentence.replace(f" ({event.victim.pid})", "", 1)


def _title(found: Analysis, number: int) -> str:
    event = found.event
    parts = [f"OOM event {number}"]
    if event.stamp:
        parts.append(f"at {event.stamp}")
    if event.kernel:
        parts.append(f"kernel {event.kernel}")
    lines = (
        f"line {event.first_line}"
        if event.first_line == event.last_line
        else f"lines {event.first_line}-{event.last_line}"
    )
    return ", ".join([*parts, lines])


def sentence(change: Change) -> str:
    """Return the sentence of a change, with what it assumes.

    >>> from memtwin.oom.why.remedies import Change
    >>> sentence(Change("RAM", 52, NONE, None, None, None, None, "nothing else takes it"))
    '52 KiB more RAM: this request would have passed. Assumes: nothing else takes it.'
    """
    if "adj" in change.what:
        was = "" if change.was is None else f" instead of {change.was}"
        never = " (never kill it)" if change.amount == OOM_SCORE_ADJ_MIN else ""
        lead = f"oom_score_adj {change.amount}{never}{was} for {who(change.name, change.pid)}"
    elif change.what == "huge pages":
        lead = f"{size(change.amount)} fewer huge pages (vm.nr_hugepages)"
    else:
        lead = f"{size(change.amount)} more {_WHAT[change.what]}"
    if change.gives == NONE:
        then = "no process would have been killed" if "adj" in change.what else "this request would have passed"
    else:
        then = f"{who(change.then_name, change.then_pid)} would have died instead"
    return f"{lead}: {then}. Assumes: {change.assumes}."


_WHAT: Final = {
    "RAM": "RAM", "swap": "swap", "zram": "zram", "limit of the cgroup": "for the limit of the cgroup",
    "swap of the cgroup": "swap allowed to the cgroup",
}  # fmt: skip


def _zones(found: Analysis) -> Table | None:
    if not found.zones or found.event.constraint == MEMCG:
        return None
    columns = tuple(
        Column(name, "right") for name in ("free", "unusable", "min", "reserve", "short", "low", "high", "managed")
    )
    rows = tuple(
        (
            view.name if view.node is None else f"{view.node} {view.name}",
            *(
                f"{kib:,}"
                for kib in (view.free, view.unusable, view.min, view.reserve, max(view.short, 0), view.low, view.high)
            ),
            "-" if view.managed is None else f"{view.managed:,}",
            view.why_not or ("no block" if view.has_block is False else "passes" if view.passes else "refused"),
        )
        for view in found.zones
    )
    return Table((Column("kB"), *columns, Column("")), rows)


def _sheet(found: Analysis) -> Table | None:
    sheet = found.sheet
    if sheet is None:
        return None
    rows = [
        (item.label, f"{item.kib:,}", f"{item.kib / sheet.total_kib:.1%}" if sheet.total_kib else "-")
        for item in sorted(sheet.items, key=lambda item: -item.kib)
    ]
    rows.append((f"= {sheet.what}", f"{sheet.total_kib:,}", "100.0%"))
    return Table((Column(""), Column("kB", "right"), Column("", "right")), tuple(rows))


def _ranking(found: Analysis, *, every: bool) -> Table | None:
    rows = found.ranking.rows
    if not rows:
        return None
    shown = [row for place, row in enumerate(rows) if every or place < _TOP or row is found.ranking.chosen]
    names = ("pid", "points", "score", "rss", "swap", "tables", "adj")
    line = [_row(found, row) for row in shown]
    if len(shown) < len(rows):
        line.append((f"... {len(rows) - len(shown)} more",))
    return Table((*(Column(name, "right") for name in names), Column("name"), Column("")), tuple(line))


def _row(found: Analysis, row: RankedTask) -> tuple[str, ...]:
    task, victim = row.task, found.event.victim
    note = ""
    if victim is not None and task.pid == victim.pid:
        note = "killed"
    elif row is found.ranking.chosen:
        note = "chosen"
    elif row.spared:
        note = row.spared
    tables = None if row.low.page_tables != row.high.page_tables else row.low.page_tables
    cells = (row.points, row.score, task.rss, task.swapents, tables, row.low.oom_score_adj)
    return (str(task.pid), *("-" if cell is None else f"{cell:,}" for cell in cells), task.name, note)
