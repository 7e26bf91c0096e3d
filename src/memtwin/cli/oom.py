"""``memtwin oom``."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import LIVE, form_options, note, note_leftovers, root_option, write
from memtwin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.oom.deaths.watch import Watch
    from memtwin.oom.why.analysis import Analysis

_KERNEL_LOG: Final = "the kernel log"
_SHOWN: Final = 3
"""Events that are explained one after the other; of more, all are listed and the last is explained."""


@click.command("oom")
@click.argument("file", required=False, shell_complete=complete.files)
@click.option("--journal", is_flag=True, help="Read this machine's journal, all boots (journalctl).")
@click.option("--dmesg", is_flag=True, help="Read this machine's kernel log: what is read when nothing is named.")
@click.option(
    "--run", "run", metavar="RUN", shell_complete=complete.files, help="Read the kernel log of a run or a recording."
)
@click.option("--live", is_flag=True, help="Who would die now, on the machine and in each cgroup with a limit.")
@click.option(
    "--adj",
    "adjustments",
    multiple=True,
    metavar="PID=N",
    shell_complete=complete.adjusted,
    help="With --live: as if oom_score_adj were N.",
)
@click.option("--event", type=click.IntRange(min=1), metavar="N", help="Show the event N only.")
@click.option("--all", "every", is_flag=True, help="Show every event, and list every process.")
@click.option(
    "--html", "page", metavar="PAGE", shell_complete=complete.files, help="Write a page for a browser to the file PAGE."
)
@root_option
@form_options
def command(
    root: str, form: str | None, *, file: str | None, run: str | None, event: int | None, page: str | None,
    adjustments: tuple[str, ...], journal: bool, dmesg: bool, live: bool, every: bool,
) -> None:  # fmt: skip
    """Explain what the OOM killer did, and who else kills.

    FILE is any text with a kernel log in it (dmesg, syslog, a journal, a mail; also .gz and .xz), - standard input.
    Each event: who asked for memory, why there was none, who was killed and by what margin, whether that follows from
    the kernel's own rule, and what would have changed it. Then the deaths in the log that were not the kernel's.

    With --live nothing is read but the processes (of this host, or of --root): who would die now. Nothing is changed.
    """
    if sum((file is not None, run is not None, journal, dmesg, live)) > 1:
        raise UsageError("FILE, --journal, --dmesg, --run and --live exclude each other")
    if live or root != LIVE:
        from memtwin.cli import oom_live

        oom_live.tell(root, form, adjustments)
        return
    if adjustments:
        raise UsageError("--adj goes with --live")
    if form not in {None, "json"}:
        raise UsageError(f"--{form}: a post-mortem is text, --json or --html", hint="--live has tables")
    _post_mortem(*_log(file, run, journal=journal), event, page, as_json=form == "json", every=every)


def _post_mortem(
    name: str, lines: Iterable[str], event: int | None, page: str | None, *, as_json: bool, every: bool
) -> None:
    from memtwin.oom.deaths.watch import Watch
    from memtwin.oom.read.parse import events_of
    from memtwin.oom.read.shape import restored
    from memtwin.oom.why.analysis import analyses

    if page is not None:
        _check(page)
    watch, counted = Watch(), _Counted(lines)
    found = _kept(enumerate(analyses(events_of(watch.over(restored(counted)))), 1), watch)
    if page is not None:
        _html(name, found, event, watch, page)
    elif as_json:
        _json(name, found, event, watch)
    else:
        _text(name, found, event, watch, every=every)
    if counted.binary:
        note(f"{name} has NUL bytes in {counted.binary:,} lines: what is text in it was read")


class _Counted:
    """Lines as they pass, and how many of them are no text."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.binary = 0
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if "\0" in line:
                self.binary += 1
            yield line


def _kept(found: Iterable[tuple[int, Analysis]], watch: Watch) -> Iterator[tuple[int, Analysis]]:
    """Pass the analyses on; the watch keeps what the other deaths of the log are joined with."""
    for number, analysis in found:
        watch.note(number, analysis.event)
        yield number, analysis


def _text(name: str, found: Iterable[tuple[int, Analysis]], event: int | None, watch: Watch, *, every: bool) -> None:
    shown, count = _tell(found, event, every=every)
    if event is not None and not shown:
        raise UsageError(f"--event {event}: {name} has {count}")
    deaths = watch.time_line() if event is None else []
    if deaths:
        from memtwin.oom.deaths.words import table

        write(("\n" if shown else f"{name} has no report of the kernel's OOM killer. ") + table(deaths, count))
    elif not shown:
        write(f"No OOM event in {name}: no line of it is the kernel's OOM killer's, or another killer's.\n")
        if name == _KERNEL_LOG:
            note("the kernel's buffer forgets; --journal looks further back")


def _html(name: str, found: Iterable[tuple[int, Analysis]], event: int | None, watch: Watch, page: str) -> None:
    from pathlib import Path

    from memtwin.files.output import write_file
    from memtwin.oom.faces import html

    chosen = [pair for pair in found if event in {None, pair[0]}]
    text = html.page(chosen, watch.time_line(), name)
    write_file(Path(page), text.encode(errors="backslashreplace"))
    write(f"{page}: {len(chosen)} event{'' if len(chosen) == 1 else 's'} of {name}\n")


def _check(page: str) -> None:
    """Refuse, before the log is read, a page that could not be written after it."""
    from pathlib import Path

    from memtwin.files.output import check

    note_leftovers(check(Path(page), is_directory=False))


def _log(file: str | None, run: str | None, *, journal: bool) -> tuple[str, Iterable[str]]:
    """Return what is read, named for prose, and its lines."""
    from memtwin.oom.read import logs

    if run is not None:
        from memtwin.sources.recording import Recording

        return run, (Recording(run, partial=True).dmesg or "").split("\n")
    if journal:
        return "the journal", logs.of_journal()
    if file is not None:
        return "standard input" if file == "-" else file, logs.of_file(file)
    return _KERNEL_LOG, logs.of_kernel()


def _tell(found: Iterable[tuple[int, Analysis]], event: int | None, *, every: bool) -> tuple[int, int]:
    """Write the post-mortems, holding only those that may be printed; return how many were, and how many there are."""
    from memtwin.oom.faces.report import Listing, text

    held: deque[tuple[int, Analysis]] = deque(maxlen=_SHOWN)
    listing = Listing()
    shown = number = 0
    for number, analysis in found:
        if every or number == event:
            write(("\n\n" if shown else "") + text(analysis, number, every=every))
            shown += 1
        elif event is None:
            held.append((number, analysis))
            listing.add(analysis, number)
    if listing.events > _SHOWN and listing.fullest is not None:
        write(listing.text())
        held = deque([listing.fullest])
    for number, analysis in held:
        write(("\n\n" if shown else "") + text(analysis, number, every=every))
        shown += 1
    return shown, number


def _json(name: str, found: Iterable[tuple[int, Analysis]], event: int | None, watch: Watch) -> None:
    """Write the object event by event: a journal may have thousands."""
    from memtwin import __version__
    from memtwin.oom.faces.data import VERSION, data
    from memtwin.render.json import stream

    head = {"memtwin": __version__, "view": "oom", "version": VERSION, "root": name}
    events = (data(analysis) for number, analysis in found if event in {None, number})
    for part in stream(head, "events", events, lambda: {"deaths": [one._asdict() for one in watch.time_line()]}):
        write(part)
