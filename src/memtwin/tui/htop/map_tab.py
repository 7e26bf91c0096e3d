"""The map of memory: zones from the lowest address on, a pixel a block of frames, two pixels a cell.

Three pictures of the same blocks: what most of a block is used for, how large the largest free block in it is, and how
much of what lies on its LRU lists is active. A shade or a letter says it too where there are no colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column as size
from memtwin.tui.htop.spans import BLANK, Line, Span, flowed, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.sources.frame_map import FrameMap, ZoneMap

PICTURES: Final = ("use", "free", "age")
PAGEBLOCK_ORDER: Final = 9
_MARGIN: Final = 12
_MOST_COLUMNS: Final = 128
_LETTERS: Final = {
    "hole": " ", "free": ".", "per-cpu": ".", "anon": "a", "swap cache": "w", "file": "f", "shmem": "m", "slab": "s",
    "tables": "t", "kernel": "k", "compressed": "z", "isolated": "i",
    "hugetlb": "h", "other": "k",
}  # fmt: skip
_AGES: Final = (" ", "1", "2", "3", "4")
_AGE_WORDS: Final = ("no pages on lists", "under 1/4 active", "under 1/2", "under 3/4", "mostly active")
_ORDERS: Final = 12


class Pixel(NamedTuple):
    """What one value of a picture looks like: a letter, and a style that has a colour."""

    letter: str
    style: str


def palette(shown: FrameMap, picture: str) -> list[Pixel]:
    """Return how each value of a picture is drawn, by its number."""
    if picture == "use":
        return [Pixel(_LETTERS.get(name, "?"), f"map-{name}") for name in shown.classes]
    if picture == "free":
        return [Pixel(" " if at == 0 else f"{at - 1:x}", f"map-order-{at}") for at in range(_ORDERS)]
    return [Pixel(letter, f"map-age-{at}") for at, letter in enumerate(_AGES)]


def order_for(frames: int, columns: int, rows: int, *, halves: bool = False) -> int:
    """Return the least order of blocks, at least a pageblock, with which *frames* fit on the screen."""
    order = PAGEBLOCK_ORDER
    while (frames >> order) > min(max(columns - _MARGIN, 1), _MOST_COLUMNS) * max(rows - 6, 1) * (1 + halves):
        order += 1
    return order


def lines(shown: FrameMap | None, picture: str, columns: int, rows: int, *, halves: bool = False) -> list[Line]:
    """Return the map and its legend for a screen of *columns* and *rows*; *halves*: two pixels a cell, in colours."""
    if shown is None:
        return [line("No map: models have one (memtwin htop SCENARIO); of this host root may read /proc/kpageflags.")]
    if picture == "age" and not shown.has_ages:
        return [line("This kernel keeps generations; /proc/kpageflags does not say how old a page is (m: next)")]
    wide = min(max(columns - _MARGIN, 1), _MOST_COLUMNS)
    colours = palette(shown, picture)
    found: list[Line] = []
    for zone in shown.zones:
        found += _zone(zone, picture, wide, shown.order, colours, halves=halves)
    found = found[: max(rows - 3, 1)]
    return [_title(shown, picture), *found, *_legend(shown, picture, colours, columns)]


def _values(zone: ZoneMap, picture: str) -> bytes:
    return {"use": zone.use, "free": zone.largest, "age": zone.age}[picture]


def _zone(
    zone: ZoneMap, picture: str, wide: int, order: int, colours: Sequence[Pixel], *, halves: bool
) -> list[Line]:  # fmt: skip
    """Return the rows of one zone: two rows of pixels on a line where half blocks can be drawn."""
    values = _values(zone, picture)
    per_line = 2 if halves else 1
    found = []
    for at in range(0, len(values), wide * per_line):
        upper, lower = values[at : at + wide], values[at + wide : at + wide * per_line]
        address = (zone.first_pfn + (at << order)) << 12
        head = f"{zone.name[:6] if not at else '':6}{size(address):>5} "
        if halves:
            found.append((Span(head, "title"), *_halves(upper, lower, colours)))
        else:
            found.append((Span(head, "title"), *_runs(upper, colours)))
    return found


def _runs(values: bytes, colours: Sequence[Pixel]) -> list[Span]:
    spans: list[Span] = []
    start = 0
    for at in range(1, len(values) + 1):
        if at == len(values) or values[at] != values[start]:
            one = colours[values[start]]
            spans.append(Span(one.letter * (at - start), one.style))
            start = at
    return spans


def _halves(upper: bytes, lower: bytes, colours: Sequence[Pixel]) -> list[Span]:
    """Return cells whose upper half has one colour and the lower another, equal neighbours together."""
    pairs = list(zip(upper, lower.ljust(len(upper), b"\0"), strict=True))
    spans: list[Span] = []
    start = 0
    for at in range(1, len(pairs) + 1):
        if at == len(pairs) or pairs[at] != pairs[start]:
            top, bottom = (colours[value] for value in pairs[start])
            spans.append(Span("▀" * (at - start), f"{top.style}|{bottom.style}"))
            start = at
    return spans


def _title(shown: FrameMap, picture: str) -> Line:
    what = {
        "use": "what most of a block is used for",
        "free": "order of the largest free block",
        "age": "how much is active",
    }
    words = f"{picture}: {what[picture]}; a pixel is {size(4096 << shown.order)} (m: next)"
    return (Span(f"{words}; {shown.note}" if shown.note else words, "title"),)


def _legend(shown: FrameMap, picture: str, colours: Sequence[Pixel], columns: int) -> list[Line]:
    if picture == "use":
        parts = [
            (Span(one.letter, one.style), Span(f" {name} {size(shown.frames(name) << 12)}"))
            for name, one in zip(shown.classes, colours, strict=True)
            if shown.frames(name)
        ]
    elif picture == "free":
        counts = [sum(zone.free[order] for zone in shown.zones) for order in range(len(shown.zones[0].free))]
        parts = [
            (Span(colours[order + 1].letter, colours[order + 1].style), Span(f" {size(4096 << order)} x{number:,}"))
            for order, number in enumerate(counts)
            if number
        ]
    else:
        parts = [
            (Span(one.letter, one.style), Span(f" {w}")) for one, w in zip(colours[1:], _AGE_WORDS[1:], strict=True)
        ]
    return flowed(parts, columns) or [BLANK]
