"""What every view's command shares: where its records come from, and in which form they go out.

A command makes an :class:`Output` and gives it to :func:`show`::

    @click.command("pressure")
    @root_option
    @form_options
    def command(root: str, form: str) -> None:
        source = open_root(root)
        pressure = needed(source, pressure_file, resource="memory")
        show(Output("pressure", lambda: table.text(view.table(pressure)), lambda: view.data(pressure)), form, source)
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from memtwin.errors import SnapshotError, UsageError, shortened
from memtwin.render import terminal
from memtwin.render.grid import rows_for_csv
from memtwin.render.table import clean
from memtwin.sources.source import load, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.render.grid import View
    from memtwin.render.openmetrics import Metric
    from memtwin.sources.source import R_co, Schema, Source

    F = TypeVar("F", bound=Callable[..., Any])

LIVE: Final = "live"
_SHORTEST_S: Final = 1e-6
_LONGEST_S: Final = 1e6
_GONE: Final = {"absent", "No such process", "Not a directory"}
"""Reasons that need no note: the file is not part of this kernel, or its process ended meanwhile."""
_NAMED_UNREAD: Final = 3
_LONGEST_NOTE: Final = 1000
"""Characters of a note: a snapshot says itself why a file was not read."""

root_option = click.option(
    "--root",
    default=LIVE,
    metavar="WHERE",
    help="A directory or tar of a snapshot or sosreport, RUN@CHECKPOINT, RUN@3.5s, or `live` (the default).",
)


def form_options(command: F) -> F:
    """Add ``--json``, ``--csv`` and ``--openmetrics``, which the command takes as *form*; a table otherwise."""
    for form, told in (
        ("openmetrics", "Metrics as Prometheus reads them, by node_exporter's names where it has one."),
        ("csv", "Comma-separated values, sizes in bytes."),
        ("json", "One JSON object a line, sizes in bytes."),
    ):
        command = click.option(f"--{form}", "form", flag_value=form, help=told)(command)
    return command


def sampling_options(command: F) -> F:
    """Add ``-s`` and ``-c``, which the command takes as *seconds* and *count* for :func:`samples`."""
    times = click.option("-c", "--count", type=click.IntRange(min=1), metavar="N", help="Repeat N times.")
    every = click.option("-s", "--seconds", type=float, metavar="N", help="Repeat every N seconds.")
    return every(times(command))


class Output(NamedTuple):
    """A view of one moment in each form; nothing is made before it is asked for.

    *rows* are for CSV, where the view's *data* nests in a way that flat rows cannot tell.
    """

    view: str
    text: Callable[[], str]
    data: Callable[[], dict[str, Any] | list[Any]]
    metrics: Callable[[], Iterable[Metric]] | None = None
    rows: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    version: int = 1


def open_root(root: str) -> Source:
    """Return the source that ``--root`` names."""
    if root == LIVE:
        return open_source(LIVE)
    from memtwin.sources.recording import resolve  # noqa: PLC0415 - what live does not need stays unread

    source = resolve(root)
    source.name = root
    if source.told:
        note(source.told)
    return source


def needed(source: Source, module: Schema[R_co], **fields: str | int) -> R_co:
    """Read and parse *module*'s file; it must be there."""
    found = load(source, module, **fields)
    if found is None:
        path = module.PATH.format(**fields)
        why = source.unread.get(path, "absent")
        problem = "is missing" if why == "absent" else f"cannot be read: {why}"
        hint = "root may read it" if why == "Permission denied" else "--root is the directory that holds proc/"
        raise SnapshotError(source.owner, f"{path} {problem}", hint=hint)
    return found


def memory_of(source: Source, *rows: str) -> Meminfo:
    """Read /proc/meminfo, which must have *rows*, and none of them 0."""
    from memtwin.procfs import meminfo  # noqa: PLC0415 - not every view needs it

    memory = needed(source, meminfo)
    lacking = [row for row in rows if not memory.get(row)]
    if lacking:
        raise SnapshotError(source.owner, f"proc/meminfo has no {' and '.join(lacking)}", hint="is the file whole?")
    return memory


def number(source: Source, path: str) -> int | None:
    """Return the number that the file at *path* holds, or None if it is not there or holds something else."""
    text = (source.read(path) or "").strip()
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() else None


def samples(seconds: float | None, count: int | None, form: str | None) -> Iterator[int]:
    """Yield 0, 1, ... *count* times (for ever with *seconds* alone, once with neither), *seconds* (or 1 s) apart.

    An exposition of metrics is one sample: to ask for more in that *form* is a UsageError.
    """
    if form == "openmetrics" and (seconds is not None or (count or 1) > 1):
        raise UsageError("--openmetrics is one sample", hint="let the collector ask again")
    if seconds is not None and not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise UsageError(f"--seconds {seconds}: not between {_SHORTEST_S} and {_LONGEST_S}")
    last = count if count is not None else None if seconds else 1
    step, start = seconds or 1.0, time.monotonic()
    index = 0
    while True:
        yield index
        index += 1
        if index == last:
            return
        time.sleep(max(start + index * step - time.monotonic(), 0.0))


def origin(source: Source) -> tuple[str, int | None]:
    """Return what ``--root`` calls *source*, and when its files were read, in milliseconds since 1970."""
    from memtwin.sources.host import taken_unix_ms  # noqa: PLC0415 - for JSON only

    return LIVE if source.is_live else source.name, taken_unix_ms(source)


def show(
    view: View | Output, form: str | None, source: Source, *, index: int = 0, headings: bool = True,
    for_programs: bool = False, unicode: bool = True,
) -> None:  # fmt: skip
    """Write *view* in *form* to stdout, and to stderr one note of what could not be read.

    *index* counts the samples of ``-s``: CSV has its headings once, and OpenMetrics is one sample only.
    """
    if isinstance(view, Output):
        _show_output(view, form, source, index)
    elif form == "json":
        from memtwin.render import json  # noqa: PLC0415 - for this form only

        root, taken = origin(source)
        write(json.text(view, root=root, at_unix_ms=taken))
    elif form == "csv":
        from memtwin.render import csv  # noqa: PLC0415 - for this form only

        write(csv.text(csv.rows(rows_for_csv(view)), headings=index == 0))
    elif form == "openmetrics":
        _expose(view.name, view.metrics)
    else:
        write(terminal.show(view, headings=headings, for_programs=for_programs, unicode=unicode))
    if index == 0:
        note_unread(source)
    sys.stdout.flush()


def _show_output(output: Output, form: str | None, source: Source, index: int) -> None:
    if form == "json":
        from memtwin.render.json import envelope  # noqa: PLC0415 - for this form only

        root, taken = origin(source)
        write(envelope(output.view, output.data(), root=root, version=output.version, at_unix_ms=taken))
    elif form == "csv":
        from memtwin.render import csv  # noqa: PLC0415 - for this form only

        flat = output.rows() if output.rows else csv.rows(output.data())
        write(csv.text(flat, headings=index == 0))
    elif form == "openmetrics":
        _expose(output.view, output.metrics)
    else:
        write(output.text())


def note(text: str) -> None:
    """Write one line to stderr: what a reader should know of the figures."""
    click.echo(f"memtwin: {clean(shortened(text, _LONGEST_NOTE))}", err=True)


def note_leftovers(names: Sequence[str]) -> None:
    """Say once which drafts of killed processes were deleted."""
    if names:
        more = f" and {len(names) - _NAMED_UNREAD} more" if len(names) > _NAMED_UNREAD else ""
        note(f"deleted what a process that was killed had left: {', '.join(names[:_NAMED_UNREAD])}{more}")


def note_unread(source: Source) -> None:
    """Say once which files could not be read, and why; files that a kernel does not have are no news."""
    reasons: dict[str, list[str]] = {}
    for path, why in source.unread.items():
        if why not in _GONE:
            reasons.setdefault(why, []).append(path)
    told = []
    for why, paths in reasons.items():
        more = f" and {len(paths) - _NAMED_UNREAD} more" if len(paths) > _NAMED_UNREAD else ""
        told.append(f"{', '.join(paths[:_NAMED_UNREAD])}{more}: {why}")
    if told:
        is_user = source.is_live and os.geteuid() != 0 and "Permission denied" in reasons
        note(f"could not read {'; '.join(told)}{' (root may read more)' if is_user else ''}")


def write(text: str) -> None:
    """Write *text* to stdout."""
    click.echo(text, nl=False)


def _expose(name: str, metrics: Callable[[], Iterable[Metric]] | None) -> None:
    from memtwin.render import openmetrics  # noqa: PLC0415 - for this form only

    if metrics is None:
        raise UsageError(f"{name} has no metrics", hint="--json and --csv have all its figures")
    write(openmetrics.text(metrics()))
