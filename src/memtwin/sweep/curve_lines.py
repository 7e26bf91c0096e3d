"""The curve of a sweep as lines of a terminal: figures as blocks over the axis that has numbers, a row each choice."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from memtwin.render.course import EVENTS
from memtwin.render.grid import Line
from memtwin.render.table import clean
from memtwin.sweep.figures import COLUMNS, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memtwin.render.terminal import Look

_DRAWN: Final = ("stall_s", "major_faults", "swap_out_bytes", "finish_s")
_MOST_FIGURES: Final = 2
_MOST_ROWS: Final = 6
_WIDEST: Final = 100
_LEVELS: Final = ("·▁▂▃▄▅▆▇█", "._-=+*%%#")
Rows = dict[str, dict[str, "Mapping[str, Any]"]]


def lines(document: Mapping[str, Any], look: Look) -> tuple[Line, ...]:
    """Return the curve; nothing where no axis has numbers, or no figure differs."""
    axis = next((one for one in document["axes"] if one["unit"] != "text" and len(one["values"]) > 1), None)
    done = [point for point in document["points"] if point["state"] == "done"]
    figures = [one for one in COLUMNS if one.key in _DRAWN and len({p["figures"].get(one.key) for p in done}) > 1]
    if axis is None or not figures:
        return ()
    rows = _rows(axis["key"], done)
    texts = [value["text"] for value in axis["values"]]
    heads = [(one.title, clean(where)) for one in figures[:_MOST_FIGURES] for where in list(rows)[:_MOST_ROWS]]
    left = max((len(title) + len(where) + 3 for title, where in heads), default=0)
    room = min(look.columns or _WIDEST, _WIDEST) - left - 16
    cell = max(room // len(texts), 1)
    if cell * len(texts) > max(room, 0):  # more points than columns
        return ()
    cell = min(cell, 8)
    found = [Line(f"{axis['key'].rpartition('.')[2].upper():{left}}{_ends(texts, cell * len(texts))}")]
    for one in figures[:_MOST_FIGURES]:
        values = [value for point in done if (value := point["figures"].get(one.key)) is not None]
        most = max(values, default=0) or 1
        for where, points in list(rows.items())[:_MOST_ROWS]:
            drawn = "".join(_cell(points.get(text), one.key, most, look) * cell for text in texts)
            head = f"{one.title}  {clean(where)}"
            found.append(Line(f"{head:{left}}{drawn}  {written(one.unit, most)}".rstrip()))
    legend = _legend("".join(line.text[left:] for line in found[1:]), len(rows), look)
    wrapped = textwrap.wrap(legend, min(look.columns or _WIDEST, _WIDEST))
    return (*found, *map(Line, wrapped), Line(""))


def _rows(key: str, done: Sequence[Mapping[str, Any]]) -> Rows:
    """Return the points of each choice of the other axes by their value on the axis *key*."""
    found: Rows = {}
    for point in done:
        where = " ".join(f"{other}={text}" for other, text in point["values"].items() if other != key)
        found.setdefault(where, {})[point["values"][key]] = point
    return found


def _cell(point: Mapping[str, Any] | None, key: str, most: float, look: Look) -> str:
    value = None if point is None else point["figures"].get(key)
    if point is None or value is None:
        return " "
    if point["victims"]:
        return "X"
    if point["figures"].get("failures"):
        return "E"
    levels = _LEVELS[0 if look.unicode else 1]
    return levels[0] if not value else levels[min(1 + int(value / most * 8), 8)]


def _ends(texts: Sequence[str], width: int) -> str:
    first, last = clean(texts[0]), clean(texts[-1])
    return f"{first}{last:>{max(width - len(first), len(last) + 1)}}"


def _legend(drawn: str, rows: int, look: Look) -> str:
    levels = _LEVELS[0 if look.unicode else 1]
    said = "".join(f", {letter} {EVENTS[letter]}" for letter in "XE" if letter in drawn)
    more = f"; {rows - _MOST_ROWS} more choices are in the table" if rows > _MOST_ROWS else ""
    return f"{levels[0]} nothing, {levels[8]} the most, which stands at the end of a row{said}{more}"
