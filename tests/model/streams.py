"""Reading and writing a file call by call, and what came into the page cache meanwhile: for tests of file policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux import touch
from memtwin.linux.check import testing
from memtwin.linux.fs import drop_caches, read_write
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import filemap, memory
from memtwin.machine import program
from memtwin.run import run
from memtwin.scenario import parse

if TYPE_CHECKING:
    from memtwin.linux.core.state import State

PAGE = 4096


class Stream:
    """One process on a described machine with one open file `f` of *pages* pages; *header*: more scenario lines."""

    def __init__(self, pages: int, header: str = "", ram: str = "192M") -> None:
        text = f"machine ram={ram}\nfile f {pages}P\n{header}\nproc A\n"
        self.done = run.simulate(parse(text), None)
        self.state: State = self.done.machine.state
        self.process = self.done.processes.by_name["A"]
        self.task = self.process.task
        self.file = self.done.disk.numbers["f"]
        self.pages = pages
        self.filp = self.open()
        self.buffer = self.done.machine.program.io_buffer
        self._map(self.buffer, self.done.machine.program.io_buffer_pages)

    def open(self) -> int:
        """Open the file once more: its number."""
        return self.done.disk.open(self.task, "f")

    def _map(self, start: int, pages: int) -> None:
        assert kernel_fork.mmap(self.state, self.task, start, pages, program.RW) == 0

    def io(self, offset: int, size: int, *, write: bool = False, filp: int = 0, state: State | None = None) -> None:
        """One pread or pwrite of *size* bytes at *offset*."""
        machine = state or self.state
        number = filp or self.filp
        call = read_write.FileIo(machine, self.task, number, offset, size, 1, write, self.buffer, 1)
        assert call.run() == 0

    def cached(self, state: State | None = None) -> set[int]:
        """The pages of the file that are in memory."""
        machine = state or self.state
        return {index for index in range(self.pages) if testing.file_frame(machine, self.file, index)}

    def read(self, page: int, count: int, filp: int = 0) -> tuple[int, int] | None:
        """Read *count* pages; the window that this brought in as (start, size), None if nothing came."""
        before = self.cached()
        self.io(page * PAGE, count * PAGE, filp=filp)
        return window(self.cached() - before)

    def marks(self, start: int, size: int) -> list[int]:
        """Which pages of a window carry the readahead mark: touching one in a copy of the machine reads more."""
        return [page for page in range(start, start + size) if self._reads_more(page)]

    def _reads_more(self, page: int) -> bool:
        copy = self.state.copy()
        before = filemap.cached_pages(copy, self.file)
        self.io(page * PAGE, PAGE, state=copy)
        return filemap.cached_pages(copy, self.file) > before

    def fault(self, start: int, page: int, *, write: bool = False) -> tuple[int, int] | None:
        """Touch page *page* of a mapping at *start*; the window that this brought in."""
        before = self.cached()
        assert memory.touch_page(self.state, self.task, start + page, write) == 0
        return window(self.cached() - before)

    def fill_anonymous(self, pages: int) -> None:
        """Write *pages* pages of fresh anonymous memory."""
        start = self.process.next_region
        self._map(start, pages)
        assert touch.Touch(self.state, self.task, start, pages, True, kind=0).run() == 0

    def drop(self) -> None:
        """Drop what can be dropped of the page cache."""
        drop_caches.drop_caches(self.state, 1)

    def events(self) -> dict[str, int]:
        """Event and node counters by name."""
        return {**self.state.events_by_name(), **self.state.node_stats()}


def window(pages: set[int]) -> tuple[int, int] | None:
    """(first, how many) of neighbouring pages; they must be neighbours."""
    if not pages:
        return None
    assert max(pages) - min(pages) + 1 == len(pages), sorted(pages)
    return min(pages), len(pages)
