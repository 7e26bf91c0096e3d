"""``memtwin swaps``."""

from __future__ import annotations

import click

from memtwin.cli.common import json_option, record, root_option, write
from memtwin.procfs import swaps as swaps_file
from memtwin.render import table
from memtwin.views import swaps as view


@click.command("swaps")
@click.option("--show", default="", metavar="COLS", help=f"Columns of {','.join(view.COLUMNS)}, in this order.")
@click.option("--bytes", "in_bytes", is_flag=True, help="Sizes in bytes.")
@click.option("--noheadings", is_flag=True, help="No line of headings.")
@click.option("--raw", is_flag=True, help="For programs: one blank between columns.")
@root_option
@json_option
def command(root: str, show: str, *, in_bytes: bool, noheadings: bool, raw: bool, as_json: bool) -> None:
    """List the swap areas and what they hold, as `swapon --show` does."""
    columns = view.chosen(show)
    swaps = record(root, swaps_file)
    if as_json:
        from memtwin.render.json import envelope  # noqa: PLC0415

        write(envelope("swaps", view.data(swaps), root=root))
    elif swaps.areas:
        layout = table.raw if raw else table.text
        write(layout(view.table(swaps, columns, in_bytes=in_bytes), headings=not noheadings))
