"""A whole trace in the forms of other programs: Perfetto's packets, Parquet tables, OpenMetrics with time stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render import openmetrics
from memtwin.render import parquet as render_parquet
from memtwin.render.perfetto import Packets
from memtwin.sources.tracks import COUNTERS, PROCESS_FIGURES, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.sources.tracks import Process, Tracks

_NS_PER_MS: Final = 1_000_000
_US_PER_S: Final = 1_000_000


def perfetto(tracks: Tracks) -> Iterator[bytes]:
    """Yield a Perfetto trace in pieces: a track a figure, those of a process below it. Times are since boot."""
    packets = Packets()
    of_process: dict[Process, int] = {}
    counters: dict[tuple[Process | None, str], int] = {}
    for moment in tracks.moments():
        boot_ns = moment.boot_ms * _NS_PER_MS
        made = [packets.clocks(boot_ns, moment.unix_ms * _NS_PER_MS)]
        owners: list[tuple[Process | None, Mapping[str, float]]] = [(None, moment.machine), *moment.processes.items()]
        for process, figures in owners:
            if process is not None and process not in of_process:
                of_process[process], packet = packets.process(process.pid, moment.names[process])
                made.append(packet)
            for name, value in figures.items():
                if (process, name) not in counters:
                    parent = None if process is None else of_process[process]
                    counters[process, name], packet = packets.counter(name, unit_of(name), parent)
                    made.append(packet)
                made.append(packets.value(counters[process, name], boot_ns, value))
        yield b"".join(made)


def parquet(tracks: Tracks) -> dict[str, bytes]:
    """Return two Parquet files: ``machine`` has a row a sample, ``processes`` a row a process that was read for one.

    A figure that was not read for a sample is null there. Raise NotBuiltError without pyarrow.
    """
    render_parquet.need()
    unix_ms: list[int] = []
    boot_ms: list[int] = []
    machine: dict[str, list[float | None]] = {}
    rows: list[tuple[Any, ...]] = []
    for number, moment in enumerate(tracks.moments()):
        unix_ms.append(moment.unix_ms)
        boot_ms.append(moment.boot_ms)
        for name in moment.machine.keys() - machine.keys():
            machine[name] = [None] * number
        for name, column in machine.items():
            column.append(moment.machine.get(name))
        rows += [
            (moment.unix_ms, moment.boot_ms, *process, moment.names[process], *map(figures.get, PROCESS_FIGURES))
            for process, figures in moment.processes.items()
        ]
    heads = ("time_unix_ms", "boot_ms", "pid", "start_ticks", "name", *PROCESS_FIGURES)
    columns = zip(*rows, strict=True) if rows else [()] * len(heads)
    return {
        "machine": render_parquet.encode({"time_unix_ms": unix_ms, "boot_ms": boot_ms} | dict(sorted(machine.items()))),
        "processes": render_parquet.encode(dict(zip(heads, map(list, columns), strict=True))),
    }


class Exposition:
    """All samples of a trace as one OpenMetrics exposition with time stamps, as promtool makes blocks of.

    Time stamps may not go back: :attr:`left_out` counts the figures of samples before which the clock was set back.
    """

    def __init__(self, tracks: Tracks) -> None:
        self.left_out = 0
        self._families: dict[_Family, dict[str, list[str]]] = {}
        self._last_ms: dict[str, int] = {}
        for moment in tracks.moments():
            for name, value in moment.machine.items():
                self._add(_family_of(name), _labels_of(name), moment.unix_ms, value)
            for process, figures in moment.processes.items():
                labels = {
                    "pid": f"{process.pid}",
                    "start_ticks": f"{process.start_ticks}",
                    "name": moment.names[process],
                }
                for name, value in figures.items():
                    self._add(_family_of_process(name), labels, moment.unix_ms, value)

    def text(self) -> str:
        """Return the exposition."""
        lines = []
        for family, metrics in self._families.items():
            lines.append(f"# TYPE {family.name} {family.kind}")
            for points in metrics.values():
                lines += points
        return "".join(f"{line}\n" for line in [*lines, "# EOF"])

    def _add(self, family: _Family, labels: dict[str, str], unix_ms: int, value: float) -> None:
        metric = f"{family.name}{'_total' if family.kind == 'counter' else ''}{openmetrics.labelled(labels)}"
        if unix_ms <= self._last_ms.get(metric, -1):
            self.left_out += 1
            return
        self._last_ms[metric] = unix_ms
        number = value / _US_PER_S if family.name.endswith("_seconds") else value
        points = self._families.setdefault(family, {}).setdefault(metric, [])
        points.append(f"{metric} {number} {unix_ms / 1000:.3f}")


class _Family(NamedTuple):
    name: str
    kind: openmetrics.Kind


def _family_of(figure: str) -> _Family:
    """Return the family of a figure of the machine, node_exporter's where it has one.

    >>> _family_of("MemFree_bytes").name, _family_of("pgfault").name, _family_of("psi_memory_full_us").name
    ('node_memory_MemFree_bytes', 'node_vmstat_pgfault', 'node_pressure_memory_stalled_seconds')
    """
    if figure.startswith("psi_"):
        _, resource, who, _ = figure.split("_")
        verb = "waiting" if who == "some" else "stalled"
        return _Family(f"node_pressure_{resource}_{verb}_seconds", "counter")
    if figure.startswith("swap "):
        return _Family("memtwin_swap_used_bytes", "gauge")
    if figure.startswith("load"):
        return _Family(f"node_{figure}", "gauge")
    if figure[:1].isupper():
        return _Family(openmetrics.named(f"node_memory_{figure}"), "gauge")
    return _Family(openmetrics.named(f"node_vmstat_{figure}"), "unknown")


def _labels_of(figure: str) -> dict[str, str]:
    return {"device": figure.split(" ", 1)[1].rpartition(" ")[0]} if figure.startswith("swap ") else {}


def _family_of_process(figure: str) -> _Family:
    name = figure.removesuffix("_us") + "_seconds" if figure.endswith("_us") else figure
    return _Family(f"memtwin_process_{name}", "counter" if figure in COUNTERS else "gauge")
