"""``memtwin meminfo``."""

from __future__ import annotations

import click

from memtwin.cli.common import Output, form_options, needed, open_root, root_option, show
from memtwin.procfs import meminfo as meminfo_file
from memtwin.views import meminfo as view


@click.command("meminfo")
@root_option
@form_options
def command(root: str, form: str | None) -> None:
    """Print the kernel's own account, /proc/meminfo, as it is."""
    source = open_root(root)
    meminfo = needed(source, meminfo_file)
    show(
        Output("meminfo", lambda: view.text(meminfo), lambda: view.data(meminfo), lambda: view.metrics(meminfo)),
        form,
        source,
    )
