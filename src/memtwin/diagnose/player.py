"""A process of a trace over time, and the lines of a scenario that make one like it.

It writes what it had more, frees what it had less, and where it faulted more often than it grew it frees and writes as
much again; where it faulted less often, it grew by huge pages, each of which is one fault. How much it worked with
beside that it touches among the newest of what it has.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memtwin.diagnose.locality import Part, touches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.sources.open_files import OpenFile
    from memtwin.sources.page_looks import PageLook
    from memtwin.sources.tracks import Process

PAGE: Final = 4096
HUGE: Final = 2 << 20
FRESH_FILE_BYTES: Final = 708 << 10
"""What a process of a scenario has of its own program when it has begun, and below, of its own; a test holds them."""
FRESH_ANON_BYTES: Final = 18 * PAGE
FRESH_FAULTS: Final = 35
Mix = tuple[tuple[str, int], ...]
HALF: Mix = (("half", 100),)
"""Contents where none were sampled: pages of which half is random."""
FAULT_AROUND_PAGES: Final = 16
LEAST_FREED: Final = 64 * PAGE
"""What is freed and written again at a time, at least: not a line for each fault."""


@dataclass(slots=True)
class Size:
    """What a process had at one time: seconds since the first sample, bytes by kind, minor faults since it began."""

    at_s: float
    anon_bytes: int
    file_bytes: int
    faults: int | None
    touched: tuple[int, int] | None = None
    """Anonymous and file bytes that were touched since the last such sample, where it was recorded."""
    after_s: float = 0.0
    """Since that sample."""
    huge_bytes: int | None = None
    """How much of the anonymous memory was huge pages when that was next read."""
    within: int | None = None
    """How much anonymous memory was touched in the interval in which this sample lies, where that was recorded."""
    parts: tuple[Part | None, Part | None] = (None, None)
    """What it worked with at that time, of its anonymous memory and of files, where that follows."""
    pages: PageLook | None = None
    """Which pages it had and had touched since the sample before, where that was recorded."""
    open_files: Sequence[OpenFile] = ()


@dataclass(slots=True)
class Life:
    """A process of the trace, or one of the programs that it executed; *ended_s* None: it was there at the end."""

    pid: int
    is_born: bool
    """Whether it began while the trace was made: then all of its faults are in it."""
    name: str = ""
    word: str = ""
    parent: Life | None = None
    """The process of the trace that started it, where that is known."""
    sizes: list[Size] = field(default_factory=list)
    ended_s: float | None = None
    process: Process | None = None
    program: int = 0
    """What tells the program that it runs from others; 0: not known."""
    faults_before: int = 0
    """How often the process faulted before it executed this program."""
    has_forked: bool = False
    """Whether a process of the trace began with memory of its."""
    mix: Mix = HALF
    """Contents of its anonymous pages, in shares of 100."""

    @property
    def is_forked(self) -> bool:
        """Whether it began with memory of its parent's: it has more than it faulted on."""
        first = self.sizes[0]
        return self.parent is not None and first.faults is not None and first.faults * PAGE < first.anon_bytes // 2

    @property
    def has_huge_pages(self) -> bool:
        """Whether it ever had huge pages, and no other process has its memory."""
        return not self.has_forked and not self.is_forked and any(size.huge_bytes for size in self.sizes)

    @property
    def peak_bytes(self) -> int:
        """The most that it had."""
        return max(one.anon_bytes + one.file_bytes for one in self.sizes)

    def at(self, at_s: float) -> Size | None:
        """Return what it had at a time; None before it began and after it ended."""
        after = bisect_right(self.sizes, at_s, key=_at_s)
        return None if not after or (self.ended_s is not None and at_s >= self.ended_s) else self.sizes[after - 1]


class Player:
    """A process of the scenario: how much of its regions it has, and how many faults it still owes the trace."""

    def __init__(self, life: Life) -> None:
        self.word, self.mix = life.word, life.mix
        self.anon = self.files = 0
        self.has_huge_pages = life.has_huge_pages
        self.huge, self.huge_from = 0, 0
        """Its huge pages, and how many of them it had at the last working set that is in the trace."""
        self.touched_from = [0, 0]
        """From where on its heap and its files were touched since the last working set that is in the trace."""
        self.shared = 0
        """Up to where its heap is still its parent's, of which a write copies a page."""
        self.faults = FRESH_FAULTS if life.is_born else life.sizes[0].faults
        self.owed = 0
        self.draws = 0
        self.is_there = not life.is_born
        """Whether it is yet to get what it had when the trace began: that is none of the trace's faults."""

    def fork(self, parent: Size) -> None:
        """Begin with the anonymous memory that its *parent* has; what is mapped of files a fork leaves out."""
        self.anon = self.shared = up(max(parent.anon_bytes - FRESH_ANON_BYTES, 0))
        self.touched_from[0] = self.anon
        self.faults = 0

    def go_on(self, size: Size) -> Iterable[str]:
        """Yield the lines that bring it to *size*."""
        anon = up(max(size.anon_bytes - FRESH_ANON_BYTES, 0))
        if self.has_huge_pages:
            yield from self._use_huge_pages(size, anon)
            anon -= self.huge * HUGE
        if anon > self.anon:
            yield from written(self.word, self.anon, anon - self.anon, self.mix)
        elif anon < self.anon:
            yield f"{self.word} madvise heap {anon} {self.anon - anon} dontneed"
        self.owed -= max(anon - self.anon, 0) // PAGE
        self.touched_from[0] = min(self.touched_from[0], self.anon, anon)
        self.anon = anon
        yield from self.map_files(size)
        if self.is_there:
            self.is_there, self.owed = False, 0
        if size.faults is not None and self.faults is not None:
            self.owed += size.faults - self.faults
            self.faults = size.faults
            yield from self._fault(size.within)
        if size.touched is not None:
            yield from self.work(size)

    def _use_huge_pages(self, size: Size, anon: int) -> Iterable[str]:
        """Yield the lines that give it huge pages where it grew by fewer faults than pages, or that free some."""
        grown = anon - self.anon - self.huge * HUGE
        number = 0
        if grown > 0:
            if self.is_there or size.faults is None or self.faults is None:
                number = (size.huge_bytes or 0) // HUGE - self.huge
            else:
                faults = max(size.faults - self.faults + self.owed, 0)
                number = round((grown // PAGE - faults) / (HUGE // PAGE - 1))
            number = min(max(number, 0), grown // HUGE)
            yield from written(self.word, self.huge * HUGE, number * HUGE, self.mix, region="huge")
            self.owed -= number
        elif grown < 0:
            known = self.huge if size.huge_bytes is None else size.huge_bytes // HUGE
            number = -max(min(self.huge - known, -grown // HUGE), self.huge - anon // HUGE, 0)
            if number:
                yield f"{self.word} madvise huge {(self.huge + number) * HUGE} {-number * HUGE} dontneed"
        self.huge += number
        self.huge_from = min(self.huge_from, self.huge)

    def map_files(self, size: Size) -> Iterable[str]:
        """Yield the lines that give it as much of files."""
        files = up(max(size.file_bytes - FRESH_FILE_BYTES, 0))
        if files > self.files:
            yield f"{self.word} touch files {self.files} {files - self.files} r seq"
        elif files < self.files:
            yield f"{self.word} madvise files {files} {self.files - files} dontneed"
        self.owed -= max(files - self.files, 0) // PAGE // FAULT_AROUND_PAGES
        self.touched_from[1] = min(self.touched_from[1], self.files, files)
        self.files = files

    def _fault(self, within: int | None) -> Iterable[str]:
        """Yield writes that fault as often as it owes, *within* so many bytes where known, and leave it as large."""
        if self.owed > 0 and self.shared:
            part = min(self.owed * PAGE, self.shared, self.anon)
            if part:
                yield from written(self.word, self.shared - part, part, self.mix)
            self.shared -= part
            self.owed -= part // PAGE
            self.touched_from[0] = min(self.touched_from[0], self.shared)
        most = self.anon if within is None else min(self.anon, max(up(within - FRESH_ANON_BYTES), LEAST_FREED))
        while self.owed > 0 and self.anon:
            part = min(self.owed * PAGE, most)
            yield f"{self.word} madvise heap {self.anon - part} {part} dontneed"
            yield from written(self.word, self.anon - part, part, self.mix)
            self.owed -= part // PAGE
            self.touched_from[0] = min(self.touched_from[0], self.anon - part)

    def work(self, now: Size) -> Iterable[str]:
        """Yield touches of what it touched beyond what was new to it: of the newest pages that it has.

        Where it follows how large the part is that it works with, they are by chance within that, as many as touch as
        much; else in order, once.
        """
        for number, region, size, fresh in self.regions():
            part, worked = now.parts[number], max((now.touched or (0, 0))[number] - fresh, 0)
            if region == "heap" and self.has_huge_pages:
                worked = max(worked - (self.huge - self.huge_from) * HUGE, 0)
                again = min(round(worked / HUGE), self.huge_from)
                if again:
                    yield f"{self.word} touch huge {(self.huge_from - again) * HUGE} {again * HUGE} w seq"
                worked = max(worked - again * HUGE, 0)
            old = min(self.touched_from[number], size)
            again = up(max(worked - (size - old), 0))
            begin = max(old - max(again, up((part.size_bytes - fresh if part else 0) - (size - old))), 0)
            if not again or begin >= old:
                continue
            rate = part.touched_bytes_per_s if part else None
            known = None if rate is None else rate * now.after_s / PAGE
            draws = touches(min(again, old - begin) // PAGE, (old - begin) // PAGE, known) if part else None
            self.draws += 1
            order = "seq" if draws is None else f"rand:{draws}:{self.draws}"
            how = "w" if region == "heap" and not self.shared else "r"
            yield f"{self.word} touch {region} {begin} {old - begin} {how} {order}"
        self.touched_from, self.huge_from = [self.anon, self.files], self.huge

    def regions(self) -> Sequence[tuple[int, str, int, int]]:
        """Return of which it is known how much was touched: number, name, size, and what of it it had when it began."""
        return [(0, "heap", self.anon, FRESH_ANON_BYTES), (1, "files", self.files, 0)]


def written(word: str, offset: int, length: int, mix: Mix, region: str = "heap") -> Iterable[str]:
    """Yield the lines that write a part of a region, a share of it with each content."""
    pages, begin, share = length // PAGE, 0, 0
    for content, percent in mix:
        share += percent
        end = pages * share // 100
        if end > begin:
            yield f"{word} touch {region} {offset + begin * PAGE} {(end - begin) * PAGE} w seq content={content}"
        begin = end


def _at_s(size: Size) -> float:
    return size.at_s


def up(size_bytes: int) -> int:
    """Return a size in whole pages, at least one unless it is none."""
    return max(-(-size_bytes // PAGE), 1) * PAGE if size_bytes > 0 else 0
