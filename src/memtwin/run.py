"""A scenario on a machine: carries out the operations and leaves a run directory in the layout of a recording.

::

    OUT/scenario.txt  run.json  ops.jsonl  dmesg.txt  timeline.csv
    OUT/boot/proc/…   OUT/LABEL/proc/…   OUT/LABEL/workers/NAME/…

``run.json`` holds no wall time and no host name: the same input gives the same bytes.  The directory is written under
another name and moved to its place when it is whole, so that a run that was cut off never looks like one that ended.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from memtwin import __version__, engine
from memtwin import machine as machines
from memtwin.dcache import Dcache
from memtwin.errors import InputError, ScenarioError, UsageError
from memtwin.mm import debug, mm_init, page_alloc
from memtwin.mm import loadavg as mm_loadavg
from memtwin.mm import mm_types as t
from memtwin.process import Processes, idle
from memtwin.scenario import (
    Checkpoint,
    Exit,
    Fork,
    Kill,
    Mmap,
    Munmap,
    Op,
    Proc,
    Scenario,
    SetSysctl,
    Sleep,
    SwapDisk,
    SwapZram,
    Sync,
    Touch,
    WorkerOp,
)
from memtwin.twin import Twin
from memtwin.units import kib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memtwin.machine import Machine
    from memtwin.mm.state import State
    from memtwin.source import Source

SUPPORTED = (Proc, Mmap, Munmap, Touch, Fork, Exit, Kill, Sleep, Sync, SetSysctl, Checkpoint)
"""Operations that the model can do; with no page cache yet there is nothing that ``sync`` must write."""
ALWAYS = ("pgfault", "pgmajfault", "pswpin", "pswpout")
WHEN_MOVED = (
    "oom_kill", "pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "workingset_refault_anon",
    "workingset_refault_file", "workingset_activate_anon", "workingset_activate_file", "pgpgin", "pgpgout",
    "allocstall_normal", "allocstall_dma32", "allocstall_movable", "pgactivate", "pgdeactivate", "pgfree",
    "thp_fault_alloc", "compact_stall",
)  # fmt: skip
"""Counters whose change an operation's line tells when there is one."""
TIMELINE = (
    "MemFree", "MemAvailable", "Cached", "AnonPages", "Slab", "PageTables", "SwapFree", "Committed_AS", "pgfault",
    "pgmajfault", "pswpin", "pswpout", "pgscan", "pgsteal",
)  # fmt: skip
STORY_LINES = 20


@dataclass(slots=True)
class Done:
    """What became of one operation."""

    op: Op
    outcome: str
    errno: int
    us: int
    deltas: dict[str, int]
    deaths: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Sample:
    """Main figures at one time: sizes in kB, counters since boot."""

    time_ns: int
    op: int
    figures: dict[str, int]


class Run:
    """A run under way: operations done, samples taken, checkpoints kept as text."""

    def __init__(self, scenario: Scenario, machine: Machine) -> None:
        self.scenario = scenario
        self.machine = machine
        self.done: list[Done] = []
        self.samples: list[Sample] = []
        self.checkpoints: dict[str, dict[str, str]] = {}
        self.processes = Processes(machine, self._sample)
        self.dcache = Dcache(machine.state, machine.caches)

    def execute(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Carry out every operation; raises ScenarioError where the model cannot go on."""
        self._checkpoint("boot")
        if self.machine.boot.sysctl and "vm.lowmem_reserve_ratio" in self.machine.boot.sysctl:
            mm_init.read_lowmem_reserve_ratio(self.machine.state)
        for number, op in enumerate(self.scenario.ops):
            if progress:
                progress(number, len(self.scenario.ops))
            self._step(op)
        if progress:
            progress(len(self.scenario.ops), len(self.scenario.ops))

    def _step(self, op: Op) -> None:
        state = self.machine.state
        before, since = _counted(state), state.clock_ns
        self.processes.user_ns = 0
        mm_loadavg.set_active(state, 0 if isinstance(op, (Sleep, Checkpoint)) else 1)
        outcome, errno, deaths = self._carry_out(op)
        mm_loadavg.set_active(state, 0)
        if not isinstance(op, Sleep):
            engine.account(state, since, min(self.processes.user_ns, state.clock_ns - since))
        after = _counted(state)
        deltas = {name: after[name] - before[name] for name in ALWAYS}
        deltas.update({n: after[n] - before[n] for n in WHEN_MOVED if after[n] != before[n]})
        self.done.append(Done(op, outcome, errno, (state.clock_ns - since) // 1000, deltas, deaths))
        self._sample()
        if state.checks:
            debug.validate(state, self.story())

    def _carry_out(self, op: Op) -> tuple[str, int, list[dict[str, Any]]]:
        """Do one operation: (outcome, errno, deaths)."""
        deaths: list[dict[str, Any]] = []
        code: int = t.OK
        if isinstance(op, WorkerOp):
            process = self.processes.by_name.get(op.proc)
            if process is None or not process.alive:
                return "skipped", 0, deaths
            if not isinstance(op, Kill):
                self.processes.command(process, op)
            if isinstance(op, (Exit, Kill)):
                self.processes.end(process)
                self.dcache.forget(f"proc/{process.pid}")
                signal = 9 if isinstance(op, Kill) else 0
                deaths = [{"name": process.name, "pid": process.pid, "signal": signal, "code": 0}]
            elif isinstance(op, Mmap):
                code = self.processes.mmap(process, op.region, op.size_bytes, op)
            elif isinstance(op, Munmap):
                code = self.processes.munmap(process, op.region)
            elif isinstance(op, Touch):
                code = self.processes.touch(process, op)
            elif isinstance(op, Fork):
                code = self.processes.fork(process, op.child, op)
        elif isinstance(op, Proc):
            code = self.processes.start(op.name, op.adj, op)
        elif isinstance(op, Sleep):
            idle(self.machine, op.sleep_ns, self._sample)
        elif isinstance(op, SetSysctl):
            wrong = self.machine.write_sysctl(op.name.removeprefix("vm."), op.value)
            code = t.EINVAL if wrong else t.OK
        elif isinstance(op, Checkpoint):
            self._checkpoint(op.label)
        return ("ok" if code == t.OK else "error"), code, deaths

    def _checkpoint(self, label: str) -> None:
        """Keep every file that can be read now, as text."""
        twin = Twin(self.machine, self.processes.by_name)
        paths = twin.paths() if label == "boot" else [p for p in twin.paths() if _changes(p)]
        files = {path: text for path in paths if (text := twin.read(path)) is not None}
        if label == "boot":
            files["sysctl_vm"] = "".join(f"vm.{k} = {v}\n" for k, v in sorted(self.machine.sysctl.items()))
        workers = (
            f"{process.name} {process.pid} {'alive' if process.alive else 'dead'}\n"
            for process in self.processes.by_name.values()
        )
        files["workers.txt"] = "".join(workers)
        self.checkpoints[label] = files
        self.dcache.read(self._read_paths(paths, label))

    def _read_paths(self, paths: list[str], label: str) -> list[str]:
        """The kernel's names of the files that a checkpoint reads; at boot the settings are read one by one."""
        pids = {name: process.pid for name, process in self.processes.by_name.items()}
        named = []
        for path in paths:
            words = path.split("/")
            named.append(f"proc/{pids[words[1]]}/{words[2]}" if words[0] == "workers" else path)
        if label == "boot" and self.machine.boot.sysctl:
            names = [name.removeprefix("vm.") for name in self.machine.boot.sysctl]
            named += [f"proc/sys/vm/{name}" for name in names]
        return named

    def _sample(self) -> None:
        """Note the main figures now."""
        state = self.machine.state
        node, events = state.node_stats(), state.events_by_name()
        sizes = {
            "MemFree": page_alloc.free_pages(state),
            "MemAvailable": page_alloc.si_mem_available(state),
            "Cached": node["nr_file_pages"] - node["nr_swapcached"],
            "AnonPages": node["nr_anon_pages"],
            "Slab": node["nr_slab_reclaimable"] + node["nr_slab_unreclaimable"],
            "PageTables": node["nr_page_table_pages"],
            "SwapFree": state.swap_pages[1],
            "Committed_AS": state.committed_pages,
        }
        figures = {name: int(kib(value)) for name, value in sizes.items()}
        figures.update({name: events[name] for name in ALWAYS})
        figures["pgscan"] = events["pgscan_kswapd"] + events["pgscan_direct"]
        figures["pgsteal"] = events["pgsteal_kswapd"] + events["pgsteal_direct"]
        self.samples.append(Sample(state.clock_ns, len(self.done), figures))

    def story(self) -> tuple[str, ...]:
        """The newest operations with what became of them, newest last."""
        return tuple(f"op {d.op.index}: {d.op.text} -> {d.outcome}" for d in self.done[-STORY_LINES:])

    # --- the run directory

    def files(self) -> dict[str, str]:
        """Every file of the run directory but ``run.json``, by path."""
        found = {
            "scenario.txt": self.scenario.text,
            "ops.jsonl": "".join(_line(done) for done in self.done),
            "dmesg.txt": "",
            "timeline.csv": self._timeline(),
        }
        for label, files in self.checkpoints.items():
            found.update({f"{label}/{path}": text for path, text in files.items()})
        return found

    def meta(self) -> dict[str, Any]:
        """``run.json``: what ran and on what; nothing of the host."""
        return {
            "scenario": Path(self.scenario.path).stem if self.scenario.path else "",
            "kernel_profile": "6.1",
            "kernel": _release(self.machine.boot.version),
            "twin": __version__,
            "costs": self.machine.costs.name,
            "complete": True,
            "oom_victims": [],
            "ops": len(self.scenario.ops),
            "ops_done": len(self.done),
            "not_ok": [[d.op.index, d.outcome, d.errno] for d in self.done if d.outcome != "ok"],
        }

    def _timeline(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["time_ns", "ops_done", *TIMELINE])
        for sample in self.samples:
            writer.writerow([sample.time_ns, sample.op, *(sample.figures[name] for name in TIMELINE)])
        return out.getvalue()

    def write(self, out: Path) -> None:
        """Write the run directory: whole, or not at all."""
        if out.exists():
            raise UsageError(f"{out} is there already", hint="give another -o, or remove it first")
        partial = out.with_name(f"{out.name}.partial{os.getpid()}")
        try:
            for path, text in self.files().items():
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text.encode(errors="surrogateescape"))
            meta = msgspec.json.format(msgspec.json.encode(self.meta()), indent=1)
            (partial / "run.json").write_bytes(meta + b"\n")
            partial.rename(out)
        except OSError as problem:
            shutil.rmtree(partial, ignore_errors=True)
            raise InputError(
                f"{out}: cannot be written: {problem.strerror or problem}", hint="nothing was left behind"
            ) from problem
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _counted(state: State) -> dict[str, int]:
    """Every counter that an operation's line may tell of."""
    return {**state.node_stats(), **state.events_by_name()}


def _line(done: Done) -> str:
    record = {
        "i": done.op.index, "op": done.op.text, "outcome": done.outcome, "errno": done.errno, "info": "",
        "us": done.us, "d": done.deltas, "deaths": done.deaths,
    }  # fmt: skip
    return msgspec.json.encode(record).decode() + "\n"


def _changes(path: str) -> bool:
    """Whether a file is recorded at each checkpoint, not only at boot."""
    if path.startswith("workers/") or path.startswith("proc/pressure/"):
        return True
    often = "meminfo vmstat buddyinfo pagetypeinfo zoneinfo slabinfo swaps loadavg uptime stat diskstats".split()
    return path.removeprefix("proc/") in often


def _release(version: str) -> str:
    """The kernel's release out of /proc/version."""
    words = version.split()
    return words[2] if len(words) > 2 else ""  # noqa: PLR2004 - "Linux version RELEASE"


def refuse_what_cannot_be_done(scenario: Scenario) -> None:
    """Raise a ScenarioError for the first line that the model cannot do yet, before anything runs."""
    for op in scenario.ops:
        if not isinstance(op, SUPPORTED):
            verb = op.text.split()[1 if isinstance(op, WorkerOp) else 0]
            raise ScenarioError(
                scenario.path, op.lineno, op.text, f"an operation that the model knows: it cannot do {verb!r} yet",
                hint="nothing was run",
            )  # fmt: skip


def settings_of(settings: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` words."""
    found = {}
    for word in settings:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"--set {word}: expected KEY=VALUE", hint="for example --set vm.overcommit_memory=2")
        found[key] = value
    return found


def apply_settings(machine: Machine, scenario: Scenario, settings: dict[str, str], *, snapshot_rules: bool) -> None:
    """Apply the scenario's header (where the snapshot did not do it already) and ``--set``, in this order."""
    for setting in scenario.sysctls:
        name = setting.name.removeprefix("vm.")
        if not snapshot_rules or machine.sysctl.get(name) != setting.value:
            _write(machine, name, setting.value)
    for key, value in settings.items():
        if not key.startswith("vm."):
            raise UsageError(f"--set {key}: cannot do this setting yet", hint="vm.* settings can be set")
        _write(machine, key.removeprefix("vm."), value)


def _write(machine: Machine, name: str, value: str) -> None:
    wrong = machine.write_sysctl(name, value)
    if wrong:
        raise UsageError(wrong)


def check_swaps(machine: Machine, scenario: Scenario) -> None:
    """Refuse a scenario whose swaps are not the snapshot's."""
    def slots(swap: SwapDisk | SwapZram) -> int:
        return swap.size_bytes // 4096 * 4 - 4

    asked = sorted(slots(swap) for swap in scenario.swaps)
    have = sorted(int(area.size_kib) for area in machine.boot.swaps.areas)
    if asked != have:
        raise UsageError(
            f"the scenario's swaps hold {asked or 'no'} kB, those of the snapshot {machine.boot.name} {have or 'none'}",
            hint="boot from a snapshot with the same swap areas, or change the scenario's header",
        )


def simulate(
    scenario: Scenario,
    boot: Source,
    *,
    settings: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Run *scenario* on a machine built from the snapshot *boot* and return the run."""
    refuse_what_cannot_be_done(scenario)
    machine = machines.build(boot)
    machines.check_header(machine, scenario.machine.ram_bytes, scenario.machine.cpus)
    check_swaps(machine, scenario)
    apply_settings(machine, scenario, settings_of(settings), snapshot_rules=True)
    run = Run(scenario, machine)
    run.execute(progress)
    return run


def run_scenario(
    scenario: Scenario,
    boot: Source,
    out: Path,
    *,
    settings: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Run *scenario* from the snapshot *boot* and write the run directory *out*."""
    simulate(scenario, boot, settings=settings, progress=progress).write(out)
