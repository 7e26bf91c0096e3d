"""What every view's command shares: where its records come from, and how they go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from memtwin.errors import SnapshotError
from memtwin.source import load, open_source

if TYPE_CHECKING:
    from memtwin.source import Schema, Source

R_co = TypeVar("R_co", covariant=True)
LIVE: Final = "live"

root_option = click.option(
    "--root",
    default=LIVE,
    metavar="WHERE",
    help="A snapshot's directory or tar, RUN@CHECKPOINT, or `live`, this machine (the default).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, sizes in bytes.")


def open_root(root: str) -> Source:
    """Return the source that ``--root`` names."""
    if root == LIVE:
        return open_source(LIVE)
    from memtwin.recording import resolve  # noqa: PLC0415 - what live does not need stays unread

    return resolve(root)


def record(root: str, module: Schema[R_co]) -> R_co:
    """Read and parse *module*'s file below *root*; it must be there."""
    source = open_root(root)
    found = load(source, module)
    if found is None:
        why = source.unread.get(module.PATH, "absent")
        problem = "is missing" if why == "absent" else f"cannot be read: {why}"
        raise SnapshotError(root, f"{module.PATH} {problem}", hint="--root is the directory that holds proc/")
    return found


def write(text: str) -> None:
    """Write *text* to stdout."""
    click.echo(text, nl=False)
