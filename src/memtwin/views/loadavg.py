"""``loadavg``: the three load averages, what is in them, and what they say of this machine.

The load is the number of tasks that run or want to (R) and of those in uninterruptible sleep (D), which wait for a
disk, for NFS, or for a lock behind one. Every 5 seconds each average moves towards the number of that moment::

    load = load · e + n · (1 - e)      e = 1884/2048, 2014/2048, 2037/2048: decay over 1, 5 and 15 minutes

After a burst ends, the 1-minute average still shows 37 % of it a minute later. Source: kernel/sched/loadavg.c (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.procfs.text import decimal
from memtwin.render.prose import bullets
from memtwin.render.table import Column, Table, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.loadavg import Loadavg
    from memtwin.procfs.pressure import Pressure
    from memtwin.render.openmetrics import Metric

_SHOWN: Final = 8
_WAITS: Final = 1000


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


def told(load: Load) -> str:
    """Return the averages in a table, against the CPUs, and in words."""
    columns = (Column("OVER"), Column("LOAD", "right"), Column("PER CPU", "right"))
    rows = tuple(
        (name, decimal(value), "-" if not load.cpus else f"{value / 100 / load.cpus:.2f}")
        for name, value in zip(("1 min", "5 min", "15 min"), _averages(load.averages), strict=True)
    )
    return text(Table(columns, rows)) + bullets(sentences(load))


def sentences(load: Load) -> Iterator[str]:
    """Yield the trend, what is in the load now, and which of CPU and disk it is about."""
    one, _, fifteen = _averages(load.averages)
    yield from _of_cpus(load)
    if one > fifteen * 3 // 2 and one - fifteen > 50:
        yield "It rises: the last minute is above the last quarter of an hour."
    elif fifteen > one * 3 // 2 and fifteen - one > 50:
        yield "It falls: what made the load is over, and the longer averages still remember it."
    if load.running is not None and load.blocked is not None:
        yield f"Now: {load.running} running or waiting for a CPU, {load.blocked} waiting for a disk."
    yield from _of_tasks(load)
    yield from _of_pressure(load)


def data(load: Load) -> dict[str, Any]:
    """Return the figures for JSON."""
    one, five, fifteen = (value / 100 for value in _averages(load.averages))
    return {
        "load1": one,
        "load5": five,
        "load15": fifteen,
        "cpus_count": load.cpus,
        "runnable_count": load.averages.running,
        "threads_count": load.averages.threads,
        "running_count": load.running,
        "blocked_count": load.blocked,
        "last_pid": load.averages.last_pid,
        "tasks": None if load.tasks is None else [task._asdict() for task in load.tasks],
    }


def metrics(load: Load) -> list[Metric]:
    """Return node_exporter's node_load1, node_load5 and node_load15."""
    from memtwin.render.openmetrics import gauge  # noqa: PLC0415 - when asked for

    values = zip((1, 5, 15), _averages(load.averages), strict=True)
    return [gauge(f"node_load{minutes}", f"{minutes}m load average.", value / 100) for minutes, value in values]


def _averages(record: Loadavg) -> tuple[int, int, int]:
    return record.load1_hundredths, record.load5_hundredths, record.load15_hundredths


def _of_cpus(load: Load) -> Iterator[str]:
    one = load.averages.load1_hundredths / 100
    if not load.cpus:
        return
    have = f"{load.cpus} CPU{'s' if load.cpus > 1 else ''}"
    if one > load.cpus:
        yield f"Over the last minute {one:.2f} tasks ran or waited on {have}: {one - load.cpus:.2f} had to wait."
    else:
        yield f"Over the last minute {one:.2f} tasks ran or waited on {have}: room for {load.cpus - one:.2f} more."


def _of_tasks(load: Load) -> Iterator[str]:
    blocked = [task for task in load.tasks or () if task.state == "D"]
    if blocked:
        named = ", ".join(f"{task.name} ({task.pid})" for task in blocked[:_SHOWN])
        more = f" and {len(blocked) - _SHOWN} more" if len(blocked) > _SHOWN else ""
        yield (
            f"In uninterruptible sleep (D): {named}{more}. They count as load and use no CPU: a slow disk, NFS, swap. "
            "`cat /proc/PID/stack` says where one waits."
        )


def _of_pressure(load: Load) -> Iterator[str]:
    cpu = load.cpu.some.avg60_hundredths if load.cpu and load.cpu.some else None
    disk = load.io.some.avg60_hundredths if load.io and load.io.some else None
    if cpu is not None and disk is not None and max(cpu, disk) >= _WAITS:
        what = "CPU" if cpu >= disk else "disk"
        waits = f"{decimal(cpu)}% of the time for a CPU and {decimal(disk)}% for a disk"
        yield f"Over the last minute tasks waited {waits}: it is about {what}."
