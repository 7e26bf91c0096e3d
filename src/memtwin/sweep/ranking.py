"""Which points are better, and where a figure stops falling: its knee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.sweep.subject import RAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memtwin.sweep.axes import Axis
    from memtwin.sweep.sweep import Point, Sweep

ORDER: Final = ("oom_kills", "failures", "finish_s", "stall_s", "major_faults")
"""Behind whether the goal is met: the first figure in which two points differ decides; then the smaller RAM.

Time to finish stands before stalls: the same work is done, and reads of a swap disk are waits for I/O in part."""
KNEE_OF: Final = ("stall_s", "major_faults", "swap_out_bytes")
"""The figure of a knee is the first of these that moves along the axis."""
LEAST_POINTS: Final = 4
_FLAT: Final = 0.05
"""A curve whose ends differ by less of its largest value is flat."""
_BEND: Final = 0.1
"""By how much a curve must lie below the line between its ends, of its range: less is no knee."""


class Knee(NamedTuple):
    """Along *axis*, with the other axes at *where*, *figure* falls up to the value *at* and little beyond.

    *before* is the figure one step *below* the knee, *after* the figure at it, *last* the figure at the largest value.
    *at* None: there is no knee.
    """

    axis: str
    figure: str
    where: Mapping[str, str]
    at: str | None = None
    below: str | None = None
    before: float | None = None
    after: float | None = None
    last: float | None = None


def ranked(sweep: Sweep) -> list[Point]:
    """Return the points that were run, the best first."""
    rams = {value.text: value.number for axis in sweep.asked.axes if axis.key == RAM for value in axis.values}

    def place(point: Point) -> tuple[float, ...]:
        figures = (point.figures[key] for key in ORDER)
        ram = rams.get(point.values.get(RAM, ""), 0)
        return (not point.is_good, *(0.0 if value is None else value for value in figures), ram or 0, point.number)

    return sorted((point for point in sweep.points if point.is_done), key=place)


def knees(sweep: Sweep) -> Iterator[Knee]:
    """Yield the knee of each ordered axis, for each choice of the others."""
    if sweep.minimised is not None:
        return
    for axis in sweep.asked.axes:
        if not axis.is_ordered or len(axis.values) < LEAST_POINTS:
            continue
        lines: dict[tuple[tuple[str, str], ...], list[Point]] = {}
        for point in sweep.points:
            where = tuple((key, text) for key, text in point.values.items() if key != axis.key)
            lines.setdefault(where, []).append(point)
        for where, line in lines.items():
            yield _knee(axis, dict(where), line)


def _knee(axis: Axis, where: Mapping[str, str], line: Sequence[Point]) -> Knee:
    rising = sorted(line, key=lambda point: axis.rising.index(point.values[axis.key]))
    known = [point for point in rising if point.is_done and not point.figures["oom_kills"]]
    numbers = {value.text: value.number or 0 for value in axis.values}
    places = [numbers[point.values[axis.key]] for point in known]
    for figure in KNEE_OF:
        values = [point.figures[figure] or 0.0 for point in known]
        if len(values) < LEAST_POINTS or values[0] - values[-1] <= _FLAT * max(values):
            continue
        at = bend(places, values)
        if at is None:
            return Knee(axis.key, figure, where)
        texts = [point.values[axis.key] for point in known]
        return Knee(axis.key, figure, where, texts[at], texts[at - 1], values[at - 1], values[at], values[-1])
    return Knee(axis.key, KNEE_OF[0], where)


def bend(places: Sequence[float], values: Sequence[float]) -> int | None:
    """Return where a falling curve lies farthest below the line between its ends; None where that is hardly below.

    >>> bend([1, 2, 3, 4, 5], [100, 20, 4, 2, 0]), bend([1, 2, 3, 4], [30, 20, 10, 0])
    (1, None)
    """
    width, height = places[-1] - places[0], values[0] - values[-1]
    below = [
        (1 - (place - places[0]) / width) - (value - values[-1]) / height
        for place, value in zip(places, values, strict=True)
    ]
    at = max(range(len(below)), key=below.__getitem__)
    return at if at and below[at] >= _BEND else None
