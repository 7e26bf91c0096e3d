"""``memtwin meminfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, needed, open_root, repeat, root_option, sampling_options
from memtwin.procfs import meminfo as meminfo_file
from memtwin.views import meminfo

if TYPE_CHECKING:
    from memtwin.render.grid import View
    from memtwin.sources.source import Source


@click.command("meminfo")
@click.option("--explain", is_flag=True, help="What each row means; with FIELD, all that is known of one.")
@click.argument("field", required=False, shell_complete=complete.meminfo_fields)
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None,
    field: str | None, *, explain: bool
) -> None:  # fmt: skip
    """Print the kernel's own account, /proc/meminfo, as it is, or what its rows mean."""
    source = open_root(root)
    repeat(lambda: _view(source, field, explain=explain), form, source, seconds, count)


def _view(source: Source, field: str | None, *, explain: bool) -> View:
    record = needed(source, meminfo_file)
    if explain or field is not None:
        from memtwin.views import meminfo_explained

        return meminfo_explained.view(record, field)
    return meminfo.view(record)
