"""Operations that run beside the main line: each process has a lane of them, and does one after another.

In: operations whose line ends with ``&``. Out: what became of each, in its :class:`Done`. Never here: who runs when
(``linux/kernel/sched``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memtwin.linux.fs import jbd2
from memtwin.linux.kernel.sched import runners
from memtwin.linux.records import Outcome
from memtwin.run import open_files
from memtwin.run.done import counted, moved
from memtwin.run.refusals import SIGNALS, signal_of
from memtwin.scenario import Close, Fread, Fsync, Fwrite, Munmap, Touch

if TYPE_CHECKING:
    from collections.abc import Collection

    from memtwin.run.done import Done
    from memtwin.run.processes import Processes
    from memtwin.run.worker import Worker
    from memtwin.scenario import Op

RUNNING = "running"
"""The outcome of an operation that has begun, or waits for its process's turn, and is not over."""


@dataclass(slots=True)
class Lane:
    """What one process does beside the main line: the operation under way, and those behind it."""

    process: Worker
    done: Done | None = None
    """Of the operation under way."""
    before: dict[str, int] = field(default_factory=dict)
    """Counters when it began."""
    queue: deque[Done] = field(default_factory=deque)


class Beside:
    """The lanes of a run's processes, by name."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.state = processes.state
        self.lanes: dict[str, Lane] = {}

    def add(self, process: Worker, done: Done) -> None:
        """Let a process do an operation when it has done those before."""
        done.outcome = RUNNING
        lane = self.lanes.setdefault(process.name, Lane(process))
        lane.queue.append(done)
        self._start_next(lane)

    def is_busy(self, names: Collection[str] = ()) -> bool:
        """Whether the named processes, or any, have something to do beside the main line."""
        return any(lane.done is not None for name, lane in self.lanes.items() if not names or name in names)

    def collect(self) -> None:
        """Note what became of operations that are over, and begin those behind them."""
        if not self.lanes:
            return
        self.processes.bury()  # a process that was killed begins nothing
        by_task = {lane.process.task: lane for lane in self.lanes.values()}
        for ended in runners.take_ended(self.state):
            lane = by_task[ended.task]
            self._finish(lane, ended.outcome, ended.ended_ns - ended.began_ns)
            self._start_next(lane)

    def end(self, process: Worker) -> None:
        """A process ends: what it was doing is cut off, what it had yet to do is skipped."""
        lane = self.lanes.pop(process.name, None)
        if lane is None:
            return
        runners.cancel(self.state, process.task)
        if lane.done is not None:
            self._finish(lane, Outcome.KILLED, 0)
        for done in lane.queue:
            done.outcome = "skipped"
        lane.queue.clear()

    def _start_next(self, lane: Lane) -> None:
        while lane.queue and lane.done is None:
            lane.done = lane.queue.popleft()
            lane.before = counted(self.state)
            code = self._begin(lane.process, lane.done.op)
            if code is not None:
                self._finish(lane, code, 0)

    def _finish(self, lane: Lane, code: int, ns: int) -> None:
        """Note the end of what a lane was doing."""
        done, lane.done = lane.done, None
        assert done is not None
        done.outcome = "died" if code in (Outcome.KILLED, *SIGNALS) else "ok" if code == Outcome.OK else "error"
        done.errno = code if done.outcome == "error" else 0
        done.us = ns // 1000
        done.deltas = moved(lane.before, counted(self.state))
        if code in SIGNALS:
            done.why = signal_of(self.processes.machine, code)
            self.processes.end_by_signal(lane.process, code)
        if isinstance(done.op, Fsync) and code == Outcome.OK:
            jbd2.commit(self.state)
        if isinstance(done.op, Close) and code == Outcome.OK:
            open_files.forget(self.processes, lane.process, done.op.file)

    def _begin(self, process: Worker, op: Op) -> int | None:
        """Give the machine the work of an operation; returns an Outcome where it is over already."""
        self.processes.command(process, op)
        match op:
            case Fsync():
                code = self._begin_fsync(process, op)
            case Close():
                code = self._begin_close(process, op)
            case Munmap():
                code = self._begin_munmap(process, op)
            case Touch():
                code = self._begin_touch(process, op)
            case _:
                assert isinstance(op, (Fread, Fwrite))
                code = self._begin_io(process, op)
        return code

    def _begin_touch(self, process: Worker, op: Touch) -> int | None:
        touches = self.processes.touches(process, op)
        if isinstance(touches, int):
            return touches
        runners.begin_touch(self.state, touches)
        return None

    def _begin_io(self, process: Worker, op: Fread | Fwrite) -> int | None:
        calls = self.processes.calls(process, op)
        if isinstance(calls, int):
            return calls
        runners.begin_io(self.state, calls)
        return None

    def _begin_fsync(self, process: Worker, op: Fsync) -> int | None:
        filp = self.processes.open(process, op.file)
        if filp < 0 or "/" in op.file:
            return max(-filp, Outcome.OK)  # on a tmpfs nothing has to be written
        runners.begin_fsync(self.state, process.task, self.processes.disk.numbers[op.file])
        return None

    def _begin_close(self, process: Worker, op: Close) -> int | None:
        if op.file not in process.files:
            return Outcome.EBADF
        runners.begin_close(self.state, process.task, process.files[op.file])
        return None

    def _begin_munmap(self, process: Worker, op: Munmap) -> int | None:
        region = process.regions.pop(op.region, None)
        if region is None:
            return Outcome.ENOENT
        runners.begin_munmap(self.state, process.task, region.start, region.pages)
        return None
