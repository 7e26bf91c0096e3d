"""A process of a trace that has which pages were touched: it touches the same ones, in a region laid out as its own.

Its anonymous memory is one region, of those page tables (2 MiB of addresses each) that ever had something, one after
another by rising address, so that neighbours stay neighbours. A forked child has its parent's addresses and region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.diagnose.page_bits import digits, lowest, parts, runs, windows
from memtwin.diagnose.player import LEAST_FREED, PAGE, Player
from memtwin.sources.page_looks import PAGES_PER_TABLE, MappedFile, PageLook, Pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.diagnose.player import Life, Size

TABLE_BYTES: Final = PAGES_PER_TABLE * PAGE
Tables = dict[int, int]
"""Where in the region each page table is, by its number."""
Mapped = dict[MappedFile, tuple[str, str]]
"""The region and the file that stand for what was mapped, in the scenario."""


def tables_of(lives: Iterable[Life]) -> Tables:
    """Return the tables that processes with the same addresses ever had something in."""
    numbers = {number for life in lives for size in life.sizes if size.pages for number in size.pages.own}
    return {number: at for at, number in enumerate(sorted(numbers))}


def mapped_of(lives: Iterable[Life]) -> tuple[Mapped, dict[str, int]]:
    """Return what stands for each mapped file, and the files' sizes in bytes."""
    npages: dict[str, int] = {}
    found: Mapped = {}
    for life in lives:
        for size in life.sizes:
            for mapped, pages in (size.pages.files if size.pages else {}).items():
                npages[mapped.path] = max(npages.get(mapped.path, 0), pages.npages)
                found[mapped] = "", ""
    names = {path: f"mapped{number}" for number, path in enumerate(npages)}
    for mapped in found:
        found[mapped] = names[mapped.path] + ("x" if mapped.executable else ""), names[mapped.path]
    return found, {names[path]: length * PAGE for path, length in npages.items()}


class PagePlayer(Player):
    """A process of the scenario whose pages are known: those that it has, and those that it touched last, as bits."""

    def __init__(self, life: Life, tables: Tables, mapped: Mapped) -> None:
        super().__init__(life)
        self.tables, self.mapped = tables, mapped
        self.had = 0
        self.of_files: dict[MappedFile, int] = {}

    def fork(self, parent: Size) -> None:
        """Begin with the pages of its *parent*; what is mapped of files a fork leaves out."""
        self.had = self._bits(parent.pages)[0] if parent.pages else 0
        self.of_files = dict.fromkeys(parent.pages.files, 0) if parent.pages else {}
        self.faults = 0

    def go_on(self, size: Size) -> Iterable[str]:
        """Yield the lines that bring it to *size*."""
        if size.pages is None:
            return
        had, touched, written = self._bits(size.pages)
        new, again = had & ~self.had, touched & had & self.had
        known = new.bit_count() + (again & written).bit_count()
        yield from self._free("heap", self.had & ~had)
        for mapped in {**self.of_files, **size.pages.files}:
            now = size.pages.files.get(mapped, Pages(0, 0, 0))
            before = self.of_files.get(mapped, 0)
            known += windows(now.had & ~before) + (now.written & before).bit_count()
            yield from self._use(mapped, now)
        self.owed -= known
        if size.faults is not None and self.faults is not None:
            self.owed += size.faults - self.faults
            self.faults = size.faults
        yield from self._use_again(again, written)
        yield from self._write(new)
        yield from self._churn(new | again)
        self.had = had

    def _use(self, mapped: MappedFile, now: Pages) -> Iterator[str]:
        """Yield touches of what is mapped of a file, new or used, and frees of what is gone."""
        region, file = self.mapped[mapped]
        if mapped not in self.of_files:
            yield f"{self.word} fmap {region} {file} private {'rwx' if mapped.executable else 'rw'}"
        before = self.of_files.get(mapped, 0)
        yield from self._free(region, before & ~now.had)
        used = now.touched | now.had & ~before
        yield from self._touch(used & ~now.written, "r", region)
        yield from self._touch(used & now.written, "w", region)
        self.of_files[mapped] = now.had

    def _free(self, region: str, bits: int) -> Iterator[str]:
        for first, npages in runs(bits):
            yield f"{self.word} madvise {region} {first * PAGE} {npages * PAGE} dontneed"

    def _use_again(self, bits: int, written: int) -> Iterator[str]:
        """Yield touches of pages, each run of neighbours upwards and the runs beside one another."""
        for at, part in parts(bits):
            self.draws += 1
            read = part & ~(written >> at)
            order = f"set:{digits(part)}:{self.draws}{f':{digits(read)}' if read else ''}"
            yield f"{self.word} touch heap {at * PAGE} {part.bit_length() * PAGE} w {order}"

    def _churn(self, pages: int) -> Iterator[str]:
        """Yield as many faults as it still owes: pages that it touched are freed and written again, long runs first."""
        freed = sorted(runs(pages), key=_length, reverse=True)
        while self.owed >= LEAST_FREED // PAGE and freed:
            for first, npages in freed:
                part = min(npages, self.owed)
                if part <= 0:
                    break
                yield from self._free("heap", ((1 << part) - 1) << first)
                yield from self._write(((1 << part) - 1) << first)
                self.owed -= part

    def _write(self, bits: int) -> Iterator[str]:
        """Yield the lines that write pages, a share of them with each content."""
        pages, before, share = bits.bit_count(), 0, 0
        for content, percent in self.mix:
            share += percent
            end = pages * share // 100
            part = bits if end == pages and not before else lowest(bits, end - before)
            if part:
                yield from self._touch(part, "w", more=f" content={content}")
            bits, before = bits & ~part, end

    def _touch(self, bits: int, how: str, region: str = "heap", more: str = "") -> Iterator[str]:
        for at, part in parts(bits):
            npages = part.bit_length()
            order = "seq" if part == (1 << npages) - 1 else f"set:{digits(part)}"
            yield f"{self.word} touch {region} {at * PAGE} {npages * PAGE} {how} {order}{more}"

    def _bits(self, look: PageLook) -> tuple[int, int, int]:
        """Return its own pages that it had, touched and wrote, as pages of the region."""
        had = touched = written = 0
        for number, pages in look.own.items():
            at = PAGES_PER_TABLE * self.tables[number]
            had |= pages.had << at
            touched |= pages.touched << at
            written |= pages.written << at
        return had, touched, written


def _length(run: tuple[int, int]) -> int:
    return run[1]
