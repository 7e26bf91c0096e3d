"""Real programs that leak, or do not, watched by the rules of `memtwin leak` and, on the same samples, by null models.

python tests/trials/trials.py [--seconds 300] [--seeds 5|2,3|5,] [--at-once 10] [--kinds a,b] [--keep DIR]
                              [--write docs/leak-trials.md]
python tests/trials/trials.py --again DIR --write docs/leak-trials.md
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import bench
import damage
import null_models
import tables

from memtwin.diagnose.leak import findings, of_process
from memtwin.diagnose.samples import Samples
from memtwin.diagnose.watch import Heaps, take
from memtwin.sources.recorder import Recorder


class Judged(NamedTuple):
    """What a program was called after a time, what the null models said, and what became of it by bad sampling."""

    seconds: float
    kind: str
    seed: int
    verdict: str
    more: int | None
    rules: tuple[str, ...]
    damaged: dict[str, str]
    """The verdict on the same samples after each kind of damage; after the longest time only."""
    injected: str | None
    """What a steady program is called with a leak of twice the stated resolution put in."""


def judge(samples: Samples, running: list[bench.Started], seconds: float, *, is_last: bool) -> list[Judged]:
    """Return what each program is called now."""
    called = verdicts(samples, running)
    bad = {
        name: verdicts(damage.damaged(samples, how, one), running)
        for one, (name, how) in enumerate(damage.KINDS.items())
        if is_last
    }
    result = []
    for one in running:
        series = samples.processes.get(one.pid)
        if series is None or one.pid not in called:
            continue
        verdict, more = called[one.pid]
        t, v = series.anon.times_s, series.anon.values
        rules = tuple(name for name, rule in null_models.RULES.items() if len(v) > 20 and rule(t, v))
        after = {name: found[one.pid][0] for name, found in bad.items() if one.pid in found}
        leaking = damage.leaking(series) if is_last and verdict == "steady" else None
        injected = of_process(leaking, samples).verdict if leaking is not None else None
        result.append(Judged(seconds, one.kind, one.seed, verdict, more, rules, after, injected))
    return result


def verdicts(samples: Samples, running: list[bench.Started]) -> dict[int, tuple[str, int | None]]:
    """Return the verdict on each program, and how many seconds more it asks for: of a family the gravest."""
    found = list(findings(samples))
    names = {process.pid: process.name for process in samples.processes.values()}
    result = {}
    for job in running:
        name = names.get(job.pid, "")
        own = [one for one in found if one.pid == job.pid or (one.pid is None and one.name == name and "." in name)]
        graver = [one for one in own if one.verdict == "more processes"] or own
        if graver:
            result[job.pid] = (graver[0].verdict, graver[0].look_seconds_more)
    return result


def watch(jobs: list[tuple[str, int]], looks: tuple[float, ...], where: Path, keep: Path | None = None) -> list[Judged]:
    """Run programs side by side, and judge them at each time of *looks*, in seconds; *keep* their samples."""
    running = bench.start_all(jobs, where)
    family = {one.pid for one in running}

    def wanted(pid: int, parent: int) -> bool:
        if parent in family:
            family.add(pid)
        return pid in family

    recorder, samples = Recorder(1.0, wanted), Samples(os.sysconf("SC_PAGE_SIZE"))
    heaps = Heaps(samples, looks[-1])
    result: list[Judged] = []
    try:
        begin = time.monotonic()
        left = list(looks)
        while left:
            take(recorder, samples, heaps)
            if time.monotonic() - begin >= left[0]:
                seconds = left.pop(0)
                if keep is not None:
                    idle = [one._replace(process=None) for one in running]
                    name = f"{jobs[0][1]}-{jobs[0][0]}-{seconds:.0f}.pickle"
                    (keep / name).write_bytes(pickle.dumps((seconds, not left, idle, samples)))
                result += judge(samples, running, seconds, is_last=not left)
            time.sleep(max(1.0 - (time.monotonic() - begin) % 1.0, 0.05))
    finally:
        recorder.close()
        for one in running:
            one.end()
    return result


def run(options: argparse.Namespace) -> list[Judged]:
    """Run all that is asked for."""
    kinds = options.kinds.split(",") if options.kinds else bench.present()
    words = options.seeds
    seeds = [int(one) for one in words.split(",") if one] if "," in words else list(range(1, int(words) + 1))
    looks = tuple(sorted({min(60.0, options.seconds), options.seconds}))
    jobs = [(kind, seed) for seed in seeds for kind in kinds]
    result: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="memtwin-trials-") as name:
        bench.build(Path(name))
        for first in range(0, len(jobs), options.at_once):
            part = jobs[first : first + options.at_once]
            rows = watch(part, looks, Path(name), Path(options.keep) if options.keep else None)
            result += rows
            print(f"{min(first + options.at_once, len(jobs))}/{len(jobs)}", file=sys.stderr, flush=True)
    return result


def again(folder: str) -> list[Judged]:
    """Judge samples that were kept, by the rules of today."""
    result: list[Judged] = []
    for path in sorted(Path(folder).glob("*.pickle")):
        seconds, is_last, running, samples = pickle.loads(path.read_bytes())
        result += judge(samples, running, seconds, is_last=is_last)
    return result


def main() -> int:
    """Run the trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seeds", default="5", help="how many, or which: 5; 2,3; 5,")
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--kinds", default="")
    parser.add_argument("--keep", default="", help="a directory for the samples")
    parser.add_argument("--again", default="", help="judge the samples of such a directory")
    parser.add_argument("--note", default="", help="a sentence for the page")
    parser.add_argument("--write", default="")
    options = parser.parse_args()
    page = tables.page(again(options.again) if options.again else run(options), options.note)
    if options.write:
        Path(options.write).write_text(page)
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
