"""A scenario's processes: each operation becomes calls into the model and the program's own few touches.

Every operation is one crossing (or a handful) into the compiled core.  What the kernel refuses is an outcome; what
the model cannot do yet stops the run with an error that names the operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux import touch, touch_list
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs import fs_writeback, jbd2, read_write
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.kernel.sched import core as sched
from memtwin.linux.mm import filemap, madvise, memory, mlock, mm_init, mprotect, oom_kill, shmem
from memtwin.linux.records import Outcome
from memtwin.machine import program
from memtwin.run import open_files
from memtwin.run.attach import candidates
from memtwin.run.beside import Beside
from memtwin.run.buffer import buffer_of, page_of_data
from memtwin.run.refusals import SIGNALS
from memtwin.run.worker import Region, Worker
from memtwin.scenario import LARGEST_AREA, Attach, Fread, Fwrite, Hot, Listed, Mlock, Pow, Rand
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from memtwin.machine.machine import Booted, Machine
    from memtwin.run.disk import Disk
    from memtwin.scenario import (
        ClearRefs,
        Exit,
        Fork,
        Fsync,
        Kill,
        Madvise,
        Mmap,
        Mprotect,
        Munlock,
        Munmap,
        Op,
        Shm,
        Touch,
        Unlink,
        VmRead,
    )

NS_PER_S = 1_000_000_000
SAMPLES_BY_SECOND = 1_000
"""How many seconds of an operation have a sample each."""
SIGKILL = 9
FOREVER_NS = (1 << 63) - 1
RW_SHARED = program.RW | t.VM_SHARED
LAST_REGION = 0x700000000
"""Page number below which regions are mapped: shared libraries and stacks lie above."""
CONTENTS = {
    "zero": t.CONTENT_ZERO,
    "mark": t.CONTENT_MARK,
    "text": t.CONTENT_TEXT,
    "half": t.CONTENT_HALF,
    "random": t.CONTENT_RANDOM,
}


ADVICES = {"dontneed": 0, "free": 1, "willneed": 2, "cold": 3, "pageout": 4, "hugepage": 5, "nohugepage": 6}
"""As mm/madvise.pxd numbers them."""


class Processes:
    """All processes of a run.

    *disk*: where files lie; *where*: the scenario's path; *on_second*: called at whole seconds within an operation.
    """

    def __init__(self, machine: Machine, disk: Disk, where: str, on_second: Callable[[], None]) -> None:
        self.machine = machine
        self.disk = disk
        self.shared = disk.shared
        self.where = where
        self.state = machine.state
        self.program = machine.program
        self.by_name: dict[str, Worker] = {}
        self.last_pid = machine.boot.loadavg.last_pid if machine.boot.loadavg else 100
        self.pids = {process.pid for process in machine.boot.processes}
        self.on_second = on_second
        self._ended: list[tuple[Worker | Booted, int]] = []
        self.kills = -1
        """By the OOM killer, when its victims were last looked for."""
        self.costs = machine.costs.as_table()
        self.user_ns = 0
        """Time that the operation so far spent in programs, not in the kernel."""
        self.beside = Beside(self)

    def _next_pid(self) -> int:
        self.last_pid += 1
        while self.last_pid in self.pids:
            self.last_pid += 1
        return self.last_pid

    def _touch_pages(self, process: Worker, vpns: tuple[int, ...], op: Op, *, write: bool) -> None:
        for vpn in vpns if process.runs_program else ():
            memory.touch_page(self.state, process.task, vpn, write)

    def command(self, process: Worker, op: Op) -> None:
        """A process reads the command that it is given."""
        process.command += 1
        self._touch_pages(process, self.program.written_by_command, op, write=True)

    def start(self, name: str, adj: int, uid: int, op: Op) -> int:
        """Start a fresh process of the program; returns an Outcome."""
        task = kernel_fork.spawn(self.state, self.machine.rest, self._next_pid(), adj)
        if not task:
            return Outcome.ENOMEM
        kernel_fork.setuid(self.state, task, uid)
        process = Worker(name, self.last_pid, task, self.program.first_region, uid=uid)
        sources = {"binary": self.machine.binary, "vdso": self.machine.vdso}
        for area in self.program.areas:
            file = sources.get(area.source, 0)
            flags = area.vm_flags | (t.VM_WRITE if area.is_sealed else 0)
            code = kernel_fork.mmap(self.state, task, area.start, area.pages, flags, file, 0, area.offset)
            if code != Outcome.OK:
                kernel_fork.exit_task(self.state, task)
                return code
        kernel_fork.write_arguments(self.state, task, self.program.arguments)
        mm_init.count_event(self.state, "pgfault", self.program.faults_before_exec)
        memory.forget_before_exec(self.state, task)
        self._touch_pages(process, self.program.read_at_start, op, write=False)
        self._touch_pages(process, self.program.written_at_start, op, write=True)
        for area in self.program.areas:
            if area.is_sealed:
                mprotect.seal(self.state, task, area.start, area.pages)
        self.by_name[name] = process
        return Outcome.OK

    def attach(self, op: Attach) -> int:
        """Let a process of the snapshot be one of the scenario's; returns an Outcome (ESRCH: it has died since)."""
        found = candidates(self.machine, op)
        if not found:
            return Outcome.ESRCH
        booted = found[0]
        areas = task_mmu.areas(self.state, booted.task)
        there = [end for start, end, *_ in areas if self.program.first_region <= start < LAST_REGION]
        first = max(there) + program.region_step(1) if there else self.program.first_region
        worker = Worker(op.name, booted.pid, booted.task, first, runs_program=self._is_ours(booted))
        private = [(end - start, start) for start, end, flags, *_ in areas if _is_private(flags)]
        if private:
            pages, start = max(private)
            worker.regions[LARGEST_AREA] = Region(start, pages)
        self.by_name[op.name] = worker
        booted.alive = False  # as one of the machine's own: from here it is the scenario's
        return Outcome.OK

    def _is_ours(self, booted: Booted) -> bool:
        """Whether a process of the snapshot runs the program that the snapshot's scenario ran."""
        paths = {area.path for area in booted.read.areas}
        return self.machine.boot.program is not None and self.program.path in paths

    def prepare_mmap(self, process: Worker, op: Op) -> None:
        """The program looks for a free entry of its table of regions, and fills it."""
        self._touch_pages(process, self.program.read_by_mmap, op, write=False)
        self._touch_pages(process, self.program.written_by_mmap, op, write=True)

    def mmap(self, process: Worker, op: Mmap) -> int:
        """Map anonymous memory at the process's next address; returns an Outcome."""
        pages = -(-op.size_bytes // PAGE_BYTES)
        self.prepare_mmap(process, op)
        code = kernel_fork.mmap(self.state, process.task, process.next_region, pages, program.RW)
        if code == Outcome.OK:
            self.keep_region(process, op.region, pages)
        return code

    def keep_region(self, process: Worker, name: str, pages: int) -> None:
        """Note a region that was mapped at the process's next address, and where the one after it goes."""
        process.regions[name] = Region(process.next_region, pages)
        process.next_region += program.region_step(pages)

    def shm(self, process: Worker, op: Shm) -> int:
        """Map shared memory at the process's next address; returns an Outcome (ENOENT: nothing has this key)."""
        self.prepare_mmap(process, op)
        if op.key is None:
            code, filp = self.shared.anonymous(process.task, op.size_bytes or 0)
            return code or self._map_shared(process, op, (op.size_bytes or 0) // PAGE_BYTES, filp, keep=False)
        code, file = self.shared.find(process, op.key, op.size_bytes)
        if code != Outcome.OK:
            return code
        filp = self.shared.descriptor(process, op.key, file)
        pages = shmem.figures(self.state, file).pages if op.size_bytes is None else op.size_bytes // PAGE_BYTES
        if filp:
            return self._map_shared(process, op, pages, filp, keep=True)
        return self._map_shared(process, op, pages, kernel_fork.open_file(self.state, process.task, file), keep=False)

    def _map_shared(self, process: Worker, op: Shm, pages: int, filp: int, *, keep: bool) -> int:
        """Map an open file of shared memory; without *keep* the descriptor is closed then."""
        file = kernel_fork.file_of(self.state, filp)
        code = kernel_fork.mmap(self.state, process.task, process.next_region, pages, RW_SHARED, file, filp)
        if code == Outcome.OK:
            self.keep_region(process, op.region, pages)
        if not keep:
            kernel_fork.close_file(self.state, filp)
        return code

    def unlink(self, process: Worker, op: Unlink) -> int:
        """Remove a name; returns an Outcome (ENOENT: nothing has it)."""
        if op.name not in process.files:
            return self.shared.unlink(process.uid, op.name)
        kernel_fork.close_file(self.state, process.files.pop(op.name))
        return self.shared.unlink(process.uid, op.name) if "/" in op.name else self.forget_memfds()

    def forget_memfds(self) -> int:
        """Forget the keys of memfds that no process has any more."""
        self.shared.forget([worker for worker in self.by_name.values() if worker.alive])
        return Outcome.OK

    def open(self, process: Worker, name: str) -> int:
        """Return the open file of a name, opened at its first use and kept; below 0: minus the Outcome of a refusal.

        Who may not write a file has it for reading only.
        """
        if name not in process.files:
            code, writable = self.disk.permission(process.uid, name)
            if code != Outcome.OK:
                return -code
            if not writable:
                process.read_only.add(name)
            process.files[name] = self.disk.open(process.task, name, process.uid)
        return process.files[name]

    def io(self, process: Worker, op: Fread | Fwrite) -> int:
        """Read or write a file through the process's buffer; returns an Outcome."""
        calls = self.calls(process, op)
        return calls if isinstance(calls, int) else self.by_seconds(calls)

    def buffer_of(self, process: Worker) -> int:
        """Return the page number of a process's buffer, or minus an Outcome."""
        return buffer_of(self, process)

    def calls(self, process: Worker, op: Fread | Fwrite) -> read_write.FileIo | int:
        """Return the calls that read or write a file through the process's buffer; an Outcome: there is no buffer."""
        filp = self.open(process, op.file)
        if filp < 0:
            return -filp
        if isinstance(op, Fwrite) and op.file in process.read_only:
            return Outcome.EBADF
        buffer = page_of_data(self, process, op)
        if buffer < 0:
            return -buffer
        pattern = op.pattern
        drawn = (
            {"kind": t.PATTERN_RAND, "touches": pattern.n, "seed": pattern.seed} if isinstance(pattern, Rand) else {}
        )
        return read_write.FileIo(
            self.state,
            process.task,
            filp,
            op.offset_bytes,
            op.chunk_bytes,
            op.length_bytes // op.chunk_bytes,
            isinstance(op, Fwrite),
            buffer,
            op.index,
            **drawn,
            bytes_per_s=op.pace.bytes_per_s,
            think_ns=op.pace.think_ns,
        )

    def fsync(self, process: Worker, op: Fsync) -> int:
        """Write a file's dirty pages and wait, and for the journal when the file was changed; returns an Outcome."""
        filp = self.open(process, op.file)
        if filp < 0 or "/" in op.file:
            return max(-filp, Outcome.OK)
        file = self.disk.numbers[op.file]
        before = filemap.file_info(self.state, file)
        code = fs_writeback.fsync(self.state, process.task, file)
        if before.dirty or not before.pages:
            jbd2.commit(self.state)
        return code

    def by_seconds(self, run: touch.Touch | read_write.FileIo) -> int:
        """Run a batch to its end, with a sample at each whole second, and fewer where it takes long."""
        since = self.state.clock_ns
        while True:
            then = next_sample(since, self.state.clock_ns)
            code = run.run(then)
            if code != Outcome.AGAIN:
                return code
            self.beside.collect()
            if self.state.clock_ns >= then:
                self.on_second()

    def idle(self, until_ns: int, awaited: Collection[str] | None = None) -> None:
        """Let the main line idle until a point in time, or until what the *awaited* do beside it is over."""
        since = self.state.clock_ns
        self.beside.collect()
        while self.state.clock_ns < until_ns and (awaited is None or self.beside.is_busy(awaited)):
            then = next_sample(since, self.state.clock_ns)
            sched.sleep_until(self.state, min(then, until_ns))
            self.beside.collect()
            if self.state.clock_ns == then:
                self.on_second()

    def wait(self, names: Collection[str] = ()) -> int:
        """Wait until what the named processes, or all, do beside the main line is over; returns an Outcome."""
        self.idle(FOREVER_NS, names)
        return Outcome.OK

    def madvise(self, process: Worker, op: Madvise) -> int:
        """Give an advice on a part of a region; returns an Outcome."""
        start = self.part(process, op)
        if start < 0:
            return -start
        return madvise.madvise(self.state, process.task, start, op.npages, ADVICES[op.advice])

    def mlock(self, process: Worker, op: Mlock | Munlock) -> int:
        """Lock or unlock a part of a region; returns an Outcome."""
        start = self.part(process, op)
        if start < 0:
            return -start
        return mlock.mlock(self.state, process.task, start, op.npages, isinstance(op, Mlock))

    def clear_refs(self, process: Worker, op: ClearRefs) -> int:
        """Forget which pages a process has referenced; returns an Outcome."""
        del op
        task_mmu.clear_refs_write(self.state, process.task)
        return Outcome.OK

    def part(self, process: Worker, op: Madvise | Mlock | Mprotect | Munlock | Touch | VmRead) -> int:
        """The page number at which a part of a region starts; minus ENOENT or ERANGE."""
        region = process.regions.get(op.region)
        if region is None:
            return -Outcome.ENOENT
        if op.offset_pages + op.npages > region.pages:
            return -Outcome.ERANGE
        return region.start + op.offset_pages

    def bury(self) -> list[Worker | Booted]:
        """End every process that was killed for its memory; returns them."""
        kills = self.state.oom_kills
        if kills == self.kills:
            return []
        self.kills = kills
        every: list[Worker | Booted] = [*self.by_name.values(), *self.machine.processes]
        killed = [p for p in every if p.alive and oom_kill.is_killed(self.state, p.task)]
        for process in killed:
            if isinstance(process, Worker):
                self.end(process)
            else:
                kernel_fork.exit_task(self.state, process.task)
                process.alive = False
        self._ended += [(process, SIGKILL) for process in killed]
        return killed

    def take_ended(self) -> list[tuple[Worker | Booted, int]]:
        """Return the processes that ended since the last call, each with the signal that ended it; 0: by itself."""
        ended, self._ended = self._ended, []
        return ended

    def munmap(self, process: Worker, op: Munmap) -> int:
        """Unmap a whole region; returns an Outcome."""
        found = process.regions.pop(op.region, None)
        if found is None:
            return Outcome.ENOENT
        return kernel_fork.munmap(self.state, process.task, found.start, found.pages)

    def touches(self, process: Worker, op: Touch) -> touch.Touch | int:
        """Return the touches of an operation; an Outcome: the process has no such pages."""
        start = self.part(process, op)
        if start < 0:
            return -start
        return touch.Touch(
            self.state, process.task, start, op.npages, op.write, CONTENTS[op.content], op.index, op.offset_pages,
            **_drawn(op), bytes_per_s=op.pace.bytes_per_s, think_ns=op.pace.think_ns,
        )  # fmt: skip

    def touch(self, process: Worker, op: Touch) -> int:
        """Touch pages of a region; returns an Outcome (ENOENT: no such region, ERANGE: beyond its end)."""
        if isinstance(op.pattern, Listed):
            return self._touch_list(process, op, op.pattern)
        touches = self.touches(process, op)
        if isinstance(touches, int):
            return touches
        code = self.by_seconds(touches)
        self.user_ns += self._user_time(op, touches.done)
        return self.end_by_signal(process, code)

    def _touch_list(self, process: Worker, op: Touch, pattern: Listed) -> int:
        """Touch listed pages, with a sample at each whole second; returns an Outcome."""
        start = self.part(process, op)
        if start < 0 or not pattern.bits:
            return -start if pattern.bits else Outcome.OK
        read = pattern.read.to_bytes(-(-pattern.read.bit_length() // 8), "little")
        touches = touch_list.TouchList(
            self.state, process.task, start, pattern.runs, op.write, CONTENTS[op.content], op.index, op.offset_pages,
            pattern.seed, read,
        )  # fmt: skip
        code = touches.run()
        while code == Outcome.AGAIN:
            self.beside.collect()
            if self.state.clock_ns >= touches.until_ns:
                self.on_second()
            code = touches.run(next_sample(touches.began_ns, self.state.clock_ns))
        self.user_ns += self._user_time(op, touches.done)
        return self.end_by_signal(process, code)

    def end_by_signal(self, process: Worker, code: int) -> int:
        """End a process whose touch was a fault that nothing can mend: by SIGSEGV or SIGBUS, it alone."""
        if code in SIGNALS:
            self.end(process)
            self._ended.append((process, SIGNALS[code]))
        return code

    def _user_time(self, op: Touch, touches: int) -> int:
        """What the program itself computes and touches, beside the faults."""
        fill = self.costs[t.COST_FILL + CONTENTS[op.content]] if op.write else 0
        return touches * (self.costs[t.COST_HIT] + fill)

    def fork(self, process: Worker, op: Fork) -> int:
        """Fork; parent and child then run on until they wait for commands; returns an Outcome."""
        code, task = kernel_fork.fork(self.state, process.task, self._next_pid())
        if code == Outcome.OK:
            twin = Worker(op.child, self.last_pid, task, process.next_region, uid=process.uid, brk=process.brk)
            twin.read_only = set(process.read_only)
            twin.regions = {name: Region(r.start, r.pages) for name, r in process.regions.items()}
            twin.files, twin.buffer = dict(process.files), process.buffer
            twin.runs_program = process.runs_program
            twin.heap = process.heap.forked(self, twin) if process.heap else None
            for filp in twin.files.values():
                kernel_fork.share_filp(self.state, filp)
            self.by_name[op.child] = twin
            self._touch_pages(twin, self.program.read_after_fork, op, write=False)
            self._touch_pages(twin, self.program.written_by_child, op, write=True)
        else:
            self.last_pid -= 1
        self._touch_pages(process, self.program.written_by_parent, op, write=True)
        return code

    def exit(self, process: Worker, _: Exit) -> int:
        """Let a process exit by itself; returns an Outcome."""
        self.end(process)
        self._ended.append((process, 0))
        return Outcome.OK

    def kill(self, process: Worker, _: Kill) -> int:
        """Kill a process from outside; returns an Outcome."""
        self.end(process)
        self._ended.append((process, SIGKILL))
        return Outcome.OK

    def end(self, process: Worker) -> None:
        """End a process, by its own exit or by SIGKILL."""
        kernel_fork.exit_task(self.state, process.task)
        open_files.close_all(self, process)
        process.alive = False
        self.beside.end(process)
        self.forget_memfds()


def _is_private(flags: int) -> bool:
    """Whether an area is a process's own writable memory, and no stack."""
    return flags & t.VM_WRITE != 0 and not flags & (t.VM_SHARED | t.VM_GROWSDOWN)


def _drawn(op: Touch) -> dict[str, int]:
    """A pattern as the compiled core takes it."""
    pattern = op.pattern
    if isinstance(pattern, Rand):
        return {"kind": t.PATTERN_RAND, "touches": pattern.n, "seed": pattern.seed}
    if isinstance(pattern, Hot):
        return {
            "kind": t.PATTERN_HOT, "touches": pattern.n, "seed": pattern.seed, "hot_percent": pattern.hot_percent,
            "prob_percent": pattern.prob_percent,
        }  # fmt: skip
    if isinstance(pattern, Pow):
        return {
            "kind": t.PATTERN_POW,
            "touches": pattern.n,
            "seed": pattern.seed,
            "exponent": pattern.exponent,
        }
    return {"kind": t.PATTERN_SEQ}


def next_sample(since_ns: int, now_ns: int) -> int:
    """When the next sample of an operation is due that began at *since_ns*.

    At each whole second of its first thousand, then at every second one until two thousand, at every fourth until four
    thousand, and so on: 1,000 samples, and 500 for each doubling of the time.

    >>> next_sample(500_000_000, 1_000_000_000), next_sample(0, 1_001_000_000_000), next_sample(0, 2_100_000_000_000)
    (2000000000, 1002000000000, 2104000000000)
    """
    step_ns = NS_PER_S << max((now_ns - since_ns) // (SAMPLES_BY_SECOND * NS_PER_S), 0).bit_length()
    return (now_ns // step_ns + 1) * step_ns
