"""Processes by what they have in RAM, of their own and shared, and in swap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.amount import COLUMN
from memtwin.render.canvas import WIDTH, Canvas
from memtwin.render.grid import NUMBER, Column, Grid
from memtwin.render.words import count, size
from memtwin.report.picture import Picture
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from memtwin.report.gathered import Moment, Task

NAME: Final = "processes"
_MOST: Final = 14
_MOST_ROWS: Final = 60
_LEFT, _HIGH, _STEP = 190, 18, 26
_ROOM: Final = WIDTH - _LEFT - 100
_PARTS: Final = (("anon", "in RAM, its own"), ("shared", "in RAM, files and shared"), ("swap", "in swap"))


def picture(moment: Moment, number: int = 0) -> Picture | None:
    """Return the largest processes of a moment, or None where there are none."""
    if not moment.tasks:
        return None
    shown = moment.tasks[:_MOST]
    most = max(sum(_kib(task)) for task in shown) or 1
    canvas = Canvas(f"hatch-processes-{number}")
    for place, (kind, said) in enumerate(_PARTS):
        canvas.legend(_LEFT + 200 * place, 2, kind, said)
    for place, task in enumerate(shown):
        top = 24 + place * _STEP
        name = task.name if len(task.name) < 18 else f"{task.name[:16]}…"
        canvas.text(_LEFT - 8, top + 13, f"{name} ({task.pid})", anchor="end")
        x = float(_LEFT)
        for (kind, said), kib in zip(_PARTS, _kib(task), strict=True):
            wide = _ROOM * kib / most
            canvas.rect((x, top, wide, _HIGH), kind, f"{said}: {size(kib)}")
            x += wide
        canvas.text(x + 6, top + 13, size(sum(_kib(task))))
    columns = (
        Column("pid", "PID", NUMBER), Column("name", "NAME"), Column("rss_bytes", "RSS", COLUMN),
        Column("shared_bytes", "SHARED", COLUMN), Column("swap_bytes", "SWAP", COLUMN),
        Column("pss_bytes", "PSS", COLUMN),
    )  # fmt: skip
    rows = tuple(
        (task.pid, task.name, *(None if kib is None else bytes_of(kib) for kib in _row(task)))
        for task in moment.tasks[:_MOST_ROWS]
    )
    more = len(moment.tasks) - len(shown)
    note = f"{count(more, 'process')} more with less." if more else ""
    return Picture(NAME, "Processes by memory", canvas, 28 + len(shown) * _STEP, Grid(columns, rows, NAME), note)


def _kib(task: Task) -> tuple[int, int, int]:
    shared = min(task.shared_kib or 0, task.rss_kib)
    return task.rss_kib - shared, shared, task.swap_kib or 0


def _row(task: Task) -> tuple[int | None, ...]:
    return task.rss_kib, task.shared_kib, task.swap_kib, task.pss_kib
