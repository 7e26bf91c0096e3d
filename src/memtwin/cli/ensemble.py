"""``memtwin run --runs N`` and ``memtwin validate --runs N``: what runs that differ by chance have in common."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin.cli.common import look_of_stdout, write
from memtwin.errors import MemtwinError, NotBuiltError, NotModelledError, UsageError
from memtwin.render import json, terminal
from memtwin.render.grid import NUMBER, Column, Grid, Style, View
from memtwin.sources.recording import Recording
from memtwin.study.coverage import Coverage, Range, coverage, ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXIT_NOT_OK = 3
WORST = 12
_SHARE = Style(lambda value: f"{value:.1%}", "right")
_TIMES = Style(lambda value: f"{value:.2f}", "right")
_AMOUNT = Style(lambda value: f"{value:,.0f}", "right")
_NAME = Column("scenario", "scenario")


def refuse_with_runs(**given: object) -> None:
    """Raise UsageError for options of `memtwin run` that are about a single run."""
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name} with --runs", hint="--runs prints ranges; a run alone has its story")


def run_many(
    where: str | None, boot: str | None, settings: Sequence[str], growing: Sequence[str], *, runs: int, form: str | None
) -> int:
    """Run a workload *runs* times and show the range of each figure; *form*: None a table, empty nothing, or json."""
    from memtwin.sweep import local, subject, sweep
    from memtwin.sweep.cache import Cache, home
    from memtwin.sweep.goal import goal
    from memtwin.sweep.view import ranges_of

    named = where if where is not None else boot
    assert named is not None
    found = subject.subject(named, growing, boot if where is not None else None)
    asked = sweep.Asked(found, (), goal(None), tuple(settings), runs)
    bench = sweep.Bench(asked, local.run, Cache(home()), lambda *_: None)
    point = sweep.grid(bench).points[0]
    if bench.is_interrupted:
        raise KeyboardInterrupt
    if not point.is_done:
        raise UsageError(str(point.reason))
    view = ranges_of(point, runs)
    if form == "json":
        write(json.text(view, root=named))
    elif form is None:
        write(terminal.show(view, look=look_of_stdout()))
    return EXIT_NOT_OK if point.high["failures"] else 0


def validate(groups: Mapping[str, list[Recording]], runs: int, *, as_json: bool, verbose: bool) -> int:
    """Judge the ranges of *runs* runs of each scenario against its real runs, from whose boots they start in turn."""
    found: dict[str, list[Range]] = {}
    reasons: list[tuple[str, str]] = []
    has_failed = False
    for name, reals in groups.items():
        try:
            found[name] = _ranges(reals, runs)
        except NotBuiltError:
            raise
        except NotModelledError as problem:
            reasons.append((name, problem.what))
        except MemtwinError as problem:
            reasons.append((name, str(problem)))
            has_failed = True
    view = _view(found, reasons, runs, verbose=verbose)
    write(json.text(view, root=None) if as_json else terminal.show(view, look=look_of_stdout()))
    return 1 if has_failed else 0


def _ranges(reals: Sequence[Recording], runs: int) -> list[Range]:
    from memtwin.run.speed import rerun

    with tempfile.TemporaryDirectory(prefix="memtwin-validate-") as scratch:
        outs = [Path(scratch) / f"run{seed}" for seed in range(runs)]
        for seed, out in enumerate(outs):
            rerun(reals[seed % len(reals)], out, seed=seed)
        return list(ranges(reals, [Recording(out) for out in outs]))


def _view(found: Mapping[str, list[Range]], reasons: Sequence[tuple[str, str]], runs: int, *, verbose: bool) -> View:
    columns = (
        _NAME, Column("figures", "figures", NUMBER), Column("inside", "inside", _SHARE),
        Column("inside_bare", "bare", _SHARE), Column("width", "width/real", _TIMES), Column("quiet", "quiet", _SHARE),
        Column("runs", None),
    )  # fmt: skip
    rows = [(name, *coverage(of_name), runs) for name, of_name in found.items()]
    if len(found) > 1:
        rows.append(("pooled", *_pooled(found), runs))
    grids = [Grid(columns, tuple(rows), "scenarios", gap=2)]
    if reasons:
        grids.append(Grid((_NAME, Column("reason", "not judged", prose=True)), tuple(reasons), "not_judged", gap=2))
    if verbose:
        grids += [_worst(name, of_name) for name, of_name in found.items()]
    return View("coverage", tuple(grids))


def _pooled(found: Mapping[str, list[Range]]) -> Coverage:
    return coverage([one for of_name in found.values() for one in of_name])


def _worst(name: str, found: Sequence[Range]) -> Grid:
    """Return the figures that lie farthest outside, relative to the figure."""
    rows = sorted(((one, _distance(one)) for one in found), key=lambda pair: -pair[1])[:WORST]
    columns = (
        Column("checkpoint", "checkpoint"), Column("figure", "figure"), Column("real_low", "real low", _AMOUNT),
        Column("real_high", "real high", _AMOUNT), Column("low", "low", _AMOUNT), Column("high", "high", _AMOUNT),
        Column("distance", "outside by", _SHARE),
    )  # fmt: skip
    cells = tuple(
        (one.checkpoint, one.figure, min(one.reals), max(one.reals), one.low, one.high, away)
        for one, away in rows
        if away
    )
    return Grid(columns, cells, f"outside of {name}", title=f"\n{name}: the figures farthest outside\n", gap=2)


def _distance(one: Range) -> float:
    """Return how far the farthest real run lies outside, as a share of the figure."""
    return max(max(one.low - real, real - one.high, 0.0) / max(abs(real), one.floor) for real in one.reals)
