"""Free memory of each zone against its watermarks at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.amount import COLUMN
from memtwin.render.canvas import WIDTH, Canvas
from memtwin.render.grid import Column, Grid, Value
from memtwin.render.words import size
from memtwin.report.picture import Picture
from memtwin.units import bytes_of
from memtwin.views.zoneinfo import state

if TYPE_CHECKING:
    from memtwin.procfs.zoneinfo import ZoneInfo
    from memtwin.report.gathered import Moment

NAME: Final = "zones"
_LEFT, _HIGH, _STEP = 130, 22, 60
_ROOM: Final = WIDTH - _LEFT - 150
_KINDS: Final = {"plenty": "anon", "below high": "kernel2", "below low": "some", "below min": "full"}


def picture(moment: Moment, number: int = 0) -> Picture | None:
    """Return the zones of a moment that have memory, or None where it has none."""
    zones = [zone for zone in moment.zones.zones if zone.managed] if moment.zones else []
    if not zones:
        return None
    canvas = Canvas(f"hatch-zones-{number}")
    rows: list[tuple[Value, ...]] = []
    for place, zone in enumerate(zones):
        _zone(canvas, zone, 4 + place * _STEP, moment.page_kib)
        marks = (zone.free, zone.min, zone.low, zone.high, max(zone.protection, default=0), zone.managed)
        rows.append((f"{zone.node} {zone.name}", *(bytes_of(pages * moment.page_kib) for pages in marks), state(zone)))
    titles = ("FREE", "MIN", "LOW", "HIGH", "RESERVE", "MANAGED")
    columns = (
        Column("zone", "ZONE"), *(Column(f"{title.lower()}_bytes", title, COLUMN) for title in titles),
        Column("state", "STATE"),
    )  # fmt: skip
    note = (
        "Each bar ends at twice the zone's highest watermark with its reserve; more that is free is written beside it. "
        "m min: below it programs reclaim themselves; l low: kswapd wakes; h high: it stops; r high with the reserve "
        "that requests for higher zones leave."
    )
    return Picture(
        NAME, "Free memory against the watermarks", canvas, len(zones) * _STEP, Grid(columns, tuple(rows), NAME), note
    )


def _zone(canvas: Canvas, zone: ZoneInfo, top: float, page_kib: int) -> None:
    reserve = max(zone.protection, default=0)
    whole = max(2 * (zone.high + reserve), 1)
    now = state(zone)
    canvas.text(_LEFT - 8, top + 15, f"node {zone.node} {zone.name}", anchor="end")
    canvas.text(_LEFT - 8, top + 32, now, anchor="end", soft=True)
    free = size(zone.free * page_kib)
    canvas.rect((_LEFT, top, _ROOM * min(zone.free / whole, 1.0), _HIGH), _KINDS[now], f"{free} free")
    canvas.box((_LEFT, top, _ROOM, _HIGH))
    more = " →" if zone.free > whole else ""
    canvas.text(_LEFT + _ROOM + 8, top + 15, f"{free} free{more}")
    canvas.text(_LEFT + _ROOM + 8, top + 32, f"of {size(zone.managed * page_kib)}", soft=True)
    marks = [("m", zone.min), ("l", zone.low), ("h", zone.high), *([("r", zone.high + reserve)] if reserve else [])]
    free_from = 0.0
    for letter, pages in marks:
        place = _LEFT + _ROOM * pages / whole
        canvas.line(place, top - 2, place, top + _HIGH + 3, "ink")
        begin = max(place - 3, free_from)
        canvas.text(begin, top + _HIGH + 15, letter)
        free_from = begin + 9
