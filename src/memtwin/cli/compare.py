"""``memtwin compare``."""

from __future__ import annotations

from pathlib import Path

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, look_of_stdout, note, note_leftovers, write
from memtwin.errors import UsageError
from memtwin.files.output import check, write_file
from memtwin.render import json, terminal
from memtwin.render.grid import rows_for_csv


@click.command("compare")
@click.argument("first", metavar="RUN", shell_complete=complete.files)
@click.argument("second", metavar="RUN", shell_complete=complete.files)
@click.option("-o", "--output", metavar="FILE", shell_complete=complete.files, help="Write a page for a browser here.")
@form_options
def command(*, first: str, second: str, output: str | None, form: str | None) -> None:
    """Compare two runs, recordings or traces over their whole time.

    Prints both time lines, the figures of each beside each other, and the checkpoints that both have. memtwin diff
    compares two moments.
    """
    if form in {"openmetrics", "csv"} and output is not None:
        raise UsageError(f"-o writes a page, --{form} none")
    if form == "openmetrics":
        raise UsageError("compare has no metrics", hint="--json and --csv have all its figures")
    if output is not None:
        note_leftovers(check(Path(output), is_directory=False))
    from memtwin.render import csv
    from memtwin.report import versus
    from memtwin.report.gather import gather

    both = gather(first), gather(second)
    for one in both:
        for words in one.notes:
            note(words)
    look = look_of_stdout()
    shown = versus.view(*both, look)
    if form == "json":
        write(json.text(shown, root=f"{first} {second}"))
    elif form == "csv":
        columns, rows = rows_for_csv(shown)
        write(csv.text(csv.rows(rows), columns=columns))
    else:
        write(terminal.show(shown, look=look))
    if output is not None:
        data = versus.document_of(*both, shown).encode(errors="backslashreplace")
        write_file(Path(output), data)
        note(f"{output}: a page, {len(data) >> 10:,} KiB")
