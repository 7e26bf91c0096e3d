"""The rest of a recorded workload, from a checkpoint in its midst: does a booted machine go on as the real one did.

The machine is that of the checkpoint, its settings those of the recording's boot with what the scenario wrote since.
Its workers are attached to, each as its program was by then: which regions it had at which addresses, which files open,
what its malloc had. That is no file's to say and no kernel's to know: it follows from the program and the scenario, so
it is taken from the model's run of the scenario up to there. Which pages of a region are resident few recordings say;
``machine/processes.py`` has the rule. Of files too only how many pages are cached is known: what no process maps is
taken for pages of the files that were read or written last, of each from its last page back: what is read through is
evicted from its first page on.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from memtwin.linux import restore
from memtwin.linux.check import testing
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.ipc import shm
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import filemap, shmem
from memtwin.machine import program, slabs
from memtwin.machine.build import build_from, read
from memtwin.run.disk import set_up
from memtwin.run.observer import Dcache
from memtwin.run.run import Run, machine_for
from memtwin.run.settings import Settings, apply_sysctls, write
from memtwin.run.speed import cpu_speed
from memtwin.run.worker import Region
from memtwin.scenario import (
    LIMITS,
    Attach,
    Checkpoint,
    Fmap,
    Fork,
    Fread,
    Fsync,
    Fwrite,
    Kalloc,
    Kfree,
    Limit,
    Op,
    Seq,
    SetSysctl,
    Sync,
    Touch,
)
from memtwin.scenario import pages as drawn
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memtwin.machine.machine import Booted, Machine
    from memtwin.run.worker import Worker
    from memtwin.scenario import Scenario
    from memtwin.sources.source import Source


PAGE = 4096
DATA = "/data/"
"""Where the guest has a scenario's files."""


class Remembered(Dcache):
    """The names of a machine whose checkpoints were read before: what its first reading looks up it has already."""

    known: frozenset[str] | None = None

    def read(self, paths: Iterable[str]) -> None:
        """Open and read files that are new."""
        names = list(paths)
        if self.known is None:
            self.known = frozenset(names)
        super().read(name for name in names if name not in self.known)


def middle(recording: Recording) -> str:
    """Return the label of the checkpoint in the middle of a recording, boot not among them."""
    labels = [label for label in recording.checkpoints if label != "boot"]
    return labels[(len(labels) - 1) // 2]


def frees_blocks(recording: Recording, label: str) -> bool:
    """Whether blocks of the kernel that are there at *label* are freed later: no file says which frames they have."""
    ops = recording.scenario().ops
    place = place_of(recording.scenario(), label)
    held = {op.name for op in ops[:place] if isinstance(op, Kalloc)}
    return any(isinstance(op, Kfree) and op.name in held for op in ops[place:])


def place_of(scenario: Scenario, label: str) -> int:
    """The number of the operation that took a checkpoint."""
    return next(op.index for op in scenario.ops if isinstance(op, Checkpoint) and op.label == label)


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
    rest = scenario.ops[place_of(scenario, label) + 1 :]
    run = resumed(recording, label, rest, with_pages=with_pages)
    run.dcache = Remembered(run.machine.state, run.machine.caches)
    run.execute()
    return run


def resumed(recording: Recording, label: str, rest: tuple[Op, ...], *, with_pages: bool = True) -> Run:
    """Return a run that goes on with *rest* from checkpoint *label* of a recording."""
    scenario = recording.scenario()
    done = scenario.ops[: place_of(scenario, label) + 1]
    programs = run_until(recording, scenario, done)
    source = recording.at(label)
    boot = replace(read(source if with_pages else without_pages(source)), cpu_speed=_speed(recording.path))
    for process in boot.processes:
        worker = programs.processes.by_name.get(process.name)
        if worker is not None and worker.alive:
            process.contents = tuple(testing.contents(programs.machine.state, worker.task))
    machine = build_from(boot)
    set_up(machine.state, scenario.disk)
    apply_sysctls(machine, scenario, Settings())
    outcomes = recording.outcomes()
    _write_settings(machine, done, outcomes)
    run = Run(replace(scenario, ops=rest), machine)
    slabs.know(machine.state, {})  # the kernel's objects of all that follows are in the snapshot's slabs already
    memfds = _adopt_shared(run, programs, done)
    _adopt_files(run, programs, done)
    for booted in list(machine.processes):
        worker = programs.processes.by_name.get(booted.name)
        if worker is not None and worker.alive:
            _attach(run, booted, worker, programs)
    for number in memfds:  # which live as long as their descriptors
        shmem.put(machine.state, number)
    slabs.know(machine.state, machine.caches)
    for name, given in _limits(done, outcomes).items():
        worker = run.processes.by_name.get(name)
        if worker is None:
            continue
        for what, size in given.items():
            kernel_fork.setrlimit(machine.state, worker.task, LIMITS.index(what), -1 if size is None else size // PAGE)
    return run


def run_until(recording: Recording, scenario: Scenario, done: Sequence[Op]) -> Run:
    """Run a scenario up to a checkpoint on the model: what its programs then know of themselves."""
    ops = tuple(op for op in done if not isinstance(op, Checkpoint))
    settings = [f"machine.cpu_speed={_speed(recording.path)}"]
    run = Run(replace(scenario, ops=ops), machine_for(scenario, recording.at("boot"), settings=settings))
    run.execute()
    return run


@cache
def _speed(path: str) -> float:
    """How fast a recording's processor was."""
    return cpu_speed(Recording(path)) or 1.0


def _write_settings(machine: Machine, done: Sequence[Op], outcomes: dict[int, tuple[str | None, int]]) -> None:
    """Write what the scenario wrote so far; the snapshot has the settings of boot."""
    for op in done:
        if isinstance(op, SetSysctl) and outcomes.get(op.index, ("ok", 0))[0] == "ok":
            write(machine, op)


def _attach(run: Run, booted: Booted, had: Worker, programs: Run) -> None:
    """Let a process of the snapshot be the worker that it was."""
    run.processes.attach(Attach(0, 0, "", booted.name, booted.pid, booted.name))
    worker, there = run.processes.by_name[booted.name], programs.processes
    worker.regions = {name: Region(region.start, region.pages) for name, region in had.regions.items()}
    worker.next_region, worker.buffer, worker.brk, worker.uid = had.next_region, had.buffer, had.brk, had.uid
    worker.read_only = set(had.read_only)
    same = {id(had): worker, id(there): run.processes, id(there.state): run.machine.state}
    worker.heap = deepcopy(had.heap, same)
    if worker.heap is not None:
        _lengthen_heap(run, worker, worker.heap.memory.end // PAGE)
    for name in had.files:
        number = run.shared.memfds.get(name) or run.disk.number(name)
        if number:
            worker.files[name] = kernel_fork.open_file(run.machine.state, worker.task, number)


def _adopt_files(run: Run, programs: Run, done: Sequence[Op]) -> None:
    """Let cached pages be those of the scenario's files: mapped ones by their path, the others of those used last."""
    by_path = {key.split(" ")[-1]: number for key, number in run.machine.files.items()}
    state, cache = run.machine.state, run.machine.files["cache"]
    for name in programs.disk.numbers:
        if name not in run.disk.numbers:
            run.disk.numbers[name] = filemap.create_file(state, 0, 0, hole=True)
        run.disk.numbers[name] = by_path.get(DATA + name, run.disk.numbers[name])
        testing.lengthen(state, run.disk.numbers[name], programs.disk.pages(name))
    use = Use({name: filemap.file_info(state, number).pages for name, number in run.disk.numbers.items()}, done)
    pages, active = filemap.cached_pages(state, cache), testing.active_pages(state, cache)
    often = use.last(active, least=2)
    cached = [*often, *use.last(pages - sum(end - first for _, first, end in often))]
    for name, first, end in use.last(sum(use.lengths.values())):
        testing.leave_shadows(state, run.disk.numbers[name], first, end)
    since = pages - sum(end - first for _, first, end in cached)
    for name, first, end in cached:
        testing.hand_over(state, cache, since, run.disk.numbers[name], first, end, end - first)
    for _, name, first, end, _ in reversed(list(_touched(done))):  # what is mapped no more, or was mapped by others
        if name in run.disk.numbers:
            testing.hand_over(state, cache, 0, run.disk.numbers[name], first, end, end - first)
    _dirty_written(run, programs, done)


def _dirty_written(run: Run, programs: Run, done: Sequence[Op]) -> None:
    """Let as many pages of files be dirty as are: those that programs wrote last, since they began to write them."""
    state, left = run.machine.state, 0
    for number in {*run.disk.numbers.values(), run.machine.files["cache"]}:
        left += testing.clean(state, number)
    for name, first, end in reversed(_written(done)):
        if name in run.disk.numbers:
            left -= testing.dirty_last(state, run.disk.numbers[name], first, end, left)
    cache = run.machine.files["cache"]
    testing.dirty_last(state, cache, 0, filemap.file_info(state, cache).pages, left)
    for name, number in run.disk.numbers.items():
        there = programs.disk.numbers[name]
        if filemap.file_info(programs.machine.state, there).dirty and filemap.file_info(state, number).dirty:
            testing.dirtied_before(state, number, testing.dirty_for(programs.machine.state, there))


def _touched(done: Sequence[Op]) -> Iterator[tuple[int, str, int, int, bool]]:
    """Yield what was touched of files that are mapped: operation, file, first page, end, whether it was changed."""
    mapped: dict[tuple[str, str], Fmap] = {}
    for op in done:
        if isinstance(op, Fmap):
            mapped[op.proc, op.region] = op
        elif isinstance(op, Fork):
            mapped |= {(op.child, region): made for (proc, region), made in mapped.items() if proc == op.proc}
        elif isinstance(op, Touch) and (op.proc, op.region) in mapped:
            made, at = mapped[op.proc, op.region], op.offset_pages
            pages = drawn(op.pattern, op.npages)
            parts = [(0, op.npages)] if isinstance(op.pattern, Seq) else ((page, page + 1) for page in pages)
            yield from ((op.index, made.file, at + first, at + end, op.write and made.shared) for first, end in parts)


def _written(done: Sequence[Op]) -> list[tuple[str, int, int]]:
    """Return what was written of files and not synchronized since: file, first page, end, in order."""
    written = [(number, name, first, end) for number, name, first, end, changed in _touched(done) if changed]
    for op in done:
        if isinstance(op, Fwrite):
            pieces = [(at // PAGE, -(-(at + size) // PAGE)) for at, size in _pieces(op)]
            written += [(op.index, op.file, first, end) for first, end in pieces]
    written.sort(key=lambda part: part[0])
    synced = max((op.index for op in done if isinstance(op, Sync)), default=-1)
    alone = {op.file: op.index for op in done if isinstance(op, Fsync)}
    return [part[1:] for part in written if part[0] > max(synced, alone.get(part[1], -1))]


def _pieces(op: Fread | Fwrite) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) in bytes of what an operation reads or writes, in its order."""
    if isinstance(op.pattern, Seq):
        yield op.offset_bytes, op.length_bytes
        return
    for chunk in drawn(op.pattern, op.length_bytes // op.chunk_bytes):
        yield op.offset_bytes + chunk * op.chunk_bytes, op.chunk_bytes


class Use:
    """Which pages of files operations read or wrote, by when; *lengths*: of the files, in pages.

    *were_there*: all of them were used by other means before.
    """

    def __init__(self, lengths: dict[str, int], done: Sequence[Op], *, were_there: bool = False) -> None:
        self.lengths = lengths
        self.parts = [(name, 0, length) for name, length in lengths.items() if were_there]
        self.uses = {name: bytearray([were_there]) * length for name, length in lengths.items()}
        for op in done:
            if not isinstance(op, (Fread, Fwrite)) or op.file not in lengths:
                continue
            for offset, length in _pieces(op):
                first, end = offset // PAGE, min(-(-(offset + length) // PAGE), lengths[op.file])
                if first < end:
                    self.parts.append((op.file, first, end))
                    self.uses[op.file][first:end] = bytes(min(use + 1, 2) for use in self.uses[op.file][first:end])

    def last(self, pages: int, *, least: int = 1) -> list[tuple[str, int, int]]:
        """Return the last *pages* used *least* times: (file, first, end), the oldest first; they are forgotten here."""
        found = []
        for name, first, behind in reversed(self.parts):
            uses, end = self.uses[name], behind
            while end > first and pages > 0:
                while end > first and uses[end - 1] < least:
                    end -= 1
                start = end
                while start > first and end - start < pages and uses[start - 1] >= least:
                    start -= 1
                if start < end:
                    found.append((name, start, end))
                    uses[start:end] = bytes(end - start)
                    pages -= end - start
                end = start
        return found[::-1]


def _limits(done: Sequence[Op], outcomes: dict[int, tuple[str | None, int]]) -> dict[str, dict[str, int | None]]:
    """Return the limits that each process was given or has from its parent."""
    found: dict[str, dict[str, int | None]] = {}
    for op in done:
        if outcomes.get(op.index, ("ok", 0))[0] != "ok":
            continue
        if isinstance(op, Fork):
            found[op.child] = dict(found.get(op.proc, {}))
        elif isinstance(op, Limit):
            found.setdefault(op.proc, {})[op.what] = op.size_bytes
    return found


def _lengthen_heap(run: Run, worker: Worker, end: int) -> None:
    """Map the end of a heap that lies higher in the model's program than in a recorded one of another build."""
    first = max(last for start, last, *_ in task_mmu.areas(run.machine.state, worker.task) if start < end)
    if first < end:
        kernel_fork.mmap(run.machine.state, worker.task, first, end - first, program.RW)


def _hand_over_shared(run: Run, programs: Run, done: Sequence[Op]) -> None:
    """Let files of shared memory have the pages that their programs wrote: those in swap that were used first."""
    state, shared, there = run.machine.state, run.shared, programs.shared
    files = {key: (shared.segments[key], number) for key, number in there.segments.items()}
    files.update((key, (shared.memfds[key], number)) for key, number in there.memfds.items())
    files.update((key, (shared.tmpfs[key], number)) for key, number in there.tmpfs.items())
    figures = {key: shmem.figures(programs.machine.state, number) for key, (_, number) in files.items()}
    held = {key: testing.held(programs.machine.state, number) for key, (_, number) in files.items()}
    missing = {}
    for key, (number, _) in files.items():
        have = shmem.figures(state, number)
        missing[key] = max(figures[key].cached + figures[key].swapped - have.cached - have.swapped, 0)
    lengths = {key: one.pages for key, one in figures.items()}
    for key, first, end in Use(lengths, done, were_there=True).last(sum(lengths.values())):
        for start, stop in held[key]:
            at, last = max(start, first), min(stop, end)
            if at < last:
                handed = testing.hand_over(state, run.machine.files["tmpfs"], 0, files[key][0], at, last, missing[key])
                missing[key] -= handed


def _adopt_shared(run: Run, programs: Run, done: Sequence[Op]) -> list[int]:
    """Let shared memory have its keys and names: what processes map by its path, the others as they were used.

    Which of its pages were ever written its programs know. What has no key any more was removed. Returns the memfds
    that no process maps.
    """
    state, shared, there = run.machine.state, run.shared, programs.shared
    by_path = {key.split(" ", 2)[2]: number for key, number in run.machine.files.items() if key.startswith("shm ")}
    shared.owners = dict(there.owners)
    for known, mine in ((there.segments, shared.segments), (there.memfds, shared.memfds), (there.tmpfs, shared.tmpfs)):
        for key, number in known.items():
            path = programs.machine.file_names[number].path
            mine[key] = by_path.get(path) or filemap.create_file(state, 0, t.FILE_SHMEM)
            run.machine.file_names[mine[key]] = programs.machine.file_names[number]
            testing.set_length(state, mine[key], shmem.figures(programs.machine.state, number).pages)
            if path not in by_path:
                restore.charge_shared(state, mine[key], promised=known is there.segments, sysv=known is there.segments)
    _hand_over_shared(run, programs, done)
    for key, number in shared.tmpfs.items():
        testing.lie_on(state, number, shared.mounts[key.partition("/")[0]])
    for path, number in by_path.items():
        if path.startswith("/SYSV") and number not in shared.segments.values():
            shm.remove_segment(state, number)
    return [number for number in shared.memfds.values() if number not in by_path.values()]
