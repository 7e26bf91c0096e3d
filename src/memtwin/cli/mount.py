"""``memtwin mount``."""

from __future__ import annotations

import os

import click

from memtwin.cli import complete
from memtwin.cli.common import open_root
from memtwin.cli.exec import is_scenario, running
from memtwin.errors import UsageError


@click.command("mount")
@click.option(
    "--speed",
    type=click.FloatRange(0.001, 1e6),
    default=1.0,
    metavar="N",
    help="Simulated seconds a second.",
)
@click.argument("root", metavar="RUN[@T]|SCENARIO", shell_complete=complete.roots)
@click.argument("directory", metavar="DIR", shell_complete=complete.files)
def command(root: str, directory: str, speed: float) -> int:
    """Mount a machine's /proc and /sys below DIR, read-only, until ^C or umount: for programs that take a root.

    A run's checkpoint, a snapshot, a recording; or a SCENARIO (NAME.mem): then the model runs by the clock. It needs
    FUSE (extra fuse).
    """
    from memtwin.sources.mounted import Tree, serve

    if not os.path.isdir(directory):
        raise UsageError(f"{directory}: not a directory")
    if os.listdir(directory):
        raise UsageError(f"{directory}: not empty", hint="what lies there could not be seen")
    if not is_scenario(root):
        source = open_root(root)
        serve(Tree(lambda: source), directory)
        return 0
    machine = running(root, speed)
    try:
        serve(Tree(machine.newest), directory)
    finally:
        machine.close()
    return 0
