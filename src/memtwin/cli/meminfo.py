"""``memtwin meminfo``."""

from __future__ import annotations

import click

from memtwin.cli.common import json_option, record, root_option, write
from memtwin.procfs import meminfo as meminfo_file
from memtwin.views import meminfo as view


@click.command("meminfo")
@root_option
@json_option
def command(root: str, *, as_json: bool) -> None:
    """Print the kernel's own account, /proc/meminfo, as it is."""
    meminfo = record(root, meminfo_file)
    if as_json:
        from memtwin.render.json import envelope  # noqa: PLC0415

        write(envelope("meminfo", view.data(meminfo), root=root))
    else:
        write(view.text(meminfo))
