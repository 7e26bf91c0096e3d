"""``memtwin replay``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, note, open_root, show, write
from memtwin.diagnose.player import HALF, Size
from memtwin.diagnose.workload import compare, workload_of
from memtwin.diagnose.workload_view import view
from memtwin.errors import NotBuiltError, RecordingError, UsageError
from memtwin.files import output
from memtwin.procfs.pid import smaps_rollup, stat
from memtwin.sources.source import load
from memtwin.sources.texts import TextSource
from memtwin.sources.trace import Trace
from memtwin.sources.tracks import Tracks
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.diagnose.player import Mix
    from memtwin.diagnose.workload import Workload
    from memtwin.sources.source import Source


@click.command("replay")
@click.argument("trace", shell_complete=complete.files)
@click.option(
    "-p", "--pid", "pids", type=int, multiple=True, metavar="PID", help="This process alone (may be repeated)."
)
@click.option("-o", "--output", "out", metavar="FILE", help="Write the scenario to FILE.")
@click.option("--check", is_flag=True, help="Run it on the model, and print how its processes differ from the trace's.")
@click.option(
    "--boot", is_flag=True, help="Leave out the machine and what was there: for memtwin run --boot TRACE@first."
)
@form_options
def command(trace: str, form: str | None, *, pids: tuple[int, ...], out: str | None, check: bool, boot: bool) -> None:
    """Print a trace as a scenario: processes that grow, shrink and fault as those of the trace did.

    The machine has the trace's RAM, swap, page cache and other programs' memory as they were at its first sample. Run
    the scenario with other settings or sizes: memtwin run --set, memtwin whatif. How much of its memory a program
    works with, and what the pages contain, is there if it was recorded (record --working-set, --contents). With --boot
    the first sample itself is the machine (it has to have what a snapshot has): memtwin run FILE --boot TRACE@first.
    """
    if form is not None and not check:
        raise UsageError("a scenario is text", hint="--json and --csv are forms of --check")
    if out is not None:
        output.check(Path(out), is_directory=False)
    whole = Trace(trace)
    if whole.note:
        note(whole.note)
    first = whole.at("first")
    workload = workload_of(Tracks(whole), first, pids, mixes=_mix, is_measured=check, is_booted=boot)
    if not workload.lives:
        what = f"no process {', '.join(map(str, pids))}" if pids else "no process that ever had 1 MiB"
        raise RecordingError(trace, f"has {what}")
    if out is not None:
        output.write_file(Path(out), workload.text.encode())
    if check:
        files = _run(workload, trace, first if boot else None)
        likeness = compare(workload, partial(_size, files), partial(_referenced, files))
        show(view(likeness, workload.notes), form, open_root(f"{trace}@last"))
        return
    if out is None:
        write(workload.text)
    for one in workload.notes:
        note(one)


def _mix(found: Mapping[str, Any]) -> Mix:
    """Return the contents that stand for sampled pages; those of the model's own where it is not installed."""
    try:
        from memtwin.run.grow import mix_of, shares
    except (ImportError, NotBuiltError):
        note("the model is not installed: contents are written as half random")
        return HALF
    return shares(mix_of(found["algorithm"], found["same"], found["whole"], found["rest_mean"]))


def _run(workload: Workload, trace: str, boot: Source | None) -> Source:
    """Run a workload; return the files of its checkpoints."""
    from memtwin.run.run import simulate
    from memtwin.scenario import parse

    run = simulate(parse(workload.text, f"{trace} as a scenario"), boot)
    late = sum(done.outcome != "ok" for done in run.done)
    if late:
        note(f"{late:,} of {len(run.done):,} operations did not succeed, or began later than in the trace")
    return TextSource("run", run.files())


def _referenced(source: Source, label: str, word: str) -> int | None:
    """Return what a process of the run had touched since its references were cleared, in bytes."""
    rollup = load(source, smaps_rollup, f"{label}/workers/{word}/smaps_rollup")
    return None if rollup is None else bytes_of(rollup.rows["Referenced"])


def _size(source: Source, label: str, word: str) -> Size | None:
    """Return what a process of the run had; its page tables say it, RSS of 6.1 is up to 64 faults old."""
    rollup = load(source, smaps_rollup, f"{label}/workers/{word}/smaps_rollup")
    counters = load(source, stat, f"{label}/workers/{word}/stat")
    if rollup is None:
        return None
    resident, anon, swapped = (bytes_of(rollup.rows[name]) for name in ("Rss", "Anonymous", "Swap"))
    return Size(0.0, anon + swapped, resident - anon, counters.field("minflt") if counters else None)
