"""Jobs in processes of this host: as many at a time as there are CPUs, each in a fork of this process.

Jobs whose machine is the same when it is built, and which differ in later settings alone, are one *batch*: its process
builds the machine once and forks itself for each of them, so that no memory is copied before it is written to. A
process of a batch writes its rows into a pipe, a line of JSON each. When this process is interrupted, those that it
started end, and the rows that they had sent are kept.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from memtwin.errors import ModelBug
from memtwin.sweep.job import REFUSED, Row, build, carry_out, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memtwin.sweep.job import Stem
    from memtwin.sweep.subject import Job

BATCHES_A_CPU: Final = 8
"""At least so many, where there are enough jobs: at the end of a sweep no CPU waits long for the others."""
LEAST_BATCH: Final = 8
"""So many jobs share a machine, where they can and every CPU has some: one of a large host takes seconds to build."""
TRIES: Final = 2
"""A job is run again if its process was killed, once."""
_READ_BYTES: Final = 1 << 16
_BUG: Final = "bug"


class _Batch(NamedTuple):
    """A process, the jobs that it has by number, and the pipe that its rows come through."""

    pid: int
    numbers: tuple[int, ...]
    pipe: int


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def run(
    jobs: Sequence[Job], keep: Callable[[int, Row], None], processes: int | None = None,
    under_way: Callable[[int], None] = lambda _: None,
) -> None:  # fmt: skip
    """Run every job and hand its row to *keep*, with the job's number, as it comes.

    *under_way* is called with how many processes there are, when some begin. A job whose process is killed is run
    again; raise ModelBug if that is killed too, or an invariant does not hold.
    """
    at_once = processes or cpus()
    waiting = _batches(jobs, at_once)
    tries = [0] * len(jobs)
    with _Nursery(keep) as nursery:
        while waiting or nursery.batches:
            while waiting and len(nursery.batches) < at_once:
                numbers = waiting.pop(0)
                for number in numbers:
                    tries[number] += 1
                nursery.begin(numbers, [jobs[number] for number in numbers])
            under_way(len(nursery.batches))
            for lost in nursery.wait():
                if tries[lost] >= TRIES:
                    raise ModelBug(f"the process of point {lost} was killed {TRIES} times")
                waiting.append((lost,))


def _batches(jobs: Sequence[Job], at_once: int) -> list[tuple[int, ...]]:
    """Return the numbers of the jobs in batches, the largest first."""
    stems: dict[Job, list[int]] = {}
    for number, one in enumerate(jobs):
        stems.setdefault(one.stem, []).append(number)
    most = max(len(jobs) // (at_once * BATCHES_A_CPU), min(LEAST_BATCH, -(-len(jobs) // at_once)))
    found = [batch for numbers in stems.values() for batch in _parts(numbers, most)]
    return sorted(found, key=len, reverse=True)


def _parts(numbers: list[int], most: int) -> Iterator[tuple[int, ...]]:
    left = iter(numbers)
    while part := tuple(islice(left, most)):
        yield part


class _Nursery:
    """The processes under way."""

    def __init__(self, keep: Callable[[int, Row], None]) -> None:
        self.batches: dict[int, _Batch] = {}
        self._keep = keep
        self._selector = selectors.DefaultSelector()
        self._rest: dict[int, bytes] = {}
        self._seen: dict[int, set[int]] = {}

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()  # what a child frees it would copy first
        return self

    def __exit__(self, *problem: object) -> None:
        for batch in self.batches.values():
            with suppress(ProcessLookupError):
                os.killpg(batch.pid, signal.SIGKILL)
            os.close(batch.pipe)
            os.waitpid(batch.pid, 0)
        self._selector.close()
        gc.unfreeze()

    def begin(self, numbers: tuple[int, ...], jobs: Sequence[Job]) -> None:
        """Start the process of a batch."""
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            os.close(ours)
            _live(theirs, numbers, jobs)
        with suppress(OSError):  # which of the two is first
            os.setpgid(child, child)
        os.close(theirs)
        self.batches[ours] = _Batch(child, numbers, ours)
        self._rest[ours], self._seen[ours] = b"", set()
        self._selector.register(ours, selectors.EVENT_READ)

    def wait(self) -> list[int]:
        """Hand on what has come; return the jobs of processes that ended before their rows came."""
        lost: list[int] = []
        for key, _ in self._selector.select():
            found = os.read(key.fd, _READ_BYTES)
            if found:
                *lines, self._rest[key.fd] = (self._rest[key.fd] + found).split(b"\n")
                for line in lines:
                    self._take(key.fd, json.loads(line))
            else:
                lost += self._end(key.fd)
        return lost

    def _take(self, pipe: int, message: list[object]) -> None:
        number, what = int(str(message[0])), message[1]
        if number < 0:
            raise ModelBug(str(what))
        assert isinstance(what, dict)
        self._seen[pipe].add(number)
        self._keep(number, row_of(what))

    def _end(self, pipe: int) -> list[int]:
        batch = self.batches.pop(pipe)
        self._selector.unregister(pipe)
        os.close(pipe)
        os.waitpid(batch.pid, 0)
        return [number for number in batch.numbers if number not in self._seen[pipe]]


def row_of(members: dict[str, object]) -> Row:
    """Return a row that came as JSON."""
    return Row(**{**members, "victims": tuple(members["victims"])})  # type: ignore[arg-type]  # what _asdict() gave


def _live(pipe: int, numbers: tuple[int, ...], jobs: Sequence[Job]) -> None:
    """Be the process of a batch; ends it."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        _carry_out_all(pipe, numbers, jobs)
        code = 0
    except ModelBug as bug:
        _send(pipe, -1, str(bug))
    except BrokenPipeError:
        pass
    finally:
        os._exit(code)


def _carry_out_all(pipe: int, numbers: tuple[int, ...], jobs: Sequence[Job]) -> None:
    parent = os.getppid()
    try:
        stem = build(jobs[0])
    except REFUSED as problem:
        for number in numbers:
            _send(pipe, number, refused(problem)._asdict())
        return
    for number, one in zip(numbers, jobs, strict=True):
        if os.getppid() != parent:
            return
        if number != numbers[-1] and (child := os.fork()):
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                return  # that of the job and those behind it come again
            continue
        _carry_out(pipe, number, one, stem)
        if number != numbers[-1]:
            os._exit(0)


def _carry_out(pipe: int, number: int, one: Job, stem: Stem) -> None:
    try:
        found = carry_out(one, stem)
    except REFUSED as problem:
        found = refused(problem)
    _send(pipe, number, found._asdict())


def _send(pipe: int, number: int, what: object) -> None:
    data = json.dumps([number, what]).encode() + b"\n"
    while data:
        data = data[os.write(pipe, data) :]
