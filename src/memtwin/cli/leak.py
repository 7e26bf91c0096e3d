"""``memtwin leak``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from memtwin.cli import complete
from memtwin.cli.common import LIVE, form_options, note, open_root, show
from memtwin.cli.words import duration
from memtwin.diagnose import leak_view, watch
from memtwin.diagnose.leak import findings
from memtwin.errors import UsageError
from memtwin.sources.trace import Trace

if TYPE_CHECKING:
    from memtwin.diagnose.samples import Samples
    from memtwin.sources.source import Source


@click.command("leak")
@click.argument("trace", required=False, shell_complete=complete.files)
@click.option(
    "-p", "--pid", "pids", type=int, multiple=True, metavar="PID", shell_complete=complete.pids,
    help="This process (may be given more than once).",
)  # fmt: skip
@click.option("--all", "all_", is_flag=True, help="All processes, and the machine (the default for a trace).")
@click.option("--for", "for_ms", callback=duration, default="5m", show_default=True, metavar="TIME",
              help="How long to watch a live machine.")  # fmt: skip
@click.option("--steady", is_flag=True, help="List steady processes too.")
@form_options
def command(
    trace: str | None, form: str | None, *, pids: tuple[int, ...], all_: bool, for_ms: int, steady: bool
) -> None:
    """Say which processes leak, and of what kind other growth is.

    Watches live processes (-p PID, --all) for a time, or judges a TRACE that memtwin record made. What grew is named by
    its counter first (files, shared memory, lazily freed pages, page tables, slab, more processes); of the heap, the
    lower envelope must rise, and not slow down. What glibc's malloc has free is read through /proc/PID/mem, read-only,
    while the process runs. Where it is too early to say, it prints how many more seconds to watch. ^C judges at once.
    """
    if trace is not None and all_:
        raise UsageError("a TRACE has all that it has: --all is for a live machine", hint="leave --all out")
    if trace is None and not pids and not all_:
        raise UsageError("whose memory?", hint="give -p PID, --all or a TRACE")
    if form == "openmetrics":
        raise UsageError("leak has no metrics", hint="--json and --csv have all its figures")
    samples, source = _of_trace(trace, pids) if trace is not None else _live(pids, for_ms / 1000)
    if pids and not samples.processes:
        raise UsageError(f"no process {', '.join(map(str, pids))}" + (" in the trace" if trace else ""))
    show(leak_view.view(findings(samples), quiet_too=steady), form, source)


def _of_trace(path: str, pids: tuple[int, ...]) -> tuple[Samples, Source]:
    return watch.of_trace(Trace(path), pids), open_root(f"{path}@last")


def _live(pids: tuple[int, ...], seconds: float) -> tuple[Samples, Source]:
    for pid in pids:
        if not Path(f"/proc/{pid}").exists():
            raise UsageError(f"no process {pid}", hint="memtwin ps lists them")
    samples = watch.live(pids, seconds)
    if samples.is_cut_short:
        note("interrupted: judged by what was seen")
    return samples, open_root(LIVE)
