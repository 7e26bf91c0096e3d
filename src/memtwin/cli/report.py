"""``memtwin report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import note, note_leftovers, write
from memtwin.errors import NotBuiltError, UsageError
from memtwin.files.output import check, write_file

if TYPE_CHECKING:
    from memtwin.report.picture import Picture

_PICTURES: Final = ("timeline", "memory", "frames", "zones", "buddy", "processes")


@click.command("report")
@click.argument("what", metavar="RUN|TRACE|SNAPSHOT", shell_complete=complete.roots)
@click.option("-o", "--output", metavar="FILE", shell_complete=complete.files, help="Write here; without it to stdout.")
@click.option(
    "--svg", "svg", type=click.Choice(_PICTURES), metavar="NAME",
    help=f"One picture as SVG instead of the page: {', '.join(_PICTURES)}.",
)  # fmt: skip
@click.option("--png", "png", type=click.Choice(_PICTURES), metavar="NAME", help="The same as PNG (extra png).")
def command(*, what: str, output: str | None, svg: str | None, png: str | None) -> None:
    """Make a page of what happened to a machine: one file for a browser, that loads nothing.

    What is named is a run or a recording (a directory or a tar), a trace, or one moment: a snapshot, RUN@CHECKPOINT,
    TRACE@03:12, or `live`. The page says first what happened; then it has the time line, the map of memory of the
    model's runs, zones, free blocks and processes at each checkpoint, and every picture with its figures as a table.
    A single picture is of the last moment.
    """
    if svg is not None and png is not None:
        raise UsageError("--svg and --png: one form at a time", hint="ask twice")
    if output is not None:
        note_leftovers(check(Path(output), is_directory=False))
    from memtwin.report import gather, page

    found = gather.gather(what)
    name = svg or png
    if name is None:
        data = page.page(found).encode(errors="backslashreplace")
    else:
        picture = page.single(found, name)
        if picture is None:
            raise UsageError(f"{what} has nothing for the picture {name}", hint=_hint(found.lacking))
        drawn = picture.svg(alone=True)
        data = _rastered(picture) if png else drawn.encode(errors="backslashreplace")
    for words in found.notes:
        note(words)
    if output is None:
        _to_stdout(data, is_text=png is None)
        return
    write_file(Path(output), data)
    write(f"{output}: {f'the picture {name}' if name else 'a page'} of {what}, {len(data) >> 10:,} KiB\n")


def _hint(lacking: tuple[str, ...]) -> str | None:
    return f"it lacks {', '.join(lacking)}" if lacking else "a time line needs more than one moment"


def _rastered(picture: Picture) -> bytes:
    try:
        import resvg_py
    except ImportError:
        raise NotBuiltError("--png needs resvg_py", hint="pip install 'memtwin[png]', or take --svg") from None
    return bytes(resvg_py.svg_to_bytes(svg_string=picture.svg(alone=True), zoom=2))


def _to_stdout(data: bytes, *, is_text: bool) -> None:
    if not is_text and sys.stdout.isatty():
        raise UsageError("a PNG is not for a terminal", hint="-o FILE, or > FILE")
    if is_text:
        write(data.decode())
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
