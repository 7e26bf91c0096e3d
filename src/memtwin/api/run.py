"""A workload on the model of a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memtwin.api.columns import Columns
from memtwin.api.root import Root
from memtwin.api.workload import Workload, parse_scenario
from memtwin.errors import RecordingError, quoted
from memtwin.procfs import meminfo, vmstat
from memtwin.procfs.counters import COUNTERS, figures_with
from memtwin.sources.recording import checkpoint_of, resolve
from memtwin.sources.texts import TextSource
from memtwin.sources.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.oom import OomEvent
    from memtwin.run import run as model
    from memtwin.scenario import Scenario

_UNITS = {"size": "kB", "event": "count", "pressure": "us"}


class Operation(NamedTuple):
    """The outcome of one operation of a run.

    *text* is the scenario's line. *outcome* is ``ok``, ``error`` (*errno* is what the kernel refused it with, else 0),
    ``died`` (its process was killed) or ``skipped`` (its process was dead before). *time_us* is how long it took, in
    microseconds of the model's clock; *counted* by how much the kernel's counters went on (``pgfault``, ``pswpout``, in
    events or pages); *killed* the processes that ended by a signal meanwhile.
    """

    text: str
    outcome: str
    errno: int
    time_us: int
    counted: Mapping[str, int]
    killed: tuple[str, ...]


class Run:
    r"""A finished run: the outcome of each operation, the machine at each checkpoint, and time series.

    >>> import memtwin
    >>> run = memtwin.simulate("proc A\n A mmap heap 8M\n A touch heap 0 8M w seq\n checkpoint end\n")
    >>> run
    Run(4 operations, checkpoints boot, end)
    >>> run.operations[2].outcome, run.operations[2].counted["pgfault"]
    ('ok', 2048)
    >>> run.at("end").record("meminfo")["AnonPages"] - run.at("boot").record("meminfo")["AnonPages"] >= 8192  # kB
    True
    >>> series = run.series()
    >>> series.units["MemFree"], series["MemFree"][0] > series["MemFree"][-1]
    ('kB', True)
    """

    def __init__(self, run: model.Run) -> None:
        self._run = run
        self._source = TextSource("run", run.files() | {"run.json": json.dumps(run.meta())})

    @property
    def operations(self) -> list[Operation]:
        """The outcome of each operation, in order."""
        return [
            Operation(
                done.op.text, done.outcome, done.errno, done.us, done.deltas,
                tuple(death["name"] for death in done.deaths if death["signal"]),
            )
            for done in self._run.done
        ]  # fmt: skip

    @property
    def checkpoints(self) -> list[str]:
        """The labels for :meth:`at`: ``boot``, and those of the scenario."""
        return list(self._run.checkpoints)

    @property
    def notes(self) -> list[str]:
        """What of the booted snapshot is missing in the machine, and what of the scenario's header is not modelled."""
        return list(self._run.machine.notes)

    @property
    def dmesg(self) -> str:
        """The kernel's log."""
        return self._source.read("dmesg.txt") or ""

    @property
    def oom_events(self) -> list[OomEvent]:
        """The OOM killer's reports."""
        return list(self._run.ooms)

    def at(self, label: str) -> Root:
        """Return the machine at a checkpoint; raise a RecordingError if there is no checkpoint of that name."""
        if label not in self._run.checkpoints:
            hint = f"there are {', '.join(self.checkpoints)}"
            raise RecordingError("run", f"has no checkpoint {quoted(label)}", hint=hint)
        return Root(checkpoint_of(self._source, label))

    def series(self) -> Columns:
        """Return the main figures each second and after each operation: sizes in kB, counters since boot."""
        samples, names = self._run.samples, figures_with("timeline")
        columns = {
            "time_ns": [sample.time_ns for sample in samples],
            "ops_done": [sample.ops_done for sample in samples],
            **{name: [sample.figures[name] for sample in samples] for name in names},
        }
        return Columns(columns, _units(names) | {"time_ns": "ns", "ops_done": "count"})

    def write(self, directory: str | Path) -> None:
        """Write the run to a new directory, as ``memtwin run -o`` does; raise an OutputError if that fails."""
        self._run.write(Path(directory))

    def __repr__(self) -> str:
        return f"Run({len(self._run.done)} operations, checkpoints {', '.join(self.checkpoints)})"


def simulate(
    workload: str | Workload | Scenario, *, boot: str | Root | None = None, settings: Mapping[str, object] | None = None
) -> Run:
    r"""Run a workload on the model of a machine.

    *workload* is a scenario's text, a :class:`memtwin.Workload`, or what :func:`memtwin.parse_scenario` returned. The
    machine is made from its header; with *boot* it is that one, as :func:`memtwin.open_root` names it. *settings* are
    those of ``--set``: ``{"vm.swappiness": 10, "machine.ram": "half"}``.

    Raise a NotBuiltError where the compiled core is not installed, a NotModelledError for what the model cannot do yet.

    >>> import memtwin
    >>> small = "machine ram=128M\nswap disk size=128M\nproc A\nA mmap heap 160M\nA touch heap 0 160M w seq\n"
    >>> run = memtwin.simulate(small, settings={"vm.swappiness": 100})
    >>> run.operations[-1].counted["pswpout"] > 0  # pages
    True
    """
    from memtwin.run.run import simulate as run

    scenario = parse_scenario(workload) if isinstance(workload, str | Workload) else workload
    source = resolve(boot) if isinstance(boot, str) else None if boot is None else boot._source  # noqa: SLF001
    if source is not None:
        source.lenient = False
    return Run(run(scenario, source, settings=[f"{key}={value}" for key, value in (settings or {}).items()]))


def series(trace: str | Path) -> Columns:
    """Return the main figures of each sample of a trace (``memtwin record``): sizes in kB, counters since boot.

    Raise a RecordingError for what is no trace. A figure that a sample lacks is None.

    >>> import memtwin
    >>> memtwin.series("nothing.trace")
    Traceback (most recent call last):
    memtwin.errors.RecordingError: nothing.trace: No such file or directory
    """
    names = [name for name in figures_with("scored") if COUNTERS[name].kind != "pressure"]
    columns: dict[str, list[int | None]] = {name: [] for name in ("time_unix_ms", *names)}
    for sample in Trace(trace).walk():
        texts = {name: sample.state.text(f"proc/{name}") for name in ("meminfo", "vmstat")}
        memory = meminfo.parse((texts["meminfo"] or b"").decode()) if texts["meminfo"] else {}
        counters = vmstat.parse((texts["vmstat"] or b"").decode()) if texts["vmstat"] else {}
        columns["time_unix_ms"].append(sample.unix_ms)
        for name in names:
            columns[name].append(memory.get(name, counters.get(name)))
    return Columns(columns, _units(names) | {"time_unix_ms": "ms"})


def _units(names: tuple[str, ...] | list[str]) -> dict[str, str]:
    return {name: _UNITS[COUNTERS[name].kind] for name in names}
