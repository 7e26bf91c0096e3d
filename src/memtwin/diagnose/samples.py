"""Series of each process and of the machine, from the files that each sample read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose.growth import LEAST_RISE_BYTES
from memtwin.procfs import meminfo
from memtwin.procfs.pid import smaps_rollup, statm, status
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH: Final = re.compile(r"proc/([0-9]+)/(statm|status|smaps_rollup|comm|maps)")
MACHINE_ROWS: Final = {"slab": "SUnreclaim", "page tables": "PageTables", "shmem or tmpfs": "Shmem"}
"""What grows outside of any process, by the row of meminfo that counts it."""


class Series:
    """Values at times (seconds since boot)."""

    __slots__ = ("times_s", "values")

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.values: list[float] = []

    def add(self, at_s: float, value: float) -> None:
        """Append a value; of two at one time the last counts."""
        self.times_s.append(at_s)
        self.values.append(value)


class HeapLook(NamedTuple):
    """What malloc had free at a time, and what a trim would have given."""

    at_s: float
    free_bytes: int
    trim_bytes: int


class ProcessSeries:
    """One process: anonymous memory with its swap at each sample, the other kinds as often as they were read."""

    def __init__(self, pid: int) -> None:
        self.pid, self.name = pid, "?"
        self.anon = Series()
        self.others: dict[str, Series] = {}
        self.heap: list[HeapLook] = []
        self.heap_unknown: str | None = None
        self.maps = ""
        self._swap_bytes = 0

    def add(self, at_s: float, kind: str, text: str, page_bytes: int) -> None:
        """Take in one file of the process."""
        if kind == "statm":
            pages = statm.parse(text)
            if pages.resident:  # all 0: a zombie, or a kernel thread
                self.anon.add(at_s, (pages.resident - pages.shared) * page_bytes + self._swap_bytes)
        elif kind == "status":
            self._status(at_s, status.parse(text))
        elif kind == "smaps_rollup":
            rows = smaps_rollup.parse(text).rows
            if "LazyFree" in rows:
                self._other("lazily freed", at_s, rows["LazyFree"])
        elif kind == "comm":
            self.name = text.removesuffix("\n")
        else:
            self.maps = text

    @property
    def has_grown(self) -> bool:
        """Whether its anonymous memory is more than at first, by what counts at all."""
        values = self.anon.values
        return bool(values) and values[-1] - values[0] >= LEAST_RISE_BYTES

    def _status(self, at_s: float, rows: status.Status) -> None:
        for kind, label in (("file", "RssFile"), ("shmem or tmpfs", "RssShmem"), ("page tables", "VmPTE")):
            found = rows.kib(label)
            if found is not None:
                self._other(kind, at_s, found)
        self._swap_bytes = bytes_of(rows.kib("VmSwap") or 0)

    def _other(self, kind: str, at_s: float, kib: int) -> None:
        self.others.setdefault(kind, Series()).add(at_s, bytes_of(kib))


class Samples:
    """All series of a window; *is_whole*: of all processes, so that what lies outside of any is of interest too."""

    def __init__(self, page_bytes: int, *, is_whole: bool = True) -> None:
        self._page_bytes, self.is_whole = page_bytes, is_whole
        self.processes: dict[int, ProcessSeries] = {}
        self.ended: list[ProcessSeries] = []
        self.machine: dict[str, Series] = {kind: Series() for kind in MACHINE_ROWS}
        self.counts: dict[str, Series] = {}
        self.begin_s: float | None = None
        self.end_s = 0.0
        self.is_cut_short = False
        """Whether watching ended before its time."""

    def add(self, boot_ms: int, files: Mapping[str, str]) -> None:
        """Take in the files that were read at *boot_ms* milliseconds since boot; what is cut off is left out."""
        at_s = boot_ms / 1000
        self.begin_s = at_s if self.begin_s is None else self.begin_s
        self.end_s = at_s
        for path, text in files.items():
            match = _PATH.fullmatch(path)
            try:
                if match:
                    self._of_process(int(match[1]), match[2], at_s, text)
                elif path == meminfo.PATH:
                    rows = meminfo.parse(text)
                    for kind, row in MACHINE_ROWS.items():
                        if row in rows:
                            self.machine[kind].add(at_s, bytes_of(rows[row]))
            except ValueError:  # a process that ended in the middle of being read
                continue
        self._count(at_s)

    def gone(self, pid: int) -> None:
        """Note that a process ended: a later one of its number is another."""
        found = self.processes.pop(pid, None)
        if found is not None:
            self.ended.append(found)

    def _of_process(self, pid: int, kind: str, at_s: float, text: str) -> None:
        if pid not in self.processes:
            self.processes[pid] = ProcessSeries(pid)
        self.processes[pid].add(at_s, kind, text, self._page_bytes)

    def _count(self, at_s: float) -> None:
        """Count processes by name: a program may leak processes instead of memory."""
        numbers: dict[str, int] = dict.fromkeys(self.counts, 0)
        for process in self.processes.values():
            numbers[process.name] = numbers.get(process.name, 0) + 1
        for name, number in numbers.items():
            self.counts.setdefault(name, Series()).add(at_s, number)
