"""The metrics of all system-wide views of a source, as one exposition: what a collector asks for again and again.

A view whose files the source lacks, or may not read, has no family; none is a 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.procfs import buddyinfo, loadavg, meminfo, pressure, slabinfo, stat, swaps, vmstat, zoneinfo
from memtwin.procfs.pid import stat as pid_stat
from memtwin.render.openmetrics import Metric
from memtwin.sources.host import host
from memtwin.sources.processes import processes
from memtwin.sources.source import load
from memtwin.views import buddyinfo as buddyinfo_view
from memtwin.views import loadavg as loadavg_view
from memtwin.views import meminfo as meminfo_view
from memtwin.views import pressure as pressure_view
from memtwin.views import slabtop as slabtop_view
from memtwin.views import swaps as swaps_view
from memtwin.views import vmstat as vmstat_view
from memtwin.views import zoneinfo as zoneinfo_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from memtwin.sources.source import Source


def families(source: Source, version: str) -> list[Metric]:
    """Return each family once, and first which machine it is; *version* is memtwin's.

    A file that is damaged takes its own view's families away, and is named in ``memtwin_damaged_info``.
    """
    labels = {"root": "live" if source.is_live else source.name, "version": version}
    found = {"memtwin_source": Metric("memtwin_source", "info", "The machine that is shown.", ((labels, 1),))}
    for part in _PARTS:
        for metric in part(source):
            found.setdefault(metric.name, metric)
    damaged = tuple(({"file": one.path, "line": str(one.lineno)}, 1) for one in source.damaged.values())
    if damaged:
        found["memtwin_damaged"] = Metric("memtwin_damaged", "info", "Files that are damaged.", damaged)
    return list(found.values())


def _memory(source: Source) -> Iterable[Metric]:
    record = load(source, meminfo)
    return [] if record is None else meminfo_view.metrics(record)


def _swaps(source: Source) -> Iterable[Metric]:
    record = load(source, swaps)
    return [] if record is None else swaps_view.metrics(record)


def _zones(source: Source) -> Iterable[Metric]:
    record = load(source, zoneinfo)
    return [] if record is None else zoneinfo_view.metrics(record)


def _blocks(source: Source) -> Iterable[Metric]:
    record = load(source, buddyinfo)
    return [] if record is None else buddyinfo_view.metrics(record)


def _slabs(source: Source) -> Iterable[Metric]:
    record = load(source, slabinfo)
    return [] if record is None else slabtop_view.metrics(record.caches)


def _pressure(source: Source) -> Iterable[Metric]:
    found = {name: load(source, pressure, resource=name) for name in pressure_view.RESOURCES}
    known = {name: record for name, record in found.items() if record is not None}
    return pressure_view.metrics(known) if known else []


def _load(source: Source) -> Iterable[Metric]:
    record = load(source, loadavg)
    if record is None:
        return []
    return loadavg_view.metrics(loadavg_view.Load(record, cpus=None, running=None, blocked=None, tasks=None))


def _counters(source: Source) -> Iterable[Metric]:
    cpu, memory, counters = load(source, stat), load(source, meminfo), load(source, vmstat)
    if cpu is None or memory is None or counters is None:
        return []
    facts = host(source)
    return vmstat_view.metrics(vmstat_view.Sample(cpu, memory, counters, facts.page_kib, facts.ticks_per_s))


def _tasks(source: Source) -> Iterator[Metric]:
    records = [record for process in processes(source) if (record := process.load(pid_stat)) is not None]
    states = sorted({record.state for record in records})
    counts = tuple(({"state": state}, sum(record.state == state for record in records)) for state in states)
    yield Metric("node_processes_state", "gauge", "Processes by state.", counts)


_PARTS: tuple[Callable[[Source], Iterable[Metric]], ...] = (
    _memory, _swaps, _zones, _blocks, _slabs, _pressure, _load, _counters, _tasks,
)  # fmt: skip
