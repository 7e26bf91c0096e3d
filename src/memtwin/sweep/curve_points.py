"""The curve of reuse distances over sizes of RAM, and the kernel's policy as points on it: runs at some sizes."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.procfs import meminfo
from memtwin.render.amount import COLUMN
from memtwin.render.grid import NUMBER, Column, Grid, Sentence, Style, View, figures
from memtwin.sweep.axes import Axis, Value
from memtwin.sweep.curve import curve
from memtwin.sweep.job import build
from memtwin.sweep.subject import RAM, job, packed
from memtwin.twin.twin import Twin
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.sweep.curve import Curve
    from memtwin.sweep.subject import Subject
    from memtwin.sweep.sweep import Point

PERCENTS: Final = (100, 95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40)
RUN_AT: Final = (100, 90, 75, 50)
"""Of the machine's RAM: where the model runs."""
FLOOR: Final = 256
"""Misses below so many say nothing, as in ``study/validate.py``."""
_MIB: Final = 1 << 20
_COUNT: Final = Style(lambda value: f"{value:,.0f}", "right")
_OFF: Final = Style(lambda value: f"{value:+.0%}", "right")


class Size(NamedTuple):
    """A size of RAM: what the workload may have of it, misses by LRU, and the refaults of a run, if there is one."""

    percent: int
    ram_bytes: int
    memory_bytes: int
    lru: float
    run: float | None
    reason: str | None

    @property
    def off(self) -> float | None:
        """By which share the curve lies above the run; None: there is none, or neither says anything."""
        if self.run is None or max(self.run, self.lru) < FLOOR:
            return None
        return (self.lru - self.run) / max(self.run, FLOOR)


def axis(found: Subject) -> Axis:
    """Return the sizes at which the model runs."""
    sizes = sorted(_ram(found, percent) for percent in RUN_AT)
    return Axis(RAM, tuple(Value(f"{size // _MIB}M", size) for size in sizes), "bytes")


def _ram(found: Subject, percent: int) -> int:
    return found.has_bytes * percent // 100 // _MIB * _MIB


def sizes(found: Subject, whole: Curve, points: Sequence[Point], settings: Sequence[str]) -> list[Size]:
    """Return the curve at each size; *points* are the runs."""
    runs = {point.values[RAM]: point for point in points}
    available = _available_bytes(found, settings)
    rows = []
    for percent in PERCENTS:
        ram = _ram(found, percent)
        left = max(available - (found.has_bytes - ram), 0)
        misses = sum(whole.misses(left / PAGE_BYTES, of_files=of_files) for of_files in (False, True))
        point = runs.get(f"{ram // _MIB}M") if percent in RUN_AT else None
        run = point.figures["refaults"] if point is not None and point.is_done else None
        rows.append(Size(percent, ram, left, misses, run, None if point is None else _why(point)))
    return rows


def _why(point: Point) -> str | None:
    if not point.is_done:
        return point.reason
    return ", ".join(point.misses) or None


def _available_bytes(found: Subject, settings: Sequence[str]) -> int:
    """Return MemAvailable of the whole machine before the workload."""
    machine = build(job(found, {}, settings, boot=packed(found))).machine
    text = Twin(machine, {}).read(meminfo.PATH)
    return int(meminfo.parse(text or "")["MemAvailable"]) << 10


def view(found: Subject, points: Sequence[Point], settings: Sequence[str]) -> View:
    """Return the curve as a table, with the error of the points."""
    whole = curve(found.scenario)
    rows = sizes(found, whole, points, settings)
    columns = (
        Column("percent", "RAM %", NUMBER), Column("ram_bytes", "RAM", COLUMN),
        Column("memory_bytes", "FOR IT", COLUMN), Column("lru_misses", "LRU MISSES", _COUNT),
        Column("run_refaults", "REFAULTS", _COUNT), Column("off", "OFF", _OFF), Column("note", "", prose=True),
    )  # fmt: skip
    cells = tuple((*row[:4], row.run, row.off, row.reason) for row in rows)
    about: dict[str, Any] = {
        "accesses": whole.accesses, "followed_pages": whole.followed, "rate": whole.rate,
        "left_out": list(whole.left_out), "error_median": _error(rows, median), "error_most": _error(rows, max),
    }  # fmt: skip
    grids = (Grid(columns, cells, "sizes", gap=2), figures("", **about))
    return View("curve", grids, tuple(Sentence(text, ()) for text in _sentences(whole, rows)))


def _error(rows: Sequence[Size], of: Any) -> float | None:
    off = [abs(row.off) for row in rows if row.off is not None]
    return of(off) if off else None


def _sentences(whole: Curve, rows: Sequence[Size]) -> list[str]:
    counted = (
        f"{whole.accesses:,} accesses in order; {whole.followed:,} pages followed, {whole.rate:.1%} of all (SHARDS)"
    )
    rule = "LRU misses are accesses that find their page evicted where the least recently used goes first"
    said = [f"{counted}. {rule}."]
    middle, most = _error(rows, median), _error(rows, max)
    if middle is None or most is None:
        said.append("At no size that was run anything was missed: the curve has nothing to be held against.")
    else:
        said.append(
            f"Refaults are of runs with Linux's own policy. The curve is off by {middle:.0%} in the median and "
            f"{most:.0%} at most: it shows where a working set ends; --vary machine.ram=... says what a machine does."
        )
    if whole.left_out:
        said.append(f"Not in the curve: accesses by {', '.join(whole.left_out)}.")
    return said
