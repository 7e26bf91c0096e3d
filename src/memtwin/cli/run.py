"""``memtwin run``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import look_of_stdout, note, note_leftovers, write
from memtwin.errors import RecordingError, UsageError
from memtwin.files.output import check
from memtwin.render import json, table, terminal
from memtwin.render.words import count
from memtwin.scenario import load
from memtwin.sources.recording import Recording, boot_of, runs_in

if TYPE_CHECKING:
    from memtwin.run.run import Run
    from memtwin.scenario import Scenario
    from memtwin.sources.source import Source

BAR = 24
EXIT_NOT_OK: Final = 3
"""The run came to its end, and not every operation succeeded."""


@click.command("run")
@click.argument("scenario", metavar="[SCENARIO]", required=False, shell_complete=complete.files)
@click.option(
    "--boot", metavar="WHERE", shell_complete=complete.roots,
    help="Start from this machine: a snapshot's directory or tar, a recording (its boot), RUN@CHECKPOINT, or `live`.",
)  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", shell_complete=complete.settings,
    help="Change the machine: vm.NAME, machine.ram (8G, -2G, 50%, half), swap.NAME.size, swap.NAME.prio, "
    "swap.zswap.WORD. May be given several times.",
)  # fmt: skip
@click.option(
    "--swap", "swaps", multiple=True, metavar="SPEC", shell_complete=complete.swaps,
    help="With --boot: add a swap area (zram:8G,algo=zstd,prio=100, disk:8G, file:4G), or change one of the machine "
    "(/dev/sda2:off, /dev/sda2:4G, /dev/sda2,prio=5). May be given several times.",
)  # fmt: skip
@click.option(
    "--disk", "disks", multiple=True, metavar="data=WORDS", shell_complete=complete.disks,
    help="What the disk with the files can do, as data=read=510M,write=420M,latency=80us; other words are depth, "
    "nr_requests, readahead, fs and free. What is not named stays as a `disk data` line of the scenario says.",
)  # fmt: skip
@click.option(
    "--grow", "growing", multiple=True, metavar="NAME=SIZE", shell_complete=complete.growing,
    help="With --boot and no SCENARIO: let a process of the machine, by name or pid, grow by SIZE, 1 GiB a second, or "
    "within a time: nginx=4G,over=10m; with contents: content=zero:10%+text:90%. May be given several times.",
)  # fmt: skip
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    shell_complete=complete.files,
    help="Leave the run in this directory, in a recording's layout.",
)
@click.option(
    "--runs", type=click.IntRange(2, 1000), metavar="N",
    help="Run N times with what a real machine leaves to chance varied; print the range of each figure.",
)  # fmt: skip
@click.option("--story", "with_story", is_flag=True, help="Describe every operation too; those that repeat are folded.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with everything: operations, time line, story.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing: the exit code and -o say how it went.")
def command(
    *, scenario: str | None, boot: str | None, settings: tuple[str, ...], swaps: tuple[str, ...],
    disks: tuple[str, ...], growing: tuple[str, ...], output: str | None, runs: int | None,
    with_story: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Run a workload on the model of a machine.

    SCENARIO is a file in the scenario language, or a recording: then its workload runs from its own boot.
    Without --boot the machine is made from the scenario's header, based on a Debian 12 guest; with it the
    snapshot's processes run on, and a scenario or --grow may use them.
    Prints what happened and why in five sentences, RAM, swap and events over simulated time, and the machine at each
    checkpoint. Exits with 3 if an operation did not succeed: it was refused, skipped, or its process was killed.
    """
    if with_story + as_json + quiet > 1:
        raise UsageError("--story, --json and --quiet exclude each other", hint="--json has the story")
    _check_workload(scenario, boot, growing)
    if runs is not None:
        from memtwin.cli.ensemble import refuse_with_runs, run_many

        refuse_with_runs(story=with_story, output=output, swap=swaps, disk=disks)
        return run_many(scenario, boot, settings, growing, runs=runs, form="json" if as_json else "" if quiet else None)
    workload, source = workload_of(scenario) if scenario is not None else (None, None)
    if boot is not None:
        source = boot_of(boot)
    if output is not None:
        _check(Path(output))
    from memtwin.run import change, grow, run
    from memtwin.run.disk_option import with_disks

    changes = [change.swap_change(word) for word in swaps]
    if changes and source is None:
        raise UsageError("--swap without --boot", hint="a described machine has the swap lines of its scenario")
    workload = with_disks(workload or grow.scenario(growing), disks)
    done = run.simulate(workload, source, settings=settings, swaps=changes, progress=_progress)
    for text in done.machine.notes:
        click.echo(f"note: {table.clean(text)}", err=True)
    try:
        if not quiet:
            _show(done, scenario, with_story=with_story, as_json=as_json)
    finally:
        if output is not None:  # and the directory even if the story cannot be printed, as into `head`
            done.write(Path(output))
    return EXIT_NOT_OK if any(one.outcome != "ok" for one in done.done) else 0


def _check_workload(scenario: str | None, boot: str | None, growing: tuple[str, ...]) -> None:
    """Refuse a run of nothing, of two things, or of a process that is not there."""
    if growing and boot is None:
        raise UsageError("--grow without --boot", hint="--boot live, or a snapshot: only such a machine has processes")
    if (scenario is None) == (not growing):
        raise UsageError("give a SCENARIO, or --grow", hint="memtwin run --boot live --grow NAME=4G")


def _show(done: Run, scenario: str | None, *, with_story: bool, as_json: bool) -> None:
    """Print the screen of a run; it is out before the directory is written, which may fail."""
    from memtwin.story import screen

    look = look_of_stdout()
    view = screen.view(done, look, with_story=with_story)
    write(json.text(view, root=scenario) if as_json else terminal.show(view, look=look))
    sys.stdout.flush()


def _check(where: Path) -> None:
    """Refuse, before the run, a directory that could not be written after it."""
    if os.path.lexists(where):
        raise UsageError(f"{where} is there already", hint="give another -o, or remove it first")
    note_leftovers(check(where, is_directory=True))


def workload_of(path: str) -> tuple[Scenario, Source | None]:
    """Read a scenario file, or a recording's scenario and its boot."""
    if Path(path).is_dir() or ".tar" in Path(path).suffixes:
        recording = _recording(path)
        return recording.scenario(), recording.at("boot")
    return load(path), None


def _recording(path: str) -> Recording:
    """Open a recording; of a directory with several runs of one scenario, as `validate` takes it, the first."""
    try:
        return Recording(path)
    except RecordingError:
        runs = runs_in(path) if Path(path).is_dir() else []
        if not runs:
            raise
    note(f"{path} holds {count(len(runs), 'run')} of one scenario: the boot is that of {runs[0].name}")
    return Recording(runs[0])


def _progress(done: int, of: int) -> None:
    """Draw a bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty() or not of:
        return
    full = BAR * done // of
    end = "\r\x1b[K" if done == of else ""
    click.echo(f"\r[{'#' * full}{'.' * (BAR - full)}] {done}/{of}{end}", nl=False, err=True)
