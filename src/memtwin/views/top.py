"""``top``: the machine in five lines and its tasks below, as top of procps-ng 4.0.2 (Debian 12) prints them.

The lines are /proc/uptime, utmp and loadavg; the states of stat of each task; the growth of /proc/stat; free's figures.
A stored machine is one moment, without an interval: what was done in it is ``-`` there, and null in JSON.
"""

from __future__ import annotations

import time
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.procfs.stat import CPU_FIELDS
from memtwin.procfs.text import decimal
from memtwin.render.grid import Column, Grid, Value, View, figures
from memtwin.units import bytes_of
from memtwin.views import free
from memtwin.views.top_fields import (
    CHEAP,
    DEFAULT,
    FIELDS,
    PID_WIDTH,
    VARIABLE,
    Field,
    Frame,
    effective_uid,
    real_uid,
    single,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memtwin.render.openmetrics import Metric
    from memtwin.sources.sampler import Sample, Task

NARROWEST: Final = 3
WIDEST: Final = 512
"""Columns of a screen, as -w takes them."""
_PID_DIGITS: Final = 5
_SHOWN: Final = (
    ("us", "user"), ("sy", "system"), ("ni", "nice"), ("id", "idle"), ("wa", "iowait"), ("hi", "irq"),
    ("si", "softirq"), ("st", "steal"),
)  # fmt: skip
"""The CPU's times by top's abbreviation."""
_MEMORY_WIDTH: Final = 8
_UNITS: Final = "KMGTPE"


class Options(NamedTuple):
    """What is shown: *fields*, ordered by *key*, in *columns* of a terminal.

    *user* is an effective uid and *any_user* one of any kind; *units* are the powers of 1024 KiB of the summary's and
    the tasks' sizes.
    """

    fields: tuple[str, ...] = DEFAULT
    key: str = "%CPU"
    rising: bool = False
    columns: int = 80
    arguments: bool = False
    threads: bool = False
    idle: bool = True
    each_cpu: bool = False
    user: int | None = None
    any_user: int | None = None
    unit: int = 1
    task_unit: int = 0
    pid_width: int = _PID_DIGITS


def choose_fields(words: str) -> tuple[str, ...]:
    """Return the fields that ``PID,RES`` names, in any case of letters."""
    return tuple(field_named(word.strip()) for word in words.split(",") if word.strip()) or DEFAULT


def field_named(word: str) -> str:
    """Return the field called *word*."""
    found = word if word in FIELDS else next((name for name in FIELDS if name.lower() == word.lower()), None)
    if found is None:
        raise UsageError(f"unknown field: {word}", hint=f"the fields are {', '.join(FIELDS)}")
    return found


def order(frame: Frame, options: Options, fill: Callable[[Iterable[Task], Iterable[str]], None]) -> list[Task]:
    """Return the tasks to show, in their order; *fill* reads of all tasks the files that the choice and order need.

    Equal ones keep their order, and what is not known comes last.
    """
    tasks: Sequence[Task] = frame.sample.tasks
    if options.user is not None or options.any_user is not None:
        fill(tasks, ("status",))
        tasks = [task for task in tasks if _is_of(task, frame, options)]
    if not options.idle:
        tasks = [task for task in tasks if task.grown("utime", "stime")]
    of = CHEAP.get(options.key)
    if of is None:
        fill(tasks, needs((options.key,), frame))
        of = FIELDS[options.key].of
    values = [(of(task, frame), task) for task in tasks]
    known = [pair for pair in values if pair[0] is not None]
    known.sort(key=itemgetter(0), reverse=not options.rising)
    return [task for _, task in known] + [task for value, task in values if value is None]


def needs(names: Iterable[str], frame: Frame) -> set[str]:
    """Return the files besides stat that the fields *names* are made of."""
    found = {file for name in names for file in FIELDS[name].needs}
    return found | ({"cmdline"} if frame.arguments and "COMMAND" in names else set())


def view(frame: Frame, tasks: Sequence[Task], options: Options) -> View:
    """Return the summary of all tasks of the sample, and a row for each of *tasks*."""
    lines = [line[: options.columns] for part in summary(frame, options) for line in part]
    return View(
        "top",
        (_figures(frame), grid(frame, tasks, options)),
        text="".join(f"{line}\n" for line in lines),
        metrics=lambda: metrics(frame.sample),
    )


def grid(frame: Frame, tasks: Sequence[Task], options: Options) -> Grid:
    """Return a row for each of *tasks*."""
    shown = _fitting(options)
    columns = tuple(_column(name, FIELDS[name], shown, options) for name in options.fields)
    return Grid(
        columns, tuple(tuple(FIELDS[name].of(task, frame) for name in options.fields) for task in tasks), "tasks"
    )


def summary(frame: Frame, options: Options) -> tuple[list[str], list[str], list[str]]:
    """Return the lines above the tasks: uptime and load, tasks and CPUs, memory and swap."""
    sample = frame.sample
    cpus, memory = _cpus(sample, each=options.each_cpu), _memory(sample, options.unit)
    if options.each_cpu:
        cpus, memory = _abreast(cpus), _abreast(memory)
    load = f"top - {_clock(sample)} up {up(sample.up_s)}, {_users(sample.users)},  load average: {_load(sample)}"
    return [load], [_states(sample, "Threads" if options.threads else "Tasks"), *cpus], memory


def metrics(sample: Sample) -> list[Metric]:
    """Return the load averages and the tasks by state."""
    from memtwin.render.openmetrics import Metric, gauge

    load = sample.load
    families = [] if load is None else [
        gauge(f"node_load{minutes}", f"{minutes}m load average.", value / 100)
        for minutes, value in ((1, load.load1_hundredths), (5, load.load5_hundredths), (15, load.load15_hundredths))
    ]  # fmt: skip
    states = sorted({task.stat.state for task in sample.tasks})
    counts = tuple(({"state": state}, sum(task.stat.state == state for task in sample.tasks)) for state in states)
    return [*families, Metric("node_processes_state", "gauge", "Tasks by state.", counts)]


def _is_of(task: Task, frame: Frame, options: Options) -> bool:
    if options.any_user is not None:
        record = task.records.get("status")
        uids = [] if record is None else record.get("Uid", "").split("\t")
        return str(options.any_user) in uids or real_uid(task, frame) == options.any_user
    return bool(effective_uid(task, frame) == options.user)


def _fitting(options: Options) -> dict[str, int]:
    """Return the widths of the fields that fit on the screen, the first ones, where a variable one shares the rest."""
    widths: dict[str, int] = {}
    taken = 0
    for name in options.fields:
        least = FIELDS[name].width or len(name)
        widths[name] = options.pid_width if least == PID_WIDTH else least
        if taken + widths[name] + 1 > options.columns:
            del widths[name]
            break
        taken += widths[name] + 1
    growing = [name for name in widths if FIELDS[name].width == VARIABLE]
    for name in growing:
        widths[name] = (sum(len(one) for one in growing) + options.columns - taken) // len(growing)
    return widths


def _column(name: str, field: Field, shown: dict[str, int], options: Options) -> Column:
    """Return a column; one that does not fit is in the data alone."""
    if name not in shown:
        return Column(field.key)
    width = shown[name]
    return Column(field.key, name, field.style(width, options.task_unit), width, grow=False)


def _clock(sample: Sample) -> str:
    if sample.at_unix_ms is None:
        return "--:--:--"
    return time.strftime("%H:%M:%S", time.localtime(sample.at_unix_ms // 1000))


def up(up_s: float | None) -> str:
    """Return how long a machine is up, as top writes it."""
    if up_s is None:
        return "?"
    minutes = int(up_s) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    since = f"{days} {'days' if days > 1 else 'day'}, " if days else ""
    return since + (f"{hours:2}:{minutes % 60:02}" if hours else f"{minutes % 60} min")


def _users(users: int | None) -> str:
    return " ? users" if users is None else f"{users:2} {'users' if users > 1 else 'user'}"


def _load(sample: Sample) -> str:
    load = sample.load
    if load is None:
        return "?"
    return ", ".join(map(decimal, (load.load1_hundredths, load.load5_hundredths, load.load15_hundredths)))


def counts(sample: Sample) -> dict[str, int]:
    """Return how many tasks there are, and in which state; all that neither run, stand nor are dead sleep."""
    states = [task.stat.state for task in sample.tasks]
    running, stopped, zombie = states.count("R"), states.count("T") + states.count("t"), states.count("Z")
    sleeping = len(states) - running - stopped - zombie
    return {"total": len(states), "running": running, "sleeping": sleeping, "stopped": stopped, "zombie": zombie}


def _states(sample: Sample, what: str) -> str:
    return f"{what}: " + ", ".join(f"{number:3} {name}" for name, number in counts(sample).items())


def shares(now: tuple[int, ...], before: tuple[int, ...] | None) -> dict[str, float] | None:
    """Return percents of the CPU's ticks between two lines of /proc/stat by kind; None without an interval."""
    if before is None:
        return None
    grown = [max(a - b, 0) for a, b in zip(now, before, strict=False)]
    total = sum(grown)
    if not total:
        return {name: 100.0 if name == "idle" else 0.0 for _, name in _SHOWN}
    scale = single(100.0 / single(total))
    ticks = dict(zip(CPU_FIELDS, grown, strict=False))
    return {name: single(single(ticks.get(name, 0)) * scale) for _, name in _SHOWN}


def _cpus(sample: Sample, *, each: bool) -> list[str]:
    now, before = sample.stat, sample.before
    if now is None:
        return []
    if not each:
        return [_cpu("%Cpu(s):", shares(now.cpu, before.cpu if before else None))]
    return [
        _cpu(f"%Cpu{number:<3}:", shares(times, before.cpus.get(number) if before else None))
        for number, times in now.cpus.items()
    ]


def _cpu(head: str, of: dict[str, float] | None) -> str:
    """Return a line of a CPU's times; one that is 100.0 takes the blank before it."""
    return (
        head + ",".join(f"{'-' if of is None else format(of[name], '.1f'):>5} {short}" for short, name in _SHOWN) + " "
    )


def _abreast(lines: list[str]) -> list[str]:
    """Return two lines on one: a screen of 80 columns cuts the second."""
    return ["  ".join(lines[at : at + 2]) for at in range(0, len(lines), 2)]


def _memory(sample: Sample, unit: int) -> list[str]:
    memory = sample.memory
    if memory is None:
        return []
    of = free.compute(memory)
    cached = None if of.buffers is None or of.cache is None else of.buffers + of.cache
    mem = (of.mem.total, of.mem.free, of.mem.used, cached)
    swap = (of.swap.total, of.swap.free, of.swap.used, of.available)
    total, unused, used, buff = (_amount(kib, unit) for kib in mem)
    swap_total, swap_free, swap_used, available = (_amount(kib, unit) for kib in swap)
    name = f"{_UNITS[unit]}iB"
    return [
        f"{name} Mem : {total}total, {unused}free, {used}used, {buff}buff/cache     ",
        f"{name} Swap: {swap_total}total, {swap_free}free, {swap_used}used. {available}avail Mem ",
    ]


def _amount(kib: int | None, unit: int) -> str:
    """Return an amount in nine places; a plus ends one that is longer."""
    if kib is None:
        return f"{'?':>{_MEMORY_WIDTH}} "
    written = f"{kib} " if unit == 0 else f"{single(single(kib) / 1024.0**unit):.1f} "
    if len(written) > _MEMORY_WIDTH + 1:
        written = f"{written[:_MEMORY_WIDTH]}+"
    return f"{written:>{_MEMORY_WIDTH + 1}}"


def _figures(frame: Frame) -> Grid:
    sample = frame.sample
    of = shares(sample.stat.cpu, sample.before.cpu) if sample.stat and sample.before else None
    memory = free.compute(sample.memory) if sample.memory is not None else None
    load = sample.load
    sizes_of: dict[str, Value] = {
        "at_unix_ms": sample.at_unix_ms, "up_s": sample.up_s, "interval_s": sample.passed_s, "users": sample.users,
        "load": None if load is None else tuple(
            value / 100 for value in (load.load1_hundredths, load.load5_hundredths, load.load15_hundredths)
        ),
        **{f"tasks_{name}": number for name, number in counts(sample).items()},
        **{f"cpu_{name}_percent": None if of is None else round(of[name], 1) for _, name in _SHOWN},
    }  # fmt: skip
    if memory is not None:
        sizes = {
            "mem_total": memory.mem.total, "mem_free": memory.mem.free, "mem_used": memory.mem.used,
            "buffers": memory.buffers, "cache": memory.cache, "mem_available": memory.available,
            "swap_total": memory.swap.total, "swap_free": memory.swap.free, "swap_used": memory.swap.used,
        }  # fmt: skip
        sizes_of |= {f"{name}_bytes": bytes_of(kib) for name, kib in sizes.items()}
    return figures(**sizes_of)
