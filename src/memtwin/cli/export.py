"""``memtwin export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from memtwin import __version__
from memtwin.cli.common import note, open_root, root_option, write
from memtwin.errors import UsageError
from memtwin.files import output
from memtwin.render import openmetrics
from memtwin.render.parquet import need as need_parquet
from memtwin.sources.trace import Trace, is_trace
from memtwin.sources.tracks import Tracks
from memtwin.views import exported, exported_trace

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command("export")
@click.option("--listen", metavar="ADDRESS:PORT", help="Serve them at /metrics, as 127.0.0.1:9435, until ^C.")
@click.option("--perfetto", metavar="FILE", help="Write a whole trace for ui.perfetto.dev: a track a figure.")
@click.option("--parquet", metavar="DIR", help="Write it as machine.parquet and processes.parquet (extra data).")
@click.option("--openmetrics", "backfill", metavar="FILE", help="Write all its samples with their time stamps.")
@root_option
def command(root: str, listen: str | None, perfetto: str | None, parquet: str | None, backfill: str | None) -> None:
    """Print the metrics of all views as one OpenMetrics exposition, or serve them to Prometheus.

    Names are node_exporter's where it has one. Files that cannot be read have no metrics. The metrics of a
    stored machine are the same at each scrape.

    A trace (memtwin record) can be written as a whole, with each of its samples: figures of the machine and of
    each process, where a file was read for that sample.
    """
    asked = [one for one in (perfetto, parquet, backfill) if one is not None]
    if asked:
        if len({Path(one).resolve() for one in asked}) < len(asked):
            raise UsageError("two forms cannot have one name", hint="give each of them its own")
        if listen is not None:
            raise UsageError("--listen serves one moment", hint="without --perfetto, --parquet and --openmetrics")
        _write_whole(root, perfetto, parquet, backfill)
        return
    source = open_root(root)
    if listen is None:
        write(openmetrics.text(exported.families(source, __version__)))
        return
    from memtwin.web.metrics import Server

    with Server(listen, lambda: exported.families(source, __version__)) as server:
        note(f"listening on {server.url}")
        if not server.is_loopback:
            note("anyone who reaches this address can read them")
        server.serve_forever()


def _write_whole(root: str, perfetto: str | None, parquet: str | None, backfill: str | None) -> None:
    """Write a trace in each form that was asked for."""
    if not is_trace(root):
        raise UsageError(
            f"{root} is not a trace", hint="memtwin record -o FILE makes one; --root FILE, without @MOMENT"
        )
    if parquet is not None:
        need_parquet()
        output.check(Path(parquet), is_directory=True)
    for target in (perfetto, backfill):
        if target is not None:
            output.check(Path(target), is_directory=False)
    trace = Trace(root)
    if trace.note:
        note(trace.note)
    if perfetto is not None:
        _write(trace, perfetto, lambda tracks: b"".join(exported_trace.perfetto(tracks)))
    if parquet is not None:
        tracks = Tracks(trace)
        with output.directory(Path(parquet), mode=output.OWNER_ONLY) as directory:
            for name, data in exported_trace.parquet(tracks).items():
                directory.write(f"{name}.parquet", data)
        _say(tracks, parquet)
    if backfill is not None:
        _write(trace, backfill, _exposition)


def _write(trace: Trace, target: str, render: Callable[[Tracks], bytes]) -> None:
    tracks = Tracks(trace)
    output.write_file(Path(target), render(tracks), mode=output.OWNER_ONLY)
    _say(tracks, target)


def _exposition(tracks: Tracks) -> bytes:
    made = exported_trace.Exposition(tracks)
    if made.left_out:
        note(f"{made.left_out:,} figures are left out: the clock was set back, and time stamps may not go back")
    return made.text().encode(errors="surrogateescape")


def _say(tracks: Tracks, target: str) -> None:
    if tracks.damaged:
        note(f"{target}: {tracks.damaged:,} files of single samples were cut off when they were read, and are left out")
