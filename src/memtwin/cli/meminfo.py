"""``memtwin meminfo``."""

from __future__ import annotations

import click

from memtwin.cli.common import form_options, needed, open_root, root_option, show
from memtwin.procfs import meminfo as meminfo_file
from memtwin.views import meminfo


@click.command("meminfo")
@click.option("--explain", is_flag=True, help="What each row means; with FIELD, all that is known of one.")
@click.argument("field", required=False)
@root_option
@form_options
def command(root: str, form: str | None, field: str | None, *, explain: bool) -> None:
    r"""Print the kernel's own account, /proc/meminfo, as it is, or what its rows mean.

    \b
    memtwin meminfo --explain           every row in one line
    memtwin meminfo --explain Cached    one row: what it overlaps, what feeds it, what to do if it is large
    """
    source = open_root(root)
    record = needed(source, meminfo_file)
    if explain or field is not None:
        from memtwin.views import meminfo_explained  # noqa: PLC0415 - when asked for

        show(meminfo_explained.view(record, field), form, source)
        return
    show(meminfo.view(record), form, source)
