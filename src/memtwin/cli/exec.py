"""``memtwin exec``."""

from __future__ import annotations

import click

from memtwin.cli import complete
from memtwin.cli.common import LIVE, open_root
from memtwin.errors import UsageError


@click.command("exec", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
@click.argument("root", metavar="RUN[@T]", shell_complete=complete.roots)
@click.argument("words", nargs=-1, required=True, metavar="-- PROGRAM [ARGUMENTS]", type=click.UNPROCESSED)
def command(root: str, words: tuple[str, ...]) -> int:
    """Run a real program, as free, top, ps or htop, on a checkpoint of a run, a snapshot or a recording.

    The machine's files lie over /proc and /sys in a private mount namespace, read-only; nothing else of this host sees
    it. docs/exec.md says which files are the host's. The exit code is the program's; 127: no such program, 126: it may
    not be run, 1: no namespace, or no such machine.
    """
    if root in {LIVE, "/"}:
        raise UsageError(f"{root} is this host: run the program itself")
    program = words[1:] if words[0] == "--" else words
    if not program:
        raise UsageError("no program", hint="memtwin exec RUN@T -- free -m")
    source = open_root(root)
    from memtwin.sources.namespace import run

    return run(source, program)
