"""Series of each process and of the machine, from the files that each sample read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose.growth import LEAST_RISE_BYTES
from memtwin.procfs import meminfo
from memtwin.procfs.pid import smaps_rollup, statm, status
from memtwin.sources import cgroups
from memtwin.sources.texts import TextSource
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.sources.cgroups import Group

_PATH: Final = re.compile(r"proc/([0-9]+)/(statm|status|smaps_rollup|comm|maps)")
MACHINE_ROWS: Final = {"slab": "SUnreclaim", "page tables": "PageTables", "shmem or tmpfs": "Shmem"}
"""What grows outside of any process, by the row of meminfo that counts it."""
ANON: Final = "anonymous memory"
"""The kind that a heap is of, its swap included."""
PROCESS_ROWS: Final = {
    "file": "proc/PID/status: RssFile", "shmem or tmpfs": "proc/PID/status: RssShmem",
    "page tables": "proc/PID/status: VmPTE", "lazily freed": "proc/PID/smaps_rollup: LazyFree",
}  # fmt: skip
"""The rows that count what is not of a process's heap."""


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
    """What malloc had free at a time, what a trim would have given, and what was in use (mmapped blocks apart)."""

    at_s: float
    free_bytes: int
    trim_bytes: int
    used_bytes: int = 0


class ProcessSeries:
    """One process: anonymous memory with its swap at each sample, the other kinds as often as they were read."""

    def __init__(self, pid: int | None) -> None:
        self.pid, self.name = pid, "?"
        self.anon_rows: tuple[str, ...] = ("proc/PID/statm", "proc/PID/status: VmSwap")
        """The rows that :attr:`anon` rests on; :attr:`rows` those of the other kinds."""
        self.rows: Mapping[str, str] = PROCESS_ROWS
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


class GroupSeries(ProcessSeries):
    """A memory cgroup with those below it: what is charged to it, by kind; its processes have series of their own."""

    def __init__(self, group: Group) -> None:
        super().__init__(None)
        self.name, stat = group.path, f"{group.folder}/memory.stat"
        self.stat_path, self._version = stat, group.version
        self.used = Series()
        self.limit_bytes = group.limit_bytes
        if group.version == 1:
            self.anon_rows = (f"{stat}: total_rss", f"{stat}: total_swap")
            self.rows = {
                "page cache": f"{stat}: total_cache", "shmem or tmpfs": f"{stat}: total_shmem",
                "kernel memory": f"{group.folder}/memory.kmem.usage_in_bytes",
            }  # fmt: skip
        else:
            self.anon_rows = (f"{stat}: anon", f"{group.folder}/memory.swap.current")
            self.rows = {
                "page cache": f"{stat}: file", "shmem or tmpfs": f"{stat}: shmem",
                "slab": f"{stat}: slab_unreclaimable", "page tables": f"{stat}: pagetables",
            }  # fmt: skip

    def take(self, at_s: float, files: Mapping[str, str]) -> None:
        """Take in what was read of it; a kind that this kernel does not count is left out."""
        group = cgroups.read(TextSource("sample", files), self.name.removeprefix("cgroup "), self._version)
        if group is None:
            return
        stat, amounts = group.stat, group.amounts
        old = group.version == 1
        anon, cache, shmem = (
            stat.get(name)
            for name in (("total_rss", "total_cache", "total_shmem") if old else ("anon", "file", "shmem"))
        )
        if anon is not None:
            swap = stat.get("total_swap") if old else amounts.get("memory.swap.current")
            self.anon.add(at_s, anon + (swap or 0))
        kinds = {
            "page cache": None if cache is None else cache - (shmem or 0), "shmem or tmpfs": shmem,
            "slab": stat.get("slab_unreclaimable"), "page tables": stat.get("pagetables"),
            "kernel memory": amounts.get("memory.kmem.usage_in_bytes"),
        }  # fmt: skip
        for kind, value in kinds.items():
            if value is not None and kind in self.rows:
                self.others.setdefault(kind, Series()).add(at_s, value)
        if group.used_bytes is not None:
            self.used.add(at_s, group.used_bytes)
        self.limit_bytes = group.limit_bytes


class Samples:
    """All series of a window; *is_whole*: of all processes, so that what lies outside of any is of interest too."""

    def __init__(self, page_bytes: int, *, is_whole: bool = True) -> None:
        self._page_bytes, self.is_whole = page_bytes, is_whole
        self.processes: dict[int, ProcessSeries] = {}
        self.ended: list[ProcessSeries] = []
        self.machine: dict[str, Series] = {kind: Series() for kind in MACHINE_ROWS}
        self.counts: dict[str, Series] = {}
        self.totals: dict[str, dict[str, Series]] = {}
        """By name and kind, what all its processes have together; ANON is anonymous memory with its swap."""
        self.group: GroupSeries | None = None
        """The cgroup whose processes these are, where one was asked for."""
        self.begin_s: float | None = None
        self.end_s = 0.0
        self.reads_heaps = False
        """Whether what malloc has free is read: not in a trace."""
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
        if self.group is not None and self.group.stat_path in files:
            self.group.take(at_s, files)
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
        """Count processes and what they have by name: a program may leak processes instead of memory."""
        numbers: dict[str, int] = dict.fromkeys(self.counts, 0)
        held = {name: dict.fromkeys(kinds, 0.0) for name, kinds in self.totals.items()}
        for process in self.processes.values():
            numbers[process.name] = numbers.get(process.name, 0) + 1
            own = held.setdefault(process.name, {})
            for kind, series in ((ANON, process.anon), *process.others.items()):
                if series.values:
                    own[kind] = own.get(kind, 0.0) + series.values[-1]
        for name, number in numbers.items():
            self.counts.setdefault(name, Series()).add(at_s, number)
            totals = self.totals.setdefault(name, {})
            for kind, value in held.get(name, {}).items():
                totals.setdefault(kind, Series()).add(at_s, value)
