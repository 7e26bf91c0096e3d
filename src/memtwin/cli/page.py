"""``memtwin page``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, no_process, open_root, repeat
from memtwin.errors import SnapshotError, UsageError
from memtwin.procfs.pid import maps
from memtwin.sources import pagemap
from memtwin.sources.processes import processes
from memtwin.views import page as view

if TYPE_CHECKING:
    from memtwin.render.grid import View

_ADDRESS: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{1,16})")


@click.command("page")
@click.argument("pid", type=int, shell_complete=complete.pids)
@click.argument("address")
@form_options
def command(form: str | None, *, pid: int, address: str) -> None:
    """Print the way of the page at ADDRESS (hexadecimal) of process PID through the page table, to its frame or slot.

    Of the live host alone: pagemap is in no other files. Frame numbers take root.
    """
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise UsageError(f"ADDRESS {address}: expected a hexadecimal address", hint=f"memtwin maps {pid} lists them")
    source = open_root("live")
    repeat(lambda: _view(pid, int(match[1], 16)), form, source, None, None)


def _view(pid: int, address: int) -> View:
    source = open_root("live")
    process = next((one for one in processes(source) if one.pid == pid), None)
    if process is None:
        raise no_process(source, pid)
    mapped = process.load(maps)
    if mapped is None:
        raise SnapshotError(source.owner, f"{process.root}/maps: {source.unread.get(f'{process.root}/maps', 'absent')}")
    mapping = next((row for row in mapped.rows if row.start <= address < row.end), None)
    if mapping is None:
        hint = "a touch of it would be SIGSEGV"
        raise SnapshotError(source.owner, f"process {pid} maps nothing at {address:#x}", hint=hint)
    try:
        entry = pagemap.read(pid, address)
    except OSError as problem:
        raise SnapshotError(source.owner, f"{process.root}/pagemap: {problem.strerror}") from None
    return view.view(address, mapping, entry)
