"""The time strip: which moment is shown of all, operations as brackets, a pinned figure, events as marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.tui.htop.figures import written
from memtwin.tui.htop.spans import Line, Span, fitted, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.sources.time_line import TimeLine

_LEVELS: Final = {True: "▁▂▃▄▅▆▇█", False: "_.-=+*#@"}
_GLYPHS: Final = {True: ("▲", "├", "┤", "─", "┆"), False: ("^", "[", "]", "-", ":")}


def lines(time: TimeLine, columns: int, *, unicode: bool, paused: bool, is_size: bool) -> list[Line]:
    """Return the strip as three lines: where this is, operations with events, the figure."""
    return [
        _where(time, columns, paused=paused, is_size=is_size),
        _operations(time, columns, unicode=unicode),
        _figure(time, columns, unicode=unicode),
    ]


def _place(time: TimeLine, time_s: float, columns: int) -> int:
    """Return the column of a time."""
    first, last = time.times_s[0], time.times_s[-1]
    share = (time_s - first) / (last - first) if last > first else 0.0
    return min(max(int(share * (columns - 1)), 0), columns - 1)


def _where(time: TimeLine, columns: int, *, paused: bool, is_size: bool) -> Line:
    total = f"{time.times_s[-1]:.1f} s{'' if time.is_whole else ' so far'}"
    parts = [f"{time.time_s:.1f} s of {total}", f"sample {time.at + 1}/{len(time.times_s)}"]
    parts += [safe(time.operation)] if time.operation else []
    if time.figure:
        value = time.values[time.at] if time.at < len(time.values) else None
        parts.append(f"{safe(time.figure)} {written(value, is_size=is_size)}")
    state = "" if paused else " >>"
    return fitted((Span(f"[{safe(time.badge)}]{state}", "badge"), Span(f" {' | '.join(parts)}")), columns)


def _operations(time: TimeLine, columns: int, *, unicode: bool) -> Line:
    mark, left, right, line, _ = _GLYPHS[unicode]
    cells = [" "] * columns
    for one in time.operations:
        begin, end = (_place(time, at, columns) for at in (one.begin_s, one.end_s))
        if end > begin:
            cells[begin : end + 1] = [left, *([line] * (end - begin - 1)), right]
    styles = [""] * columns
    for event in time.events:
        at = _place(time, event.time_s, columns)
        cells[at], styles[at] = mark, "event"
    styles[_place(time, time.time_s, columns)] = "cursor"
    return _spans(cells, styles)


def _figure(time: TimeLine, columns: int, *, unicode: bool) -> Line:
    """Return the pinned figure: the largest value of what lies in a column; without one a line of time."""
    cells: list[str] = [_GLYPHS[unicode][3]] * columns
    values = [value for value in time.values if value is not None]
    if values:
        low, high = min(values), max(values)
        highest: list[float | None] = [None] * columns
        for at, value in zip(time.times_s, time.values, strict=False):
            place = _place(time, at, columns)
            before = highest[place]
            highest[place] = value if before is None else before if value is None else max(before, value)
        cells = _levels(highest, low, high, _LEVELS[unicode])
    styles = ["used"] * columns
    styles[_place(time, time.time_s, columns)] = "cursor"
    return _spans(cells, styles)


def _levels(highest: Sequence[float | None], low: float, high: float, levels: str) -> list[str]:
    cells, last = [], " "
    for value in highest:
        if value is not None:
            share = (value - low) / (high - low) if high > low else 0.0
            last = levels[min(int(share * len(levels)), len(levels) - 1)]
        cells.append(last)
    return cells


def _spans(cells: Sequence[str], styles: Sequence[str]) -> Line:
    spans: list[Span] = []
    for cell, style in zip(cells, styles, strict=True):
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + cell, style)
        else:
            spans.append(Span(cell, style))
    return tuple(spans)
