"""Reports of the OOM killer in any text: a stream of lines in, events out, one after the other.

A log is hostile input. Nothing here raises on text; time is linear in its length, and what is kept is one report at a
time. A line that fits no part of a report is another cpu's, or another program's, and is left out.

An event begins at its header, or at any other block that only a report has, and ends where the next one begins: at a
header, at a block that a report prints before its kill when that kill was there, at another kill, or minutes later.
A line without time stamp in a log that has them is the rest of the line before (mail wraps lines), unless it begins
like a line of a report or that line is whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.oom.read import head, memcg, meminfo, table, verdict
from memtwin.oom.read.builder import Builder
from memtwin.oom.read.clock import seconds
from memtwin.oom.read.lines import LONGEST, cut
from memtwin.oom.read.marks import Mark, begins, is_cut, is_no_rest, is_others, mark_of, may_begin
from memtwin.oom.read.prefixes import LogLine
from memtwin.oom.read.shape import restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.oom.event import OomEvent

_KERNEL: Final = {"", "kernel", "klogd", "vmunix", "dmesg", "unknown", "kern"}
_PATIENCE: Final = 2000
"""Lines without anything of a report after which an unfinished one is given up."""
_PATIENCE_AFTER_KILL: Final = 200
_OTHERS_DUMP: Final = 200
"""Lines behind a failed allocation within which Mem-Info is its own."""
_PAUSE_S: Final = 120
"""Seconds without a line after which the next one is another report's."""
_MOST_PARTS: Final = 64
"""Lines that are joined to one."""
_ALIKE: Final = 4
"""Characters by which a prefix is known again."""
_REMEMBERED: Final = 64
"""Victims that later reports may still have in their tables."""
_SNIP = re.compile(r"(?:\[?\.\.\.\]?|\[?…\]?|[\[<(-]{0,4}\s?snip\w{0,6}\s?[\]>)-]{0,4})$", re.IGNORECASE)
_FIELD = re.compile(r"\b[\w-]{2,24}:\s?\d{1,20}kB\b|\b(?:gfp_mask|order|oom_score_adj)[=:]-?\w")
_BEFORE_KILL: Final = {Mark.DUMP, Mark.MEMCG, Mark.TABLE, Mark.CONSTRAINT}


def parse(text: str) -> list[OomEvent]:
    r"""Return the events that *text* has, oldest first; [] if there are none.

    >>> [event] = parse("Out of memory: Killed process 7 (java) total-vm:8kB, anon-rss:4kB, file-rss:0kB")
    >>> event.victim.name, event.complete, event.missing
    ('java', False, ('header', 'Mem-Info', 'task table'))
    """
    return list(events(text.split("\n")))


def events(raws: Iterable[str]) -> Iterator[OomEvent]:
    """Yield the events of a log given as lines; reads on only as far as it must."""
    return events_of(restored(raws))


def events_of(lines: Iterable[tuple[int, str]]) -> Iterator[OomEvent]:
    """Yield the events of numbered lines that are whole and in order, as :func:`restored` gives them."""
    reader = _Reader()
    for number, raw in lines:
        if reader.is_idle and not may_begin(raw):
            continue
        for line in cut(number, raw):
            if line.source in _KERNEL:
                reader.feed(line)
        if reader.ready:
            yield from reader.take_ready()
    reader.end()
    yield from reader.take_ready()


class _Reader:
    """Joins wrapped lines, and cuts the stream into events."""

    def __init__(self) -> None:
        self.ready: list[OomEvent] = []
        self._open: Builder | None = None
        self._closed: list[Builder] = []
        self._killed: list[tuple[int, str]] = []
        self._parts: list[str] = []
        self._length = 0
        self._line = LogLine(0, "")
        self._idle_lines = 0
        self._header = ""
        self._others_line = -_OTHERS_DUMP - 1

    @property
    def is_idle(self) -> bool:
        """Whether no report is open, so that only a line that may begin one matters."""
        return self._open is None and not self._parts

    def take_ready(self) -> list[OomEvent]:
        """Return the events that are ready, and forget them."""
        ready, self.ready = self.ready, []
        return ready

    def feed(self, line: LogLine) -> None:
        """Take one line."""
        prefix = self._open.prefix if self._open is not None else ""
        if prefix and line.text.startswith(prefix):
            line = line._replace(text=line.text[len(prefix) :].lstrip())
        if self._parts and self._goes_on(line):
            self._parts.append(line.text)
            self._length += len(line.text)
            return
        if self._parts and line.stamp is not None and (line.text, line.stamp) == (self._parts[0], self._line.stamp):
            return  # a log that has every line twice
        self._flush()
        if not line.text or (self._open is None and not may_begin(line.text)):
            return
        self._parts, self._length, self._line = [line.text], len(line.text), line

    def end(self) -> None:
        """Finish what is still open."""
        self._flush()
        self._finish(0)

    def _goes_on(self, line: LogLine) -> bool:
        """Whether *line* is the rest of the one before."""
        if line.stamp is not None or line.source or not line.text or is_no_rest(line.text):
            return False
        is_full = self._length >= LONGEST or len(self._parts) >= _MOST_PARTS
        if is_full or begins(line.text):
            return False
        before = _joined(self._parts)
        if table.is_row(before) or table.is_head(before):
            return self._open is not None and not table.is_whole(self._open, before)
        return self._line.stamp is not None or (is_cut(before) and not self._begins_alike(before, line.text))

    def _begins_alike(self, before: str, text: str) -> bool:
        """Whether a line begins as the header of its report does: an unknown prefix, so not a wrapped rest."""
        header = before if "oom-killer" in before else self._header
        return header[:_ALIKE] == text[:_ALIKE]

    def _flush(self) -> None:
        if not self._parts:
            return
        text = _joined(self._parts)
        self._parts = []
        self._take(text, self._line)

    def _take(self, text: str, line: LogLine) -> None:
        mark = mark_of(text, is_logged=line.stamp is not None or line.source != "")
        if is_others(text):
            self._others_line = line.number
        if mark is Mark.HEADER:
            self._begin(line)
            self._header = text
            assert self._open is not None
            self._open.is_certain = True
            head.header(self._open, text)
            self._finish(2)
            return
        if mark is not None and self._is_next(mark, text, line):
            self._begin(line)
            self._finish(2)
        if self._open is None:
            return
        if self._read(mark, text):
            self._idle_lines = 0
            self._open.last_line = line.number
            self._open.last_stamp = line.stamp or self._open.last_stamp
            return
        self._idle_lines += 1
        patience = _PATIENCE_AFTER_KILL if self._open.outcome else _PATIENCE
        if self._idle_lines > patience:
            self._close()
            self._finish(0)

    def _read(self, mark: Mark | None, text: str) -> bool:
        """Give a line to the part of the report that it belongs to; False if it is none of it."""
        if mark is Mark.AFTER:
            return self._reaped(text)
        assert self._open is not None
        self._open.is_certain |= mark is not None and mark is not Mark.DUMP
        return _read(self._open, mark, text)

    def _begin(self, line: LogLine) -> None:
        self._close()
        self._open = Builder(line.number, line.stamp)
        self._idle_lines = 0

    def _close(self) -> None:
        if self._open is not None and (self._open.is_certain or self._open.has_whole_dump):
            self._closed.append(self._open)
        self._open = None

    def _finish(self, keep: int) -> None:
        """Make events ready but for the last *keep*, to which a line of the reaper may still come."""
        if keep == 0:
            self._close()
        while len(self._closed) > keep:
            builder = self._closed.pop(0)
            self.ready.append(builder.event(tuple(self._killed)))
            self._killed += [(kill.pid, kill.name) for kill in builder.kills[:_REMEMBERED]]
            del self._killed[:-_REMEMBERED]

    def _is_next(self, mark: Mark, text: str, line: LogLine) -> bool:
        """Whether a line that is no header begins an event."""
        opened = self._open
        if mark is Mark.AFTER:
            return False
        if mark is Mark.DUMP and line.number - self._others_line <= _OTHERS_DUMP:
            return False
        if opened is None or (self._paused(line) and mark is not Mark.END):
            return True
        if mark in _BEFORE_KILL:
            is_over = opened.outcome is not None and not opened.is_group_kill
            return (is_over and mark is not Mark.CONSTRAINT) or self._is_another(opened, mark, text)
        return self._is_another(opened, mark, text)

    def _paused(self, line: LogLine) -> bool:
        """Whether nothing of the open report was printed for minutes."""
        assert self._open is not None
        before, now = seconds(self._open.last_stamp), seconds(line.stamp)
        return before is not None and now is not None and before[0] == now[0] and now[1] - before[1] > _PAUSE_S

    def _is_another(self, opened: Builder, mark: Mark, text: str) -> bool:
        """Whether a line of a choice or a kill is about another one than the open event's."""
        if mark not in {Mark.CONSTRAINT, Mark.CHOSEN, Mark.KILLED}:
            return mark is Mark.END and opened.kills != [] and "panic" not in text
        pid = verdict.pid_of(text)
        known = {kill.pid for kill in opened.kills}
        known |= {opened.chosen[0]} if opened.chosen else set()
        known |= {opened.condemned.pid} if opened.condemned is not None else set()
        if pid is None or pid in known or opened.is_group_kill or "sharing same memory" in text:
            return False
        if mark is Mark.KILLED:  # a child may die in the place of the chosen
            is_child = opened.chosen is not None and not opened.kills and "of memory" not in text
            return bool(known) and not is_child
        return opened.constraint_printed is not None if mark is Mark.CONSTRAINT else bool(known)

    def _reaped(self, text: str) -> bool:
        """Give a line of the reaper to the event whose victim it was."""
        found = verdict.reaped(text)
        if found is None:
            return True
        assert self._open is not None
        for builder in (self._open, *reversed(self._closed)):
            if any(kill.pid == found.pid for kill in (*builder.kills, *filter(None, (builder.condemned,)))):
                builder.reaped.append(found)
                break
        return True


def _joined(parts: list[str]) -> str:
    """Join the parts of a wrapped line: at a blank, but within a word where that gives more fields.

    >>> _joined(["a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, o", "om_score_adj=871"])[-20:]
    '0, oom_score_adj=871'
    """
    if len(parts) == 1:
        return parts[0]
    if "oom-kill:constraint" in parts[0]:  # no value of it holds a blank
        return "".join(parts)
    loose, tight = " ".join(parts), "".join(parts)
    return tight if len(_FIELD.findall(tight)) > len(_FIELD.findall(loose)) else loose


def _read(builder: Builder, mark: Mark | None, text: str) -> bool:
    """Give a line to the part of the report that it belongs to; False if it is none of it."""
    if _SNIP.match(text):
        builder.is_snipped = True
        return True
    if "Tasks state" in text:
        builder.section = "table"
        return True
    if "]" in text and (table.row(builder, text) or table.head(builder, text)):
        return True
    return (
        (mark is not None and mark >= Mark.CONSTRAINT and _verdict(builder, text))
        or (builder.kernel is None and head.cpu(builder, text))
        or (builder.section == "head" and head.frame(builder, text))
        or (builder.section in {"head", ""} and "cpuset=" in text and head.cpuset(builder, text))
        or meminfo.start(builder, text)
        or memcg.line(builder, text)
        or meminfo.line(builder, text)
    )


def _verdict(builder: Builder, text: str) -> bool:
    if "oom-kill:" in text and verdict.constraint(builder, text):
        return True
    if "going to be killed due to memory.oom.group" in text:
        builder.is_group_kill = True
        return True
    if "ill process" in text and verdict.chosen(builder, text):
        return True
    if "Killed process" in text:
        return verdict.killed(builder, text)
    return ("no killable process" in text or "Kernel panic" in text) and verdict.no_victim(builder, text)
