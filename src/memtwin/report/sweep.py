"""Read the result of a sweep (``memtwin whatif -o``): its axes, its points, and what it recommends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.errors import RecordingError
from memtwin.files.inputs import why_not_read

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "sweep.json"
_FORMAT: Final = "memtwin sweep"
_VERSION: Final = 1
_MOST_BYTES: Final = 256 << 20


class Figure(NamedTuple):
    """What each point has: its key, title, unit (``count``, ``share``, ``bytes``, ``s`` and others) and meaning."""

    key: str
    title: str
    unit: str
    meaning: str


class Axis(NamedTuple):
    """What varies: the texts of its values, and their numbers, None where they are texts only."""

    key: str
    texts: tuple[str, ...]
    numbers: tuple[float, ...] | None


class Point(NamedTuple):
    """One point: its values, what became of it, and its figures with their range over its runs."""

    values: Mapping[str, str]
    state: str
    reason: str | None
    rank: int | None
    meets_goal: bool | None
    figures: Mapping[str, float | None]
    low: Mapping[str, float | None]
    high: Mapping[str, float | None]


class Knee(NamedTuple):
    """Up to *at* the figure falls steeply along the axis, with the other axes at *where*."""

    axis: str
    figure: str
    where: Mapping[str, str]
    at: str


class Sweep(NamedTuple):
    """What was compared, and what follows."""

    name: str
    axes: tuple[Axis, ...]
    figures: tuple[Figure, ...]
    points: tuple[Point, ...]
    knees: tuple[Knee, ...]
    chosen: Mapping[str, str] | None
    """The values of the point that is recommended; None: no point meets the goal."""
    sentences: tuple[str, ...]
    wrong_if: tuple[str, ...]
    is_whole: bool


def is_sweep(spec: str) -> bool:
    """Return whether *spec* is the directory of a sweep, or its file."""
    path = Path(spec)
    try:
        return (path / FILE).is_file() if path.is_dir() else path.name == FILE and path.is_file()
    except (OSError, ValueError):
        return False


def read(spec: str) -> Sweep:
    """Read the sweep that *spec* names; raise RecordingError for one that is damaged, or of another version."""
    path = Path(spec) / FILE if Path(spec).is_dir() else Path(spec)
    if why := why_not_read(str(path)):
        raise RecordingError(spec, why)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecordingError(spec, "is larger than 256 MiB")
        found = json.loads(path.read_text())
    except OSError as problem:
        raise RecordingError(spec, problem.strerror or str(problem)) from None
    except (ValueError, RecursionError) as problem:
        raise RecordingError(spec, f"{FILE} is damaged: {problem}") from None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise RecordingError(spec, f"{FILE} is no sweep", hint="memtwin whatif -o makes one")
    if found.get("version") != _VERSION:
        raise RecordingError(spec, f"is a sweep of version {found.get('version')}; this memtwin reads {_VERSION}")
    try:
        return _sweep(spec, found)
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        raise RecordingError(spec, f"{FILE} is damaged: {problem!r}") from None


def _sweep(name: str, found: dict[str, Any]) -> Sweep:
    advice = found["recommendation"]
    number = advice["point"]
    chosen = None if number is None else _texts(found["points"][int(number)]["values"])
    return Sweep(
        name, tuple(_axis(one) for one in found["axes"]),
        tuple(Figure(*(str(one[key]) for key in ("key", "title", "unit", "meaning"))) for one in found["columns"]),
        tuple(_point(one) for one in found["points"]),
        tuple(
            Knee(str(one["axis"]), str(one["figure"]), _texts(one["where"]), str(one["at"]))
            for one in found["knees"] if one["at"] is not None
        ),
        chosen, tuple(map(str, advice["sentences"])), tuple(map(str, advice["wrong_if"])), bool(found["is_whole"]),
    )  # fmt: skip


def _axis(one: dict[str, Any]) -> Axis:
    values = one["values"]
    numbers = [value["number"] for value in values]
    known = all(isinstance(number, int | float) for number in numbers)
    return Axis(
        str(one["key"]), tuple(str(value["text"]) for value in values), tuple(map(float, numbers)) if known else None
    )


def _point(one: dict[str, Any]) -> Point:
    rank, reason, meets = one["rank"], one["reason"], one["meets_goal"]
    return Point(
        _texts(one["values"]), str(one["state"]), None if reason is None else str(reason),
        None if rank is None else int(rank), None if meets is None else bool(meets),
        _numbers(one["figures"]), _numbers(one["low"]), _numbers(one["high"]),
    )  # fmt: skip


def _texts(found: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in found.items()}


def _numbers(found: dict[str, Any] | None) -> dict[str, float | None]:
    return {str(key): None if value is None else float(value) for key, value in (found or {}).items()}
