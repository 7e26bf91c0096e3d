"""``memtwin diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, meminfo_of, note_unread, open_root, show
from memtwin.errors import SnapshotError
from memtwin.procfs import meminfo, slabinfo, swaps, uptime, vmstat
from memtwin.procfs.pid import status
from memtwin.sources.processes import processes
from memtwin.sources.source import load
from memtwin.units import bytes_of
from memtwin.views import diff as view

if TYPE_CHECKING:
    from memtwin.sources.source import Source

_ROWS = 15


@click.command("diff")
@click.argument("before", shell_complete=complete.roots)
@click.argument("after", default="live", shell_complete=complete.roots)
@click.option("--all", "every", is_flag=True, help=f"All slab caches and processes, not the {_ROWS} that changed most.")
@form_options
def command(before: str, after: str, form: str | None, *, every: bool) -> None:
    """Print what changed from BEFORE to AFTER.

    Each is a directory or tar of a snapshot or sosreport, RUN@CHECKPOINT, or `live`, this machine as it is now.
    """
    old, new = open_root(before), open_root(after)
    found = view.diff(_moment(old), _moment(new))
    note_unread(old)
    show(view.view(found, rows=None if every else _ROWS), form, new)


def _moment(source: Source) -> view.Moment:
    if load(source, meminfo) is None:
        problem = f"proc/meminfo: {source.unread.get(meminfo.PATH, 'absent')}"
        raise SnapshotError(source.owner, problem, hint="each side is a directory or tar that holds proc/")
    return view.Moment(
        meminfo_of(source),
        load(source, vmstat),
        load(source, swaps),
        load(source, slabinfo),
        load(source, uptime),
        _resident(source),
    )


def _resident(source: Source) -> dict[str, int]:
    """Return the resident bytes of each process that has memory."""
    found = {}
    for process in processes(source):
        record = process.load(status)
        size = record.kib("VmRSS") if record else None
        if size is not None:
            found[f"{process.pid} {process.name}"] = bytes_of(size)
    return found
