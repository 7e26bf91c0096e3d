"""The map of memory as a picture: zones from the lowest address on, a pixel a block of frames, rows from left to right.

Three maps of the same blocks: *use*, the class that most of a block has, the paler the less of it; *free*, the order of
the largest free block in it; *age*, how much of what lies on its LRU lists is active.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render import png
from memtwin.render.amount import COLUMN, column
from memtwin.render.canvas import LETTER, WIDTH, Canvas
from memtwin.render.grid import Column, Grid
from memtwin.report.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.report.gathered import Moment
    from memtwin.sources.frame_map import FrameMap, ZoneMap

NAME: Final = "frames"
MAPS: Final = {
    "use": "what most of a block is used for",
    "free": "the largest free block in it",
    "age": "how much is active",
}
_LEFT, _ACROSS, _PIXEL = 100, 128, 5
_SHADES: Final = 4
_USE: Final = {
    "hole": (154, 160, 166), "free": (232, 238, 242), "per-cpu": (214, 226, 234), "anon": (46, 125, 50),
    "swap cache": (109, 76, 65), "file": (75, 139, 190), "shmem": (124, 179, 66), "slab": (179, 89, 0),
    "tables": (224, 138, 46), "kernel": (110, 110, 118), "compressed": (142, 68, 173), "isolated": (194, 24, 91),
    "hugetlb": (0, 105, 92), "other": (160, 140, 110),
}  # fmt: skip
_OTHER: Final = (90, 90, 90)
_FREE: Final = _USE["free"]
_ORDERS: Final = 12
_AGES: Final = ("no pages on lists", "under a quarter", "under half", "under three quarters", "mostly active")
Colour = tuple[int, int, int]


def picture(moment: Moment, number: int = 0, which: str = "use") -> Picture | None:
    """Return one of :data:`MAPS` of a moment, or None where it keeps no map."""
    shown = moment.frames
    if shown is None:
        return None
    canvas = Canvas(f"hatch-frames-{which}-{number}")
    colours = _colours(shown, which)
    top = _legend(canvas, shown, which)
    for zone in shown.zones:
        values = _values(zone, shown, which)
        rows = -(-len(values) // _ACROSS)
        high = rows * _PIXEL
        data = png.indexed(values, _ACROSS, (*colours, (0, 0, 0)), transparent=len(colours))
        canvas.text(_LEFT - 8, top + 10, zone.name, anchor="end")
        canvas.text(_LEFT - 8, top + 24, column(zone.first_pfn << 12), anchor="end", soft=True)
        canvas.image((_LEFT, top, _ACROSS * _PIXEL, high), png.address(data))
        canvas.box((_LEFT, top, _ACROSS * _PIXEL, high))
        top += max(high, 26) + 8
    columns = (
        Column("use", "USE"), *(Column(zone.name, zone.name, COLUMN) for zone in shown.zones),
        Column("all", "ALL", COLUMN),
    )  # fmt: skip
    cells = tuple(
        (name, *(zone.totals[at] << 12 for zone in shown.zones), shown.frames(name) << 12)
        for at, name in enumerate(shown.classes)
        if shown.frames(name)
    )
    square = 4096 << shown.order
    note = f"A square is {column(square)}, a row {column(_ACROSS * square)}; addresses grow to the right, then down."
    return Picture(NAME, f"The map of memory: {MAPS[which]}", canvas, top, Grid(columns, cells, NAME), note)


def _values(zone: ZoneMap, shown: FrameMap, which: str) -> bytes:
    if which == "free":
        return bytes(min(order, _ORDERS - 1) for order in zone.largest)
    if which == "age":
        return bytes(min(age, len(_AGES) - 1) for age in zone.age)
    return bytes(
        min(use, len(shown.classes) - 1) * _SHADES + share * _SHADES // 256
        for use, share in zip(zone.use, zone.share, strict=True)
    )


def _colours(shown: FrameMap, which: str) -> list[Colour]:
    if which == "use":
        return [
            _mixed(_FREE, _USE.get(name, _OTHER), (shade + 2) / (_SHADES + 1))
            for name in shown.classes
            for shade in range(_SHADES)
        ]
    steps = _ORDERS if which == "free" else len(_AGES)
    return [_mixed((240, 228, 196), (8, 69, 148), step / (steps - 1)) for step in range(steps)]


def _mixed(pale: Colour, deep: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(pale, deep, strict=True))
    return red, green, blue


def _legend(canvas: Canvas, shown: FrameMap, which: str) -> float:
    x, y = float(_LEFT), 4.0
    for colour, words in _entries(shown, which):
        wide = 26 + LETTER * len(words)
        if x + wide > WIDTH:
            x, y = float(_LEFT), y + 18
        canvas.cell((x, y, 12, 12), "#" + "".join(f"{part:02x}" for part in colour))
        canvas.text(x + 16, y + 10.5, words)
        x += wide
    return y + 24


def _entries(shown: FrameMap, which: str) -> Iterator[tuple[Colour, str]]:
    colours = _colours(shown, which)
    if which == "use":
        for at, name in enumerate(shown.classes):
            if shown.frames(name):
                yield colours[at * _SHADES + _SHADES - 1], f"{name} {column(shown.frames(name) << 12)}"
    elif which == "free":
        there = {order for zone in shown.zones for order in zone.largest}
        for at, colour in enumerate(colours):
            if at in there:
                yield colour, "none" if at == 0 else column(4096 << (at - 1))
    else:
        yield from zip(colours, _AGES, strict=True)
