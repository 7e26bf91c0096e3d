"""``memtwin doctor``."""

from __future__ import annotations

from typing import Final

import click

from memtwin.cli.common import form_options, open_root, root_option, show
from memtwin.diagnose.doctor import CHANGE, WRONG, examine, view
from memtwin.errors import UsageError

EXIT_WRONG: Final = 4
EXIT_CHANGE: Final = 3


@click.command("doctor")
@click.option("--check", is_flag=True, help="Exit with 4 if something is wrong, 3 if something is worth changing.")
@root_option
@form_options
def command(root: str, form: str | None, *, check: bool) -> int:
    """Say what is wrong or worth changing on a machine, with the evidence and the command that changes it.

    Nothing is changed. What could not be judged is listed with the row that is missing.
    """
    if form == "openmetrics":
        raise UsageError("doctor has no metrics", hint="--json and --csv have all its findings; --check an exit code")
    source = open_root(root)
    found, lacking = examine(source)
    show(view(found, lacking), form, source)
    levels = {one.level for one in found}
    if not check:
        return 0
    return EXIT_WRONG if WRONG in levels else EXIT_CHANGE if CHANGE in levels else 0
