"""What recording costs: the recorder's CPU, the slow-down of a program, the size of a day.

python benchmarks/recorder.py [--pairs 7] [--seconds 60] [--window 20] [--day 1200]

A program with 1 GiB goes on through windows that alternate between recorded and not, and writes down when each of its
rounds ended. Compared is what a round takes on the clock (with what it waits for mmap_lock) and of CPU time. Whole
windows say little where a machine's memory is now faster, now slower by a tenth; but all that a recorder does it does
at once, and sleeps until the next sample: what the program does meanwhile is held against what it does just before and
after. Both run before all else on the machine, if root runs this. The bound is the upper end of the 95 % interval of
the mean of the pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from statistics import fmean, stdev

from memtwin.sources.frames import Unpacker, chained, scan
from memtwin.sources.trace import Trace
from memtwin.sources.trace_writer import KEY_EVERY

RECORD = (sys.executable, "-m", "memtwin", "record")
WORK = r"""
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
static uint64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}
int main(int argc, char **argv) {
    long size = 1L << 30, most = 1L << 20;
    char *kept = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t *times = mmap(0, most * 16, PROT_READ | PROT_WRITE, MAP_SHARED, open(argv[2], O_RDWR), 0);
    madvise(kept, size, MADV_NOHUGEPAGE);
    memset(kept, 1, size);
    for (long round = 0; round < most; round++) {
        if (argv[1][0] == 't') for (long at = 0; at < size; at += 4096) kept[at]++;
        else { char *p = mmap(0, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
               madvise(p, 16 << 20, MADV_NOHUGEPAGE); memset(p, 1, 16 << 20); munmap(p, 16 << 20); }
        times[2 * round + 1] = now(CLOCK_PROCESS_CPUTIME_ID);
        __atomic_store_n(times + 2 * round, now(CLOCK_BOOTTIME), __ATOMIC_RELEASE);
    }
}
"""
MOST_ROUNDS = 1 << 20
SETTLE_S = 3.0
"""Until the target has all its memory, or a recorder has read all processes once."""
LOOK_S = 0.2
START_S = 15
FIFTY = r"""
import os, random, select, subprocess, time
def idle(draw):
    while True:
        time.sleep(draw.uniform(20, 90))
def wakes(draw):
    while True:
        time.sleep(draw.uniform(0.2, 2))
        with open("/proc/loadavg") as file, open(os.devnull, "w") as out:
            out.write(file.read())
def logs(draw):
    kept = []
    while True:
        time.sleep(draw.expovariate(0.5))
        with open(f"log{os.getpid()}", "a") as out:
            out.write("x" * draw.randrange(40, 4000))
        kept = [*kept, bytes(draw.randrange(100, 60000))][-300:]
def serves(draw):
    kept = {}
    while True:
        time.sleep(draw.expovariate(5))
        kept[draw.randrange(3000)] = bytes(draw.randrange(100, 20000))
        if draw.random() < 0.02:
            kept = {}
def works(draw):
    while True:
        for _ in range(draw.randrange(1, 40)):
            table = {n: str(n) for n in range(draw.randrange(1000, 200000))}
            time.sleep(draw.uniform(0, 0.05))
        time.sleep(draw.uniform(0, 20))
def starts(draw):
    while True:
        subprocess.run(["sh", "-c", "ls -R /usr/include | sort | tail -1"], stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(1, 9))
kinds = [*[idle] * 26, *[wakes] * 10, *[logs] * 6, *[serves] * 3, *[works] * 3, starts]
for number, kind in enumerate(kinds):
    if not os.fork():
        kind(random.Random(number))
idle(random.Random(50))
"""
"""Fifty processes as a machine in use has them: half sleep, some wake, log, serve, work by turns, or start others."""
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


class Target:
    """A program that goes on through all windows, and writes down when each of its rounds ended."""

    def __init__(self, where: Path, kind: str) -> None:
        times = where / f"{kind}.times"
        with times.open("wb") as file:
            file.truncate(MOST_ROUNDS * 16)
        with times.open("rb") as file:
            self._times = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ)).cast("Q")
        self._process = subprocess.Popen([str(where / "work"), kind, str(times)], start_new_session=True)
        before_all_else(self._process.pid)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def spent(self, begin_s: float, end_s: float) -> tuple[float, float, float]:
        """Return rounds, seconds and CPU seconds between two moments since boot; of a round that was cut a part."""
        (first, first_cpu), (last, last_cpu) = self._at(begin_s), self._at(end_s)
        return last - first, end_s - begin_s, last_cpu - first_cpu

    def _at(self, moment_s: float) -> tuple[float, float]:
        """Return how many rounds had ended at a moment, and the CPU time."""
        moment = moment_s * 1e9
        after = bisect_right(range(MOST_ROUNDS), moment, key=lambda one: self._times[2 * one] or 1 << 62)
        (t0, c0), (t1, c1) = (self._times[2 * one : 2 * one + 2] for one in (after - 1, after))
        part = (moment - t0) / (t1 - t0)
        return after + part, (c0 + part * (c1 - c0)) / 1e9


def recording(trace: Path) -> subprocess.Popen[bytes]:
    """Start a recorder with its defaults."""
    words = (*RECORD, "-o", str(trace))
    recorder = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    before_all_else(recorder.pid)
    return recorder


def before_all_else(pid: int) -> None:
    """Let a session run before all others, where that is allowed: two of them have two CPUs, as on a quiet machine."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        groups = Path(f"/proc/{pid}/autogroup")  # the scheduler's, by session
        if groups.exists():
            groups.write_text("-20")


def slow_down(where: Path, kind: str, seconds: float, pairs: int) -> str:
    """Return the slow-down of a program by the default recorder: on the clock, and of its CPU time."""
    target = Target(where, kind)
    windows = []
    try:
        time.sleep(SETTLE_S)
        for pair in range(pairs):
            trace = where / f"{kind}{pair}"
            alone, recorded = [window(seconds, one) for one in ((None, trace) if pair % 2 else (trace, None))][
                :: 1 if pair % 2 else -1
            ]
            windows.append((alone, recorded, [boot_ms / 1000 for boot_ms in moments(trace)]))
        time.sleep(1)  # the last round that is compared has ended by then
        texts = []
        for which, name in ((1, "clock"), (2, "CPU")):
            whole = [a_round(target, recorded, which) / a_round(target, alone, which) for alone, recorded, _ in windows]
            ticks = [
                by_tick(target, [one for one in at if recorded[0] < one < recorded[1] - 1], which)
                for _, recorded, at in windows
            ]
            texts.append(f"{name} {bounded(ticks)} (whole windows: {bounded([100 * (one - 1) for one in whole])})")
    finally:
        target.end()
    return f"{kind}: {'; '.join(texts)}; {pairs} pairs of {seconds:.0f} s"


def window(seconds: float, trace: Path | None) -> tuple[float, float]:
    """Let some seconds pass with a recorder (its defaults), or without; return when they began and ended."""
    recorder = None if trace is None else recording(trace)
    try:
        time.sleep(SETTLE_S)
        begin = time.clock_gettime(time.CLOCK_BOOTTIME)
        time.sleep(seconds)
        return begin, time.clock_gettime(time.CLOCK_BOOTTIME)
    finally:
        if recorder is not None:
            recorder.terminate()
            recorder.wait(30)


def moments(trace: Path) -> list[int]:
    """Return when the samples of a trace were taken, in milliseconds since boot."""
    return [sample.boot_ms for sample in Trace(trace).walk()]


def a_round(target: Target, between: tuple[float, float], which: int) -> float:
    """Return what a round took: 1 on the clock, 2 of CPU time."""
    spent = target.spent(*between)
    return spent[which] / spent[0]


def by_tick(target: Target, ticks: list[float], which: int) -> float:
    """Return by how many percent samples slow a program down, against what it does just before and after them.

    All that a recorder does it does at once, and then sleeps until the next sample.
    """
    lost = []
    for tick in ticks:
        with_it = a_round(target, (tick - LOOK_S / 10, tick + LOOK_S), which)
        without = fmean(a_round(target, (tick + at, tick + at + LOOK_S), which) for at in (-1.1 * LOOK_S, LOOK_S))
        lost.append(1.1 * LOOK_S * (with_it / without - 1))
    return 100 * fmean(lost) / fmean(after - before for before, after in pairwise(ticks))


def bounded(shares: list[float]) -> str:
    """Write a mean and the upper end of its 95 % interval."""
    wide = T_95[len(shares)] * stdev(shares) / len(shares) ** 0.5
    return f"{fmean(shares):+.2f} %, 95 % bound {fmean(shares) + wide:+.2f} %"


def recorder_share(where: Path, number: int, seconds: int) -> str:
    """Return what a recorder of all processes takes beside *number* sleepers, once it has read all of them and then."""
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(number)]
    recorder = recording(where / f"all{number}")
    try:
        time.sleep(START_S)
        begun = cpu_s(recorder.pid)
        time.sleep(seconds)
        share = 100 * (cpu_s(recorder.pid) - begun) / seconds
        present = sum(one.name.isdigit() for one in Path("/proc").iterdir())
    finally:
        recorder.terminate()
        recorder.wait(30)
        for one in sleepers:
            one.kill()
            one.wait()
    first = f"{begun:.1f} s of CPU time in the first {START_S} s"
    return f"{number} sleepers, {present} processes in all: {share:.1f} % of a CPU over {seconds} s, after {first}"


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def size_of_a_day(where: Path, seconds: int) -> str:
    """Return what a day of the machine and 50 processes would take, from a part of it."""
    parent = subprocess.Popen([sys.executable, "-c", FIFTY], start_new_session=True, cwd=where)
    time.sleep(5)  # until all fifty have begun
    trace = where / "day"
    try:
        subprocess.run(
            (*RECORD, "-o", str(trace), "-p", str(parent.pid), "--for", f"{seconds}s"),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    number, moved, last = [], 0, {}
    for sample in Trace(trace).walk():
        found = {name: sample.state.text(name) for name in sample.state.paths() if name.endswith("/statm")}
        number.append(len(found))
        moved += sum(last.get(name) != text for name, text in found.items())
        last = found
    half, whole = (packed_bytes(trace, count) for count in (len(number) // 2, len(number)))
    a_sample = (whole - half) / (len(number) - len(number) // 2)
    chains = 86_400 / KEY_EVERY
    a_day = (chains * (whole - a_sample * len(number)) + 86_400 * a_sample) / 1e6
    return (
        f"{fmean(number):.0f} processes, of which {moved / len(number):.1f} moved from one sample to the next, "
        f"{len(number)} samples: {trace.stat().st_size / 1e3:.0f} kB, {a_day:.1f} MB a day"
    )


def packed_bytes(trace: Path, count: int) -> int:
    """Return how long the first samples of a trace are when their chain has ended."""
    data = trace.read_bytes()
    unpacker, frames = Unpacker(data), scan(data).frames[:count]
    return len(chained([unpacker.unpack(frame) for frame in frames], [frame.unix_ms for frame in frames]))


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=60, help="of the recorder's CPU")
    parser.add_argument("--window", type=float, default=20.0, help="seconds of one half of a pair")
    parser.add_argument("--day", type=int, default=1200, help="seconds of which a day is made up")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        (where / "work.c").write_text(WORK)
        subprocess.run(["gcc", "-O1", "-o", where / "work", where / "work.c"], check=True)
        for number in (200, 2000):
            print(recorder_share(where, number, options.seconds), flush=True)
        for kind in ("touch", "map"):
            print(slow_down(where, kind, options.window, options.pairs), flush=True)
        print(size_of_a_day(where, options.day), flush=True)


if __name__ == "__main__":
    main()
