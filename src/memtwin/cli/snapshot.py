"""``memtwin snapshot``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from memtwin.cli import complete
from memtwin.cli.common import note, note_leftovers, open_root, root_option, write
from memtwin.render.words import count, size
from memtwin.sources.host import host
from memtwin.sources.snapshot import Walk, check, save, take

_NAMED = 3
_MOST_S = 10


@click.command("snapshot")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=complete.files,
    help="A new directory, or a tar by its ending: .tar, .tar.gz, .tar.xz, .tar.zst. Default: memtwin-DATE.tar.xz.",
)
@click.option("--no-arguments", is_flag=True, help="Leave out the processes' command lines: they may hold secrets.")
@click.option(
    "--smaps/--no-smaps",
    "smaps",
    default=None,
    help="What is resident in each area of each process. The kernel walks every page for it: what that will take is "
    f"said first, and beyond {_MOST_S} seconds it is left out unless asked for.",
)
@root_option
def command(root: str, output: str | None, *, no_arguments: bool, smaps: bool | None) -> None:
    """Save every /proc and /sys file that a view reads, to look at it later or elsewhere.

    Run it as root, or what other users' processes hold stays unknown. The snapshot has the names, memory maps and
    command lines of processes, the cgroups' names and /etc/passwd, so that only its owner may read it: check it before
    you share it.
    """
    source = open_root(root)
    where = Path(output or time.strftime("memtwin-%Y%m%dT%H%M%S.tar.xz"))
    note_leftovers(check(where))
    bar = sys.stderr.isatty()

    def progress(done: int, whole: int) -> None:
        if bar:
            click.echo(f"\rprocesses {done}/{whole}", nl=done == whole, err=True)

    def wants_smaps(walk: Walk) -> bool:
        wanted = walk.seconds <= _MOST_S if smaps is None else smaps
        after = "" if wanted else ": left out" if smaps is False else ": left out, --smaps reads it"
        text = size(walk.size_bytes >> 10)
        note(
            f"smaps of {count(walk.processes, 'process')} takes {walk.seconds:.1f} s and has some {text} of text{after}"
        )
        return wanted

    taken = take(source, arguments=not no_arguments, progress=progress, wants_smaps=wants_smaps)
    save(taken, where)
    facts = host(source)
    write(f"{where}: {len(taken.files)} files of {facts.kernel or 'an unknown kernel'}\n")
    if taken.unread:
        named = ", ".join(list(taken.unread)[:_NAMED])
        more = f" and {len(taken.unread) - _NAMED} more" if len(taken.unread) > _NAMED else ""
        note(f"could not read {named}{more}; snapshot.json lists why")
