"""``memtwin run``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memtwin.cli.common import note_leftovers, write
from memtwin.errors import RecordingError, UsageError
from memtwin.files.output import check
from memtwin.render import table
from memtwin.scenario import load
from memtwin.sources.recording import Recording, resolve

if TYPE_CHECKING:
    from memtwin.scenario import Scenario
    from memtwin.sources.source import Source

BAR = 24


@click.command("run")
@click.argument("scenario", metavar="[SCENARIO]", required=False)
@click.option(
    "--boot", metavar="WHERE",
    help="Start from this machine: a snapshot's directory or tar, a recording (its boot), RUN@CHECKPOINT, or `live`.",
)  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="Change the machine: vm.NAME, machine.ram (8G, -2G, 50%, half), swap.NAME.size, swap.NAME.prio, "
    "swap.zswap.WORD. May be given several times.",
)  # fmt: skip
@click.option(
    "--swap", "swaps", multiple=True, metavar="SPEC",
    help="With --boot: add a swap area (zram:8G,algo=zstd,prio=100, disk:8G, file:4G), or change one of the machine "
    "(/dev/sda2:off, /dev/sda2:4G, /dev/sda2,prio=5). May be given several times.",
)  # fmt: skip
@click.option(
    "--grow", "growing", multiple=True, metavar="NAME=SIZE",
    help="With --boot and no SCENARIO: let a process of the machine, by name or pid, grow by SIZE, 1 GiB a second, or "
    "within a time: nginx=4G,over=10m. May be given several times.",
)  # fmt: skip
@click.option("-o", "--output", metavar="DIR", help="Leave the run in this directory, in a recording's layout.")
def command(
    *, scenario: str | None, boot: str | None, settings: tuple[str, ...], swaps: tuple[str, ...],
    growing: tuple[str, ...], output: str | None,
) -> int:  # fmt: skip
    """Run a workload on the model of a machine.

    SCENARIO is a file in the scenario language, or a recording: then its workload runs from its own boot.
    Without --boot the machine is made from the scenario's header, on the ground of a Debian 12 guest; with it the
    snapshot's processes run on, and a scenario or --grow may use them.
    Prints what happened in words, then the machine at each checkpoint, in KiB.
    """
    if growing and boot is None:
        raise UsageError("--grow without --boot", hint="--boot live, or a snapshot: only such a machine has processes")
    if (scenario is None) == (not growing):
        raise UsageError("give a SCENARIO, or --grow", hint="memtwin run --boot live --grow NAME=4G")
    workload, source = _workload(scenario) if scenario is not None else (None, None)
    if boot is not None:
        source = _boot(boot)
    if output is not None:
        _check(Path(output))
    from memtwin.run import change, grow, run  # noqa: PLC0415 - the compiled core, once the arguments are right
    from memtwin.story import story  # noqa: PLC0415 - the compiled core, once the arguments are right

    changes = [change.swap_change(word) for word in swaps]
    if changes and source is None:
        raise UsageError("--swap without --boot", hint="a described machine has the swap lines of its scenario")
    workload = workload or grow.scenario(growing)
    done = run.simulate(workload, source, settings=settings, swaps=changes, progress=_progress)
    for note in done.machine.notes:
        click.echo(f"note: {table.clean(note)}", err=True)
    try:
        write("".join(f"{line}\n" for line in _wrapped(story.tell(done))))
        write("\n" + table.text(story.checkpoints(done), gap=2))
        sys.stdout.flush()  # the story is there even if the directory cannot be written
    finally:
        if output is not None:  # and the directory even if the story cannot be printed, as into `head`
            done.write(Path(output))
    return 0


def _check(where: Path) -> None:
    """Refuse, before the run, a directory that could not be written after it."""
    if os.path.lexists(where):
        raise UsageError(f"{where} is there already", hint="give another -o, or remove it first")
    note_leftovers(check(where, is_directory=True))


def _workload(path: str) -> tuple[Scenario, Source | None]:
    """Read a scenario file, or a recording's scenario and its boot."""
    if Path(path).is_dir() or ".tar" in Path(path).suffixes:
        recording = Recording(path)
        return recording.scenario(), recording.at("boot")
    return load(path), None


def _boot(where: str) -> Source:
    """Open what ``--boot`` names; a recording stands for its boot."""
    if "@" not in where and where != "live":
        try:
            return Recording(where).at("boot")
        except RecordingError:
            return resolve(where)
    return resolve(where)


def _wrapped(paragraphs: list[str]) -> list[str]:
    from textwrap import wrap  # noqa: PLC0415

    return [
        line
        for text in paragraphs
        for line in wrap(table.clean(text), 100, subsequent_indent="  ", break_on_hyphens=False)
    ]


def _progress(done: int, of: int) -> None:
    """Draw a bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty() or not of:
        return
    full = BAR * done // of
    end = "\r\x1b[K" if done == of else ""
    click.echo(f"\r[{'#' * full}{'.' * (BAR - full)}] {done}/{of}{end}", nl=False, err=True)
