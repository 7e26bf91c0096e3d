"""A sweep as a table, the best point first, and the recommendation below it; in JSON its whole document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.render.amount import COLUMN
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Shape, Style, Tone, View, members
from memtwin.sweep.figures import COLUMNS, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.sweep.sweep import Point

MOST_ROWS: Final = 40
"""Points that a terminal shows; all are in the other forms."""
_SHOWN: Final = {
    "oom_kills": "OOM", "failures": "FAILED", "stall_share": "STALL", "major_faults_per_s": "MAJOR/S",
    "refaults": "REFAULTS", "swap_in_bytes": "SWAPIN", "swap_out_bytes": "SWAPOUT",
    "written_bytes_per_day": "DISK/DAY", "available_least_bytes": "AVAIL", "finish_s": "FINISH",
}  # fmt: skip
_OPTIONAL: Final = {"refaults", "available_least_bytes", "written_bytes_per_day", "swap_in_bytes"}


def view(document: Mapping[str, Any]) -> View:
    """Return the view of a sweep's document."""
    advice = document["recommendation"]
    sentences = [*advice["sentences"], f"It would be wrong if: {'; '.join(advice['wrong_if'])}."]
    hidden = len(document["points"]) - MOST_ROWS
    if hidden > 0:
        sentences.insert(0, f"{hidden:,} more points are not shown: --json, --csv and -o have them.")
    return View(
        "whatif", (_table(document), Grid(*members(document.items()), "", Shape.OBJECT, Form.JSON)),
        tuple(Sentence(text, ()) for text in sentences),
    )  # fmt: skip


def ranges_of(point: Point, runs: int) -> View:
    """Return the view of one point's figures over several runs."""
    columns = (
        Column("figure", "FIGURE"), Column("median", None), Column("low", None), Column("high", None),
        Column("unit", None), Column(None, "MEDIAN", NUMBER), Column(None, "LOW", NUMBER), Column(None, "HIGH", NUMBER),
        Column("meaning", "", prose=True),
    )  # fmt: skip
    rows = []
    for one in COLUMNS:
        values = [side[one.key] for side in (point.figures, point.low, point.high)]
        texts = ["unknown" if value is None else written(one.unit, value) for value in values]
        rows.append((one.key, *values, one.unit, *texts, one.meaning))
    words = (
        f"{runs} runs that differ by chance alone: pauses between operations, the disks' latency, free blocks at boot."
    )
    return View("ensemble", (Grid(columns, tuple(rows), gap=2),), (Sentence(words, ()),))


def _table(document: Mapping[str, Any]) -> Grid:
    points = sorted(document["points"], key=lambda point: (point["rank"] is None, point["rank"] or point["number"]))
    shown = points[:MOST_ROWS]
    columns = [Column("rank", "RANK", NUMBER)]
    columns += [Column(axis["key"], axis["key"].rpartition(".")[2].upper()) for axis in document["axes"]]
    columns += [
        Column(one.key, _SHOWN[one.key], _style(one.unit), optional=one.key in _OPTIONAL)
        for one in COLUMNS
        if one.key in _SHOWN
    ]
    columns.append(Column("goal", "GOAL", prose=True))
    rows = tuple(_cells(document, point) for point in shown)
    return Grid(tuple(columns), rows, form=Form.TERMINAL, gap=2, tones=tuple(_tone(point) for point in shown))


def _style(unit: str) -> Style:
    if unit in {"bytes", "bytes_per_day"}:
        return COLUMN
    if unit == "count":
        return Style(lambda value: f"{value:,.0f}", "right")
    return Style(lambda value: written(unit, value), "right")  # type: ignore[arg-type]  # the units of figures.py


def _cells(document: Mapping[str, Any], point: Mapping[str, Any]) -> tuple[Any, ...]:
    figures = [point["figures"].get(one.key) for one in COLUMNS if one.key in _SHOWN]
    whole = [round(value) if isinstance(value, float) and value.is_integer() else value for value in figures]
    return (point["rank"], *(point["values"][axis["key"]] for axis in document["axes"]), *whole, _verdict(point))


def _verdict(point: Mapping[str, Any]) -> str:
    if point["state"] != "done":
        return f"{point['state']}: {point['reason']}"
    return "met" if point["meets_goal"] else f"misses {', '.join(point['misses'])}"


def _tone(point: Mapping[str, Any]) -> Tone:
    if point["meets_goal"]:
        return Tone.PLAIN
    return Tone.BAD if point["victims"] else Tone.WARN
