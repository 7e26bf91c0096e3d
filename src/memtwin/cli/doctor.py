"""``memtwin doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from memtwin.cli.common import form_options, open_root, root_option, show
from memtwin.cli.words import duration
from memtwin.diagnose.doctor import CHANGE, WRONG, examine, view
from memtwin.errors import NotBuiltError, UsageError

if TYPE_CHECKING:
    from memtwin.diagnose.doctor import Advice
    from memtwin.sources.source import Source

EXIT_WRONG: Final = 4
EXIT_CHANGE: Final = 3


@click.command("doctor")
@click.option("--check", is_flag=True, help="Exit with 4 if something is wrong, 3 if something is worth changing.")
@click.option(
    "--predict",
    "predict_ms",
    callback=duration,
    metavar="TIME",
    help="Run each change on the model, at most for TIME (60s), and say what it does there.",
)
@root_option
@form_options
def command(root: str, form: str | None, *, check: bool, predict_ms: int | None) -> int:
    """Say what is wrong or worth changing on a machine, with the evidence and the command that changes it.

    Nothing is changed. What could not be judged is listed with the row that is missing. With --predict the machine is
    built in the model, its largest process grows by as much as is available, with and without each change.
    """
    if form == "openmetrics":
        raise UsageError("doctor has no metrics", hint="--json and --csv have all its findings; --check an exit code")
    source = open_root(root)
    found, lacking = examine(source)
    show(view(found, lacking, _predicted(source, found, predict_ms)), form, source)
    levels = {one.level for one in found}
    if not check:
        return 0
    return EXIT_WRONG if WRONG in levels else EXIT_CHANGE if CHANGE in levels else 0


def _predicted(source: Source, found: list[Advice], within_ms: int | None) -> dict[str, str] | None:
    """Return what each change does on the model, by the finding's name; None: it was not asked for."""
    changes = {one.name: dict(one.effect.change) for one in found if one.effect.change}
    if within_ms is None or not changes:
        return None if within_ms is None else {}
    try:
        from memtwin.sweep.predicted import predict
    except ImportError:
        raise NotBuiltError("the model is not installed", hint="pip install memtwin where a compiler is") from None
    return predict(source, changes, within_ms / 1000)
