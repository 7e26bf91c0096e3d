"""``memtwin leak``."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import LIVE, form_options, note, open_root, show
from memtwin.cli.words import duration
from memtwin.diagnose import leak_view, regression, watch
from memtwin.diagnose.cycles import LEAST_CYCLES
from memtwin.diagnose.cycles import view as cycles_view
from memtwin.diagnose.cycles import watch as watch_cycles
from memtwin.diagnose.leak import findings
from memtwin.errors import UsageError
from memtwin.render.words import count
from memtwin.sources import cgroups
from memtwin.sources.opening import open_source
from memtwin.sources.trace import Trace

if TYPE_CHECKING:
    from memtwin.diagnose.samples import Samples
    from memtwin.sources.cgroups import Group
    from memtwin.sources.source import Source

_CYCLES: Final = 30


@click.command("leak")
@click.argument("trace", required=False, shell_complete=complete.files)
@click.option(
    "-p", "--pid", "pids", type=int, multiple=True, metavar="PID", shell_complete=complete.pids,
    help="This process (may be given more than once).",
)  # fmt: skip
@click.option("--all", "all_", is_flag=True, help="All processes, and the machine (the default for a trace).")
@click.option(
    "--cgroup",
    metavar="PATH",
    shell_complete=complete.cgroups,
    help="What is charged to this memory cgroup, and its processes; a path as /proc/PID/cgroup has it.",
)
@click.option(
    "--against",
    metavar="TRACE",
    shell_complete=complete.files,
    help="What grows that did not grow in this earlier trace of the same load.",
)
@click.option(
    "--cycle", metavar="COMMAND", help="Run COMMAND again and again, and judge what each cycle leaves behind."
)
@click.option("--cycles", type=click.IntRange(LEAST_CYCLES, 100_000), metavar="N", help="How often (30).")
@click.option(
    "--for",
    "for_ms",
    callback=duration,
    default="5m",
    show_default=True,
    metavar="TIME",
    help="How long to watch a live machine.",
)
@click.option("--steady", is_flag=True, help="List steady processes too.")
@form_options
def command(
    trace: str | None, form: str | None, *, pids: tuple[int, ...], all_: bool, cgroup: str | None, against: str | None,
    cycle: str | None, cycles: int | None, for_ms: int, steady: bool,
) -> None:  # fmt: skip
    """Say which processes leak, and of what kind other growth is.

    Watches live processes (-p PID, --cgroup PATH, --all) for a time, or judges a TRACE that memtwin record made. What
    grew is named by its counter first (files, shared memory, lazily freed pages, page tables, slab, more processes); of
    the heap, the lower envelope must rise, and not slow down. What glibc's malloc has free is read through
    /proc/PID/mem, read-only, while the process runs. Where it is too early to say, it prints how many more seconds to
    watch. ^C judges at once.
    """
    if trace is not None and all_:
        raise UsageError("a TRACE has all that it has: --all is for a live machine", hint="leave --all out")
    if sum((bool(pids), all_, cgroup is not None)) > 1:
        raise UsageError("-p, --all and --cgroup exclude each other", hint="give one of them")
    if trace is None and not pids and not all_ and cgroup is None:
        raise UsageError("whose memory?", hint="give -p PID, --cgroup PATH, --all or a TRACE")
    if form == "openmetrics":
        raise UsageError("leak has no metrics", hint="--json and --csv have all its figures")
    _check_cycle(cycle, cycles, trace, against, steady=steady)
    if cycle is not None:
        watched = watch_cycles(_there(pids), _group(cgroup), cycle, cycles or _CYCLES, for_ms / 1000)
        if watched.cut_short:
            note(f"{watched.cut_short}: judged by {watched.cycles} cycles")
        show(cycles_view(watched), form, open_root(LIVE))
        return
    then = watch.of_trace(Trace(against), pids if trace is not None else ()) if against is not None else None
    samples, source = _of_trace(trace, pids, cgroup) if trace is not None else _live(pids, cgroup, for_ms / 1000)
    if pids and not samples.processes:
        raise UsageError(f"no process {', '.join(map(str, pids))}" + (" in the trace" if trace else ""))
    if then is not None:
        show(regression.view(regression.changes(samples, then), str(against)), form, source)
        return
    show(leak_view.view(findings(samples), quiet_too=steady), form, source)


def _check_cycle(
    cycle: str | None, cycles: int | None, trace: str | None, against: str | None, *, steady: bool
) -> None:
    """Refuse what does not go together with --cycle and --against."""
    if cycle is None and cycles is not None:
        raise UsageError("--cycles without --cycle", hint="--cycle COMMAND says what a cycle is")
    if cycle is not None and (trace is not None or against is not None):
        raise UsageError("--cycle runs a command on a live machine", hint="leave the trace out")
    if steady and (cycle is not None or against is not None):
        raise UsageError("--steady lists findings over time", hint="--json has all rows of --cycle and --against")


def _of_trace(path: str, pids: tuple[int, ...], cgroup: str | None) -> tuple[Samples, Source]:
    return watch.of_trace(Trace(path), pids, cgroup), open_root(f"{path}@last")


def _there(pids: tuple[int, ...]) -> tuple[int, ...]:
    for pid in pids:
        if not Path(f"/proc/{pid}").exists():
            raise UsageError(f"no process {pid}", hint="memtwin ps lists them")
    return pids


def _group(cgroup: str | None) -> Group | None:
    if cgroup is None:
        return None
    found = cgroups.find(open_source(LIVE), cgroup)
    if found is None:
        raise UsageError(f"no memory cgroup {cgroup}", hint="give a path as /proc/PID/cgroup has it")
    return found


def _live(pids: tuple[int, ...], cgroup: str | None, seconds: float) -> tuple[Samples, Source]:
    samples = watch.live(_there(pids), seconds, _group(cgroup))
    if samples.is_cut_short:
        note("interrupted: judged by what was seen")
    refused = sum(one.heap_unknown == os.strerror(errno.EACCES) for one in samples.processes.values())
    if refused:
        reason = "what malloc has free and what is freed lazily is not known, and may be what grew: root may read it"
        note(f"of {count(refused, 'process')} of other users {reason}")
    return samples, open_root(LIVE)
