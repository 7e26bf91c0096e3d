"""The recommendation: which point, by which figure and margin, and what would make it wrong. It claims what was run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.words import count, listed
from memtwin.scenario import Touch, parse
from memtwin.sweep.figures import COLUMNS, Figure, written
from memtwin.sweep.ranking import knees, ranked
from memtwin.sweep.subject import RAM, SWAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.sweep.axes import Axis
    from memtwin.sweep.sweep import Point, Sweep

_BY_KEY: Final = {column.key: column for column in COLUMNS}
_MOST_NAMED: Final = 6
_SAID: Final = ("oom_kills", "stall_share", "major_faults_per_s", "finish_s")
"""Figures that are said of a recommended point beside those of the goal."""


STALLS: Final = "on recorded kernels by 1.8 in the median, 2.9 at most (docs/whatif.md)"
"""What the grids of ``tests/grids`` show: the inverse of 0.57 and of 0.34."""


class Advice(NamedTuple):
    """*point* None: no point meets the goal."""

    point: int | None
    sentences: tuple[str, ...]
    wrong_if: tuple[str, ...]


def advice(sweep: Sweep) -> Advice:
    """Return what a sweep recommends."""
    good = [point for point in ranked(sweep) if point.is_good]
    chosen = _chosen(sweep, good)
    if chosen is None:
        return Advice(None, (*_compared(sweep), *_none(sweep)), tuple(_wrong_if(sweep, None)))
    said = (*_compared(sweep), _recommended(sweep, chosen), *_margin(sweep, chosen), *_neighbour(sweep, chosen))
    return Advice(chosen.number, (*said, *_knee(sweep, chosen)), tuple(_wrong_if(sweep, chosen)))


def _chosen(sweep: Sweep, good: list[Point]) -> Point | None:
    """Return the best of the points with the least RAM, or of the least value that was searched."""
    axis = _axis(sweep, sweep.minimised or RAM)
    if not good or axis is None or not axis.is_ordered:
        return good[0] if good else None
    least = min((point.values[axis.key] for point in good), key=axis.rising.index)
    return next(point for point in good if point.values[axis.key] == least)


def _axis(sweep: Sweep, key: str) -> Axis | None:
    return next((axis for axis in sweep.asked.axes if axis.key == key), None)


def _compared(sweep: Sweep) -> Iterator[str]:
    done = sum(point.is_done for point in sweep.points)
    axes = " x ".join(f"{axis.key} {_values(axis)}" for axis in sweep.asked.axes)
    runs = "" if sweep.asked.seeds == 1 else f", each run {sweep.asked.seeds} times"
    how = f" searched by bisection along {sweep.minimised}" if sweep.minimised else ""
    yield f"{count(done, 'point')} compared{how} ({axes}){runs}; goal: {sweep.asked.goal.text}."
    refused = [point for point in sweep.points if point.state == "refused"]
    if refused:
        reasons = list(dict.fromkeys(str(point.reason) for point in refused))
        more = f", and {count(len(reasons) - 1, 'other reason')}" if len(reasons) > 1 else ""
        yield f"{count(len(refused), 'point')} cannot be: {reasons[0]}{more}."
    missing = sum(point.state == "not run" for point in sweep.points)
    if not sweep.is_whole:
        yield f"It was interrupted: {count(missing, 'point')} did not run, and the answer is of those that did."


def _values(axis: Axis) -> str:
    texts = list(axis.rising) or [value.text for value in axis.values]
    if axis.is_ordered and len(texts) > _MOST_NAMED:
        return f"{texts[0]} to {texts[-1]}, {len(texts)} values"
    named = ", ".join(texts[:_MOST_NAMED])
    return named if len(texts) <= _MOST_NAMED else f"{named} and {len(texts) - _MOST_NAMED} more"


def _none(sweep: Sweep) -> Iterator[str]:
    done = [point for point in sweep.points if point.is_done]
    yield "No point meets the goal." if done else "No point was run: there is nothing to recommend."
    if done:
        nearest = min(done, key=lambda point: (len(point.misses), ranked(sweep).index(point)))
        yield f"The nearest is {named(nearest.values)}: it misses {listed(_missed(sweep, nearest))}."


def _missed(sweep: Sweep, point: Point) -> list[str]:
    """Return the clauses that a point misses, each with what it has."""
    clauses = {clause.text: clause for clause in sweep.asked.goal.clauses}
    return [f"{text} ({_range(point, _BY_KEY[clauses[text].figure])})" for text in point.misses]


def named(values: Mapping[str, str]) -> str:
    """Return a point by its values.

    >>> named({"machine.ram": "6G", "swap": "zram:50%"})
    'machine.ram=6G swap=zram:50%'
    """
    return " ".join(f"{key}={text}" for key, text in values.items())


def _range(point: Point, column: Figure) -> str:
    low, high, middle = (side.get(column.key) for side in (point.low, point.high, point.figures))
    if low is None or high is None or middle is None:
        return "not known"
    if low == high:
        return written(column.unit, middle)
    return f"{written(column.unit, low)} to {written(column.unit, high)}"


def _recommended(sweep: Sweep, point: Point) -> str:
    key = sweep.minimised or RAM
    axis = _axis(sweep, key)
    why = "the first by rank of those that meet the goal"
    if axis is not None and axis.is_ordered:
        least = "the least" if len(axis.values) > 1 else "the only"
        why = f"{least} {key} that meets the goal"
        if len(sweep.asked.axes) > 1:
            why += ", and the first by rank of the points with so much"
    keys = dict.fromkeys((*(clause.figure for clause in sweep.asked.goal.clauses), *_SAID))
    said = ", ".join(f"{_BY_KEY[one].title.lower()} {_range(point, _BY_KEY[one])}" for one in keys)
    return f"Recommended: {named(point.values)}, {why}: {said}."


def _margin(sweep: Sweep, point: Point) -> Iterator[str]:
    """Yield how far the point is from each limit of the goal that is no zero."""
    parts = []
    for clause in sweep.asked.goal.clauses:
        side = point.high if clause.op in {"<", "<=", "="} else point.low
        value = side[clause.figure]
        if value is not None and clause.value:
            column = _BY_KEY[clause.figure]
            parts.append(f"{clause.text} by {written(column.unit, abs(clause.value - value))}")
    if parts:
        yield f"Margin: it meets {listed(parts)}."


def _neighbour(sweep: Sweep, point: Point) -> Iterator[str]:
    """Yield what the next smaller value does, on the axis along which the least was chosen."""
    axis = _axis(sweep, sweep.minimised or RAM)
    if axis is None or not axis.is_ordered or len(axis.values) < 2:
        return
    texts = axis.rising
    at = texts.index(point.values[axis.key])
    if not at:
        yield f"{texts[0]} is the smallest {axis.key} that was asked for: less may do as well, and was not run."
        return
    wanted = {**point.values, axis.key: texts[at - 1]}
    below = next((other for other in sweep.points if dict(other.values) == wanted), None)
    if below is None or below.state == "not run":
        yield f"One step less, {axis.key}={texts[at - 1]}, was not run."
    elif below.is_done:
        verdict = f"misses {listed(_missed(sweep, below))}" if below.misses else "meets the goal too"
        yield f"One step less, {axis.key}={texts[at - 1]}, {verdict}."
    else:
        yield f"One step less, {axis.key}={texts[at - 1]}, cannot be: {below.reason}."


def _knee(sweep: Sweep, point: Point) -> Iterator[str]:
    for knee in knees(sweep):
        if any(point.values[key] != text for key, text in knee.where.items()) or knee.at is None:
            continue
        column = _BY_KEY[knee.figure]
        before, after, last = (written(column.unit, value or 0.0) for value in (knee.before, knee.after, knee.last))
        what = column.title.lower()
        yield (
            f"The knee of {knee.axis}{_at(knee.where)} is {knee.at}: {what} {before} at {knee.below}, {after} at "
            f"{knee.at}, {last} at the largest value."
        )


def _at(where: Mapping[str, str]) -> str:
    return f" with {named(where)}" if where else ""


def _wrong_if(sweep: Sweep, point: Point | None) -> Iterator[str]:
    """Yield what the answer rests on that was not varied."""
    asked, values = sweep.asked, {} if point is None else point.values
    if asked.subject.kind in {"live", "snapshot", "trace"}:
        yield "what grows is used once, in order, and the other processes lie still: a machine at work needs more"
    else:
        yield f"the workload is another than that of {asked.subject.name}: nothing else was run"
    if asked.seeds == 1:
        yield "chance: each point was run once; --seeds 5 shows how far chance alone moves the figures"
    if any(kind in text for text in values.get(SWAP, "").split("+") for kind in ("zram", "zswap")):
        ops = parse(asked.subject.scenario.text).ops
        contents = sorted({op.content for op in ops if isinstance(op, Touch) and op.write})
        yield f"memory compresses otherwise than the workload's contents ({listed(contents) if contents else 'none'})"
    axis = _axis(sweep, sweep.minimised or RAM)
    if axis is not None and axis.is_ordered and len(axis.values) > 1:
        yield f"the answer lies between two values of {axis.key}: nothing between them was run"
    if sweep.minimised:
        yield f"a larger {sweep.minimised} meets the goal less than a smaller: the search assumes that it never does"
    if asked.subject.boot is not None and RAM in values:
        yield "more RAM is free memory beyond what the machine has, less is taken away while it runs"
    if any(clause.figure == "stall_share" for clause in asked.goal.clauses):
        yield f"tasks stall longer than in the model: {STALLS}"
    yield "the model differs from the kernel there: docs/fidelity.md has by how much on recorded machines"
