"""``memtwin exec``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from memtwin.cli import complete
from memtwin.cli.common import LIVE, open_root
from memtwin.errors import UsageError

if TYPE_CHECKING:
    from memtwin.replay.clock import RunningMachine


@click.command("exec", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
@click.option(
    "--speed",
    type=click.FloatRange(0.001, 1e6),
    default=1.0,
    metavar="N",
    help="Simulated seconds a second.",
)
@click.argument("root", metavar="RUN[@T]|SCENARIO", shell_complete=complete.roots)
@click.argument("words", nargs=-1, required=True, metavar="-- PROGRAM [ARGUMENTS]", type=click.UNPROCESSED)
def command(root: str, words: tuple[str, ...], speed: float) -> int:
    """Run a real program, as free, top, ps or htop, on a checkpoint of a run, a snapshot or a recording.

    With a SCENARIO (a file NAME.mem) the model runs meanwhile, by the clock, and its files move (extra fuse).

    The machine's files lie over /proc and /sys in a private mount namespace, read-only; nothing else of this host sees
    it. docs/exec.md says which files are the host's. The exit code is the program's; 127: no such program, 126: it may
    not be run, 1: no namespace, or no such machine.
    """
    if root in {LIVE, "/"}:
        raise UsageError(f"{root} is this host: run the program itself")
    program = words[1:] if words[0] == "--" else words
    if not program:
        raise UsageError("no program", hint="memtwin exec RUN@T -- free -m")
    from memtwin.sources.namespace import run

    if not is_scenario(root):
        return run(open_root(root), program)
    machine = running(root, speed)
    try:
        return run(machine.newest(), program, machine.newest)
    finally:
        machine.close()


def is_scenario(root: str) -> bool:
    """Return whether *root* is the file of a scenario."""
    return root.endswith(".mem") and os.path.isfile(root)


def running(path: str, speed: float) -> RunningMachine:
    """Return the machine of a scenario, which runs by the clock."""
    from memtwin.replay.clock import RunningMachine
    from memtwin.run.run import machine_for, refuse_what_cannot_be_done
    from memtwin.scenario import load

    scenario = load(path)
    refuse_what_cannot_be_done(scenario)
    return RunningMachine(scenario, lambda: machine_for(scenario, None), speed)
