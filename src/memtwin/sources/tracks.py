"""A trace as figures over time: at each sample the figures of the machine and of each process that were read for it.

A file that was not read for a sample gives no figure there: it may have changed all the same.
"""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.errors import ProcParseError
from memtwin.procfs import loadavg, meminfo, pressure, swaps, vmstat
from memtwin.procfs.pid import maps, smaps, smaps_rollup, stat, statm, status
from memtwin.sources import open_files, page_looks
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from memtwin.sources.deltas import FileState
    from memtwin.sources.open_files import OpenFile
    from memtwin.sources.page_looks import PageLook
    from memtwin.sources.trace import Trace

_OF_PROCESS: Final = re.compile(r"proc/([0-9]{1,10})/(statm|status|stat|smaps_rollup|smaps)")
_CONTENTS: Final = re.compile(r"memtwin/([0-9]{1,10})/contents")
_PAGES: Final = re.compile(r"memtwin/([0-9]{1,10})/(pages|files)")
_STATUS: Final = {
    "RssAnon": "anon_bytes", "RssFile": "file_bytes", "RssShmem": "shmem_bytes", "VmSwap": "swap_bytes",
    "VmPTE": "page_tables_bytes",
}  # fmt: skip
_ROLLUP: Final = {"Pss": "pss_bytes", "LazyFree": "lazy_free_bytes", "AnonHugePages": "huge_bytes"}
_STAT: Final = {"minflt": "minor_faults", "majflt": "major_faults"}
PROCESS_FIGURES: Final = (
    "virt_bytes", "res_bytes", "shr_bytes", *_STATUS.values(), *_ROLLUP.values(), *_STAT.values(), "cpu_us",
    "touched_anon_bytes", "touched_file_bytes",
)  # fmt: skip
"""What a process can have, in this order."""
COUNTERS: Final = {*_STAT.values(), "cpu_us"}
"""Those of a process that only grow."""


class Process(NamedTuple):
    """A process of the trace: a number is used again, so that it is known with its start, in ticks since boot."""

    pid: int
    start_ticks: int


class Moment(NamedTuple):
    """One sample: figures by name, which ends with the unit where it is none of events.

    *names* and *parents* (at their birth, where those are of the trace) are those of all processes up to then.
    """

    unix_ms: int
    boot_ms: int
    ticks_per_s: int
    machine: dict[str, float]
    processes: dict[Process, dict[str, int]]
    names: dict[Process, str]
    parents: dict[Process, Process]
    pages: Mapping[Process, PageLook] = MappingProxyType({})
    """Which pages each had and touched, where that was read."""
    files: Mapping[Process, Sequence[OpenFile]] = MappingProxyType({})
    """Which files each had open."""
    programs: Mapping[Process, int] = MappingProxyType({})
    """Where the stack of each begins: another place after it has executed another program; 0: not to be read."""


def unit_of(figure: str) -> str:
    """Return ``bytes``, ``us``, ``pages`` or ``count``.

    >>> unit_of("anon_bytes"), unit_of("cpu_us"), unit_of("nr_dirty"), unit_of("pgfault")
    ('bytes', 'us', 'pages', 'count')
    """
    for end in ("bytes", "us"):
        if figure.endswith(f"_{end}"):
            return end
    return "pages" if figure.startswith("nr_") else "count"


class Tracks:
    """The figures of one trace; :attr:`damaged` counts files of single samples that could not be read."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.damaged = 0
        self._names: dict[Process, str] = {}
        self._parents: dict[Process, Process] = {}
        self._programs: dict[Process, int] = {}
        self._by_pid: dict[int, Process] = {}
        self.contents: dict[Process, dict[str, float]] = {}
        """What the last sample of the pages of each was like, where they were sampled (``record --contents``)."""
        self._page_bytes, self._ticks_per_s = 4096, 100
        self._forgets = False
        """Whether references were forgotten after each smaps, so that those of the next are what was touched since."""

    def moments(self) -> Iterator[Moment]:
        """Yield the samples in the order in which they were taken."""
        for sample in self._trace.walk():
            meta = sample.state.meta
            self._page_bytes, self._ticks_per_s = (
                int(meta.get("page_bytes") or 4096),
                int(meta.get("ticks_per_s") or 100),
            )
            self._forgets = bool(meta.get("working_set_ms"))
            machine: dict[str, float] = {}
            processes: dict[Process, dict[str, int]] = {}
            pages: dict[Process, PageLook] = {}
            files: dict[Process, Sequence[OpenFile]] = {}
            for path in sorted(sample.state.read_now, key=_stat_first):
                match = _OF_PROCESS.fullmatch(path)
                if match:
                    self._add(sample.state, path, match[2], int(match[1]), processes)
                elif found := _CONTENTS.fullmatch(path):
                    pid = int(found[1])
                    text = sample.state.text(path) or b"{}"
                    self.contents[self._by_pid.setdefault(pid, Process(pid, 0))] = json.loads(text)
                elif found := _PAGES.fullmatch(path):
                    self._look(sample.state, path, int(found[1]), files if found[2] == "files" else pages)
                elif path in _MACHINE or path.startswith("proc/pressure/"):
                    machine.update(self._parsed(sample.state, path, _MACHINE.get(path, _pressure)) or {})
            times = (sample.unix_ms, sample.boot_ms, self._ticks_per_s)
            yield Moment(*times, machine, processes, self._names, self._parents, pages, files, self._programs)

    def _look(self, state: FileState, path: str, pid: int, found: dict[Process, Any]) -> None:
        """Add the pages of a process to those *found*, or its open files."""
        where = state.text(maps.PATH.format(pid=pid))
        text = (state.text(path) or b"").decode(errors="replace")
        process = self._by_pid.setdefault(pid, Process(pid, 0))
        try:
            if path.endswith("/files"):
                found[process] = open_files.parse(text, path)
            elif where is not None:
                found[process] = page_looks.parse(text, where.decode(errors="surrogateescape"), path)
        except ProcParseError:
            self.damaged += 1

    def _add(self, state: FileState, path: str, kind: str, pid: int, processes: dict[Process, dict[str, int]]) -> None:
        if kind == "smaps" and not self._forgets:
            return
        found = self._parsed(state, path, {"stat": self._stat, "statm": self._statm}.get(kind) or _ROWS[kind])
        if not found:
            return
        if kind == "stat":
            self._by_pid[pid] = Process(pid, int(found["start_ticks"]))
            self._programs[self._by_pid[pid]] = int(found["stack"])
            parent = self._by_pid.get(int(found["parent"]))
            if parent is not None:
                self._parents.setdefault(self._by_pid[pid], parent)
            self._names[self._by_pid[pid]] = _comm(state.text(path) or b"")
        process = self._by_pid.setdefault(pid, Process(pid, 0))
        self._names.setdefault(process, str(pid))
        processes.setdefault(process, {}).update(
            (name, int(value)) for name, value in found.items() if name in PROCESS_FIGURES
        )

    def _parsed(
        self, state: FileState, path: str, read: Callable[[str, str], Mapping[str, float]]
    ) -> Mapping[str, float] | None:
        text = (state.text(path) or b"").decode(errors="surrogateescape")
        try:
            return read(text, path)
        except ProcParseError:  # a process that ended in the middle of being read
            self.damaged += 1
            return None

    def _statm(self, text: str, path: str) -> Mapping[str, float]:
        one = statm.parse(text, path)
        sizes = {"virt_bytes": one.size, "res_bytes": one.resident, "shr_bytes": one.shared}
        return {name: pages * self._page_bytes for name, pages in sizes.items()}

    def _stat(self, text: str, path: str) -> Mapping[str, float]:
        one = stat.parse(text, path)
        ticks = (one.field("utime") or 0) + (one.field("stime") or 0)
        counts = {name: one.field(field) or 0 for field, name in _STAT.items()}
        names = {"start_ticks": "starttime", "parent": "ppid", "stack": "startstack"}
        of = {name: one.field(field) or 0 for name, field in names.items()}
        return {**counts, **of, "cpu_us": ticks * 1_000_000 // self._ticks_per_s}


def _stat_first(path: str) -> tuple[bool, str]:
    """Sort a process's stat before its other files: it says which process the number is now."""
    return not path.endswith("/stat"), path


def _comm(data: bytes) -> str:
    return data[data.find(b"(") + 1 : data.rfind(b")")].decode(errors="replace")


def _status(text: str, path: str) -> Mapping[str, float]:
    record = status.parse(text, path)
    amounts = {name: record.kib(label) for label, name in _STATUS.items()}
    return {name: bytes_of(kib) for name, kib in amounts.items() if kib is not None}


def _rollup(text: str, path: str) -> Mapping[str, float]:
    rows = smaps_rollup.parse(text, path).rows
    return {name: bytes_of(rows[label]) for label, name in _ROLLUP.items() if label in rows}


def _smaps(text: str, path: str) -> Mapping[str, float]:
    """Return what was touched since references were cleared, of anonymous memory and of files, and huge pages."""
    anon = files = huge = 0
    for block in smaps.parse(text, path).blocks:
        touched = block.kib("Referenced") or 0
        own = touched if block.mapping.path is None or block.mapping.path.startswith("[") else 0
        own = own or min(touched, block.kib("Anonymous") or 0)
        anon, files = anon + own, files + touched - own
        huge += block.kib("AnonHugePages") or 0
    return {"touched_anon_bytes": anon << 10, "touched_file_bytes": files << 10, "huge_bytes": huge << 10}


def _meminfo(text: str, path: str) -> Mapping[str, float]:
    rows = meminfo.parse(text, path)
    counts = {label: rows[label] for label in rows if label.startswith("HugePages_")}
    return counts | {f"{label}_bytes": bytes_of(rows[label]) for label in rows if label not in counts}


def _vmstat(text: str, path: str) -> Mapping[str, float]:
    return dict(vmstat.parse(text, path))


def _loadavg(text: str, path: str) -> Mapping[str, float]:
    one = loadavg.parse(text, path)
    loads = {"load1": one.load1_hundredths, "load5": one.load5_hundredths, "load15": one.load15_hundredths}
    return {name: value / 100 for name, value in loads.items()}


def _swaps(text: str, path: str) -> Mapping[str, float]:
    return {f"swap {one.filename} used_bytes": bytes_of(one.used_kib) for one in swaps.parse(text, path).areas}


def _pressure(text: str, path: str) -> Mapping[str, float]:
    one, resource = pressure.parse(text, path), path.rpartition("/")[2]
    stalls = {"some": one.some, "full": one.full}
    return {f"psi_{resource}_{name}_us": stall.total_us for name, stall in stalls.items() if stall is not None}


_MACHINE: Final[dict[str, Callable[[str, str], Mapping[str, float]]]] = {
    meminfo.PATH: _meminfo, vmstat.PATH: _vmstat, loadavg.PATH: _loadavg, swaps.PATH: _swaps,
}  # fmt: skip
_ROWS: Final[dict[str, Callable[[str, str], Mapping[str, float]]]] = {
    "status": _status, "smaps_rollup": _rollup, "smaps": _smaps,
}  # fmt: skip
