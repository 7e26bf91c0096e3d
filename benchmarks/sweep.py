"""What does a sweep cost beyond its points? CPU time of 200 points of a 1 GiB machine, in a sweep and each alone.

    .venv/bin/python benchmarks/sweep.py [POINTS]

Alone a point is built and run in a fork of a process that has imported all of it. Then in which share of the time
every CPU had a point to run, whatever else this host did meanwhile.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from functools import partial

from memtwin.scenario import parse
from memtwin.sweep import axes, goal, local, subject, sweep
from memtwin.sweep.cache import Cache
from memtwin.sweep.job import row

SCENARIO = """machine ram=1G
swap disk size=1G
file data 300M
proc A
A mmap heap 900M
A touch heap 0 900M w seq content=text
proc R
R fread data 0 300M 128K seq
A touch heap 0 900M r hot:100000:20%:90%:1
R fread data 0 300M 128K seq
checkpoint end
"""
ALONE = 20
"""Every so many-th point is run alone."""


def cpu_s() -> float:
    """CPU time of the processes that ended, and of this one."""
    return sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


class Occupied:
    """For how long as many processes as there are CPUs were under way."""

    def __init__(self) -> None:
        self.full_s = 0.0
        self._since: float | None = None

    def note(self, processes: int) -> None:
        """Note how many there are now."""
        now = time.monotonic()
        if self._since is not None:
            self.full_s += now - self._since
        self._since = now if processes >= local.cpus() else None


def main() -> None:
    """Measure and print."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    words = ["swap=disk:1G,zram:50%", f"vm.swappiness=0..{points // 2 - 1}/1"]
    found = subject.Subject("bench", "scenario", parse(SCENARIO), None)
    asked = sweep.Asked(found, axes.axes(words), goal.goal(None))
    occupied = Occupied()
    bench = sweep.Bench(asked, partial(local.run, under_way=occupied.note), Cache(None), lambda *_: None)
    jobs = [one for values in axes.points(asked.axes) for one in bench.jobs(values)]
    before, began = cpu_s(), time.monotonic()
    done = sweep.grid(bench)
    swept, took = cpu_s() - before, time.monotonic() - began
    assert all(point.is_done for point in done.points)
    before = cpu_s()
    for job in jobs[::ALONE]:
        if not (child := os.fork()):
            row(job)
            os._exit(0)
        os.waitpid(child, 0)
    alone = (cpu_s() - before) * len(jobs) / len(jobs[::ALONE])
    print(f"{len(jobs)} points: the sweep {swept:.1f} s of CPU, alone {alone:.1f} s, ratio {swept / alone:.3f}")
    print(
        f"{took:.1f} s in all; each of {local.cpus()} CPUs had a point to run in {occupied.full_s / took:.1%} of them"
    )


if __name__ == "__main__":
    main()
