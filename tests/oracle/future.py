"""The rest of a recorded workload, from a checkpoint in its midst: does a booted machine go on as the real one did.

The machine is that of the checkpoint, its settings those of the recording's boot with what the scenario wrote since.
Its workers are attached to, each with the regions that it had by then: their addresses follow from the program, as when
they were mapped. Which pages of a region are resident few recordings say; ``machine/processes.py`` has the rule. Of
files too only how many pages are cached is known: what no process maps is taken for pages of the file that was read or
written last, from its last page back: what is read through is evicted from its first page on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memtwin.errors import InputError
from memtwin.linux.check import testing
from memtwin.linux.mm import filemap
from memtwin.machine import program
from memtwin.machine.build import build
from memtwin.run.run import Run
from memtwin.run.worker import Region
from memtwin.scenario import (
    Attach,
    Checkpoint,
    Fmap,
    Fork,
    Fread,
    Fwrite,
    Kalloc,
    Kfree,
    Mmap,
    Munmap,
    Op,
    Proc,
    SetSysctl,
    WorkerOp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.machine.machine import Machine
    from memtwin.scenario import Scenario
    from memtwin.sources.recording import Recording
    from memtwin.sources.source import Source

PAGE = 4096
DATA = "/data/"
"""Where the guest has a scenario's files."""


@dataclass(slots=True)
class Mapped:
    """What a worker had mapped when the checkpoint was taken."""

    next_region: int
    regions: dict[str, Region] = field(default_factory=dict)
    has_buffer: bool = False


def middle(recording: Recording) -> str:
    """Return the label of the checkpoint in the middle of a recording, boot not among them."""
    labels = [label for label in recording.checkpoints if label != "boot"]
    return labels[(len(labels) - 1) // 2]


def frees_blocks(recording: Recording, label: str) -> bool:
    """Whether blocks of the kernel that are there at *label* are freed later: no file says which frames they have."""
    ops = recording.scenario().ops
    place = next(op.index for op in ops if isinstance(op, Checkpoint) and op.label == label)
    held = {op.name for op in ops[:place] if isinstance(op, Kalloc)}
    return any(isinstance(op, Kfree) and op.name in held for op in ops[place:])


def without_pages(source: Source) -> Source:
    """Return a source that does not say where each page is."""
    read = source.read
    source.read = lambda path: None if path.endswith("/pages") else read(path)
    return source


def future(recording: Recording, label: str, *, with_pages: bool = True) -> Run:
    """Run what came after checkpoint *label* of a recording, on the machine of that checkpoint.

    *with_pages*: with what it says of where each page is, if it does.
    """
    scenario = recording.scenario()
    place = next(op.index for op in scenario.ops if isinstance(op, Checkpoint) and op.label == label)
    run = resumed(recording, label, scenario.ops[place + 1 :], with_pages=with_pages, files_again=True)
    run.execute()
    return run


def resumed(
    recording: Recording, label: str, rest: tuple[Op, ...], *, with_pages: bool = True, files_again: bool = False
) -> Run:
    """Return a run that goes on with *rest* from checkpoint *label* of a recording.

    *files_again*: whether it may read files again, so that it matters which of their pages are cached.
    """
    scenario = recording.scenario()
    place = next(op.index for op in scenario.ops if isinstance(op, Checkpoint) and op.label == label)
    done = scenario.ops[: place + 1]
    source = recording.at(label)
    machine = build(source if with_pages else without_pages(source))
    _write_settings(machine, done)
    run = Run(replace(scenario, ops=rest), machine)
    _adopt_files(run, scenario, done, files_again=files_again)
    _attach(run, _mapped(recording, machine, done))
    return run


def _write_settings(machine: Machine, done: Sequence[Op]) -> None:
    """Write what the scenario wrote so far; the snapshot has the settings of boot."""
    for op in done:
        if isinstance(op, SetSysctl):
            try:
                machine.write_sysctl(op.name.removeprefix("vm."), op.value)
            except InputError:  # refused there as well
                continue


def _mapped(recording: Recording, machine: Machine, done: Sequence[Op]) -> dict[str, Mapped]:
    """Return what each process of the scenario has mapped, from what became of each operation."""
    outcomes = recording.outcomes()
    sizes = {file.name: file.size_bytes for file in recording.scenario().files}
    found: dict[str, Mapped] = {}
    for op in done:
        if outcomes.get(op.index, ("ok", 0))[0] != "ok":
            continue
        if isinstance(op, Proc):
            found[op.name] = Mapped(machine.program.first_region)
        elif isinstance(op, WorkerOp) and op.proc in found:
            _follow(found, op, sizes)
    return found


def _follow(found: dict[str, Mapped], op: WorkerOp, sizes: dict[str, int]) -> None:
    """Follow one operation of a process that succeeded."""
    mine = found[op.proc]
    if isinstance(op, (Mmap, Fmap)):
        size = op.size_bytes if isinstance(op, Mmap) else sizes.get(op.file, 0)
        pages = -(-size // PAGE)
        mine.regions[op.region] = Region(mine.next_region, pages)
        mine.next_region += program.region_step(pages)
    elif isinstance(op, Munmap):
        mine.regions.pop(op.region, None)
    elif isinstance(op, Fork):
        found[op.child] = replace(mine, regions=dict(mine.regions))
    elif isinstance(op, (Fread, Fwrite)):
        mine.has_buffer = True
        sizes[op.file] = max(sizes.get(op.file, 0), op.offset_bytes + op.length_bytes if isinstance(op, Fwrite) else 0)


def _attach(run: Run, mapped: dict[str, Mapped]) -> None:
    """Let each worker that lives be one of the run's."""
    for booted in list(run.machine.processes):
        had = mapped.get(booted.name)
        if had is None:
            continue
        run.processes.attach(Attach(0, 0, "", booted.name, booted.pid, booted.name))
        worker = run.processes.by_name[booted.name]
        worker.regions, worker.next_region = had.regions, had.next_region
        worker.buffer = run.machine.program.io_buffer if had.has_buffer else 0


def _adopt_files(run: Run, scenario: Scenario, done: Sequence[Op], *, files_again: bool) -> None:
    """Let cached pages be those of the scenario's files: mapped ones by their path, the others of the last one used."""
    files = run.machine.files
    lengths = {file.name: -(-file.size_bytes // PAGE) for file in scenario.files}
    used = [op.file for op in done if isinstance(op, (Fread, Fwrite))]
    for op in done:
        if isinstance(op, Fwrite):
            end = -(-(op.offset_bytes + op.length_bytes) // PAGE)
            lengths[op.file] = max(lengths.get(op.file, 0), end)
    for key, number in files.items():
        name = key.rpartition(DATA)[2]
        if DATA in key and name in lengths:
            _adopt(run, name, number, lengths[name])
    for name in reversed(used):
        if name not in {key.rpartition(DATA)[2] for key in files if DATA in key}:
            _adopt(run, name, files["cache"], lengths[name], read_through=files_again)
            return


def _adopt(run: Run, name: str, number: int, pages: int, *, read_through: bool = False) -> None:
    """Let the cached file *number* be the scenario's file *name*, *pages* long."""
    state = run.machine.state
    info = filemap.file_info(state, number)
    cached = info.pages
    for _ in range(max(pages - cached, 0)):
        filemap.append_page(state, number)
    if read_through and cached < pages and not info.dirty:  # of one that was written the last pages may be the oldest
        testing.place_last(state, number, cached, pages)
    run.disk.numbers[name] = number
