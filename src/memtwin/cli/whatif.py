"""``memtwin whatif``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from memtwin.cli import EXIT_INTERRUPTED, complete
from memtwin.cli.common import look_of_stdout, note, note_leftovers, write
from memtwin.errors import UsageError
from memtwin.files.output import check, write_file
from memtwin.render import json, terminal
from memtwin.render.grid import rows_for_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.sweep.axes import Axis
    from memtwin.sweep.cache import Cache
    from memtwin.sweep.sweep import Asked, Runner, Sweep

EXIT_NO_POINT: Final = 3
"""No point meets the goal."""
_S: Final = 60


@click.command("whatif")
@click.argument("where", metavar="INPUT", shell_complete=complete.roots)
@click.option(
    "--vary", "words", multiple=True, metavar="KEY=VALUES", shell_complete=complete.varied,
    help="What differs: machine.ram=4G..16G/1G, swap=none,disk:8G,zram:50%,zswap, vm.NAME=10,60,180, or another key "
    "of --set. May be given several times: all combinations are run.",
)  # fmt: skip
@click.option(
    "--goal", metavar="GOAL",
    help='What a machine must do: "no oom, stall<1%". Without it: no process is killed and every operation succeeds.',
)  # fmt: skip
@click.option(
    "--minimise", metavar="KEY",
    help="Search the least value of this range that meets the goal, by bisection, instead of running all of them.",
)  # fmt: skip
@click.option(
    "--curve", "as_curve", is_flag=True,
    help="Misses over RAM from the workload's reuse distances, with four runs as points on it, instead of a grid.",
)  # fmt: skip
@click.option(
    "--grow", "growing", multiple=True, metavar="NAME=SIZE", shell_complete=complete.growing,
    help="Of a machine without a workload: let a process of it, by name or pid, grow: nginx=4G,over=10m. May be given "
    "several times.",
)  # fmt: skip
@click.option(
    "--boot", metavar="WHERE", shell_complete=complete.roots,
    help="Run the workload on this machine instead of its own: a snapshot, a recording, RUN@CHECKPOINT, or `live`.",
)  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", shell_complete=complete.settings,
    help="Change the machine in all points, as `memtwin run --set` does. May be given several times.",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=1, metavar="N",
    help="Run each point N times with what a real machine leaves to chance varied: figures are ranges.",
)  # fmt: skip
@click.option(
    "--endurance", metavar="SIZE", help="What a swap disk may be written to in its life (300T): wear is a share of it."
)
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N", help="Processes at a time; one a CPU by default.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Run on the cluster of this Dask scheduler, tcp://HOST:PORT (extra cluster)."
)
@click.option("--no-cache", is_flag=True, help="Run every point, those too that were run before, and keep none.")
@click.option("--yes", is_flag=True, help="Run a grid of more than 10,000 points.")
@click.option("-o", "--output", metavar="DIR", shell_complete=complete.files, help="Leave the sweep in this directory.")
@click.option("--parquet", metavar="FILE", shell_complete=complete.files, help="Write the points as Parquet.")
@click.option("--csv", "as_csv", is_flag=True, help="The points as comma-separated values, sizes in bytes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with everything, sizes in bytes.")
def command(
    *, where: str, words: tuple[str, ...], goal: str | None, minimise: str | None, as_curve: bool,
    growing: tuple[str, ...], boot: str | None, settings: tuple[str, ...], seeds: int, endurance: str | None,
    jobs: int | None, scheduler: str | None, no_cache: bool, yes: bool, output: str | None, parquet: str | None,
    as_csv: bool, as_json: bool,
) -> int:  # fmt: skip
    """Compare machines before production does: one workload, other sizes and settings.

    INPUT is a scenario, a run or a recording (its workload from its own boot), or a machine, on which --grow says
    what runs: a snapshot, a moment of a trace, RUN@CHECKPOINT, or `live`.
    Prints a row a point, the best first, and a recommendation: which point, by which figure and margin, and what would
    make it wrong. ^C keeps the points that are done; they are not run again. Exits with 3 if no point meets the goal.
    """
    if as_csv and as_json:
        raise UsageError("--csv and --json: one form at a time", hint="ask twice: the points are not run again")
    if scheduler is not None and jobs is not None:
        raise UsageError("--jobs with --scheduler: the cluster has its own", hint="leave --jobs out")
    form = "csv" if as_csv else "json" if as_json else None
    if as_curve:
        _refuse_with_curve(
            vary=words, goal=goal, minimise=minimise, output=output, parquet=parquet, endurance=endurance
        )
        return _curve(
            where, growing, boot, settings, _runner(jobs, scheduler), seeds=seeds, no_cache=no_cache, form=form
        )
    if not words:
        raise UsageError("give --vary KEY=VALUES, or --curve", hint="--vary machine.ram=4G..16G/1G")
    _check_outputs(output, parquet)
    from memtwin.sweep import axes, document, subject, sweep
    from memtwin.sweep import goal as goals
    from memtwin.sweep.cache import Cache, home

    given = axes.axes(words)
    _check_axes(given, minimise, may_be_many=yes)
    wanted, endurance_bytes = goals.goal(goal), _endurance(endurance)
    if endurance_bytes is None and any(clause.figure == "wear_share_per_year" for clause in wanted.clauses):
        raise UsageError("--goal: wear without --endurance", hint="--endurance 300T, as the disk's maker says")
    runner = _runner(jobs, scheduler)
    machine = subject.subject(where, growing, boot)
    asked = sweep.Asked(machine, subject.resolved(machine, given), wanted, settings, seeds, endurance_bytes)
    _check_order(asked.axes, minimise)
    found = _swept(asked, runner, Cache(None if no_cache else home()), minimise)
    whole = document.document(found)
    if output is not None:
        document.write(whole, Path(output))
    if parquet is not None:
        write_file(Path(parquet), document.parquet_of(whole))
    _show(whole, where, form)
    if not found.is_whole:
        note("interrupted: the points that are done are kept, and the same command goes on with the others")
        return EXIT_INTERRUPTED
    return 0 if whole["recommendation"]["point"] is not None else EXIT_NO_POINT


def _swept(asked: Asked, runner: Runner, cache: Cache, minimise: str | None = None) -> Sweep:
    """Run a sweep, with its progress on stderr; raise UsageError where no point can be run."""
    from memtwin.sweep import sweep

    progress = _Progress()
    bench = sweep.Bench(asked, runner, cache, progress.show)
    try:
        found = sweep.least(bench, minimise) if minimise else sweep.grid(bench)
    finally:
        progress.close()
    _refuse_nothing(found)
    return found


def _refuse_with_curve(**given: object) -> None:
    """Raise UsageError for options that are about a grid."""
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name} with --curve", hint="--curve runs at sizes of its own; --vary makes a grid")


def _curve(
    where: str, growing: tuple[str, ...], boot: str | None, settings: tuple[str, ...], runner: Runner, *, seeds: int,
    no_cache: bool, form: str | None,
) -> int:  # fmt: skip
    """Show the curve of reuse distances, with runs at some sizes as points on it."""
    from memtwin.render import csv
    from memtwin.sweep import curve_points, subject, sweep
    from memtwin.sweep.cache import Cache, home
    from memtwin.sweep.goal import goal

    found = subject.subject(where, growing, boot)
    asked = sweep.Asked(found, (curve_points.axis(found),), goal(None), settings, seeds)
    swept = _swept(asked, runner, Cache(None if no_cache else home()))
    if not swept.is_whole:
        return EXIT_INTERRUPTED
    shown = curve_points.view(found, swept.points, settings)
    if form == "csv":
        columns, rows = rows_for_csv(shown)
        write(csv.text(csv.rows(rows), columns=columns))
    elif form == "json":
        write(json.text(shown, root=where))
    else:
        write(terminal.show(shown, look=look_of_stdout()))
    return 0


def _check_outputs(output: str | None, parquet: str | None) -> None:
    """Refuse, before anything runs, what could not be written after it."""
    from memtwin.render import parquet as render_parquet

    for name, is_directory in ((output, True), (parquet, False)):
        if name is not None:
            note_leftovers(check(Path(name), is_directory=is_directory))
    if parquet is not None:
        render_parquet.need()


def _show(whole: Mapping[str, Any], where: str, form: str | None) -> None:
    from memtwin.sweep import document
    from memtwin.sweep.curve_lines import lines
    from memtwin.sweep.view import view

    if form == "csv":
        write(document.csv_of(whole))
    elif form == "json":
        write(json.text(view(whole), root=where))
    else:
        look = look_of_stdout()
        write(terminal.show(view(whole)._replace(lines=lines(whole, look)), look=look))


def _runner(jobs: int | None, scheduler: str | None) -> Runner:
    """Return what runs the points: processes of this host, or a cluster."""
    if scheduler is None:
        from memtwin.sweep import local

        return lambda some, keep: local.run(some, keep, jobs)
    from memtwin.sweep import cluster

    cluster.check(scheduler)
    return lambda some, keep: cluster.run(some, keep, scheduler)


def _check_axes(found: tuple[Axis, ...], minimise: str | None, *, may_be_many: bool) -> None:
    """Refuse a grid of too many points, and a search along an axis that is not there."""
    from memtwin.sweep import axes

    searched = next((axis for axis in found if axis.key == minimise), None)
    if minimise is not None and searched is None:
        raise UsageError(f"--minimise {minimise}: it does not vary", hint=f"--vary {minimise}=LOW..HIGH/STEP")
    total = axes.count([axis for axis in found if axis is not searched])
    if total > axes.MOST_POINTS and not may_be_many:
        raise UsageError(
            f"the grid has {total:,} points, more than {axes.MOST_POINTS:,}",
            hint="--yes runs them all; --minimise KEY searches",
        )


def _check_order(found: tuple[Axis, ...], minimise: str | None) -> None:
    """Refuse a search along an axis that has no order."""
    if any(axis.key == minimise and not axis.is_ordered for axis in found):
        raise UsageError(f"--minimise {minimise}: its values have no order", hint=f"--vary {minimise}=LOW..HIGH/STEP")


def _endurance(word: str | None) -> int | None:
    from memtwin.run.change import size_bytes

    if word is None:
        return None
    found = size_bytes(word)
    if not found:
        raise UsageError(f"--endurance {word}: expected a size such as 300T")
    return found


def _refuse_nothing(found: Sweep) -> None:
    """Raise UsageError where every point is a machine that cannot be."""
    if found.points and all(point.state == "refused" for point in found.points):
        reasons = list(dict.fromkeys(str(point.reason) for point in found.points))
        raise UsageError(f"no point can be run: {reasons[0]}", hint="; ".join(reasons[1:3]) or None)


class _Progress:
    """One line on stderr: points done, and about how long the others take; nothing where stderr is no terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if sys.stderr.isatty() else None
        self._clock = clock
        self._first: tuple[int, float] | None = None

    def show(self, done: int, total: int) -> None:
        """Say that *done* of *total* runs are done."""
        now = self._clock()
        if self._first is None or done < self._first[0]:
            self._first = (done, now)
        before, begun = self._first
        left = f", about {_duration((now - begun) / (done - before) * (total - done))} left" if done > before else ""
        if self._stream:
            self._stream.write(f"\r\x1b[K{done:,} of {total:,} runs{left}")
            self._stream.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._stream:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * _S else f"{seconds / _S:.0f} min"
