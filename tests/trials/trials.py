"""Real programs that leak, or do not, watched by the rules of `memtwin leak` and, on the same samples, by null models.

python tests/trials/trials.py [--seconds 300] [--seeds 5] [--at-once 10] [--kinds a,b] [--write docs/leak-trials.md]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import null_models

from memtwin.diagnose.leak import findings
from memtwin.diagnose.samples import Samples
from memtwin.diagnose.watch import Heaps, take
from memtwin.sources.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
KEPT = frozenset({"freed and kept: trim helps", "freed and kept: trim does not help"})
LEVEL = frozenset({"warm-up", "steady", "growing cache"})
LEAK = frozenset({"leak"})
STEADY = frozenset({"steady"})
UNKNOWN = frozenset({"unknown", "growing cache"})
PROGRAMS = {
    **dict.fromkeys((
        "leak-small", "leak-slow", "leak-mid", "leak-sawtooth", "leak-step", "leak-rare", "leak-mmap", "leak-bursts",
        "leak-realloc", "leak-big-blocks", "leak-churn", "leak-threads-like",
    ), LEAK),
    "leak-children": frozenset({"more processes"}),
    **dict.fromkeys(("steady", "sawtooth", "bursts", "pool", "server", "swing", "peak"), STEADY),
    **dict.fromkeys(("churn", "sawtooth-slow", "swing-slow", "fragments", "holes"), STEADY | LEVEL | KEPT),
    **dict.fromkeys(("cache", "cache-fast", "warm-up", "warm-up-slow", "load", "load-fast"), LEVEL),
    "kept": KEPT, "lazy": frozenset({"lazily freed"}), "reader": frozenset({"file", "steady"}),
    "shared": frozenset({"shmem or tmpfs"}), "tables": frozenset({"page tables"}), "walk": STEADY | {"unknown"},
    **dict.fromkeys(("quarter", "half", "fill-slow"), UNKNOWN),
}  # fmt: skip
"""Programs in C, and which verdicts are right after five minutes."""
SCRIPTS = {
    "python-leak": ("python3 python-leak.py", LEAK),
    "python-dict": ("python3 python-dict.py", LEAK),
    "python-lru": ("python3 python-lru.py", LEVEL),
    "python-work": ("python3 python-work.py", STEADY | {"warm-up"}),
    "perl-leak": ("perl perl-leak.pl", LEAK),
    "perl-work": ("perl perl-work.pl", STEADY | {"warm-up"}),
    "node-leak": ("node node-leak.js", LEAK),
    "node-closure": ("node node-closure.js", LEAK),
    "node-work": ("node node-work.js", LEVEL | {"unknown"}),
    "java-leak": ("java -Xmx600m Grow.java leak", frozenset({"unknown", "leak"})),
    "java-work": ("java -Xmx200m Grow.java work", LEVEL | {"unknown"}),
    "sqlite-work": ("sh sqlite-work.sh", LEVEL),
    "sqlite-memory": ("sh sqlite-memory.sh", LEAK),
}
"""Programs in other languages: a leak of Java's may stay unknown, as a JVM keeps what it has touched."""
LEAKS = {name for name in (*PROGRAMS, *SCRIPTS) if "leak" in name} | {"python-dict", "node-closure", "sqlite-memory"}
UNDECIDED = {"quarter", "half", "fill-slow", "java-leak"}


class Judged(NamedTuple):
    """What a program was called, and what the null models said of it."""

    kind: str
    pid: int
    verdict: str
    more: int | None
    rules: frozenset[str]

    @property
    def right(self) -> bool:
        """Whether the verdict is one of the right ones."""
        return self.verdict in (PROGRAMS.get(self.kind) or SCRIPTS[self.kind][1])


def start(kind: str, seed: int, where: Path) -> subprocess.Popen[bytes]:
    """Start a program under a name of its own, in a group of its own."""
    if kind in SCRIPTS:
        words = SCRIPTS[kind][0].split()
    else:
        name = where / f"{kind[:11]}.{seed}"
        if not name.exists():
            os.link(where / "programs", name)
        words = [str(name), kind, str(seed), str(where)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, cwd=HERE / "scripts"
    )


def build(where: Path) -> None:
    """Compile the programs in C."""
    subprocess.run(
        ["gcc", "-O1", "-Wno-unused-result", "-o", where / "programs", HERE / "programs.c", "-lm"], check=True
    )


def judge(samples: Samples, roots: dict[int, str]) -> list[Judged]:
    """Return what each program is called now: of a family the gravest."""
    found = list(findings(samples))
    names = {process.pid: process.name for process in samples.processes.values()}
    result = []
    for pid, kind in roots.items():
        own = [
            one
            for one in found
            if one.pid == pid or (one.pid is None and one.name == names.get(pid) and "." in one.name)
        ]
        graver = [one for one in own if one.verdict == "more processes"] or own
        series = samples.processes.get(pid)
        if not graver or series is None:
            continue
        t, v = series.anon.times_s, series.anon.values
        rules = frozenset(name for name, rule in null_models.RULES.items() if len(v) > 20 and rule(t, v))
        result.append(Judged(kind, pid, graver[0].verdict, graver[0].look_seconds_more, rules))
    return result


def watch(
    jobs: list[tuple[str, int]], seconds: float, looks: tuple[float, ...], where: Path
) -> dict[float, list[Judged]]:
    """Run programs side by side, and judge them at each time of *looks*."""
    started = {start(kind, seed, where): kind for kind, seed in jobs}
    time.sleep(1.5)
    roots = {}
    for process, kind in started.items():
        roots[_grown(process.pid) if kind.startswith("sqlite") else process.pid] = kind
    family = set(roots)

    def wanted(pid: int, parent: int) -> bool:
        if parent in family:
            family.add(pid)
        return pid in family

    recorder, samples = Recorder(1.0, wanted), Samples(os.sysconf("SC_PAGE_SIZE"))
    heaps = Heaps(samples, seconds)
    result: dict[float, list[Judged]] = {}
    try:
        begin = time.monotonic()
        left = list(looks)
        while left:
            take(recorder, samples, heaps)
            if time.monotonic() - begin >= left[0]:
                result[left.pop(0)] = judge(samples, roots)
            time.sleep(max(1.0 - (time.monotonic() - begin) % 1.0, 0.05))
    finally:
        recorder.close()
        for process in started:
            os.killpg(process.pid, 9)
            process.wait()
    return result


def _grown(pid: int) -> int:
    """Return the sqlite3 that a shell started."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            if "(sqlite3)" in text and text.rpartition(") ")[2].split()[1] == str(pid):
                return int(entry.name)
    return pid


def table(results: dict[float, list[Judged]]) -> str:
    """Return the page: rules against each other, then each kind."""
    lines: list[str] = []
    for seconds, judged in results.items():
        lines += [f"## After {seconds:.0f} s", "", *_against(judged), ""]
    last = list(results.values())[-1]
    lines += ["## Each program, after the longest time", "", "| program | called | right |", "|---|---|---|"]
    for kind in dict.fromkeys(one.kind for one in last):
        own = [one for one in last if one.kind == kind]
        called = ", ".join(f"{verdict} x{n}" for verdict, n in _counted(one.verdict for one in own))
        lines.append(f"| {kind} | {called} | {sum(one.right for one in own)}/{len(own)} |")
    return "\n".join(lines) + "\n"


def _against(judged: list[Judged]) -> list[str]:
    leaks = [one for one in judged if one.kind in LEAKS - UNDECIDED]
    innocents = [one for one in judged if one.kind not in LEAKS | UNDECIDED]
    rest = len(judged) - len(leaks) - len(innocents)
    named = {"leak", "more processes"}

    def row(name: str, accused: list[Judged]) -> str:
        right, wrong = (sum(one in accused for one in group) for group in (leaks, innocents))
        precision = f"{right / (right + wrong):.2f}" if right + wrong else "-"
        recall = f"{right / len(leaks):.2f}" if leaks else "-"
        return f"| {name} | {right}/{len(leaks)} | {wrong}/{len(innocents)} | {precision} | {recall} |"

    lines = [f"{len(leaks)} leaks, {len(innocents)} innocents, {rest} that cannot be decided.", ""]
    lines += ["| rule | leaks found | innocents accused | precision | recall |", "|---|---|---|---|---|"]
    lines.append(row("memtwin leak", [one for one in judged if one.verdict in named]))
    lines += [row(name, [one for one in judged if name in one.rules]) for name in null_models.RULES]
    sure = [one for one in judged if one.kind not in UNDECIDED]
    unknown = [one for one in judged if one.verdict == "unknown"]
    told = f'{len(unknown)} are "cannot tell", {sum(not one.more for one in unknown)} of them without its seconds.'
    return [*lines, "", f"The class is right for {sum(one.right for one in sure)} of {len(sure)}; {told}"]


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return sorted(counts.items(), key=lambda item: -item[1])


def main() -> int:
    """Run the trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--kinds", default="")
    parser.add_argument("--write", default="")
    options = parser.parse_args()
    kinds = options.kinds.split(",") if options.kinds else [
        *PROGRAMS, *(kind for kind, (words, _) in SCRIPTS.items() if shutil.which(words.split()[0]))
    ]  # fmt: skip
    looks = tuple(sorted({min(60.0, options.seconds), options.seconds}))
    results: dict[float, list[Judged]] = {look: [] for look in looks}
    with tempfile.TemporaryDirectory(prefix="memtwin-trials-") as name:
        where = Path(name)
        build(where)
        jobs = [(kind, seed) for seed in range(1, options.seeds + 1) for kind in kinds]
        for first in range(0, len(jobs), options.at_once):
            part = watch(jobs[first : first + options.at_once], options.seconds, looks, where)
            for look, judged in part.items():
                results[look] += judged
            print(f"{min(first + options.at_once, len(jobs))}/{len(jobs)}", file=sys.stderr, flush=True)
    head = f"""# `memtwin leak` on real programs

Made by `make trials`: {len(kinds)} programs, {options.seeds} seeds, {options.at_once} at a time, a sample a second.

"""
    page = head + table(results)
    if options.write:
        Path(options.write).write_text(page)
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
