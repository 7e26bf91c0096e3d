"""Programs recorded on a real kernel with enough RAM, replayed with less, beside real runs of them with as little.

    .venv/bin/python tests/oracle/replay_less.py      # the table of docs/trace.md

``tests/replays/NAME`` has the trace (``host.trace``, ``lab/programs.py --pages``) and real runs with less
(``less-1``, ``less-2``: their traces, without pages, and ``run.json``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median_low
from typing import Final, NamedTuple

from memtwin.cli.replay import _mix as mix
from memtwin.diagnose.workload import Workload, workload_of
from memtwin.procfs import vmstat
from memtwin.run.change import squeeze
from memtwin.run.run import machine_for
from memtwin.scenario import parse
from memtwin.sources.trace import Trace
from memtwin.sources.tracks import Tracks

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
from growing import Silent

REPLAYS: Final = Path(__file__).parents[1] / "replays"
SHARE: Final = 0.25
"""How far off a figure may be that does not lie between two real runs."""


class Figures(NamedTuple):
    """What a run came to: pages written to swap and read from it, major faults, and processes that were killed."""

    out: int
    back: int
    major: int
    killed: int


def _figures(first: str, last: str, killed: int) -> Figures:
    before, after = (dict(vmstat.parse(text)) for text in (first, last))
    return Figures(*(after[name] - before[name] for name in ("pswpout", "pswpin", "pgmajfault")), killed)


def real(directory: Path) -> Figures:
    """Return what a real run came to, from before its programs began until they had ended."""
    trace = Trace(str(directory / "host.trace"))
    killed = json.loads((directory / "run.json").read_text())["oom_killed"]
    texts = [trace.at(moment).read("proc/vmstat") or "" for moment in ("first", "last")]
    return _figures(texts[0], texts[1], len(killed))


def less_bytes(directory: Path) -> int:
    """Return how much RAM a real run had."""
    found: int = json.loads((directory / "run.json").read_text())["ram_bytes"]
    return found


SEEDS = (0, 1, 2)
"""Of what is left to chance: of so many replays the middle figure is compared."""


def replayed(program: Path, ram_bytes: int) -> Figures:
    """Return what replays of a trace come to on its machine with so much RAM: the middle of each figure."""
    trace = Trace(str(program / "host.trace"))
    workload = workload_of(Tracks(trace), trace.at("first"), mixes=mix, is_booted=True)
    found = [_replayed(trace, workload, ram_bytes, seed) for seed in SEEDS]
    return Figures(*map(median_low, zip(*found, strict=True)))


def _replayed(trace: Trace, workload: Workload, ram_bytes: int, seed: int) -> Figures:
    scenario = parse(workload.text, "replay")
    machine = machine_for(scenario, trace.at("first"), seed=seed)
    squeeze(machine, ram_bytes, as_booted=True)
    run = Silent(scenario, machine)
    run.execute(None)
    files = run.files()
    last = max(workload.checkpoints, key=workload.checkpoints.__getitem__)
    return _figures(files["boot/proc/vmstat"], files[f"{last}/proc/vmstat"], len(run.ooms))


def is_like(model: Figures, runs: list[Figures]) -> list[bool]:
    """Say of each figure whether it is within a quarter of the real runs' mean, or lies between them."""
    found = []
    for own, *others in zip(model, *runs, strict=True):
        mean = sum(others) / len(others)
        found.append(min(others) <= own <= max(others) or abs(own - mean) <= SHARE * mean)
    return found


def runs_of(program: Path) -> list[Path]:
    """Return the real runs with less RAM."""
    return sorted(program.glob("less-*"))


def _row(program: Path) -> str:
    runs = [real(less) for less in runs_of(program)]
    ram_bytes = less_bytes(runs_of(program)[0])
    of = json.loads((program / "run.json").read_text())
    model = replayed(program, ram_bytes)
    reals = " · ".join(f"{min(row):,}-{max(row):,}" for row in list(zip(*runs, strict=True))[:3])
    own = " · ".join(
        f"{figure:,}" if like else f"**{figure:,}**"
        for figure, like in zip(model[:3], is_like(model, runs), strict=False)
    )
    killed = f", {model.killed} killed" if model.killed else ""
    ram = f"{ram_bytes >> 20} of {of['ram_bytes'] >> 20} MB"
    return f"| {program.name} | {of['every_ms']} ms | {ram} | {reals} | {own}{killed} |"


def main() -> None:
    """Print a row for each program, or for those of the command line."""
    for program in [REPLAYS / name for name in sys.argv[1:]] or sorted(REPLAYS.iterdir()):
        print(_row(program), flush=True)


if __name__ == "__main__":
    main()
