"""The process that has the model: it runs until it is to stop, at a sample, and answers what it is asked there.

Requests are tuples, answers whatever the request is for, or an exception. :meth:`Worker.fork` makes another process of
the same moment, which connects by itself and answers too.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Client
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.errors import MemtwinError, UsageError
from memtwin.replay.edit import inserted
from memtwin.run.run import Run
from memtwin.run.settings import check_sysctls
from memtwin.scenario import Checkpoint
from memtwin.sources.figures import Condition, value
from memtwin.sources.processes import WORKERS
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from memtwin.machine.machine import Machine
    from memtwin.scenario import Scenario
    from memtwin.sources.frame_map import FrameMap

_KIB_ROWS: Final = frozenset((
    "MemFree", "MemAvailable", "Cached", "Dirty", "Writeback", "AnonPages", "Slab", "PageTables", "SwapFree",
    "Committed_AS",
))  # fmt: skip
"""Figures of a sample that are sizes in KiB; the others are counts."""


_FIRST: Final = {"allocstall": "first stall of an allocation", "pswpout": "first page to swap"}


class Position(NamedTuple):
    """Where a worker stands: samples, simulated time, operations done, whether between two, whether at the end."""

    samples: int
    time_ns: int
    ops_done: int
    between: bool
    is_over: bool
    cpu_s: float = 0.0
    """CPU time since the process began, which is a fork of another."""


class RunMachine(Twin):
    """The machine of a run as a source, with the list of its processes."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.machine, run.processes.by_name)

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names directly under *path*."""
        return super().names(path) if path.strip("/") else sorted({*super().names(path), WORKERS})

    def _bytes(self, path: str) -> bytes:
        if path != WORKERS:
            return super()._bytes(path)
        return "".join(
            f"{one.name} {one.pid} {'alive' if one.alive else 'dead'}\n" for one in self.processes.values()
        ).encode()


class Worker(Run):
    """A run that stops at samples and answers."""

    def __init__(self, scenario: Scenario, machine: Machine, address: str, connection: Connection[Any, Any]) -> None:
        self._stop_at = 0
        self._until: Condition | None = None
        self._before: float | None = None
        self._end_s = float("inf")
        self._is_over = False
        self._is_met = False
        self._machine: RunMachine | None = None
        self._address = address
        self._connection = connection
        self._is_owed = False
        self._costs_s: list[float] = []
        self._keeps = False
        self._keeping_s = 0.0
        super().__init__(scenario, machine)

    def live(self) -> None:
        """Run to the end, and answer there until the other side is gone."""
        with suppress(EOFError, ConnectionError):
            self.execute()
            self._is_over = True
            self._pause()

    def sample(self, *, between: bool = False) -> None:
        """Note the main figures, and stop here if it is time to."""
        super().sample(between=between)
        self._costs_s.append(time.process_time() - self._keeping_s)
        if self._is_reached():
            self._pause()

    def keep(self, label: str, twin: Twin, paths: list[str]) -> None:
        """Keep the files of a checkpoint, in the process from which the run is saved; others only pass it."""
        if self._keeps:
            since_s = time.process_time()
            super().keep(label, twin, paths)
            self._keeping_s += time.process_time() - since_s

    # --- what is asked

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file of the machine."""
        try:
            return self._source()._bytes(path)  # noqa: SLF001 - without the copy as text
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """Return the names directly under *path*."""
        return self._source().names(path)

    def frame_map(self, order: int) -> FrameMap:
        """Return what every frame is used for."""
        return self._source().frame_map(order)

    def series(self, figure: str, first: int) -> list[tuple[int, int, float | None]]:
        """Return time, operations done and a figure of each sample from number *first* on."""
        return [
            (one.time_ns, one.ops_done, _noted(one.figures, figure)) for one in self.samples[first:]
        ]  # fmt: skip

    def costs(self, first: int) -> list[float]:
        """Return this process's CPU time, in seconds, at each sample that it has taken itself, from number *first*.

        Without what it spent on keeping checkpoints, which processes that go to a moment do not.
        """
        return self._costs_s[first:]

    def operations(self) -> list[tuple[int, int, str, str]]:
        """Return begin and end in samples' times, text and outcome of each operation that is done."""
        ends: dict[int, int] = {}
        for one in self.samples:
            if one.between:
                ends.setdefault(one.ops_done, one.time_ns)
        return [(ends.get(at, 0), ends.get(at + 1, 0), done.op.text, done.outcome) for at, done in enumerate(self.done)]

    def events(self) -> list[tuple[int, str]]:
        """Return when something happened and what: checkpoints, reclaim, stalls, swap, memory that ran out."""
        begun = dict.fromkeys(_FIRST, False)
        found: list[tuple[int, str]] = []
        for (_, end_ns, _, _), done in zip(self.operations(), self.done, strict=True):
            if isinstance(done.op, Checkpoint):
                found.append((end_ns, f"checkpoint {done.op.label}"))
            if done.began:
                found.append((end_ns, "reclaim began"))
            for name, words in _FIRST.items():
                if not begun[name] and any(n.startswith(name) and moved > 0 for n, moved in done.deltas.items()):
                    begun[name] = True
                    found.append((end_ns, words))
            found += [(end_ns, f"memory ran out: {death['name']} killed") for death in done.deaths if done.ooms]
        return found

    def change(self, words: str) -> None:
        """Let the operation *words* come next; raise UsageError within another."""
        if not self.samples[-1].between:
            raise UsageError("an operation is under way: go to its end first (])")
        edited = inserted(self.scenario, len(self.done), words)
        check_sysctls(edited)
        self.scenario = edited

    def text(self) -> str:
        """Return the scenario as it now is."""
        return self.scenario.text

    def keep_checkpoints(self) -> None:
        """Keep the files of every checkpoint from now on."""
        self._keeps = True

    def lacking(self) -> list[str]:
        """Return the checkpoints that were passed before this process kept any."""
        passed = ["boot", *(one.op.label for one in self.done if isinstance(one.op, Checkpoint))]
        return [label for label in passed if label not in self.checkpoints]

    def kept(self, labels: list[str]) -> list[tuple[str, dict[str, str], FrameMap]]:
        """Return the files of checkpoints and what frames were used for."""
        return [(label, self.checkpoints[label], self.frame_maps[label]) for label in labels]

    def adopt(self, earlier: list[tuple[str, dict[str, str], FrameMap]]) -> None:
        """Keep checkpoints that another process passed, before one's own."""
        self.checkpoints = {label: files for label, files, _ in earlier} | self.checkpoints
        self.frame_maps = {label: shown for label, _, shown in earlier} | self.frame_maps

    def save(self, where: Path) -> None:
        """Write the run directory *where*, of a run that has come to its end."""
        self.write(where)

    def fork(self) -> int:
        """Make another process of this moment; return its pid. It connects by itself."""
        child = os.fork()
        if child:
            return child
        self._connection.close()
        self._connection = Client(self._address)
        self._is_owed = False
        self._costs_s = [time.process_time()]
        return 0

    # --- the loop

    def _source(self) -> RunMachine:
        if self._machine is None:
            self._machine = RunMachine(self)
        return self._machine

    def _is_reached(self) -> bool:
        if self._until is not None:
            before, self._before = self._before, self.figure(self._until.figure)
            self._is_met = self._until.is_met(before, self._before)
            if self._is_met:
                return True
        return len(self.samples) >= self._stop_at or time.process_time() >= self._end_s

    def figure(self, name: str) -> float | None:
        """Return a figure now."""
        noted = _noted(self.samples[-1].figures, name)
        return value(RunMachine(self), name) if noted is None else noted

    def _state(self) -> Position:
        last = self.samples[-1]
        return Position(
            len(self.samples), last.time_ns, len(self.done), last.between, self._is_over, time.process_time()
        )  # fmt: skip

    def _pause(self) -> None:
        """Answer until it is to go on."""
        met, self._is_met = self._is_met, False
        self._until, self._end_s = None, float("inf")
        if self._is_owed:
            self._connection.send((self._state(), met))
        self._is_owed = False
        while True:
            name, *rest = self._connection.recv()
            if name == "go" and not self._is_over:
                self._stop_at, self._until, seconds = rest
                self._before = self.figure(self._until.figure) if self._until is not None else None
                self._end_s = time.process_time() + seconds
                self._is_owed, self._machine = True, None
                return
            self._answer(name, rest)

    def _answer(self, name: str, rest: list[Any]) -> None:
        if name == "go":
            self._connection.send((self._state(), False))
            return
        if name == "state":
            self._connection.send(self._state())
            return
        try:
            self._connection.send(getattr(self, name)(*rest))
        except (MemtwinError, OSError) as problem:
            self._connection.send(problem)


def _noted(figures: dict[str, int], name: str) -> float | None:
    found = figures.get(name)
    return None if found is None else found << 10 if name in _KIB_ROWS else found


def begin(scenario: Scenario, make: Callable[[], Machine], address: str) -> int:
    """Start a process that makes a machine and runs *scenario* on it; return its pid. It connects to *address*.

    What keeps the machine from being made is its first answer.
    """
    child = os.fork()
    if child:
        return child
    try:
        for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        connection: Connection[Any, Any] = Client(address)
        try:
            machine = make()
        except MemtwinError as problem:
            connection.recv()
            connection.send(problem)
        else:
            Worker(scenario, machine, address, connection).live()
    finally:
        os._exit(0)
