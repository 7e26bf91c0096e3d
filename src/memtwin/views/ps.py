"""``ps``: processes and their memory, in columns that say what each means.

VIRT is address space that was asked for, RES what of it is in RAM now, SHR the part of RES that files and shared memory
back (others may use the same pages), PSS is RES with each shared page divided by those who map it, USS what would be
free if the process ended. So only PSS adds up over processes, to AnonPages + Mapped of meminfo.

Sources: /proc/PID/status, stat, smaps_rollup, oom_score (proc(5), fs/proc/array.c and task_mmu.c of v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.render.amount import COLUMN, DURATION, TENTHS
from memtwin.render.grid import NUMBER, TEXT, Column, Grid, View
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memtwin.procfs.pid.smaps_rollup import SmapsRollup
    from memtwin.procfs.pid.stat import PidStat
    from memtwin.procfs.pid.status import Status
    from memtwin.render.openmetrics import Metric

Value = int | float | str | None


class MachineTotals(NamedTuple):
    """What a row needs of the machine; None is not known."""

    total_kib: int | None
    up_s: float | None
    ticks_per_s: int


class ProcessRecords(NamedTuple):
    """The records of one process; None where one cannot be read, or was not asked for."""

    pid: int
    status: Status
    stat: PidStat | None
    rollup: SmapsRollup | None
    oom_score: int | None
    oom_score_adj: int | None
    user: str | None
    cgroup: str | None
    args: str | None
    machine: MachineTotals

    def kib(self, label: str) -> int | None:
        """Return a row of status in KiB."""
        return self.status.kib(label)

    def rolled(self, *labels: str) -> int | None:
        """Return the sum of rows of smaps_rollup in KiB, or None without it."""
        if self.rollup is None:
            return None
        rows = [self.rollup.rows.get(label) for label in labels]
        known = [row for row in rows if row is not None]
        return sum(known) if known else None

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it has no memory of its own."""
        return self.kib("VmSize") is None


class Field(NamedTuple):
    """A column: its *kind* is ``size`` (KiB), ``count``, ``percent``, ``seconds`` or ``text``; *needs* which file."""

    meaning: str
    kind: str
    of: Callable[[ProcessRecords], Value]
    needs: str = ""


def _shared(p: ProcessRecords) -> int | None:
    rows = [p.kib(label) for label in ("RssFile", "RssShmem")]
    known = [row for row in rows if row is not None]
    return sum(known) if known else None


def _cpu_percent(p: ProcessRecords) -> float | None:
    up, hz = p.machine.up_s, p.machine.ticks_per_s
    if p.stat is None or up is None:
        return None
    used, start = (p.stat.field("utime") or 0) + (p.stat.field("stime") or 0), p.stat.field("starttime")
    age = None if start is None else up - start / hz
    return None if not age or age < 0 else round(100 * used / hz / age, 1)


def _age_s(p: ProcessRecords) -> int | None:
    start = p.stat.field("starttime") if p.stat else None
    return None if start is None or p.machine.up_s is None else int(p.machine.up_s - start / p.machine.ticks_per_s)


def _share_of_ram(p: ProcessRecords) -> float | None:
    size, total = p.kib("VmRSS"), p.machine.total_kib
    return None if size is None or not total else round(100 * size / total, 1)


def _stat(name: str) -> Callable[[ProcessRecords], int | None]:
    return lambda p: None if p.stat is None else p.stat.field(name)


FIELDS: Final = {
    "PID": Field("process id", "count", lambda p: p.pid),
    "PPID": Field("its parent", "count", lambda p: p.status.number("PPid")),
    "USER": Field("whose it is", "text", lambda p: p.user, "user"),
    "STATE": Field("R runs, S sleeps, D waits for a disk, Z is dead", "text", lambda p: p.status.get("State", "?")[0]),
    "VIRT": Field("address space asked for", "size", lambda p: p.kib("VmSize")),
    "RES": Field("of it in RAM", "size", lambda p: p.kib("VmRSS")),
    "SHR": Field("of RES, backed by files or shared memory", "size", _shared),
    "ANON": Field("of RES, memory that no file backs", "size", lambda p: p.kib("RssAnon")),
    "FILE": Field("of RES, files", "size", lambda p: p.kib("RssFile")),
    "SHMEM": Field("of RES, shared memory and tmpfs", "size", lambda p: p.kib("RssShmem")),
    "PEAK": Field("largest RES so far", "size", lambda p: p.kib("VmHWM")),
    "DATA": Field("address space that it may write to", "size", lambda p: p.kib("VmData")),
    "LOCKED": Field("locked into RAM", "size", lambda p: p.kib("VmLck")),
    "PINNED": Field("pinned for devices", "size", lambda p: p.kib("VmPin")),
    "PTE": Field("page tables", "size", lambda p: p.kib("VmPTE")),
    "HUGETLB": Field("huge pages of the pools, not in RES", "size", lambda p: p.kib("HugetlbPages")),
    "PSS": Field("RES, shared pages divided", "size", lambda p: p.rolled("Pss"), "rollup"),
    "USS": Field("what its end would free", "size", lambda p: p.rolled("Private_Clean", "Private_Dirty"), "rollup"),
    "THP": Field("of RES, in transparent huge pages", "size", lambda p: p.rolled("AnonHugePages"), "rollup"),
    "SWAP": Field("in swap", "size", lambda p: p.kib("VmSwap")),
    "SWAPPSS": Field("in swap, shared slots divided", "size", lambda p: p.rolled("SwapPss"), "rollup"),
    "OOM": Field("oom_score: who dies first, 0 to 2000", "count", lambda p: p.oom_score, "oom"),
    "ADJ": Field("oom_score_adj: -1000 never, 1000 first", "count", lambda p: p.oom_score_adj, "oom"),
    "MINFLT": Field("faults served from RAM", "count", _stat("minflt"), "stat"),
    "MAJFLT": Field("faults that read from disk or swap", "count", _stat("majflt"), "stat"),
    "THREADS": Field("threads", "count", lambda p: p.status.number("Threads")),
    "%CPU": Field("CPU time over age", "percent", _cpu_percent, "stat"),
    "%MEM": Field("RES of all RAM", "percent", _share_of_ram),
    "AGE": Field("since it started", "seconds", _age_s, "stat"),
    "CGROUP": Field("cgroup", "text", lambda p: p.cgroup, "cgroup"),
    "COMMAND": Field("name", "text", lambda p: p.status.get("Name")),
    "ARGS": Field("command line", "text", lambda p: p.args or p.status.get("Name"), "args"),
}
"""By the name that ``-o`` and ``--sort`` take."""

DEFAULT: Final = ("PID", "USER", "VIRT", "RES", "SHR", "PSS", "USS", "SWAP", "OOM", "%CPU", "%MEM", "COMMAND")
_LEFT_OUT: Final = {"VIRT", "SHR", "%MEM"}
"""Those of the default fields that a narrow terminal leaves out, the last first."""
_UNITS: Final = {"size": "_bytes", "count": "", "percent": "_percent", "seconds": "_s", "text": ""}
_COUNTS: Final = {"MINFLT", "MAJFLT", "THREADS"}


def choose_fields(words: str) -> tuple[str, ...]:
    """Return the fields that ``-o PID,RES`` names, in any case of letters."""
    names = tuple(word.strip().upper() for word in words.split(",") if word.strip())
    for name in names:
        if name not in FIELDS:
            raise UsageError(f"unknown field: {name}", hint=f"the fields are {', '.join(FIELDS)}")
    return names


def order(processes: Iterable[ProcessRecords], keys: str) -> list[ProcessRecords]:
    """Return *processes* sorted by ``-RES,PID``: a minus falls; what is not known comes last."""
    found = list(processes)
    for key in reversed([word.strip() for word in keys.split(",") if word.strip()]):
        (name,) = choose_fields(key.lstrip("+-")) or ("PID",)
        of, falling = FIELDS[name].of, key.startswith("-")
        known = [(value, process) for process in found if (value := of(process)) is not None]
        unknown = [process for process in found if of(process) is None]
        known.sort(key=lambda pair: pair[0], reverse=falling)
        found = [process for _, process in known] + unknown
    return found


def needs(names: Iterable[str]) -> set[str]:
    """Return which files besides status the fields *names* take."""
    return {FIELDS[name].needs for name in names} - {""}


def view(processes: Sequence[ProcessRecords], names: Sequence[str], *, in_bytes: bool = False) -> View:
    """Return one row a process: ``res_bytes``, ``cpu_percent``, ``command``; sizes in a fitting unit, or in bytes."""
    styles = _STYLES | ({"size": NUMBER} if in_bytes else {})
    optional = _LEFT_OUT if tuple(names) == DEFAULT else set()
    columns = tuple(Column(_key(name), name, styles[FIELDS[name].kind], optional=name in optional) for name in names)
    rows = tuple(tuple(_value(FIELDS[name], process) for name in names) for process in processes)
    return View("ps", (Grid(columns, rows),), metrics=lambda: metrics(processes, names))


def metrics(processes: Sequence[ProcessRecords], names: Sequence[str]) -> list[Metric]:
    """Return a family for each numeric field, labelled by pid and command."""
    from memtwin.render.openmetrics import Metric

    families = []
    for name in names:
        field = FIELDS[name]
        if field.kind == "text" or name in {"PID", "PPID"}:
            continue
        samples = tuple(
            ({"pid": str(one.pid), "command": str(one.status.get("Name"))}, _number(field, one)) for one in processes
        )
        families.append(Metric(f"memtwin_process_{_key(name)}", "gauge", f"{field.meaning}.", samples))
    return families


def _value(field: Field, process: ProcessRecords) -> Value:
    """Return a cell, sizes in bytes."""
    value = field.of(process)
    return bytes_of(value) if field.kind == "size" and isinstance(value, int) else value


def _number(field: Field, process: ProcessRecords) -> int | float | None:
    value = _value(field, process)
    return value if isinstance(value, int | float) else None


def _key(name: str) -> str:
    unit = "_count" if name in _COUNTS else _UNITS[FIELDS[name].kind]
    return f"{name.strip('%').lower()}{unit}"


_STYLES: Final = {"text": TEXT, "count": NUMBER, "size": COLUMN, "percent": TENTHS, "seconds": DURATION}
