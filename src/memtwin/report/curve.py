"""The curve of a sweep: figures over the axis of numbers, a line for each choice of the other axes, and the knees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.amount import column as size
from memtwin.render.canvas import LETTER, WIDTH, Canvas
from memtwin.render.grid import NUMBER, Column, Grid, Style, Value
from memtwin.report.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.report.sweep import Axis, Figure, Point, Sweep

    Lines = dict[str, list[tuple[float, Point]]]

NAME: Final = "curve"
_LEFT, _RIGHT, _HIGH, _GAP = 100, 20, 130, 34
_ROOM: Final = WIDTH - _LEFT - _RIGHT
_DRAWN: Final = ("stall_s", "major_faults", "swap_out_bytes", "finish_s", "oom_kills")
"""Figures in the order in which they are worth drawing."""
_MOST_PANELS: Final = 4
_LINES: Final = (
    ("#0072b2", ""), ("#d55e00", "7 3"), ("#009e73", "2 3"), ("#c06090", "9 3 2 3"), ("#b8860b", "5 2"),
    ("#3f9ad0", "1 2"), ("#7f7f7f", "12 4"), ("#8c564b", "4 4"),
)  # fmt: skip
"""Colours and dashes of lines, so that they differ in grey too."""


def picture(sweep: Sweep) -> Picture | None:
    """Return the curve, or None where no axis has numbers, or no point was run."""
    axis = next((one for one in sweep.axes if one.numbers is not None and len(one.texts) > 1), None)
    done = [point for point in sweep.points if point.state == "done"]
    if axis is None or len(done) < 2:
        return None
    lines = _lines(axis, done)
    shown = dict(list(lines.items())[: len(_LINES)])
    figures = [one for key in _DRAWN for one in sweep.figures if one.key == key and _varies(done, key)][:_MOST_PANELS]
    canvas = Canvas("hatch-curve")
    top = _legend(canvas, list(shown))
    for figure in figures:
        _panel(canvas, figure, axis, shown, top)
        _knees(canvas, sweep, figure, axis, top)
        top += _HIGH + _GAP
    top = _ticks(canvas, axis, top - _GAP + 4)
    more = len(lines) - len(shown)
    note = (
        "Filled points meet the goal, hollow ones do not; a stroke through a point is the range of its runs."
        f"{' A dashed line is a knee.' if sweep.knees else ''}{f' {more} more lines are in the table.' if more else ''}"
    )
    title = f"What it costs by {axis.key}"
    return Picture(NAME, title, canvas, top, table(sweep), note)


def _lines(axis: Axis, done: Sequence[Point]) -> Lines:
    """Return the points of each choice of the other axes along *axis*, by the choice in words."""
    place = dict(zip(axis.texts, axis.numbers or (), strict=True))
    found: Lines = {}
    for point in done:
        where = ", ".join(f"{key}={text}" for key, text in point.values.items() if key != axis.key) or "all points"
        found.setdefault(where, []).append((place[point.values[axis.key]], point))
    return {where: sorted(points, key=lambda pair: pair[0]) for where, points in found.items()}


def _varies(done: Sequence[Point], key: str) -> bool:
    return len({value for point in done if (value := point.figures.get(key)) is not None}) > 1


def _legend(canvas: Canvas, names: Sequence[str]) -> float:
    x, y = float(_LEFT), 10.0
    for name, (colour, dashes) in zip(names, _LINES, strict=False):
        if x + 44 + LETTER * len(name) > WIDTH and x > _LEFT:
            x, y = float(_LEFT), y + 18
        canvas.stroke([(x, y), (x + 28, y)], colour, dashes)
        canvas.text(x + 34, y + 4, name)
        x += 50 + LETTER * len(name)
    return y + 18


def _panel(canvas: Canvas, figure: Figure, axis: Axis, lines: Lines, top: float) -> None:
    bottom = top + _HIGH
    values = [_of(point.high, point, figure.key) for points in lines.values() for _, point in points]
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    canvas.box((_LEFT, top, _ROOM, _HIGH))
    canvas.text(_LEFT - 8, top + 11, figure.title.lower(), anchor="end")
    canvas.text(_LEFT - 8, top + 26, written(most, figure.unit), anchor="end", soft=True)
    canvas.text(_LEFT - 8, bottom, "0", anchor="end", soft=True)
    for (colour, dashes), points in zip(_LINES, lines.values(), strict=False):
        places = [
            (_x(axis, number), bottom - _HIGH * value / most, point)
            for number, point in points if (value := point.figures.get(figure.key)) is not None
        ]  # fmt: skip
        canvas.stroke([(x, y) for x, y, _ in places], colour, dashes)
        for x, y, point in places:
            low, high = (_of(part, point, figure.key) for part in (point.low, point.high))
            if low is not None and high is not None and high > low:
                canvas.stroke([(x, bottom - _HIGH * low / most), (x, bottom - _HIGH * high / most)], colour, "")
            canvas.dot(x, y, colour, filled=bool(point.meets_goal))


def _knees(canvas: Canvas, sweep: Sweep, figure: Figure, axis: Axis, top: float) -> None:
    for knee in sweep.knees:
        if knee.axis == axis.key and knee.figure == figure.key and knee.at in axis.texts:
            x = _x(axis, (axis.numbers or ())[axis.texts.index(knee.at)])
            canvas.line(x, top, x, top + _HIGH, "mark")
            canvas.text(x + 4, top + 12, f"knee: {knee.at}")


def _of(part: object, point: Point, key: str) -> float | None:
    value = part.get(key) if isinstance(part, dict) else None
    return point.figures.get(key) if value is None else value


def _x(axis: Axis, number: float) -> float:
    numbers = axis.numbers or (0.0,)
    low, high = min(numbers), max(numbers)
    return _LEFT + 12 + (_ROOM - 24) * (number - low) / ((high - low) or 1.0)


def _ticks(canvas: Canvas, axis: Axis, top: float) -> float:
    free_from = 0.0
    for text, number in zip(axis.texts, axis.numbers or (), strict=True):
        x = _x(axis, number)
        canvas.line(x, top - 4, x, top)
        begin = x - LETTER * len(text) / 2
        if begin >= free_from:
            canvas.text(x, top + 14, text, anchor="middle")
            free_from = begin + LETTER * len(text) + 10
    canvas.text(_LEFT - 8, top + 14, axis.key[:14], anchor="end", soft=True)
    return top + 26


def written(value: float | None, unit: str) -> str:
    """Return a figure in its unit.

    >>> written(0.302, "share"), written(406941696, "bytes"), written(1.2217, "s"), written(33187, "count")
    ('30.2 %', '388M', '1.22 s', '33,187')
    """
    if value is None:
        return "-"
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit.startswith("bytes"):
        return size(round(value))
    if unit == "s":
        return f"{value:,.3g} s" if value < 1000 else f"{value:,.0f} s"
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"


def table(sweep: Sweep) -> Grid:
    """Return all points as a table, the first by rank first."""
    units = {figure.key: figure.unit for figure in sweep.figures}
    columns = (
        Column("rank", "RANK", NUMBER), *(Column(axis.key, axis.key) for axis in sweep.axes), Column("goal", "GOAL"),
        *(Column(one.key, one.title, _style(one.unit)) for one in sweep.figures),
    )  # fmt: skip
    return Grid(columns, tuple(_rows(sweep, list(units))), "points")


def _style(unit: str) -> Style:
    return Style(lambda value: written(value, unit), "right")


def _rows(sweep: Sweep, keys: Sequence[str]) -> Iterator[tuple[Value, ...]]:
    for point in sorted(sweep.points, key=lambda one: (one.rank is None, one.rank)):
        goal = point.reason or point.state if point.state != "done" else "met" if point.meets_goal else "missed"
        yield (
            point.rank, *(point.values.get(axis.key, "-") for axis in sweep.axes), goal,
            *(point.figures.get(key) for key in keys),
        )  # fmt: skip
