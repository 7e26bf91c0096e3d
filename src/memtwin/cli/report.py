"""``memtwin report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import collected, note, note_leftovers, write
from memtwin.errors import NotBuiltError, SnapshotError, UsageError
from memtwin.files.output import check, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.report.picture import Picture

_PICTURES: Final = ("timeline", "memory", "frames", "zones", "buddy", "processes", "curve")


@click.command("report")
@click.argument("what", metavar="RUN|SWEEP|TRACE|SNAPSHOT", shell_complete=complete.roots)
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
    A single picture is of the last moment. Of a sweep (memtwin whatif -o) it has the recommendation and the curve.
    """
    if svg is not None and png is not None:
        raise UsageError("--svg and --png: one form at a time", hint="ask twice")
    if output is not None:
        note_leftovers(check(Path(output), is_directory=False))
    name = svg or png
    text, picture, lacking = _made(what, name)
    if text is None and picture is None:
        raise UsageError(f"{what} has nothing for the picture {name}", hint=lacking)
    data = b"" if text is None else text.encode(errors="backslashreplace")
    if picture is not None:
        data = _rastered(picture) if png else picture.svg(alone=True).encode(errors="backslashreplace")
    if output is None:
        _to_stdout(data, is_text=png is None)
        return
    write_file(Path(output), data)
    write(f"{output}: {f'the picture {name}' if name else 'a page'} of {what}, {len(data) >> 10:,} KiB\n")


def _made(what: str, name: str | None) -> tuple[str | None, Picture | None, str | None]:
    """Return the page of *what*, or the picture *name* of it, or neither and what it lacks."""
    from memtwin.report import curve, gather, page, sweep

    if sweep.is_sweep(what):
        swept = sweep.read(what)
        if name is None:
            return page.of_sweep(swept), None, None
        return None, curve.picture(swept) if name == curve.NAME else None, "a sweep has a curve, over numbers"
    found = gather.gather(what)
    for words in found.notes:
        note(words)
    if found.sort == "moment":
        found = found._replace(findings=tuple(_findings(what)))
    if name is None:
        return page.page(found), None, None
    return None, page.single(found, name), _hint(found.lacking)


def _findings(what: str) -> Iterator[str]:
    """Yield what is wrong with a machine, as memtwin alone says it; nothing where it cannot be judged."""
    from memtwin.cli import now

    try:
        with collected() as views:
            now.tell(what, None)
    except SnapshotError:
        return
    for grid in views[0].grids:
        if grid.name == "findings":
            for finding in grid.objects():
                yield " ".join(filter(None, (finding["fact"], finding["cause"])))


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
