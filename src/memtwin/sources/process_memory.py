"""A live process's memory, read from outside: /proc/PID/mem and pagemap, nothing written, the process never stopped.

Only pages that are present are read. A page in swap would be brought back by reading it, and one that was never touched
would get a page table: the look would change what it looks at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memtwin.procfs.pid import maps

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRESENT: Final = 1 << 63
_SWAPPED: Final = 1 << 62
_ENTRY_BYTES: Final = 8


class ProcessMemory:
    """The memory of process *pid*; raise OSError where it may not be read (ptrace rights are needed)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._pagemap = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(self._mem)
            raise

    def close(self) -> None:
        """Close the files."""
        os.close(self._mem)
        os.close(self._pagemap)

    def maps(self) -> maps.Maps:
        """Return what is mapped now."""
        where = Path(f"/proc/{self.pid}/maps")
        return maps.parse(where.read_text(errors="surrogateescape"), str(where))

    def run_ns(self) -> int | None:
        """Return how long all its threads have run, in ns; None where the kernel does not say (CONFIG_SCHED_INFO)."""
        total = 0
        try:
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return total

    def present(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of whole pages from *start* to *end* that are in RAM."""
        yield from self._ranges(start, end, _PRESENT)

    def held(self, start: int, end: int) -> int:
        """Return how many bytes of the whole pages from *start* to *end* are in RAM or in swap."""
        return sum(to - at for at, to in self._ranges(start, end, _PRESENT | _SWAPPED))

    def read(self, start: int, end: int, room: bytearray | None = None) -> bytes | bytearray | memoryview:
        """Return the bytes from *start* to *end*, both at pages; zeros where a page is not in RAM.

        *room* is what may be written over for that: to have pages of one's own costs more than to read them.
        """
        there = list(self.present(start, end))
        if there == [(start, end)]:
            if room is not None and end - start <= len(room):
                made = memoryview(room)[: end - start]
                if os.preadv(self._mem, [made], start) == end - start:
                    return made
            data = os.pread(self._mem, end - start, start)
            if len(data) == end - start:
                return data
        parts = bytearray(end - start)
        for at, to in there:
            part = os.pread(self._mem, to - at, at)
            parts[at - start : at - start + len(part)] = part
        return parts

    def _ranges(self, start: int, end: int, mask: int) -> Iterator[tuple[int, int]]:
        page = self.page_bytes
        begin = None
        at = start
        while at < end:
            count = min((end - at) // page, 1 << 15)
            entries = memoryview(os.pread(self._pagemap, count * _ENTRY_BYTES, at // page * _ENTRY_BYTES)).cast("Q")
            if not len(entries):
                break
            for entry in entries:
                if entry & mask:
                    if begin is None:
                        begin = at
                elif begin is not None:
                    yield begin, at
                    begin = None
                at += page
        if begin is not None:
            yield begin, at
