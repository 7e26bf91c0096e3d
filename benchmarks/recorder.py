"""What recording costs: the recorder's CPU, the slow-down of a program, the size of a day.

python benchmarks/recorder.py [--pairs 7] [--seconds 5]

Of a program the CPU time for the same work is compared (a busy machine changes the time on the clock), in pairs that
alternate between recorded and not; the bound is the upper end of the 95 % interval of the mean of the pairs.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, stdev

from memtwin.sources.frames import Chain, Unpacker, scan
from memtwin.sources.trace import Trace
from memtwin.sources.trace_writer import KEY_EVERY

RECORD = (sys.executable, "-m", "memtwin", "record")
WORK = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
int main(int argc, char **argv) {
    long size = 1L << 30, rounds = atol(argv[2]);
    char *kept = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(kept, size, MADV_NOHUGEPAGE);
    memset(kept, 1, size);
    for (long round = 0; round < rounds; round++) {
        if (argv[1][0] == 't') for (long at = 0; at < size; at += 4096) kept[at]++;
        else { char *p = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
               memset(p, 1, 64 << 20); munmap(p, 64 << 20); }
    }
}
"""
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


def cpu_s(words: list[str], trace: Path | None) -> float:
    """Return the CPU time of a program, recorded or not."""
    process = subprocess.Popen(words)
    recorder = None
    if trace is not None:
        recorder = subprocess.Popen((*RECORD, "-o", str(trace), "-p", str(process.pid)), stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    if recorder is not None:
        recorder.wait(30)
    return used.ru_utime + used.ru_stime


def slow_down(where: Path, kind: str, rounds: int, pairs: int) -> str:
    """Return the slow-down of a program by the default recorder, in percent."""
    words = [str(where / "work"), kind, str(rounds)]
    shares = []
    for pair in range(pairs):
        order = (None, where / f"{kind}{pair}") if pair % 2 else (where / f"{kind}{pair}", None)
        took = {trace is not None: cpu_s(words, trace) for trace in order}
        shares.append(100 * (took[True] / took[False] - 1))
    wide = T_95[pairs] * stdev(shares) / pairs**0.5
    return f"{kind}: {fmean(shares):+.2f} %, 95 % bound {fmean(shares) + wide:+.2f} % ({pairs} pairs)"


def recorder_share(where: Path, number: int, seconds: int) -> str:
    """Return what a recorder of all processes takes beside *number* sleepers."""
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(number)]
    try:
        out = subprocess.run(
            (*RECORD, "-o", str(where / f"all{number}"), "--for", f"{seconds}s"),
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        for one in sleepers:
            one.kill()
            one.wait()
    return f"{number} sleepers and all else: {out.stdout.split(': ', 1)[1].strip()}"


def size_of_a_day(where: Path, seconds: int) -> str:
    """Return what a day of the machine and 50 processes would take, from a part of it."""
    script = (
        "import os, time\nfor _ in range(49):\n if not os.fork(): break\nk = []\n"
        "while 1: k.append(bytes(5000)); k = k[-500:]; time.sleep(3)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    time.sleep(1)
    trace = where / "day"
    try:
        subprocess.run(
            (*RECORD, "-o", str(trace), "-p", str(parent.pid), "--for", f"{seconds}s"),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        number = len({name for name in next(iter(Trace(trace).walk())).state.paths() if name.endswith("/statm")})
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    frames = Trace(trace).frames
    half, whole = (packed_bytes(trace, count) for count in (len(frames) // 2, len(frames)))
    a_sample = (whole - half) / (len(frames) - len(frames) // 2)
    chains = 86_400 / KEY_EVERY
    a_day = (chains * (whole - a_sample * len(frames)) + 86_400 * a_sample) / 1e6
    return f"{number} processes, {len(frames)} samples: {trace.stat().st_size / 1e3:.0f} kB, {a_day:.1f} MB a day"


def packed_bytes(trace: Path, count: int) -> int:
    """Return how long the first samples of a trace are when their chain has ended."""
    data, chain = trace.read_bytes(), Chain()
    unpacker = Unpacker(data)
    for frame in scan(data).frames[:count]:
        chain.add(unpacker.unpack(frame), frame.unix_ms)
    return len(chain.framed())


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        (where / "work.c").write_text(WORK)
        subprocess.run(["gcc", "-O1", "-o", where / "work", where / "work.c"], check=True)
        for number in (200, 2000):
            print(recorder_share(where, number, options.seconds), flush=True)
        print(size_of_a_day(where, options.seconds), flush=True)
        for kind, rounds in (("touch", 150), ("map", 60)):
            print(slow_down(where, kind, rounds, options.pairs), flush=True)


if __name__ == "__main__":
    main()
