"""Swap thrash: a process that uses one and a half times the memory, in the model and as an LRU cache in libCacheSim.

Each machine is filled once, by writing the whole working set in order; a round goes on from a copy of it, so every
round makes the same touches and moves the same pages.  libCacheSim is in a virtual environment of its own
(``requirements/bench.txt``), and ``replay_lru.py`` runs there on the trace that the model draws.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from array import array
from pathlib import Path
from typing import NamedTuple

from memtwin.linux import touch as touches
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.run import run
from memtwin.scenario import parse

HERE = Path(__file__).parent
LIBCACHESIM = HERE.parent / ".venv" / "bench" / "bin" / "python"
"""The interpreter beside libCacheSim, where that could be installed."""
SLICES = 20
"""A round draws in so many slices, each with a seed of its own; after each the process's pages are counted."""
DRAWS = 25_000
SEED = 7
EXPONENT = 4
WORKING_SET = 1.5
SWAPS = {
    "zram": "swap zram size=1G",
    "disk": "swap disk size=1G rot=0",
    "zram, then disk": "swap zram size=192M prio=100\nswap disk size=1G rot=0 prio=5",
}
PATTERNS = {"rand": t.PATTERN_RAND, "pow": t.PATTERN_POW}
CASES = [(swap, pattern) for swap in SWAPS for pattern in PATTERNS]
COUNTED = ("pgfault", "pgmajfault", "pswpin", "pswpout")


class Thrash(NamedTuple):
    """Touches made; faults, major faults, pages swapped in and out meanwhile; seconds; pages of the process in RAM."""

    touches: int
    faults: int
    major: int
    swapped_in: int
    swapped_out: int
    seconds: float
    resident: int


class Replay(NamedTuple):
    """Requests, those that missed, seconds."""

    requests: int
    misses: int
    seconds: float


class Machine:
    """A machine of 512 MiB with a process that has written 1.5 times as much: every page full of text."""

    def __init__(self, swap: str) -> None:
        text = f"machine ram=512M cpus=1 kernel=6.1 thp=never\n{SWAPS[swap]}\nproc A\n"
        done = run.simulate(parse(text), None)
        process = done.processes.by_name["A"]
        self.filled = done.machine.state
        self.task, self.start = process.task, process.next_region
        self.pages = int(self.filled.memory_total * WORKING_SET)
        assert kernel_fork.mmap(self.filled, self.task, self.start, self.pages, t.VM_READ | t.VM_WRITE) == t.OK
        fill = touches.Touch(self.filled, self.task, self.start, self.pages, write=True, content=t.CONTENT_TEXT, opno=1)
        assert fill.run() == t.OK
        assert fill.done == self.pages

    def trace(self, pattern: str) -> array[int]:
        """The pages that the process visits from its start: the filling, then each slice's draws."""
        found = array("Q", range(self.pages))
        for number in range(SLICES):
            found.extend(touches.drawn(PATTERNS[pattern], DRAWS, SEED + number, 0, 0, EXPONENT, self.pages))
        return found

    def thrash(self, pattern: str) -> Thrash:
        """Write the drawn pages, on a copy of the machine."""
        state = self.filled.copy()
        before = state.events_by_name()
        took, made, resident = 0.0, 0, []
        for number in range(SLICES):
            touch = touches.Touch(
                state, self.task, self.start, self.pages, write=True, content=t.CONTENT_TEXT, opno=2 + number,
                kind=PATTERNS[pattern], touches=DRAWS, seed=SEED + number, exponent=EXPONENT,
            )  # fmt: skip
            began = time.perf_counter()
            code = touch.run()
            took += time.perf_counter() - began
            assert code == t.OK
            made += touch.done
            resident.append(task_mmu.task_mem(state, self.task)["RssAnon"] // 4)
        after = state.events_by_name()
        faults, major, came, went = (after[name] - before[name] for name in COUNTED)
        assert made == SLICES * DRAWS
        assert 0 < major <= min(faults, came)
        assert went > 0
        return Thrash(made, faults, major, came, went, took, round(statistics.mean(resident)))


def replay(trace: Path, first: int, cache_pages: int) -> Replay | None:
    """Replay a trace as LRU and count from request *first* on; None without libCacheSim."""
    if not LIBCACHESIM.exists():
        return None
    done = subprocess.run(
        [LIBCACHESIM, HERE / "replay_lru.py", trace, str(first), str(cache_pages)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    requests, misses, ns = map(int, done.stdout.split())
    assert requests == SLICES * DRAWS
    assert 0 < misses < requests
    return Replay(requests, misses, ns / 1e9)


class Rounds:
    """All cases, round by round."""

    def __init__(self, out: Path) -> None:
        self.machines = {swap: Machine(swap) for swap in SWAPS}
        self.thrashed: dict[tuple[str, str], list[Thrash]] = {case: [] for case in CASES}
        self.replayed: dict[tuple[str, str], list[Replay]] = {case: [] for case in CASES}
        self.traces = {}
        pages = {machine.pages for machine in self.machines.values()}
        assert len(pages) == 1
        for pattern in PATTERNS:
            self.traces[pattern] = out / f"trace.{pattern}"
            self.traces[pattern].write_bytes(self.machines["zram"].trace(pattern).tobytes())

    def round(self) -> None:
        """Each case once in the model, then in libCacheSim with as many pages as the model's process had."""
        for swap, pattern in CASES:
            done = self.machines[swap].thrash(pattern)
            self.thrashed[swap, pattern].append(done)
            found = replay(self.traces[pattern], self.machines[swap].pages, done.resident)
            if found:
                self.replayed[swap, pattern].append(found)
