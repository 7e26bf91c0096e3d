"""What every view's command shares: where its records come from, and in which form they go out.

A command makes a :class:`~memtwin.render.grid.View` and shows it, once or as often as ``-s`` says::

    @click.command("pressure")
    @sampling_options
    @root_option
    @form_options
    def command(root: str, form: str | None, seconds: float | None, count: int | None) -> None:
        source = open_root(root)
        repeat(lambda: view.view(needed(source, pressure, resource="memory")), form, source, seconds, count)
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import click

from memtwin.cli import complete
from memtwin.errors import SnapshotError, UsageError, shortened
from memtwin.render import terminal
from memtwin.render.grid import rows_for_csv
from memtwin.render.table import clean
from memtwin.sources.opening import open_source
from memtwin.sources.source import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar

    from memtwin.errors import MemtwinError
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
_COLUMNS: Final = 80
"""Of a terminal that does not say how wide it is."""
_NO_SCREENS: Final = {"", "dumb", "unknown"}
_WRAPPED_KIB: Final = 1 << 53
"""8 EiB: an address space of 64 bits has no more than 16."""
_LONGEST_NOTE: Final = 1000
"""Characters of a note: a snapshot says itself why a file was not read."""

root_option = click.option(
    "--root",
    default=LIVE,
    metavar="WHERE",
    shell_complete=complete.roots,
    help="A directory or tar of a snapshot or sosreport, RUN@CHECKPOINT, RUN@3.5s, a pasted file of /proc, - for one "
    "on stdin, or `live` (the default).",
)


def form_options(command: F) -> F:
    """Add ``--json``, ``--csv`` and ``--openmetrics``, which the command takes as *form*; a table otherwise."""
    for form, text in (
        ("openmetrics", "Metrics as Prometheus reads them, by node_exporter's names where it has one."),
        ("csv", "Comma-separated values, sizes in bytes."),
        ("json", "One JSON object a line, sizes in bytes."),
    ):
        command = click.option(f"--{form}", is_flag=True, expose_value=False, callback=_choose_form, help=text)(command)
    return command


def _choose_form(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    chosen = ctx.params.setdefault("form", None)
    if value:
        if chosen is not None:
            raise UsageError(f"--{chosen} and --{param.name}: one form at a time", hint="ask twice")
        ctx.params["form"] = param.name


def sampling_options(command: F) -> F:
    """Add ``-s`` and ``-c``, which the command takes as *seconds* and *count* for :func:`repeat`."""
    times = click.option("-c", "--count", type=click.IntRange(min=1), metavar="N", help="Repeat N times.")
    every = click.option("-s", "--seconds", type=float, metavar="N", help="Repeat every N seconds.")
    return every(times(command))


_collected: ContextVar[list[View] | None] = ContextVar("collected", default=None)


@contextmanager
def collected() -> Iterator[list[View]]:
    """Collect the views that a command shows, for a program that asks for them; meanwhile nothing is written."""
    views: list[View] = []
    token = _collected.set(views)
    try:
        yield views
    finally:
        _collected.reset(token)


def open_root(root: str | Source) -> Source:
    """Return the source that ``--root`` names, to look at: what is damaged in it is noted, not an error.

    A program hands over the source itself.
    """
    if not isinstance(root, str):
        return root
    if root == LIVE:
        source = open_source(LIVE)
        source.lenient = True
        return source
    from memtwin.sources.recording import resolve

    source = resolve(root)
    source.name, source.lenient = root, True
    if source.note:
        note(source.note)
    return source


def needed(source: Source, module: Schema[R_co], **fields: str | int) -> R_co:
    """Read and parse *module*'s file; it must be there."""
    found = load(source, module, **fields)
    if found is None:
        path = module.PATH.format(**fields)
        if path in source.damaged:
            raise source.damaged[path]
        why = source.unread.get(path, "absent")
        problem = "is missing" if why == "absent" else f"cannot be read: {why}"
        hint = "root may read it" if why == "Permission denied" else None
        if why == "absent" and not source.names("proc"):
            hint = "--root is the directory that holds proc/"
        raise SnapshotError(source.owner, f"{path} {problem}", hint=hint)
    return found


def no_process(source: Source, *pids: int) -> MemtwinError:
    """Return the error that *source* has none of *pids*, or that the files of one are damaged."""
    for pid in pids:
        for path, damage in source.damaged.items():
            if path.startswith(f"proc/{pid}/"):
                return damage
    return SnapshotError(source.owner, f"no process {', '.join(map(str, pids))}", hint="memtwin ps lists them")


def meminfo_of(source: Source) -> Meminfo:
    """Read /proc/meminfo without the rows that no 64-bit kernel can mean: a negative amount, also printed unsigned.

    A container's filter (lxcfs) prints such for swap. They are unknown, and one note names them.
    """
    from memtwin.procfs import meminfo

    memory = needed(source, meminfo)
    wrapped = [row for row, value in memory.items() if value >= _WRAPPED_KIB or value < 0]
    if wrapped:
        unsigned = ", printed unsigned" if all(memory[row] > 0 for row in wrapped) else ""
        source.repaired[meminfo.PATH] = f"{', '.join(wrapped)} out of range (below 0{unsigned}): unknown"
    return memory.without(wrapped) if wrapped else memory


def memory_of(source: Source, *rows: str, may_be_0: bool = False) -> Meminfo:
    """Read /proc/meminfo, which must have *rows*, none of them 0 unless that *may_be_0*."""
    memory = meminfo_of(source)
    lacking = [row for row in rows if (row not in memory if may_be_0 else not memory.get(row))]
    if lacking:
        raise SnapshotError(source.owner, f"proc/meminfo has no {' and '.join(lacking)}", hint="is the file whole?")
    return memory


def number(source: Source, path: str) -> int | None:
    """Return the number that the file at *path* holds, or None if it is not there or holds something else."""
    text = (source.read(path) or "").strip()
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() else None


def samples(seconds: float | None, count: int | None, form: str | None, source: Source) -> Iterator[int]:
    """Yield 0, 1, ... *count* times (for ever with *seconds* alone, once with neither), *seconds* (or 1 s) apart.

    An exposition of metrics is one sample, and so is a saved moment: to ask for more is a UsageError.
    """
    if is_series(seconds, count):
        if form == "openmetrics":
            raise UsageError("--openmetrics is one sample", hint="let the collector ask again")
        if not source.is_live:
            raise UsageError(f"{source.owner} is one moment: a second sample would be the same", hint="memtwin diff")
    if seconds is not None and not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise UsageError(f"--seconds {seconds}: not between {_SHORTEST_S} and {_LONGEST_S}")
    last = count if count is not None else None if seconds else 1
    if last is None and _collected.get() is not None:
        raise UsageError("--seconds without --count never ends", hint="ask once, and again")
    step, start = seconds or 1.0, time.monotonic()
    index = 0
    while True:
        yield index
        index += 1
        if index == last:
            return
        time.sleep(max(start + index * step - time.monotonic(), 0.0))


def is_series(seconds: float | None, count: int | None) -> bool:
    """Return whether ``-s`` and ``-c`` ask for more than one sample."""
    return seconds is not None if count is None else count > 1


def repeat(
    make: Callable[[], View], form: str | None, source: Source, seconds: float | None, count: int | None, **how: bool
) -> None:
    """Show the view that *make* returns, as often as ``-s`` and ``-c`` say; *how* is for :func:`show`."""
    for index in samples(seconds, count, form, source):
        if index and form is None:
            write("\n")
        show(make(), form, source, index=index, is_series=is_series(seconds, count), **how)


def origin(source: Source) -> tuple[str, int | None]:
    """Return what ``--root`` calls *source*, and when its files were read, in milliseconds since 1970."""
    from memtwin.sources.host import taken_unix_ms

    return LIVE if source.is_live else source.name, taken_unix_ms(source)


def show(
    view: View, form: str | None, source: Source, *, index: int = 0, is_series: bool = False,
    headings: bool = True, for_programs: bool = False, plain: bool = False,
) -> None:  # fmt: skip
    """Write *view* in *form* to stdout, and to stderr one note of what could not be read.

    *index* counts the samples of ``-s``: CSV has its headings once, and with *is_series* the time in its first column.
    """
    views = _collected.get()
    if views is not None:
        views.append(view)
        return
    if form == "json":
        from memtwin.render import json

        root, taken = origin(source)
        write(json.text(view, root=root, at_unix_ms=taken))
    elif form == "csv":
        from memtwin.render import csv

        columns, rows = rows_for_csv(view)
        flat = csv.rows(rows)
        if is_series:
            columns, at = ("at_unix_ms", *columns), origin(source)[1]
            flat = [{"at_unix_ms": at} | row for row in flat]
        write(csv.text(flat, headings=index == 0, columns=columns))
    elif form == "openmetrics":
        _expose(view.name, view.metrics)
    else:
        write(terminal.show(view, headings=headings, for_programs=for_programs, look=look_of_stdout(plain=plain)))
    if index == 0:
        note_unread(source)
    sys.stdout.flush()


def is_screen() -> bool:
    """Return whether there is a terminal that can show a picture: keys, output, and more than TERM=dumb."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in _NO_SCREENS


def look_of_stdout(*, plain: bool = False) -> terminal.Look:
    """Return what stdout can show; *plain*: bars of ASCII. NO_COLOR and a dumb terminal have no colours."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" and not plain
    try:
        columns = (os.get_terminal_size(1).columns or _COLUMNS) if sys.stdout.isatty() else None
    except (OSError, ValueError):
        columns = None
    colour = columns is not None and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return terminal.Look(columns, colour, unicode)


def note(text: str) -> None:
    """Write one line to stderr: what a reader should know of the figures."""
    if _collected.get() is not None:
        return
    click.echo(f"memtwin: {clean(shortened(text, _LONGEST_NOTE))}", err=True)


def note_leftovers(names: Sequence[str]) -> None:
    """Say once which drafts of killed processes were deleted."""
    if names:
        more = f" and {len(names) - _NAMED_UNREAD} more" if len(names) > _NAMED_UNREAD else ""
        note(f"deleted what a process that was killed had left: {', '.join(names[:_NAMED_UNREAD])}{more}")


def note_unread(source: Source) -> None:
    """Say once which files could not be read, and why, and which were repaired; an absent file needs no note."""
    refused = _by_reason((path, why) for path, why in source.unread.items() if why not in _GONE)
    if refused:
        is_user = source.is_live and os.geteuid() != 0 and "Permission denied" in source.unread.values()
        note(f"could not read {refused}{' (root may read more)' if is_user else ''}")
    if source.repaired:
        note(f"read in spite of damage: {_by_reason(source.repaired.items())}")


def _by_reason(pairs: Iterable[tuple[str, str]]) -> str:
    """Return paths by what they have in common, some of each."""
    reasons: dict[str, list[str]] = {}
    for path, why in pairs:
        reasons.setdefault(why, []).append(path)
    parts = []
    for why, paths in reasons.items():
        more = f" and {len(paths) - _NAMED_UNREAD} more" if len(paths) > _NAMED_UNREAD else ""
        parts.append(f"{', '.join(paths[:_NAMED_UNREAD])}{more}: {why}")
    return "; ".join(parts)


def write(text: str) -> None:
    """Write *text* to stdout."""
    click.echo(text, nl=False)


def _expose(name: str, metrics: Callable[[], Iterable[Metric]] | None) -> None:
    from memtwin.render import openmetrics

    if metrics is None:
        raise UsageError(f"{name} has no metrics", hint="--json and --csv have all its figures")
    write(openmetrics.text(metrics()))
