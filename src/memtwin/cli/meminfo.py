"""``memtwin meminfo``."""

from __future__ import annotations

import click

from memtwin.cli.common import Output, form_options, needed, open_root, root_option, show
from memtwin.procfs import meminfo as meminfo_file
from memtwin.views import meminfo as view


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
    meminfo = needed(source, meminfo_file)
    if explain or field is not None:
        show(_explained(meminfo, field), form, source)
        return
    output = Output("meminfo", lambda: view.text(meminfo), lambda: view.data(meminfo), lambda: view.metrics(meminfo))
    show(output, form, source)


def _explained(meminfo: meminfo_file.Meminfo, field: str | None) -> Output:
    from memtwin.views import meminfo_explained  # noqa: PLC0415 - when asked for

    return Output(
        "meminfo-explained",
        lambda: meminfo_explained.listing(meminfo) if field is None else meminfo_explained.story(meminfo, field),
        lambda: meminfo_explained.data(meminfo, field),
    )
