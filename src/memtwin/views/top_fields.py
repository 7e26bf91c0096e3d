"""The columns of ``top``: what each is, how wide, and how procps 4.0.2 writes it where a figure does not fit.

Sizes are cells in bytes, times in seconds. top computes in C floats; so do the functions here, or a tie would be
rounded the other way.
"""

from __future__ import annotations

from struct import pack, unpack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.grid import Style, Value
from memtwin.render.table import clean, cut, display_width
from memtwin.units import bytes_of, kib_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.sources.sampler import Sample, Task

VARIABLE: Final = 0
"""The width of a column that takes what the others leave."""
PID_WIDTH: Final = -1
"""The width of a column of process ids: digits of pid_max, at least five."""
_SUFFIXES: Final = "kmgtp"
_SIX_HOURS_MIN: Final = 360
_FOUR_DAYS_H: Final = 96
_TWO_WEEKS_D: Final = 14
_SHORTEST_S: Final = 0.01
_NO_TIME_S: Final = 0.005
"""What top divides by where no time has passed."""
_REAL_TIME: Final = -99


def single(number: float) -> float:
    """Return *number* as a C float."""
    return float(unpack("f", pack("f", number))[0])


class Frame(NamedTuple):
    """What a cell needs besides its task: the sample, names of users, and how top was asked to show it."""

    sample: Sample
    users: Mapping[int, str]
    arguments: bool = False
    threads: bool = False

    @property
    def scale(self) -> float | None:
        """Percent a tick; None where there was no sample before."""
        passed = self.sample.passed_s
        if passed is None:
            return None
        return single(100.0 / single(self.sample.ticks_per_s * single(passed if passed >= _SHORTEST_S else _NO_TIME_S)))

    @property
    def most_percent(self) -> float:
        """The largest %CPU that a row shows."""
        cpus = self.sample.cpus
        if self.threads or cpus == 1:
            return 99.9
        return min(100.0 * cpus, 999.9 if cpus <= 10 else 99999.0 if cpus <= 100 else 9999999.0)


class Field(NamedTuple):
    """A column: its cell *of* a task, the files that it *needs* besides stat, its key in JSON and how it is written."""

    meaning: str
    key: str
    width: int
    of: Callable[[Task, Frame], Value]
    write: Callable[[Value, int], str]
    needs: tuple[str, ...] = ()
    align: Any = "right"

    def style(self, width: int, unit: int = 0) -> Style:
        """Return how a column of *width* writes it, sizes in KiB times 1024**unit or more."""
        if self.write is memory:
            return Style(lambda cell: memory(cell, width, unit), self.align)
        return Style(lambda cell: self.write(cell, width), self.align, writes_text=True)


def memory(size_bytes: int, width: int, unit: int = 0) -> str:
    """Return a size in KiB times 1024**unit, or in the first larger unit that fits.

    >>> memory(123456 << 10, 6), memory(1234567 << 10, 6), memory(1 << 50, 6), memory(4096, 6, 1)
    ('123456', '1.2g', '1.0p', '0.0m')
    """
    number = single(kib_of(size_bytes))
    for power, suffix in enumerate(_SUFFIXES):
        written = f"{number:.1f}{suffix}" if power else f"{number:.0f}"
        if power >= unit and len(written) <= width:
            return written
        number = single(number / 1024)
    return "?"


def count(number: int, width: int) -> str:
    """Return a count, scaled by 1024 where it does not fit.

    >>> count(9999, 4), count(123456, 4), count(12345678, 4)
    ('9999', '121k', '12m')
    """
    written, scaled = str(number), single(number)
    for suffix in f"{_SUFFIXES}e":
        if len(written) <= width:
            return written
        scaled = single(scaled / 1024)
        written = f"{scaled:.1f}{suffix}"
        if len(written) > width:
            written = f"{scaled:.0f}{suffix}"
    return written if len(written) <= width else "?"


def percent(share: float, width: int) -> str:
    """Return a percentage with a decimal, where there is room for it.

    >>> percent(12.34, 5), percent(12345.6, 5), percent(123456.7, 5)
    ('12.3', '12346', '?')
    """
    forms = (f"{share:.1f}", f"{share:.0f}", "?")
    return next(written for written in forms if len(written) <= width)


def hundredths(seconds: float, width: int) -> str:
    """Return a time as minutes:seconds.hundredths, or by larger units where it is long.

    >>> hundredths(3723.45, 9), hundredths(90000, 9), hundredths(400000, 9), hundredths(1300000, 9)
    ('62:03.45', '25,00', '4d+15h', '2w+1d')
    """
    total = round(seconds * 100)
    minutes = total // 6000
    if minutes <= _SIX_HOURS_MIN:
        written = f"{minutes}:{total // 100 % 60:02}.{total % 100:02}"
        if len(written) <= width:
            return written
    return whole_seconds(total // 100, width)


def whole_seconds(seconds: float, width: int) -> str:
    """Return a time as minutes:seconds, or by larger units where it is long."""
    total = int(seconds)
    minutes = total // 60
    hours, days = minutes // 60, minutes // 1440
    forms = (
        (minutes <= _SIX_HOURS_MIN, f"{minutes}:{total % 60:02}"),
        (hours <= _FOUR_DAYS_H, f"{hours},{minutes % 60:02}"),
        (days <= _TWO_WEEKS_D, f"{days}d+{hours % 24}h"),
        (days <= _TWO_WEEKS_D, f"{days}d"),
        (True, f"{days // 7}w+{days % 7}d"),
        (True, f"{days // 7}w"),
    )
    return next((written for may, written in forms if may and len(written) <= width), "?")


def whole(number: int, width: int) -> str:
    """Return a number, cut with a plus where it does not fit.

    >>> whole(1234567, 5)
    '1234+'
    """
    return text(str(number), width)


_QUESTION: Final = dict.fromkeys((*range(32), 127, *range(0xDC80, 0xDD00)), "?")
"""Control characters, and bytes that are not UTF-8 as ``surrogateescape`` keeps them: top prints each as ``?``."""


def text(words: str, width: int) -> str:
    """Return *words*, cut with a plus where they do not fit.

    >>> text("systemd-network", 8)
    'systemd+'
    """
    shown = clean(words if words.isprintable() else words.translate(_QUESTION))
    if display_width(shown) <= width:
        return shown
    return f"{cut(shown, width - 1)}+"


def _priority(number: int, width: int) -> str:
    return "rt" if number < _REAL_TIME else whole(number, width)


def _field(name: str) -> Callable[[Task, Frame], Value]:
    return lambda task, _: task.stat.field(name)


def _pages(name: str) -> Callable[[Task, Frame], Value]:
    """Return a figure of statm in bytes."""

    def of(task: Task, frame: Frame) -> Value:
        record = task.records.get("statm")
        return None if record is None else getattr(record, name) * frame.sample.page_bytes

    return of


def _resident(task: Task, frame: Frame) -> Value:
    """Return the resident size: stat has it too, so that nothing more is read to sort by it."""
    pages = task.stat.field("rss")
    return None if pages is None else pages * frame.sample.page_bytes


def _rows(*labels: str) -> Callable[[Task, Frame], Value]:
    """Return the sum of rows of status in bytes; a kernel thread has none of them."""

    def of(task: Task, _: Frame) -> Value:
        record = task.records.get("status")
        if record is None:
            return None
        found = [record.kib(label) for label in labels]
        return bytes_of(sum(kib for kib in found if kib is not None))

    return of


def _rolled(*labels: str) -> Callable[[Task, Frame], Value]:
    """Return the sum of rows of smaps_rollup in bytes."""

    def of(task: Task, _: Frame) -> Value:
        record = task.records.get("smaps_rollup")
        if record is None:
            return None if task.stat.field("vsize") else 0
        found = [record.rows.get(label) for label in labels]
        return bytes_of(sum(kib for kib in found if kib is not None))

    return of


def _number(name: str) -> Callable[[Task, Frame], Value]:
    """Return the one number of a file."""
    return lambda task, _: None if task.records.get(name) is None else task.records[name].value


def _cpu(task: Task, frame: Frame) -> Value:
    scale = frame.scale
    if scale is None:
        return None
    used = single(task.grown("utime", "stime") * scale)
    return round(min(used, 100.0 * (task.stat.field("num_threads") or 1), frame.most_percent), 4)


def _share(task: Task, frame: Frame) -> Value:
    """Return RES of all RAM as top has it, in single precision: 0.15 is a little more than that and printed as 0.2."""
    size, memory_of = _resident(task, frame), frame.sample.memory
    total = memory_of.get("MemTotal") if memory_of is not None else None
    return None if size is None or not total else round(single(single(single(kib_of(size)) * 100) / single(total)), 9)


def _time(task: Task, frame: Frame) -> Value:
    return task.ticks / frame.sample.ticks_per_s


def _began(task: Task, frame: Frame) -> Value:
    start = task.stat.field("starttime")
    return None if start is None else start / frame.sample.ticks_per_s


def _age(task: Task, frame: Frame) -> Value:
    began, up_s = _began(task, frame), frame.sample.up_s
    return None if began is None or up_s is None else max(up_s - began, 0.0)


def _id(label: str, at: int) -> Callable[[Task, Frame], Value]:
    """Return one of the four ids of a row of status: real, effective, saved, of the file system."""

    def of(task: Task, _: Frame) -> Value:
        record = task.records.get("status")
        words = [] if record is None else record.get(label, "").split("\t")
        return int(words[at]) if len(words) > at and words[at].isdecimal() else None

    return of


effective_uid: Final = _id("Uid", 1)
real_uid: Final = _id("Uid", 0)


def _user(at: int) -> Callable[[Task, Frame], Value]:
    of = _id("Uid", at)

    def named(task: Task, frame: Frame) -> Value:
        uid = of(task, frame)
        return None if uid is None else frame.users.get(uid, str(uid))

    return named


def _command(task: Task, frame: Frame) -> Value:
    """Return the name, or with -c the arguments; a kernel thread has none and stands in brackets."""
    if not frame.arguments:
        return task.stat.comm
    words = (task.records.get("cmdline") or "").rstrip("\0").replace("\0", " ").replace("\n", " ")
    if words:
        return words.rstrip(" ") or "?"
    return f"[{task.stat.comm}]{' <defunct>' if task.stat.state == 'Z' else ''}"


def _cgroup(task: Task, _: Frame) -> Value:
    lines = (task.records.get("cgroup") or "").splitlines()
    return ",".join(lines) if lines else None


STATM: Final = ("statm",)
STATUS: Final = ("status",)
ROLLUP: Final = ("smaps_rollup",)


def _left(meaning: str, key: str, width: int, of: Callable[[Task, Frame], Value], *needs: str) -> Field:
    return Field(meaning, key, width, of, text, needs, "left")


FIELDS: Final = {
    "PID": Field("process id", "pid", PID_WIDTH, lambda task, _: task.pid, whole),
    "PPID": Field("its parent", "ppid", PID_WIDTH, _field("ppid"), whole),
    "UID": Field("effective user id", "uid", 5, effective_uid, whole, STATUS),
    "USER": _left("effective user", "user", 8, _user(1), "status"),
    "RUID": Field("real user id", "ruid", 5, real_uid, whole, STATUS),
    "RUSER": _left("real user", "ruser", 8, _user(0), "status"),
    "SUID": Field("saved user id", "suid", 5, _id("Uid", 2), whole, STATUS),
    "SUSER": _left("saved user", "suser", 8, _user(2), "status"),
    "GID": Field("effective group id", "gid", 5, _id("Gid", 1), whole, STATUS),
    "PGRP": Field("process group", "pgrp", PID_WIDTH, _field("pgrp"), whole),
    "TPGID": Field("foreground process group of its terminal", "tpgid", PID_WIDTH, _field("tpgid"), whole),
    "SID": Field("session", "sid", PID_WIDTH, _field("session"), whole),
    "PR": Field("priority; rt is real time", "priority", 3, _field("priority"), _priority),
    "NI": Field("nice value", "nice", 3, _field("nice"), whole),
    "nTH": Field("threads", "threads_count", 3, _field("num_threads"), whole),
    "P": Field("CPU that it last ran on", "cpu", 1, _field("processor"), whole),
    "%CPU": Field("CPU time of the interval, of one CPU", "cpu_percent", 5, _cpu, percent),
    "TIME": Field("CPU time", "time_s", 6, _time, hundredths),
    "TIME+": Field("CPU time to the hundredth", "time_s", 9, _time, hundredths),
    "%MEM": Field("RES of all RAM", "mem_percent", 5, _share, percent),
    "VIRT": Field("address space", "virt_bytes", 7, _pages("size"), memory, STATM),
    "SWAP": Field("in swap", "swap_bytes", 6, _rows("VmSwap"), memory, STATUS),
    "RES": Field("of VIRT, in RAM", "res_bytes", 6, _pages("resident"), memory, STATM),
    "CODE": Field("code", "code_bytes", 6, _pages("text"), memory, STATM),
    "DATA": Field("data and stack", "data_bytes", 7, _pages("data"), memory, STATM),
    "SHR": Field("of RES, backed by files or shared memory", "shr_bytes", 6, _pages("shared"), memory, STATM),
    "nMaj": Field("faults that read from a disk or swap", "majflt_count", 4, _field("majflt"), count),
    "nMin": Field("faults served from RAM", "minflt_count", 4, _field("minflt"), count),
    "S": _left("state: R D S T t Z I", "state", 1, lambda task, _: task.stat.state),
    "COMMAND": _left("name, with -c the arguments", "command", VARIABLE, _command),
    "Flags": _left("PF_ flags, hexadecimal", "flags", 8, lambda task, _: f"{task.stat.field('flags') or 0:x}"),
    "CGROUPS": _left("cgroups", "cgroups", VARIABLE, _cgroup, "cgroup"),
    "OOMa": Field("oom_score_adj", "oom_score_adj", 5, _number("oom_score_adj"), whole, ("oom_score_adj",)),
    "OOMs": Field("oom_score: who dies first", "oom_score", 4, _number("oom_score"), whole, ("oom_score",)),
    "vMj": Field("major faults of the interval", "majflt_delta_count", 3, lambda task, _: task.grown("majflt"), count),
    "vMn": Field("minor faults of the interval", "minflt_delta_count", 3, lambda task, _: task.grown("minflt"), count),
    "USED": Field("RES and SWAP", "used_bytes", 6, _rows("VmRSS", "VmSwap"), memory, STATUS),
    "RSan": Field("of RES, anonymous", "anon_bytes", 6, _rows("RssAnon"), memory, STATUS),
    "RSfd": Field("of RES, files", "file_bytes", 6, _rows("RssFile"), memory, STATUS),
    "RSlk": Field("locked", "locked_bytes", 6, _rows("VmLck"), memory, STATUS),
    "RSsh": Field("of RES, shared memory", "shmem_bytes", 6, _rows("RssShmem"), memory, STATUS),
    "RSS": Field("RES as smaps_rollup has it", "rss_bytes", 6, _rolled("Rss"), memory, ROLLUP),
    "PSS": Field("RES, shared pages divided", "pss_bytes", 6, _rolled("Pss"), memory, ROLLUP),
    "PSan": Field("of PSS, anonymous", "pss_anon_bytes", 6, _rolled("Pss_Anon"), memory, ROLLUP),
    "PSfd": Field("of PSS, files", "pss_file_bytes", 6, _rolled("Pss_File"), memory, ROLLUP),
    "PSsh": Field("of PSS, shared memory", "pss_shmem_bytes", 6, _rolled("Pss_Shmem"), memory, ROLLUP),
    "USS": Field("what its end would free", "uss_bytes", 6, _rolled("Private_Clean", "Private_Dirty"), memory, ROLLUP),
    "FOOT": Field("PSS and its part of swap", "foot_bytes", 6, _rolled("Pss", "SwapPss"), memory, ROLLUP),
    "STARTED": Field("when it started, since boot", "started_s", 7, _began, whole_seconds),
    "ELAPSED": Field("its age", "elapsed_s", 7, _age, whole_seconds),
}
"""By the heading that top has for it; FOOT is ours."""
DEFAULT: Final = ("PID", "USER", "PR", "NI", "VIRT", "RES", "SHR", "S", "%CPU", "%MEM", "TIME+", "COMMAND")
CHEAP: Final = {"RES": _resident, "%CPU": lambda task, _: task.grown("utime", "stime")}
"""What orders tasks as the field does, from stat alone."""
