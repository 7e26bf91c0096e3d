"""A scenario on a machine: carries out the operations and leaves a run directory in the layout of a recording.

::

    OUT/scenario.txt  run.json  ops.jsonl  dmesg.txt  timeline.csv (timeline.parquet with the extra `data`)
    OUT/swap_areas.csv
    OUT/boot/proc/…   OUT/LABEL/proc/…   OUT/LABEL/workers/NAME/…   OUT/LABEL/frame_map.json

``run.json`` holds no wall time and no host name: the same input gives the same bytes.  The directory is written under
another name and moved to its place when it is whole, so that a run that was cut off never looks like one that ended.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from memtwin import __version__
from memtwin.errors import HostMemoryError, ModelBug, NotModelledError
from memtwin.files import output
from memtwin.linux import features
from memtwin.linux.check import invariants
from memtwin.linux.core import mm_types, notices
from memtwin.linux.core.host_memory import raise_if_short
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.kernel.sched import cputime, psi
from memtwin.linux.kernel.sched import loadavg as mm_loadavg
from memtwin.linux.mm import filemap, kcompactd, mm_init
from memtwin.linux.records import NoticeKind, Outcome
from memtwin.machine import chance, swap_areas
from memtwin.oom import layout
from memtwin.procfs.counters import figures_with
from memtwin.run import timeline
from memtwin.run.attach import refuse_attach
from memtwin.run.blocks import Blocks
from memtwin.run.disk import Disk, is_on_xfs, set_up
from memtwin.run.done import Before, Done, ages, counted, moved, youngest
from memtwin.run.observer import Dcache
from memtwin.run.operations import IDLE, OF_MACHINE, OF_PROCESS, ON_FILES, ON_HEAP
from memtwin.run.processes import Processes
from memtwin.run.refusals import OF_USERS, SIGNALS, refusal, signal_of
from memtwin.run.settings import Settings, apply_sysctls, check_sizes, check_sysctls, prepare, settings_of
from memtwin.run.shared import Shared
from memtwin.run.worker import Worker
from memtwin.scenario import Checkpoint, Fmap, Kill, Op, Scenario, Truncate, VmRead, WorkerOp
from memtwin.sources import frame_map
from memtwin.twin import oom_event
from memtwin.twin.booted import changes, is_of_booted
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memtwin.machine.boot import Boot
    from memtwin.machine.machine import Booted, Machine
    from memtwin.oom.event import OomEvent
    from memtwin.run.change import SwapChange
    from memtwin.run.heap import HeapFigures
    from memtwin.run.timeline import Sample
    from memtwin.sources.frame_map import FrameMap
    from memtwin.sources.source import Source

CACHED_BEFORE, BUFFERS, ANONYMOUS = "files cached before the run", "blocks of the disk (Buffers)", "anonymous memory"
"""Whose pages reclaim took, where it is no file of the scenario: no file's name has a blank in it."""
PANICKED = "the kernel has panicked"
STORY_LINES = 20
_OFTEN = (
    "meminfo", "vmstat", "buddyinfo", "pagetypeinfo", "zoneinfo", "slabinfo", "swaps", "loadavg", "uptime", "stat",
    "diskstats",
)  # fmt: skip
"""Files of /proc that every checkpoint has."""
_NOT_READ_BY_THE_LAB = ("proc/pressure/cpu", "sys/kernel/debug/lru_gen")
"""A checkpoint of the model has them; reading them made no kernel objects on the recorded machines."""


class Run:
    """A run under way: operations done, samples taken, checkpoints kept as text."""

    def __init__(self, scenario: Scenario, machine: Machine, looks_ns: Mapping[str, int] | None = None) -> None:
        self.scenario = scenario
        self.machine = machine
        self.looks_ns = looks_ns or {}
        """How long it takes to read the files of a checkpoint, by its label; no time where that is not known."""
        self.done: list[Done] = []
        self.samples: list[Sample] = []
        self.checkpoints: dict[str, dict[str, str]] = {}
        self.frame_maps: dict[str, FrameMap] = {}
        self.shared = Shared(machine, scenario.tmpfs)
        self.disk = Disk(machine, scenario.files, self.shared, scenario.path, journals=not is_on_xfs(scenario.disk))
        self.disk.limit(scenario.disk.free_bytes if scenario.disk else 0)
        self.processes = Processes(machine, self.disk, scenario.path, self.sample)
        self.dcache = Dcache(machine.state, machine.caches)
        self.blocks = Blocks(machine.state)
        self.dmesg: list[str] = []
        self.ooms: list[OomEvent] = []
        self.ooms_before: list[OomEvent] = []
        """Of before the first operation: while the machine was changed."""
        events = machine.state.events_by_name()
        self._stolen_before = {kind: events[f"pgsteal_{kind}"] for kind in ("file", "anon")}

    def execute(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Carry out every operation; raises NotModelledError where the model cannot go on."""
        self._read_notices()
        self.ooms_before = list(self.ooms)
        self.processes.bury()
        self.processes.take_ended()
        self.sample(between=True)
        self.checkpoint("boot")
        if self.machine.boot.sysctl and "vm.lowmem_reserve_ratio" in self.machine.boot.sysctl:
            mm_init.read_lowmem_reserve_ratio(self.machine.state)
        since = self.machine.state.clock_ns
        cputime.begin_operation(self.machine.state)
        self.disk.prefetch_bitmaps()
        cputime.account(self.machine.state, since, 0)
        while len(self.done) < len(self.scenario.ops):  # which may change while it runs
            if progress:
                progress(len(self.done), len(self.scenario.ops))
            self.do(self.scenario.ops[len(self.done)])
        self.finish()
        if progress:
            progress(len(self.scenario.ops), len(self.scenario.ops))

    def finish(self) -> None:
        """Wait for what runs beside the main line."""
        self._wait_for(())
        self._bury()

    def _wait_for(self, names: tuple[str, ...]) -> None:
        """Wait for what the named processes, or all, do beside the main line, and account the time."""
        if not self.processes.beside.is_busy(names):
            return
        since = self.machine.state.clock_ns
        cputime.begin_operation(self.machine.state)
        self.processes.wait(names)
        cputime.account_sleep(self.machine.state, since)

    def do(self, op: Op) -> None:
        """Carry out one operation; a ModelBug in it lists the operations that led to it."""
        try:
            self._idle_by_chance(op)
            self._step(op)
            raise_if_short()
        except HostMemoryError as problem:
            raise problem.at(f"{self.scenario.path}:{op.lineno}: {op.text}") from None
        except ModelBug as bug:
            raise ModelBug(bug.invariant, story=(*self.story(), f"op {op.index}: {op.text}")) from bug

    def _step(self, op: Op) -> None:
        state = self.machine.state
        if isinstance(op, WorkerOp) and not op.beside and not isinstance(op, Kill):
            self._wait_for((op.proc, op.other) if isinstance(op, VmRead) else (op.proc,))  # one thing after another
            self.processes.bury()
        before = self._begin(op)
        self.processes.user_ns = 0
        cputime.begin_operation(state)
        kcompactd.begin_operation(state)
        mm_loadavg.set_active(state, 0 if isinstance(op, (*IDLE, Checkpoint)) else 1)
        outcome, errno = ("skipped", 0) if state.has_panicked else self._carry_out(op)
        self._read_notices()
        buried, deaths = self._bury()
        signalled, fault = errno in SIGNALS, errno
        if signalled:
            outcome, errno = "died", 0
        panicked = state.has_panicked and outcome != "skipped"
        if panicked or (isinstance(op, WorkerOp) and op.proc in {p.name for p in buried if isinstance(p, Worker)}):
            outcome, errno = "died", 0
        mm_loadavg.set_active(state, 0)
        if isinstance(op, IDLE):
            cputime.account_sleep(state, before.clock_ns)
        else:
            cputime.account(state, before.clock_ns, min(self.processes.user_ns, state.clock_ns - before.clock_ns))
        refused = errno == Outcome.ENOMEM or (outcome == "error" and state.refused_by)
        why = refusal(self.machine) if refused else PANICKED if state.has_panicked else OF_USERS.get(errno, "")
        why = signal_of(self.machine, fault) if signalled else why
        done = Done(op, outcome, errno, (state.clock_ns - before.clock_ns) // 1000, deaths=deaths, why=why)
        self._compare(done, before)
        self.done.append(done)
        self._go_on_beside(done)
        self.sample(between=True)
        if state.checks:
            invariants.validate(state, self.story())

    def _begin(self, op: Op) -> Before:
        """Return what :meth:`_compare` needs to know of the machine before an operation."""
        state = self.machine.state
        return Before(
            state.clock_ns,
            counted(state),
            self.taken(),
            state.scan_balances,
            youngest(state),
            file_pages=self.disk.pages(op.file) if isinstance(op, ON_FILES) else 0,
            ooms=len(self.ooms),
            quiet=not state.reclaim_began_ns,
        )

    def _compare(self, done: Done, before: Before) -> None:
        """Note in *done* what an operation did to the machine."""
        state, now = self.machine.state, counted(self.machine.state)
        done.deltas = moved(before.counters, now)
        done.file_pages = before.file_pages
        done.ooms = self.ooms[before.ooms :]
        done.taken = {name: pages - before.taken.get(name, 0) for name, pages in self.taken().items()}
        done.balances = tuple(a - b for a, b in zip(state.scan_balances, before.balances, strict=True))
        done.ages = ages(state, before.counters, now, before.youngest)
        done.swappiness = int(self.machine.sysctl["swappiness"])
        done.heap = self._heap(done.op)
        done.began = before.quiet and state.reclaim_began_ns > 0

    def _idle_by_chance(self, op: Op) -> None:
        """Let the machine be idle before an operation, where that is left to chance."""
        pause_ns = chance.pause_ns(self.machine.boot.seed, op.index)
        if pause_ns and not isinstance(op, (*IDLE, Checkpoint)) and not self.machine.state.has_panicked:
            since = self.machine.state.clock_ns
            mm_loadavg.set_active(self.machine.state, 0)
            cputime.begin_operation(self.machine.state)
            self.processes.idle(since + pause_ns)
            cputime.account_sleep(self.machine.state, since)

    def _go_on_beside(self, done: Done) -> None:
        """Begin what runs beside, and note what has ended there."""
        op, beside, since = done.op, self.processes.beside, self.machine.state.clock_ns
        cputime.begin_operation(self.machine.state)
        if isinstance(op, WorkerOp) and op.beside and done.outcome == "ok":
            process = self.processes.by_name[op.proc]
            beside.add(process, done)
        beside.collect()
        cputime.account(self.machine.state, since, 0)

    def _heap(self, op: Op) -> HeapFigures | None:
        process = self.processes.by_name.get(op.proc) if isinstance(op, ON_HEAP) else None
        return process.heap.figures() if process and process.heap else None

    def taken(self) -> dict[str, int]:
        """Pages that reclaim took since the run began, by whose they were: a file's name, or what it was instead."""
        state, events = self.machine.state, self.machine.state.events_by_name()
        found = {name: filemap.file_info(state, number).reclaimed for name, number in self.disk.numbers.items()}
        found[BUFFERS] = filemap.file_info(state, self.machine.bdev).reclaimed
        found[CACHED_BEFORE] = events["pgsteal_file"] - self._stolen_before["file"] - sum(found.values())
        found[ANONYMOUS] = events["pgsteal_anon"] - self._stolen_before["anon"]
        return found

    def _carry_out(self, op: Op) -> tuple[str, int]:
        """Do one operation; returns what became of it, and the errno."""
        if isinstance(op, WorkerOp):
            process = self.processes.by_name.get(op.proc)
            if process is None or not process.alive:
                return "skipped", 0
            if op.beside:
                return "ok", 0
            if not isinstance(op, Kill):
                self.processes.command(process, op)
            code = OF_PROCESS[type(op)](self.processes, process, op)
        else:
            kernel_fork.run_as(self.machine.state, self.machine.rest)
            code = OF_MACHINE[type(op)](self, op)
        return ("ok" if code == Outcome.OK else "error"), code

    def _bury(self) -> tuple[list[Worker | Booted], list[dict[str, Any]]]:
        """End those that were killed for their memory; returns them, and a line for each process that has ended."""
        buried = self.processes.bury()
        return buried, [self._death(process, signal) for process, signal in self.processes.take_ended()]

    def _death(self, process: Worker | Booted, signal: int) -> dict[str, Any]:
        """The line of a process that ended, among the deaths; its files are not read any more."""
        self.dcache.forget(f"proc/{process.pid}")
        return {"name": process.name, "pid": process.pid, "signal": signal, "code": 0}

    def _log(self, line: str, time_ns: int) -> None:
        """Add a line to the kernel log."""
        self.dmesg.append(line if line.startswith(" ") else f"[{time_ns / 1_000_000_000:12.6f}] {line}")

    def _read_notices(self) -> None:
        """Write to the kernel log what the machine has reported: memory that ran out, and what the reaper took."""
        for notice in notices.take_notices(self.machine.state):
            twin = Twin(replace(self.machine, state=notice.then), self.processes.by_name)
            if notice.kind == NoticeKind.REAP:
                self._log(layout.reaped(oom_event.victim(twin, notice.victim)), notice.time_ns)
                continue
            self.ooms.append(oom_event.event(twin, notice))
            for line in layout.render(self.ooms[-1]):
                self._log(line, notice.time_ns)

    def checkpoint(self, label: str) -> None:
        """Read and keep every file that can be read now; who reads /proc is no process of the scenario.

        All are of one moment; where a look takes time (*looks_ns*), that passes then, while the scenario waits.
        """
        kernel_fork.run_as(self.machine.state, self.machine.rest)
        psi.psi_show(self.machine.state)
        twin = Twin(self.machine, self.processes.by_name)
        paths = twin.paths() if label == "boot" else [p for p in twin.paths() if _changes(p)]
        self.keep(label, twin, paths)
        self.dcache.read(self._read_paths(paths, label))
        self.processes.idle(self.machine.state.clock_ns + self.looks_ns.get(label, 0))

    def keep(self, label: str, twin: Twin, paths: list[str]) -> None:
        """Keep the files *paths* of the machine as they are now, and what its frames are used for."""
        files = {path: text for path in paths if (text := twin.read(path)) is not None}
        if label == "boot":
            files["sysctl_vm"] = "".join(f"vm.{k} = {v}\n" for k, v in sorted(self.machine.sysctl.items()))
        workers = (
            f"{process.name} {process.pid} {'alive' if process.alive else 'dead'}\n"
            for process in self.processes.by_name.values()
        )
        files["workers.txt"] = "".join(workers)
        self.checkpoints[label] = files
        self.frame_maps[label] = twin.frame_map(frame_map.order_to_keep(twin.state.memory_total))

    def _read_paths(self, paths: list[str], label: str) -> list[str]:
        """The kernel's names of the files that a checkpoint reads, those of the machine's own processes left out."""
        pids = {name: process.pid for name, process in self.processes.by_name.items()}
        named = []
        for path in paths:
            if path in _NOT_READ_BY_THE_LAB or path.endswith("/smaps") or is_of_booted(path):
                continue
            words = path.split("/")
            named.append(f"proc/{pids[words[1]]}/{words[2]}" if words[0] == "workers" else path)
        if label == "boot" and self.machine.boot.sysctl:
            names = [name.removeprefix("vm.") for name in self.machine.boot.sysctl]
            named += [f"proc/sys/vm/{name}" for name in names]
        return named

    def sample(self, *, between: bool = False) -> None:
        """Note the main figures now."""
        self.samples.append(timeline.sample(self.machine, len(self.done), between=between))

    def story(self) -> tuple[str, ...]:
        """The newest operations with what became of them, newest last."""
        return tuple(f"op {d.op.index}: {d.op.text} -> {d.outcome}" for d in self.done[-STORY_LINES:])

    # --- the run directory

    def files(self) -> dict[str, str]:
        """Every file of the run directory but ``run.json``, by path."""
        found = {
            "scenario.txt": self.scenario.text,
            "ops.jsonl": "".join(_line(done) for done in self.done),
            "dmesg.txt": "".join(f"{line}\n" for line in self.dmesg),
        }
        for label, files in self.checkpoints.items():
            found.update({f"{label}/{path}": text for path, text in files.items()})
        return found

    def meta(self) -> dict[str, Any]:
        """``run.json``: what ran and on what; nothing of the host."""
        return {
            "scenario": Path(self.scenario.path).stem if self.scenario.path else "",
            "kernel_profile": features.profile_of(self.machine.boot.release),
            "kernel": _release(self.machine.boot.version),
            "twin": __version__,
            "costs": self.machine.costs.name,
            "guest_c": self.machine.program.guest_c,
            "complete": True,
            "oom_victims": self._victims(),
            "swap_written": swap_areas.written(
                self.machine.state, self.machine.areas, self.samples[-1].time_ns - self.samples[0].time_ns
            ),
            "ops": len(self.scenario.ops),
            "ops_done": len(self.done),
            "not_ok": [[d.op.index, d.outcome, d.errno] for d in self.done if d.outcome != "ok"],
        }

    def _victims(self) -> list[str]:
        """Return the names of those that the OOM killer took, before the first operation too."""
        before = [event.victim.name for event in self.ooms_before if event.victim is not None]
        return before + [
            death["name"] for d in self.done for death in d.deaths if d.deltas.get("oom_kill") and death["signal"]
        ]

    def write(self, out: Path) -> None:
        """Write the run directory: whole, or not at all; ``run.json`` last."""
        with output.directory(out) as directory:
            for path, text in self.files().items():
                directory.write(path, text.encode(errors="surrogateescape"))
            for label, shown in self.frame_maps.items():
                directory.write(f"{label}/{frame_map.FILE}", frame_map.encode(shown))
            directory.write(*timeline.encode(figures_with("timeline"), self.samples))
            directory.write(timeline.AREAS, timeline.encode_areas(self.samples))
            meta = msgspec.json.format(msgspec.json.encode(self.meta()), indent=1)
            directory.write("run.json", meta + b"\n")


def _line(done: Done) -> str:
    record = {
        "i": done.op.index, "op": done.op.text, "outcome": done.outcome, "errno": done.errno, "info": done.why,
        "us": done.us, "d": done.deltas, "deaths": done.deaths,
    }  # fmt: skip
    if done.heap:
        record["heap"] = done.heap._asdict()
    return msgspec.json.encode(record).decode() + "\n"


def _changes(path: str) -> bool:
    """Whether a file is recorded at each checkpoint, not only at boot."""
    if path.startswith(("workers/", "proc/pressure/", "sys/kernel/debug/")) or path.endswith(("/mm_stat", "/io_stat")):
        return True
    return changes(path) or path.removeprefix("proc/") in _OFTEN


def _release(version: str) -> str:
    """The kernel's release out of /proc/version."""
    words = version.split()
    return words[2] if len(words) > 2 else ""


def refuse_what_cannot_be_done(scenario: Scenario) -> None:
    """Raise a NotModelledError for the first line that the model cannot do yet, before anything runs."""
    for op in scenario.ops:
        if type(op) not in OF_PROCESS and type(op) not in OF_MACHINE:
            verb = op.text.split()[1 if isinstance(op, WorkerOp) else 0]
            raise NotModelledError(f"{scenario.path}:{op.lineno}", f"{verb!r} ({op.text})", hint="nothing was run")
    mapped = {op.file for op in scenario.ops if isinstance(op, Fmap) and "/" not in op.file}
    for op in scenario.ops:
        if isinstance(op, Truncate) and op.file in mapped:
            what = "truncating a file of the data disk that is mapped"
            raise NotModelledError(f"{scenario.path}:{op.lineno}", what, hint="nothing was run")
    side_by_side = {op.proc: op for op in scenario.ops if isinstance(op, WorkerOp) and op.beside}
    if len(side_by_side) > mm_types.MAX_RUNNERS:
        op = list(side_by_side.values())[mm_types.MAX_RUNNERS]
        where = f"{scenario.path}:{op.lineno}"
        raise NotModelledError(
            where, f"more than {mm_types.MAX_RUNNERS} processes side by side", hint="nothing was run"
        )


def machine_for(
    scenario: Scenario,
    boot: Source | Boot | None,
    *,
    settings: Sequence[str] = (),
    swaps: Sequence[SwapChange] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Machine:
    """Return the machine that *scenario* runs on, before its first operation; arguments as :func:`simulate`."""
    asked = replace(settings_of(settings), seed=seed)
    machine = machine_without_sysctls(scenario, boot, asked, swaps, progress)
    apply_sysctls(machine, scenario, asked)
    return machine


def machine_without_sysctls(
    scenario: Scenario,
    boot: Source | Boot | None,
    asked: Settings,
    swaps: Sequence[SwapChange] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Machine:
    """Return the machine before settings below ``vm.`` are written: what machines that differ in these alone share."""
    check_sysctls(scenario)
    check_sizes(scenario, asked)
    machine = prepare(scenario, boot, asked, swaps, progress)
    refuse_attach(scenario, machine)
    set_up(machine.state, scenario.disk)
    return machine


def simulate(
    scenario: Scenario,
    boot: Source | Boot | None,
    *,
    settings: Sequence[str] = (),
    swaps: Sequence[SwapChange] = (),
    seed: int = 0,
    looks_ns: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Run *scenario* and return the run; *boot* None: on a machine made from the scenario's header.

    *boot* may be read already: the records of a machine, as :func:`memtwin.machine.build.read` returns them.

    *swaps* change the machine's swap areas before the run; *seed* decides what a real machine leaves to chance, 0: all
    as usual (``machine/chance.py``); *looks_ns* is how long the looks at checkpoints take, by label; *progress* gets
    processes read, then operations done.
    """
    refuse_what_cannot_be_done(scenario)
    machine = machine_for(scenario, boot, settings=settings, swaps=swaps, seed=seed, progress=progress)
    run = Run(scenario, machine, looks_ns)
    run.execute(progress)
    return run


def run_scenario(
    scenario: Scenario,
    boot: Source | None,
    out: Path,
    *,
    settings: Sequence[str] = (),
    seed: int = 0,
    looks_ns: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Run *scenario* and write the run directory *out*; arguments as :func:`simulate`."""
    run = simulate(scenario, boot, settings=settings, seed=seed, looks_ns=looks_ns, progress=progress)
    run.write(out)
