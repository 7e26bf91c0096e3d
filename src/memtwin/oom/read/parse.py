"""Reports of the OOM killer in any text: a stream of lines in, events out, one after the other.

A log is hostile input. Nothing here raises on text; time is linear in its length, and what is kept is one report at a
time. A line that fits no part of a report is another cpu's, or another program's, and is left out. A line without
time stamp in a log that has them is the rest of the line before (mail wraps lines), unless it begins like a line of a
report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.oom.read import head, memcg, meminfo, table, verdict
from memtwin.oom.read.builder import Builder
from memtwin.oom.read.lines import LONGEST, Line, cut, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.oom.event import OomEvent

_KERNEL: Final = {"", "kernel", "klogd", "vmunix", "dmesg", "unknown"}
_PATIENCE: Final = 2000
"""Lines without anything of a report after which an unfinished one is given up."""
_PATIENCE_AFTER_KILL: Final = 200
_MOST_PARTS: Final = 64
"""Lines that are joined to one."""
_ALIKE: Final = 4
"""Characters by which a prefix is known again."""
_REMEMBERED: Final = 64
"""Victims that later reports may still have in their tables."""
_SNIP = re.compile(r"(?:\[?\.\.\.\]?|\[?…\]?|[\[<(-]{0,4}\s?snip\w{0,6}\s?[\]>)-]{0,4})$", re.IGNORECASE)
_BEGINS = re.compile(
    r"\[\s*(?:pid|\d+)\s*\]\s|Node \d|Mem-[Ii]nfo|lowmem_reserve|[A-Z][A-Za-z0-9]+ free:\d|[A-Z][A-Za-z0-9]+: \d+\*"
    r"|\d+ (?:total|pages|reserved)\b|(?:Free|Total) swap|Swap cache|Tasks state|Task in |oom-kill:|oom_reaper:"
    r"|(?:Memory cgroup o|O)ut of memory|Killed process|(?:memory|memory\+swap|swap|kmem): usage|Memory cgroup stats"
    r"|CPU\s*:?\s+\d|Pid: |Hardware name|Call [Tt]race|Kernel panic|RIP|Code:|\.\.\.|\[\.\.\.\]|(?:\? )?[\w.]+\+0x"
    r"|\w+ cpuset=|(?:(?:in)?active_\w+|unevictable|slab_\w+|mapped|free|sec_\w+|kernel_misc_\w+):\d+\b"
    r"|Unreclaimable slab|--"
)


def parse(text: str) -> list[OomEvent]:
    r"""Return the events that *text* tells of, oldest first; [] if there are none.

    >>> [event] = parse("Out of memory: Killed process 7 (java) total-vm:8kB, anon-rss:4kB, file-rss:0kB")
    >>> event.victim.name, event.complete, event.missing
    ('java', False, ('header', 'Mem-Info', 'task table'))
    """
    return list(events(text.split("\n")))


def events(raws: Iterable[str]) -> Iterator[OomEvent]:
    """Yield the events of a log given as lines; reads on only as far as it must."""
    reader = _Reader()
    for number, raw in unquoted(raws):
        if reader.is_idle and not _may_begin(raw):
            continue
        for line in cut(number, raw):
            if line.source in _KERNEL:
                reader.feed(line)
        if reader.ready:
            yield from reader.taken()
    reader.end()
    yield from reader.taken()


def _may_begin(raw: str) -> bool:
    """Whether a report may begin with this line: all that is asked of most lines of a long journal."""
    return (
        "oom-kill" in raw
        or "of memory" in raw
        or "led process" in raw
        or "result of limit" in raw
        or (raw[:1] == "{" and '"MESSAGE":[' in raw.replace(" ", ""))
    )


class _Reader:
    """Joins wrapped lines, and cuts the stream into events."""

    def __init__(self) -> None:
        self.ready: list[OomEvent] = []
        self._open: Builder | None = None
        self._closed: list[Builder] = []
        self._killed: list[tuple[int, str]] = []
        self._parts: list[str] = []
        self._length = 0
        self._line = Line(0, "")
        self._idle_lines = 0
        self._header = ""

    @property
    def is_idle(self) -> bool:
        """Whether no report is open, so that only a line that may begin one matters."""
        return self._open is None and not self._parts

    def taken(self) -> list[OomEvent]:
        """Return the events that are ready, and forget them."""
        ready, self.ready = self.ready, []
        return ready

    def feed(self, line: Line) -> None:
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
        if not line.text or (self._open is None and not _may_begin(line.text)):
            return
        self._parts, self._length, self._line = [line.text], len(line.text), line

    def end(self) -> None:
        """Finish what is still open."""
        self._flush()
        self._finish(0)

    def _goes_on(self, line: Line) -> bool:
        """Whether *line* is the rest of the one before."""
        if line.stamp is not None or line.source or not line.text:
            return False
        is_full = self._length >= LONGEST or len(self._parts) >= _MOST_PARTS
        if is_full or _BEGINS.match(line.text) or head.is_header(line.text):
            return False
        before = self._parts[0] if len(self._parts) == 1 else " ".join(self._parts)
        if table.is_row(before) or table.is_head(before):
            return self._open is not None and not table.is_whole(self._open, before)
        return self._line.stamp is not None or (_is_cut(before) and not self._begins_alike(before, line.text))

    def _begins_alike(self, before: str, text: str) -> bool:
        """Whether a line begins as the header of its report does: a prefix that nobody knows, so not a wrapped rest."""
        header = before if head.is_header(before) else self._header
        return header[:_ALIKE] == text[:_ALIKE]

    def _flush(self) -> None:
        if not self._parts:
            return
        text = " ".join(self._parts)
        self._parts = []
        self._take(text, self._line)

    def _take(self, text: str, line: Line) -> None:
        if head.is_header(text):
            self._begin(line)
            self._header = text
            assert self._open is not None
            head.header(self._open, text)
            self._finish(2)
            return
        if self._ends_here(text, line):
            self._finish(2)
        if self._open is None:
            return
        if self._reaped(text) or _read(self._open, text):
            self._idle_lines = 0
            self._open.last_line = line.number
            return
        self._idle_lines += 1
        patience = _PATIENCE_AFTER_KILL if self._open.outcome else _PATIENCE
        if self._idle_lines > patience:
            self._close()
            self._finish(0)

    def _begin(self, line: Line) -> None:
        self._close()
        self._open = Builder(line.number, line.stamp)
        self._idle_lines = 0

    def _close(self) -> None:
        if self._open is not None:
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

    def _ends_here(self, text: str, line: Line) -> bool:
        """Begin an event that has no header: lines of a kill alone, or of a cgroup's report cut off at its start."""
        if "ill" not in text and "oom-kill" not in text:
            return False
        is_killed = "Killed process" in text
        is_first = (
            ("ill process" in text and "score" in text)
            or (is_killed and " of memory" in text)
            or "killed as a result of limit" in text
            or "oom-kill:constraint" in text
            or "no killable process" in text
        )
        opened = self._open
        if opened is None:
            if is_first or is_killed:
                self._begin(line)
            return is_first or is_killed
        belongs = opened.outcome is None or opened.is_group_kill or "sharing same memory" in text
        if belongs or not is_first or (is_killed and (not opened.kills or verdict.is_told(opened, text))):
            return False
        self._begin(line)
        return True

    def _reaped(self, text: str) -> bool:
        """Give a line of the reaper to the event whose victim it was."""
        if "oom_reaper: reaped" not in text:
            return False
        found = verdict.reaped(text)
        if found is None:
            return True
        assert self._open is not None
        for builder in (self._open, *reversed(self._closed)):
            if any(kill.pid == found.pid for kill in builder.kills):
                builder.reaped.append(found)
                break
        return True


def _is_cut(text: str) -> bool:
    """Whether a line without time stamps lacks its end: a header, the fields of a zone, a line of a kill."""
    if head.is_header(text):
        return "oom_score_adj=" not in text
    if re.search(r"\bfree:\d+kB|\bactive_anon:\d+kB", text):
        return "free_cma:" not in text and "all_unreclaimable?" not in text
    if "Killed process" in text:
        return "oom_score_adj:" not in text and "rss" not in text[-40:]
    return False


def _read(builder: Builder, text: str) -> bool:
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
        _is_verdict(builder, text)
        or (builder.section == "head" and (head.cpu(builder, text) or head.frame(builder, text)))
        or (builder.section in {"head", ""} and "cpuset=" in text and head.cpuset(builder, text))
        or meminfo.start(builder, text)
        or memcg.line(builder, text)
        or meminfo.line(builder, text)
    )


def _is_verdict(builder: Builder, text: str) -> bool:
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
