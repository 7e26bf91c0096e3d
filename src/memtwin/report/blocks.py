"""Free blocks of each zone by order, as a map of heat: how much memory is free in blocks of each size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from memtwin.render.amount import COLUMN, block
from memtwin.render.amount import column as short
from memtwin.render.canvas import WIDTH, Canvas
from memtwin.render.grid import NUMBER, Column, Grid, Value
from memtwin.report.picture import Picture
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from memtwin.report.gathered import Moment

NAME: Final = "buddy"
_LEFT, _HIGH = 130, 34
_PALE, _DEEP = (222, 235, 247), (8, 69, 148)
_NONE: Final = "#9aa0a6"
"""The ends of the scale of colours, for the least and the most that is free in one cell; grey: no block."""


def picture(moment: Moment, number: int = 0) -> Picture | None:
    """Return the free blocks of a moment, or None where it has no buddyinfo."""
    zones = moment.blocks.zones if moment.blocks else ()
    if not zones:
        return None
    orders = max(len(zone.counts) for zone in zones)
    wide = (WIDTH - _LEFT - 4) / max(orders, 1)
    most = max((count << order for zone in zones for order, count in enumerate(zone.counts)), default=0)
    canvas = Canvas(f"hatch-buddy-{number}")
    for order in range(orders):
        page_bytes = bytes_of(moment.page_kib)
        canvas.text(_LEFT + wide * (order + 0.5), 14, block(page_bytes << order), anchor="middle", soft=True)
    rows: list[tuple[Value, ...]] = []
    for place, zone in enumerate(zones):
        top = 22 + place * (_HIGH + 4)
        canvas.text(_LEFT - 8, top + 21, f"node {zone.node} {zone.zone}", anchor="end")
        for order, count in enumerate(zone.counts):
            pages = count << order
            heat = math.log1p(pages) / math.log1p(most) if most else 0.0
            canvas.cell((_LEFT + wide * order + 1, top, wide - 2, _HIGH), _colour(heat) if pages else _NONE)
            ink = "#fff" if heat > 0.55 else "#111"
            middle = _LEFT + wide * (order + 0.5)
            canvas.text(
                middle, top + 15, short(bytes_of(pages * moment.page_kib)) if pages else "0", anchor="middle", fill=ink
            )
            canvas.text(
                middle, top + 28, f"{count:,}" if count < 10**6 else f"{count / 1e6:.1f}M", anchor="middle", fill=ink
            )
        rows.append((
            f"{zone.node} {zone.zone}", *zone.counts, *(None,) * (orders - len(zone.counts)),
            bytes_of(zone.free_pages * moment.page_kib),
        ))  # fmt: skip
    columns = (
        Column("zone", "ZONE"),
        *(Column(f"order_{order}", f"ORDER {order}", NUMBER) for order in range(orders)),
        Column("free_bytes", "FREE", COLUMN),
    )
    note = "Of each size of block: what is free in such blocks, and how many there are. Darker is more, in powers."
    height = 26 + len(zones) * (_HIGH + 4)
    return Picture(NAME, "Free blocks by size", canvas, height, Grid(columns, tuple(rows), NAME), note)


def _colour(heat: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * heat):02x}" for a, b in zip(_PALE, _DEEP, strict=True))
