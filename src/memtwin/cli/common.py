"""What every view's command shares: where its records come from, and how they go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from memtwin.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.source import Source

T = TypeVar("T")
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
        from memtwin.source import open_source  # noqa: PLC0415 - what live does not need stays unread

        return open_source("/")
    from memtwin.recording import resolve  # noqa: PLC0415

    return resolve(root)


def record(source: Source, root: str, path: str, parse: Callable[[str, str], T]) -> T:
    """Read and parse the file *path*, which must be there."""
    text = source.read(path)
    if text is None:
        raise SnapshotError(root, f"{path} is missing", hint="--root is the directory that holds proc/")
    return parse(text, path if root == LIVE else f"{root}/{path}")


def write(text: str) -> None:
    """Write *text* to stdout."""
    click.echo(text, nl=False)
