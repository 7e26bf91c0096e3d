"""``memtwin swaps``."""

from __future__ import annotations

import click

from memtwin.cli.common import Output, form_options, needed, open_root, root_option, show
from memtwin.procfs import swaps as swaps_file
from memtwin.render import table
from memtwin.views import swaps as view


@click.command("swaps")
@click.option(
    "--show", "shown", default="", metavar="COLS", help=f"Columns of {','.join(view.COLUMNS)}, in this order."
)
@click.option("--bytes", "in_bytes", is_flag=True, help="Sizes in bytes.")
@click.option("--noheadings", is_flag=True, help="No line of headings.")
@click.option("--raw", is_flag=True, help="For programs: one blank between columns.")
@root_option
@form_options
def command(root: str, form: str | None, shown: str, *, in_bytes: bool, noheadings: bool, raw: bool) -> None:
    """List the swap areas and what they hold, as `swapon --show` does."""
    columns = view.chosen(shown)
    source = open_root(root)
    swaps = needed(source, swaps_file)

    def text() -> str:
        layout = table.raw if raw else table.text
        rows = view.table(swaps, columns, in_bytes=in_bytes)
        return layout(rows, headings=not noheadings) if swaps.areas else ""

    show(Output("swaps", text, lambda: view.data(swaps)), form, source)
