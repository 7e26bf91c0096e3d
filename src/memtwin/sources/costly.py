"""What ``memtwin record`` reads by flag alone, as it costs the processes something: working sets and contents.

*Working set.* What the kernel notes of a process's pages as referenced is read (smaps) and forgotten (1 written to
clear_refs), so that each smaps in the trace has as Referenced what was touched since the one before. Both walk the
page tables under mmap_lock, and each page that is touched afterwards costs the CPU a walk of its own.

*Contents.* Of each process some pages are read through /proc/PID/mem and compressed: how many are one word, how many do
not compress, and how long the others are (``memtwin/PID/contents``: a file of the trace, not of /proc).
"""

from __future__ import annotations

import json
import os
import time
from itertools import cycle
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from memtwin.sources import page_sample
from memtwin.sources.compressors import compressors, is_same
from memtwin.sysfs.zram.zsmalloc import classes_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from memtwin.sources.recorder import Readings

MOST_SHARE: Final = 0.1
"""Share of the time that looks at working sets may take; beyond it their interval grows."""
CONTENTS: Final = "memtwin/{pid}/contents"
PAGES: Final = 200
EVERY_S: Final = 60.0
_LEAST_PAGES: Final = 256
_BYTES: Final = 1 << 20


LENGTHS = (1, 3, 6)
"""Of intervals, as multiples of the shortest."""


class WorkingSets:
    """Reads smaps of each process and clears its references, after so many seconds, and three and six times that.

    How much more a longer interval touches says how large the part is that a process works with.
    """

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._lengths = cycle(LENGTHS)
        self._due_s = 0.0
        self._cleared: set[int] = set()

    def look(self, pids: Collection[int], made: Readings) -> None:
        """Add smaps of those whose references were cleared before, and clear those of all."""
        begin = time.monotonic()
        if begin < self._due_s:
            return
        for pid in sorted(pids):
            path = f"proc/{pid}/smaps"
            try:
                if pid in self._cleared:
                    made.files[path] = _read(f"/{path}")
                _clear(pid)
                self._cleared.add(pid)
            except PermissionError as problem:
                made.unread[path] = problem.strerror or str(problem)
            except OSError:  # it ended meanwhile
                self._cleared.discard(pid)
        self._cleared &= set(pids)
        end = time.monotonic()
        self._due_s = begin + max(self.every_s * next(self._lengths), (end - begin) / MOST_SHARE)

    def price(self, pids: Collection[int]) -> str:
        """Say what it will cost, by reading once what it will read."""
        begin, refused = time.monotonic(), 0
        for pid in pids:
            try:
                _read(f"/proc/{pid}/smaps")
            except PermissionError:
                refused += 1
            except OSError:
                continue
        took = time.monotonic() - begin
        left_out = f"; {refused} of them only root may read: they are left out" if refused else ""
        return (
            f"the working set: every {self.every_s:g} s and more smaps is read and references are cleared, under the "
            f"mmap_lock of each process ({len(pids)}), {1000 * took:.1f} ms now ({100 * took / self.every_s:.2f} % of "
            f"the time), and each page that they touch afterwards costs a walk of the page table{left_out}"
        )


class Contents:
    """Samples pages of each process: at once, then after 1, 2, 4 ... seconds, and once a minute."""

    def __init__(self) -> None:
        release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
        self._version = release[0], release[1]
        self._classes = classes_of(self._version)
        self.algorithm, self._compress = next(iter(compressors((), self._version)[0].items()))
        self._due_s: dict[int, float] = {}
        self._wait_s: dict[int, float] = {}

    def look(self, pids: Collection[int], made: Readings) -> None:
        """Add what a sample of the pages of those that are due looks like."""
        now = time.monotonic()
        for pid in sorted(pids):
            if now < self._due_s.get(pid, 0.0):
                continue
            wait_s = self._wait_s.get(pid, 1.0)
            self._due_s[pid], self._wait_s[pid] = now + wait_s, min(2 * wait_s, EVERY_S)
            path = CONTENTS.format(pid=pid)
            try:
                population = page_sample.of_processes([pid], every=True)
                if population.refused:
                    made.unread[path] = "Permission denied"
                elif population.pages >= _LEAST_PAGES:
                    made.files[path] = json.dumps(self._of(population)).encode()
            except OSError:  # it ended meanwhile
                continue
        self._due_s = {pid: due for pid, due in self._due_s.items() if pid in pids}
        self._wait_s = {pid: wait_s for pid, wait_s in self._wait_s.items() if pid in pids}

    def price(self, pids: Collection[int]) -> str:
        """Say what it will cost."""
        return (
            f"contents: once a minute {PAGES} pages of each process ({len(pids)} now) are read through /proc/PID/mem, "
            f"each under its mmap_lock for some microseconds, and compressed by {self.algorithm}, some "
            f"{PAGES * len(pids) * 40e-6:.2f} s of CPU time here"
        )

    def _of(self, population: page_sample.Population) -> dict[str, Any]:
        lengths = [0 if is_same(page) else len(self._compress(page)) for page in page_sample.sample(population, PAGES)]
        stored = [self._classes.stored(length) for length in lengths if length]
        number, whole = max(len(lengths), 1), stored.count(page_sample.PAGE_BYTES)
        return {
            "algorithm": self.algorithm, "pages": population.pages, "sampled": len(lengths),
            "same": round(lengths.count(0) / number, 4), "whole": round(whole / number, 4),
            "rest_mean": round(fmean([one for one in stored if one < page_sample.PAGE_BYTES] or [0]), 1),
        }  # fmt: skip


def _clear(pid: int) -> None:
    fd = os.open(f"/proc/{pid}/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, b"1")
    finally:
        os.close(fd)


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, _BYTES):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)
