"""``memtwin validate``."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from memtwin.cli import complete
from memtwin.cli.common import write
from memtwin.errors import MemtwinError, NotBuiltError, NotModelledError, RecordingError, UsageError
from memtwin.render.table import Column, Table, clean, text
from memtwin.sources.recording import Recording, runs_in
from memtwin.study.agreement import Agreed, agreed
from memtwin.study.stalls import STALLED, Stall, huge_pages, stalls
from memtwin.study.validate import Score, ScoreRow, control, pool, score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORST = 12
"""How many of the worst figures -v shows for each scenario."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A scenario's score, or why it has none: *failed* unless the model says that it cannot do it yet."""

    name: str
    score: Score | None = None
    stalls: tuple[Stall, ...] = ()
    huge_pages: tuple[Stall, ...] = ()
    control: tuple[Score, ...] = ()
    """Each real run held against the others; empty where there is one."""
    other_boots: tuple[Score, ...] = ()
    """Of the model from the other real runs' boots."""
    agreed: Agreed | None = None
    """Where there are several real runs, and more than the usual table is shown."""
    reason: str = ""
    failed: bool = False


@click.command("validate")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...", shell_complete=complete.files)
@click.option(
    "--against", metavar="RUN", shell_complete=complete.files, help="Judge this run and do not run the model."
)
@click.option(
    "--runs", type=click.IntRange(2, 1000), metavar="N",
    help="Judge the ranges of N runs of the model, which differ by chance, instead of one run.",
)  # fmt: skip
@click.option("--boots", is_flag=True, help="Run the model from the boot of every real run, and show each mean.")
@click.option("-v", "--verbose", is_flag=True, help="Show the worst figures of each scenario, and reasons.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    recordings: tuple[str, ...], against: str | None, *, runs: int | None, boots: bool, verbose: bool, as_json: bool
) -> int:
    """Judge the model against recordings of real kernels.

    RECORDING is a directory that holds the runs of one scenario (run1.tar.xz, run2.tar.xz, ...), or a run;
    runs of one scenario on one kernel are judged together. The model starts from the first run's `boot`.
    A figure inside the range of the real runs is exact; mean and p90 are of the errors beyond that range; `real runs`
    is the mean of each real run against the others.
    The second table compares waiting times: errors relative to the middle of the real runs' range, of the twin and of
    each real run against the others. With --runs: how many of the real runs' figures the ranges hold.
    """
    groups = _groups(recordings)
    if boots and (runs is not None or against is not None):
        raise UsageError("--boots runs the model itself, once a boot", hint="leave out --runs and --against")
    if runs is not None:
        from memtwin.cli.ensemble import validate

        if against is not None:
            raise UsageError("--runs with --against: a run has no range", hint="give one of them")
        return validate(groups, runs, as_json=as_json, verbose=verbose)
    if against is not None and len(groups) > 1:
        hint = "give the real runs of that scenario only"
        raise UsageError(f"--against holds one run against one scenario, not {len(groups)}", hint=hint)
    verdicts = []
    for number, (name, reals) in enumerate(groups.items(), 1):
        with _Progress(f"[{number}/{len(groups)}] {name}") as progress:
            verdicts.append(_judge(name, reals, against, progress.show, more=as_json or verbose, boots=boots))
    write(_json(verdicts, verbose=verbose) if as_json else _tables(verdicts, verbose=verbose))
    return 1 if any(verdict.failed for verdict in verdicts) else 0


def _groups(paths: Sequence[str]) -> dict[str, list[Recording]]:
    """Return the recordings by scenario, in the order given: a directory is one, single runs join theirs."""
    groups: dict[str, list[Recording]] = {}
    names: dict[object, str] = {}  # what makes a scenario one -> its name
    for path in paths:
        runs = runs_in(path) if Path(path).is_dir() else []
        if not runs and not Path(path).exists():
            raise RecordingError(path, "is not there")
        recordings = [Recording(run) for run in runs or [Path(path)]]
        first = recordings[0]
        kernel = str(first.meta.get("kernel"))
        key = Path(path).resolve() if runs else (first.scenario().text, kernel)
        if key not in names:
            name = Path(path).resolve().name if runs else str(first.meta.get("scenario", path))
            names[key] = name if name not in groups else f"{path} ({kernel})"
        elif runs:
            continue  # the same directory again
        groups.setdefault(names[key], []).extend(recordings)
    return groups


def _judge(
    name: str,
    reals: list[Recording],
    against: str | None,
    progress: Callable[[int, int], None],
    *,
    more: bool,
    boots: bool,
) -> Verdict:
    if against is not None:
        return _verdict(name, reals, Recording(against), more=more)
    try:
        found = _replayed(name, reals, 0, progress, more=more)
        if not boots:
            return found
        others = (_replayed(name, reals, boot, progress, more=False).score for boot in range(1, len(reals)))
        return replace(found, other_boots=tuple(one for one in others if one))
    except NotBuiltError:
        raise
    except NotModelledError as problem:
        return Verdict(name, reason=problem.what)
    except MemtwinError as problem:
        return Verdict(name, reason=str(problem), failed=True)


def _verdict(name: str, reals: list[Recording], run: Recording, *, more: bool) -> Verdict:
    one = score(reals, run, name)
    return Verdict(
        name, one, stalls(reals, run), huge_pages(reals, run), control(reals),
        agreed=agreed(reals, run, one) if more and len(reals) > 1 else None,
    )  # fmt: skip


def _replayed(
    name: str, reals: list[Recording], boot: int, progress: Callable[[int, int], None], *, more: bool
) -> Verdict:
    """Run the scenario on the model, from one real run's boot, and score it."""
    try:
        from memtwin.run.speed import rerun
    except ModuleNotFoundError as problem:
        if problem.name != "memtwin.run.speed":
            raise
        raise NotBuiltError("the model is not in this build", hint="--against RUN judges a run") from None
    with tempfile.TemporaryDirectory(prefix="memtwin-validate-") as scratch:
        out = Path(scratch) / "run"
        rerun(reals[boot], out, progress=progress)
        return _verdict(name, reals, Recording(out), more=more)


class _Progress:
    """One line on stderr that says how far a run is; nothing when stderr is no terminal."""

    def __init__(self, label: str) -> None:
        self._label = clean(label)
        self._stream = sys.stderr if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        self.show(0, 0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, done: int, total: int) -> None:
        """Say that *done* of *total* operations are done."""
        if self._stream:
            share = f" {done * 100 // total} %" if total else ""
            self._stream.write(f"\r\x1b[K{self._label}{share}")
            self._stream.flush()


# -------------------------------------------------------------------------------------------------- output


def _tables(verdicts: Sequence[Verdict], *, verbose: bool) -> str:
    titles = ["scenario", "exact", "median", "p90", "mean", "victims", "missing", "figures", "real runs"]
    if any(verdict.other_boots for verdict in verdicts):
        titles.append("mean from other boots")
    columns = tuple(Column(title, "right" if title != "scenario" else "left") for title in titles)
    scores = [verdict.score for verdict in verdicts if verdict.score]
    rows = [_cells(verdict) for verdict in verdicts]
    if len(verdicts) > 1:
        rows.append(_cells(Verdict("pooled", pool(scores))))
    parts = [text(Table(columns, tuple(rows)), gap=2), _stall_table(verdicts)]
    for verdict in verdicts:
        if verdict.reason:
            parts.append(f"\n{clean(verdict.name)}: {clean(verdict.reason)}\n")
        if verdict.score and verbose:
            parts.append(f"\n{clean(verdict.name)}: the worst figures\n{_worst_table(verdict.score)}")
        if verdict.stalls and verbose:
            parts.append(f"\n{clean(verdict.name)}: who waited, at its end\n{_stalls_of(verdict.stalls)}")
        if verdict.agreed and verbose:
            parts.append(f"\n{clean(verdict.name)}: {_agreement(verdict.agreed)}")
        if verdict.huge_pages and verbose:
            parts.append(f"\n{clean(verdict.name)}: huge pages, at its end\n{_stalls_of(verdict.huge_pages)}")
    return "".join(parts)


def _stall_table(verdicts: Sequence[Verdict]) -> str:
    """The twin's error and the control's of each figure of stalls, where something stalled."""
    rows = [(verdict.name, *_stall_cells(verdict.stalls)) for verdict in verdicts if verdict.stalls]
    if not rows:
        return ""
    titles = ("who waited: twin/control", *STALLED, "kswapd scan", "direct scan", "migrated")
    columns = tuple(Column(title, "left" if i == 0 else "right") for i, title in enumerate(titles))
    return "\n" + text(Table(columns, tuple(rows)), gap=2)


def _stall_cells(found: tuple[Stall, ...]) -> tuple[str, ...]:
    by_name = {stall.figure: stall for stall in found}
    names = (*STALLED, "pgscan_kswapd", "pgscan_direct", "pgmigrate_success")
    return tuple(_pair(by_name[name]) if name in by_name else "" for name in names)


def _pair(stall: Stall) -> str:
    control = "-" if stall.control is None else f"{stall.control:.0%}"
    return f"{stall.twin:.0%}/{control}"


def _stalls_of(found: tuple[Stall, ...]) -> str:
    titles = ("figure", "real low", "real high", "twin", "error/control")
    rows = [(stall.figure, str(stall.low), str(stall.high), str(stall.own), _pair(stall)) for stall in found]
    columns = tuple(Column(title, "left" if i < 1 else "right") for i, title in enumerate(titles))
    return text(Table(columns, tuple(rows)), gap=2)


def _agreement(found: Agreed) -> str:
    """How the twin does where the real runs agree; then load averages and pressure."""
    control = "" if found.control_mean is None else f" (a real run left out: {found.control_mean:.1%}"
    control += "" if found.control_p90 is None else f", {found.control_p90:.1%})"
    judged = found.waits_judged
    inside = sum(wait.is_inside for wait in judged)
    titles = ("load and pressure", "at", "real low", "real high", "twin", "")
    rows = [
        (wait.figure, wait.checkpoint, str(wait.low), str(wait.high), str(wait.twin),
         "not judged" if not wait.is_judged else "inside" if wait.is_inside else "outside")
        for wait in found.waits
    ]  # fmt: skip
    columns = tuple(Column(title, "left" if i in {0, 1, 5} else "right") for i, title in enumerate(titles))
    return (
        f"the real runs agree on {found.judged} of {found.compared} figures; there mean {found.mean:.1%}, "
        f"p90 {found.p90:.1%}{control}; {inside} of {len(judged)} load averages and pressure totals inside\n"
        + (text(Table(columns, tuple(rows)), gap=2) if rows else "")
    )


def _cells(verdict: Verdict) -> tuple[str, ...]:
    one = verdict.score
    if one is None:
        return (verdict.name, "failed" if verdict.failed else "not yet")
    return (
        verdict.name,
        f"{one.exact:.0%}",
        *(f"{share:.1%}" for share in (one.median, one.p90, one.mean)),
        f"{one.victims_matched}/{one.victims_asked}",
        str(one.missing),
        str(one.compared),
        f"{mean_of(verdict.control):.1%}" if verdict.control else "",
        *([", ".join(f"{other.mean:.1%}" for other in verdict.other_boots)] if verdict.other_boots else []),
    )


def mean_of(scores: Sequence[Score]) -> float:
    """The mean of several scores' means."""
    return sum(one.mean for one in scores) / len(scores)


def _worst(one: Score) -> list[ScoreRow]:
    wrong = [row for row in one.rows if row.error]
    return sorted(wrong, key=lambda row: (-(row.error or 0.0), row.checkpoint, row.figure))[:WORST]


def _worst_table(one: Score) -> str:
    titles = ("checkpoint", "figure", "real low", "real high", "twin", "error")
    rows = [
        (row.checkpoint, row.figure, str(row.low), str(row.high), str(row.twin), f"{row.error:.1%}")
        for row in _worst(one)
    ]
    rows += [("", "victim", real, real, twin, "") for real, twin in one.victims if real != twin]
    columns = tuple(Column(title, "left" if i < 2 else "right") for i, title in enumerate(titles))
    return text(Table(columns, tuple(rows)), gap=2)


def _json(verdicts: Sequence[Verdict], *, verbose: bool) -> str:
    from memtwin.render.json import envelope

    scores = [verdict.score for verdict in verdicts if verdict.score]
    data = [_told(verdict, verbose=verbose) for verdict in verdicts]
    return envelope("validate", {"scenarios": data, "pooled": _shares(pool(scores))}, root=None)


def _told(verdict: Verdict, *, verbose: bool) -> dict[str, Any]:
    one = verdict.score
    state = "scored" if one else "failed" if verdict.failed else "not yet"
    data: dict[str, Any] = {"scenario": verdict.name, "state": state, "reason": verdict.reason or None}
    if one:
        data |= _shares(one)
        data["control"] = [{"mean": run.mean, "p90": run.p90} for run in verdict.control]
        data["other_boots"] = [{"mean": other.mean, "p90": other.p90} for other in verdict.other_boots]
        data["victims"] = [{"real": real, "twin": twin} for real, twin in one.victims]
        data["stalls"] = [_compared(stall) for stall in verdict.stalls]
        data["huge_pages"] = [_compared(stall) for stall in verdict.huge_pages]
    if verdict.agreed:
        found = verdict.agreed
        data["agreed"] = {
            "judged": found.judged, "compared": found.compared, "mean": found.mean, "p90": found.p90,
            "control_mean": found.control_mean, "control_p90": found.control_p90,
            "waits": [
                {"checkpoint": wait.checkpoint, "figure": wait.figure, "real_low": wait.low, "real_high": wait.high,
                 "twin": wait.twin, "judged": wait.is_judged, "inside": wait.is_inside}
                for wait in found.waits
            ],
        }  # fmt: skip
    if one and verbose:
        data["worst"] = [
            {"checkpoint": row.checkpoint, "figure": row.figure, "kind": row.kind, "real_low": row.low,
             "real_high": row.high, "twin": row.twin, "error": row.error}
            for row in _worst(one)
        ]  # fmt: skip
    return data


def _compared(stall: Stall) -> dict[str, Any]:
    return {
        "figure": stall.figure, "error": stall.twin, "control": stall.control, "within": stall.within,
        "real_low": stall.low, "real_high": stall.high, "twin": stall.own,
    }  # fmt: skip


def _shares(one: Score) -> dict[str, float | int]:
    names = (
        "exact", "median", "p90", "mean", "compared", "below_floor", "missing", "victims_matched",
        "victims_asked", "outcomes_same", "outcomes_asked",
    )  # fmt: skip
    return {name: getattr(one, name) for name in names}
