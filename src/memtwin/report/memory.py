"""RAM by kind and swap by area at one moment, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.procfs.kinds import KINDS, kinds
from memtwin.render.amount import COLUMN
from memtwin.render.canvas import LETTER, WIDTH, Canvas
from memtwin.render.grid import Column, Grid, Value
from memtwin.render.words import size
from memtwin.report.picture import Picture
from memtwin.report.timeline import FILL_OF
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from memtwin.report.gathered import Moment

NAME: Final = "memory"
_LEFT, _HIGH, _STEP = 110, 26, 40
_ROOM: Final = WIDTH - _LEFT - 130


def picture(moment: Moment, number: int = 0) -> Picture | None:
    """Return RAM and swap of a moment, or None where it has no meminfo."""
    memory = moment.memory
    if memory is None or not memory.get("MemTotal"):
        return None
    total = memory["MemTotal"]
    parts = kinds(memory, total, moment.compressed_kib + memory.get("Zswap", 0))
    canvas = Canvas(f"hatch-memory-{number}")
    canvas.text(_LEFT - 8, 18, "RAM", anchor="end")
    x = float(_LEFT)
    for kind, kib in zip(KINDS, parts, strict=True):
        wide = _ROOM * kib / total
        canvas.rect((x, 0, wide, _HIGH), FILL_OF[kind.name], f"{kind.name} {size(kib)}")
        x += wide
    canvas.box((_LEFT, 0, _ROOM, _HIGH))
    canvas.text(_LEFT + _ROOM + 8, 18, size(total))
    rows: list[tuple[Value, ...]] = [
        ("RAM", kind.name, bytes_of(kib), bytes_of(total)) for kind, kib in zip(KINDS, parts, strict=True)
    ]
    top = float(_STEP)
    for area in moment.swaps.areas if moment.swaps else ():
        short = area.filename.rpartition("/")[2]
        canvas.text(_LEFT - 8, top + 18, short if len(short) < 16 else f"{short[:14]}…", anchor="end")
        share = area.used_kib / area.size_kib if area.size_kib else 0.0
        canvas.rect((_LEFT, top, _ROOM * min(share, 1.0), _HIGH), "swap", f"in use {size(area.used_kib)}")
        canvas.box((_LEFT, top, _ROOM, _HIGH))
        canvas.text(_LEFT + _ROOM + 8, top + 18, f"{size(area.used_kib)} of {size(area.size_kib)}")
        rows.append((area.filename, "in use", bytes_of(area.used_kib), bytes_of(area.size_kib)))
        top += _STEP
    x, top = float(_LEFT), top + 2
    for kind, kib in zip(KINDS, parts, strict=True):
        words = f"{kind.name} {size(kib)}"
        if x + 26 + LETTER * len(words) > WIDTH:
            x, top = float(_LEFT), top + 18
        x += canvas.legend(x, top, FILL_OF[kind.name], words)
    columns = (
        Column("where", "WHERE"), Column("what", "WHAT"), Column("size_bytes", "SIZE", COLUMN),
        Column("of_bytes", "OF", COLUMN),
    )  # fmt: skip
    return Picture(NAME, "RAM by kind, swap by area", canvas, top + 20, Grid(columns, tuple(rows), NAME))
