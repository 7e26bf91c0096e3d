"""A sweep as JSON, CSV and Parquet, and read again: the layout stands in ``docs/whatif.md``."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from memtwin import __version__
from memtwin.errors import NotBuiltError, RecordingError
from memtwin.files import output
from memtwin.render import parquet
from memtwin.sweep.advice import advice
from memtwin.sweep.figures import COLUMNS
from memtwin.sweep.ranking import knees, ranked
from memtwin.sweep.subject import machine_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.sweep.sweep import Point, Sweep

NAME: Final = "sweep.json"
FORMAT: Final = "memtwin sweep"
VERSION: Final = 1


def document(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep as an object of plain values."""
    asked = sweep.asked
    ranks = {point.number: rank for rank, point in enumerate(ranked(sweep), 1)}
    found = advice(sweep)
    return {
        "format": FORMAT,
        "version": VERSION,
        "memtwin": __version__,
        "input": {
            "name": asked.subject.name, "kind": asked.subject.kind, "machine": machine_name(asked.subject),
            "scenario": asked.subject.scenario.text,
        },
        "settings": list(asked.settings),
        "axes": [
            {"key": axis.key, "unit": axis.unit, "values": [value._asdict() for value in axis.values]}
            for axis in asked.axes
        ],
        "goal": {
            "text": asked.goal.text, "is_default": asked.goal.is_default,
            "clauses": [clause._asdict() for clause in asked.goal.clauses],
        },
        "minimise": sweep.minimised,
        "least": [{**least._asdict(), "where": dict(least.where)} for least in sweep.found],
        "seeds": asked.seeds,
        "is_whole": sweep.is_whole,
        "columns": [
            {"key": one.key, "title": one.title, "unit": one.unit, "meaning": one.meaning, "better": one.better}
            for one in COLUMNS
        ],
        "points": [_point(point, ranks.get(point.number)) for point in sweep.points],
        "knees": [{**knee._asdict(), "where": dict(knee.where)} for knee in knees(sweep)],
        "recommendation": {
            "point": found.point, "sentences": list(found.sentences), "wrong_if": list(found.wrong_if),
        },
    }  # fmt: skip


def _point(point: Point, rank: int | None) -> dict[str, Any]:
    return {
        "number": point.number, "values": dict(point.values), "state": point.state, "reason": point.reason,
        "rank": rank, "meets_goal": point.is_good if point.is_done else None, "misses": list(point.misses),
        "victims": list(point.victims), "figures": point.figures, "low": point.low, "high": point.high,
    }  # fmt: skip


def table(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the points as columns: number, axes, state, rank, goal, figures, and their ranges with several seeds."""
    points = document["points"]
    columns: dict[str, list[Any]] = {"number": [point["number"] for point in points]}
    for axis in document["axes"]:
        columns[axis["key"]] = [point["values"][axis["key"]] for point in points]
    for name in ("state", "reason", "rank", "meets_goal"):
        columns[name] = [point[name] for point in points]
    for column in document["columns"]:
        key = column["key"]
        columns[key] = [point["figures"].get(key) for point in points]
        if document["seeds"] > 1:
            columns[f"{key}_low"] = [point["low"].get(key) for point in points]
            columns[f"{key}_high"] = [point["high"].get(key) for point in points]
    return columns


def csv_of(document: Mapping[str, Any]) -> str:
    """Return the points as CSV."""
    from memtwin.render import csv

    columns = table(document)
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return csv.text(csv.rows(rows), columns=tuple(columns))


def parquet_of(document: Mapping[str, Any]) -> bytes:
    """Return the points as Parquet; raise NotBuiltError without pyarrow."""
    return parquet.encode(table(document))


def write(document: Mapping[str, Any], out: Path) -> None:
    """Write the directory of a sweep: whole, or not at all."""
    with output.directory(out) as directory:
        directory.write("points.csv", csv_of(document).encode(errors="surrogateescape"))
        with suppress(NotBuiltError):
            directory.write("points.parquet", parquet_of(document))
        text = msgspec.json.format(msgspec.json.encode(document), indent=1)
        directory.write(NAME, text + b"\n")


def is_sweep(where: str | Path) -> bool:
    """Return whether *where* is the directory of a sweep."""
    return (Path(where) / NAME).is_file()


def load(where: str | Path) -> dict[str, Any]:
    """Read the document of a sweep: its directory, or the file; raise RecordingError for what is none."""
    path = Path(where) / NAME if Path(where).is_dir() else Path(where)
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise RecordingError(str(where), f"{NAME} is missing", hint="memtwin whatif ... -o DIR writes it") from None
    except PermissionError:
        raise RecordingError(str(where), "may not be read") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise RecordingError(str(where), f"is damaged: {problem}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != VERSION:
        raise RecordingError(
            str(where), f"is no sweep of version {VERSION}", hint="memtwin whatif ... -o DIR writes it"
        )
    return found
