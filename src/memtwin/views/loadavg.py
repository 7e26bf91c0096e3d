"""``loadavg``: the three load averages, what is in them, and what they say of this machine.

The load is the number of tasks that run or want to (R) and of those in uninterruptible sleep (D), which wait for a
disk, for NFS, or for a lock behind one. Every 5 seconds each average moves towards the number of that moment::

    load = load · e + n · (1 - e)      e = 1884/2048, 2014/2048, 2037/2048: decay over 1, 5 and 15 minutes

After a burst ends, the 1-minute average still shows 37 % of it a minute later. Source: kernel/sched/loadavg.c (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.procfs.text import decimal
from memtwin.render.amount import HUNDREDTHS
from memtwin.render.grid import Column, Form, Grid, Sentence, View, figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.loadavg import Loadavg
    from memtwin.procfs.pressure import Pressure
    from memtwin.render.openmetrics import Metric

_SHOWN: Final = 8
_WAITS: Final = 1000
_LOADAVG: Final = ("proc/loadavg",)


class Task(NamedTuple):
    """A process that counts in the load now: *state* is R or D."""

    pid: int
    name: str
    state: str


class Load(NamedTuple):
    """What is known: *cpus*, *running*, *blocked* are None where /proc/stat is missing, *tasks* without processes."""

    averages: Loadavg
    cpus: int | None
    running: int | None
    blocked: int | None
    tasks: tuple[Task, ...] | None
    cpu: Pressure | None = None
    io: Pressure | None = None


def view(load: Load) -> View:
    """Return the averages against the CPUs, the tasks that count now, and what they mean."""
    one, five, fifteen = (value / 100 for value in _averages(load.averages))
    columns = (Column(None, "OVER"), Column(None, "LOAD", HUNDREDTHS), Column(None, "PER CPU", HUNDREDTHS))
    rows = tuple(
        (over, value, value / load.cpus if load.cpus else None)
        for over, value in (("1 min", one), ("5 min", five), ("15 min", fifteen))
    )
    data = figures(
        load1=one, load5=five, load15=fifteen, cpus_count=load.cpus, runnable_count=load.averages.running,
        threads_count=load.averages.threads, running_count=load.running, blocked_count=load.blocked,
        last_pid=load.averages.last_pid,
    )  # fmt: skip
    grids = (Grid(columns, rows, form=Form.TERMINAL), data, _tasks(load))
    return View("loadavg", grids, tuple(sentences(load)), lambda: metrics(load))


def sentences(load: Load) -> Iterator[Sentence]:
    """Yield the trend, what is in the load now, and which of CPU and disk it is about."""
    one, _, fifteen = _averages(load.averages)
    yield from _of_cpus(load)
    if one > fifteen * 3 // 2 and one - fifteen > 50:
        yield Sentence("It rises: the last minute is above the last quarter of an hour.", _LOADAVG)
    elif fifteen > one * 3 // 2 and fifteen - one > 50:
        yield Sentence("It falls: what made the load is over, and the longer averages still remember it.", _LOADAVG)
    if load.running is not None and load.blocked is not None:
        yield Sentence(
            f"Now: {load.running} running or waiting for a CPU, {load.blocked} waiting for a disk.",
            ("proc/stat: procs_running", "proc/stat: procs_blocked"),
        )
    yield from _of_tasks(load)
    yield from _of_pressure(load)


def metrics(load: Load) -> list[Metric]:
    """Return node_exporter's node_load1, node_load5 and node_load15."""
    from memtwin.render.openmetrics import gauge

    values = zip((1, 5, 15), _averages(load.averages), strict=True)
    return [gauge(f"node_load{minutes}", f"{minutes}m load average.", value / 100) for minutes, value in values]


def _tasks(load: Load) -> Grid:
    """Return the tasks that count now, for JSON; null without any process."""
    columns = (Column("pid"), Column("name"), Column("state"))
    return Grid(columns, load.tasks, "tasks", form=Form.JSON)


def _averages(record: Loadavg) -> tuple[int, int, int]:
    return record.load1_hundredths, record.load5_hundredths, record.load15_hundredths


def _of_cpus(load: Load) -> Iterator[Sentence]:
    one = load.averages.load1_hundredths / 100
    if not load.cpus:
        return
    have = f"{load.cpus} CPU{'s' if load.cpus > 1 else ''}"
    wait, room = f"{one - load.cpus:.2f} had to wait", f"room for {load.cpus - one:.2f} more"
    yield Sentence(
        f"Over the last minute {one:.2f} tasks ran or waited on {have}: {wait if one > load.cpus else room}.",
        (*_LOADAVG, "proc/stat: cpu"),
    )


def _of_tasks(load: Load) -> Iterator[Sentence]:
    blocked = [task for task in load.tasks or () if task.state == "D"]
    if blocked:
        named = ", ".join(f"{task.name} ({task.pid})" for task in blocked[:_SHOWN])
        more = f" and {len(blocked) - _SHOWN} more" if len(blocked) > _SHOWN else ""
        yield Sentence(
            f"In uninterruptible sleep (D): {named}{more}. They count as load and use no CPU: a slow disk, NFS, swap. "
            "`cat /proc/PID/stack` says where one waits.",
            ("proc/PID/stat",),
        )


def _of_pressure(load: Load) -> Iterator[Sentence]:
    cpu = load.cpu.some.avg60_hundredths if load.cpu and load.cpu.some else None
    disk = load.io.some.avg60_hundredths if load.io and load.io.some else None
    if cpu is not None and disk is not None and max(cpu, disk) >= _WAITS:
        what = "CPU" if cpu >= disk else "disk"
        waits = f"{decimal(cpu)}% of the time for a CPU and {decimal(disk)}% for a disk"
        yield Sentence(
            f"Over the last minute tasks waited {waits}: it is about {what}.",
            ("proc/pressure/cpu: some", "proc/pressure/io: some"),
        )
