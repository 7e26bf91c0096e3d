"""``memtwin oom``."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli.common import note, write
from memtwin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.oom.analysis import Analysis

_KERNEL_LOG: Final = "the kernel log"
_SHOWN: Final = 3
"""Events that are told one after the other; of more, all are listed and the last is told."""


@click.command("oom")
@click.argument("file", required=False)
@click.option("--journal", is_flag=True, help="Read this machine's journal, all boots (journalctl).")
@click.option("--dmesg", is_flag=True, help="Read this machine's kernel log: what is read when nothing is named.")
@click.option("--run", "run", metavar="RUN", help="Read the kernel log of a run or a recording.")
@click.option("--event", type=click.IntRange(min=1), metavar="N", help="Tell of the event N only.")
@click.option("--all", "every", is_flag=True, help="Tell of every event, and list every process.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all events.")
def command(
    file: str | None, run: str | None, event: int | None, *, journal: bool, dmesg: bool, every: bool, as_json: bool
) -> None:
    """Explain what the OOM killer did.

    FILE is any text with a kernel log in it (dmesg, syslog, a journal, a mail; also .gz and .xz), - standard input.
    Each event: who asked for memory, why there was none, who was killed and by what margin, whether that follows from
    the kernel's own rule, and what would have changed it.
    """
    if sum((file is not None, run is not None, journal, dmesg)) > 1:
        raise UsageError("FILE, --journal, --dmesg and --run exclude each other")
    from memtwin.oom.analysis import analyses  # noqa: PLC0415
    from memtwin.oom.parse import events  # noqa: PLC0415

    name, lines = _log(file, run, journal=journal)
    found = enumerate(analyses(events(lines)), 1)
    if as_json:
        _json(name, found, event)
        return
    told, count = _tell(found, event, every=every)
    if event is not None and not told:
        raise UsageError(f"--event {event}: {name} has {count}")
    if not told:
        write(f"No OOM event in {name}: the kernel's OOM killer did not act, or its report is not in this log.\n")
        if name == _KERNEL_LOG:
            note("the kernel's buffer forgets; --journal looks further back")


def _log(file: str | None, run: str | None, *, journal: bool) -> tuple[str, Iterable[str]]:
    """Return what is read, as a sentence has it, and its lines."""
    from memtwin.oom import logs  # noqa: PLC0415

    if run is not None:
        from memtwin.recording import Recording  # noqa: PLC0415

        return run, (Recording(run, partial=True).dmesg or "").split("\n")
    if journal:
        return "the journal", logs.of_journal()
    if file is not None:
        return "standard input" if file == "-" else file, logs.of_file(file)
    return _KERNEL_LOG, logs.of_kernel()


def _tell(found: Iterable[tuple[int, Analysis]], event: int | None, *, every: bool) -> tuple[int, int]:
    """Write the post-mortems, holding only those that may be told; return how many were, and how many there are."""
    from memtwin.oom.report import line, listing, text  # noqa: PLC0415

    held: deque[tuple[int, Analysis]] = deque(maxlen=_SHOWN)
    rows: list[tuple[str, str, str]] = []
    told = number = 0
    for number, analysis in found:
        if every or number == event:
            write(("\n\n" if told else "") + text(analysis, number, every=every))
            told += 1
        elif event is None:
            held.append((number, analysis))
            rows.append(line(analysis, number))
    if len(rows) > _SHOWN:
        write(listing(tuple(rows)))
        held = deque([held[-1]])
    for number, analysis in held:
        write(("\n\n" if told else "") + text(analysis, number, every=every))
        told += 1
    return told, number


def _json(name: str, found: Iterable[tuple[int, Analysis]], event: int | None) -> None:
    """Write the object event by event: a journal may have thousands."""
    import json  # noqa: PLC0415

    from memtwin import __version__  # noqa: PLC0415
    from memtwin.oom.data import VERSION, data  # noqa: PLC0415

    head = json.dumps({"memtwin": __version__, "view": "oom", "version": VERSION, "root": name})
    write(head.removesuffix("}") + ', "events": [')
    chosen = (analysis for number, analysis in found if event in {None, number})
    for place, analysis in enumerate(chosen):
        write((", " if place else "") + json.dumps(data(analysis), allow_nan=False))
    write("]}\n")
