"""``memtwin maps``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, no_process, open_root, repeat, root_option, sampling_options
from memtwin.errors import SnapshotError
from memtwin.procfs.pid import maps, smaps
from memtwin.sources.processes import processes
from memtwin.views import maps as view

if TYPE_CHECKING:
    from memtwin.render.grid import View
    from memtwin.sources.source import Source


@click.command("maps")
@click.argument("pid", type=int, shell_complete=complete.pids)
@click.option("--picture", is_flag=True, help="Draw what of each mapping is in memory, in swap and nowhere.")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None, *, pid: int, picture: bool) -> None:
    """Print the address space of process PID: each mapping with its rights, its kind and what of it is resident.

    The columns are those of `pmap -X`. What is resident stands in /proc/PID/smaps: of a snapshot that was saved
    without it the mappings alone are shown.
    """
    source = open_root(root)
    repeat(lambda: _view(source, pid, picture=picture), form, source, seconds, count)


def _view(source: Source, pid: int, *, picture: bool) -> View:
    process = next((one for one in processes(source) if one.pid == pid), None)
    if process is None:
        raise no_process(source, pid)
    held = process.load(smaps)
    if held is not None:
        return view.view(held, picture=picture)
    mapped = process.load(maps)
    if mapped is None:
        why = source.unread.get(f"{process.root}/maps", "absent")
        raise SnapshotError(source.owner, f"{process.root}/maps: {why}")
    if picture:
        why = source.unread.get(f"{process.root}/smaps", "absent")
        raise SnapshotError(source.owner, f"{process.root}/smaps: {why}", hint="a picture needs what is resident")
    return view.view(smaps.Smaps(tuple(smaps.Block(row, ()) for row in mapped.rows)), picture=False)
