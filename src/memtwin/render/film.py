"""RAM and swap over the course of a run, one bar a moment: a film whose frames stand below each other.

The same parts have the same glyphs and colours in a terminal (:func:`lines`) and in a page (``render.svg.film``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column
from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

GLYPHS: Final = {
    "kernel": ("▒", "k"), "programs": ("█", "#"), "files": ("░", "c"), "free": ("·", "."),
}  # fmt: skip
"""Each part's glyph, and the one for terminals that have ASCII alone."""
_SWAP_WIDTH: Final = 12
_LEAST: Final = 16


class Frame(NamedTuple):
    """One moment: what had just been done, the parts of RAM by name, and how much swap was in use, in KiB."""

    label: str
    parts: Mapping[str, int]
    swap_used: int


class Film(NamedTuple):
    """The frames of a run on a machine of *total* KiB of RAM and *swap* KiB of swap."""

    total: int
    swap: int
    frames: tuple[Frame, ...]


def lines(film: Film, columns: int, *, unicode: bool = True) -> list[str]:
    """Return the film in lines of *columns*: a legend, and one line a frame."""
    at = 0 if unicode else 1
    swap_width = _SWAP_WIDTH if film.swap else 0
    label = max((len(frame.label) for frame in film.frames), default=0)
    room = columns - swap_width - (1 if swap_width else 0)
    width = max(min(room - label - 2, 40), room // 2 - 2, _LEAST)
    legend = "  ".join(f"{glyphs[at]} {name}" for name, glyphs in GLYPHS.items())
    head = f"RAM {column(film.total << 10)} (MemTotal)"
    rows = [f"{head:{width}} {f'swap {column(film.swap << 10)}' if film.swap else ''}".rstrip(), legend]
    rows[0], rows[1] = rows[1], rows[0]
    for frame in film.frames:
        bar = drawn([(glyphs[at], frame.parts[name]) for name, glyphs in GLYPHS.items()], width)
        swap = ""
        if film.swap:
            used, empty = GLYPHS["programs"][at], GLYPHS["free"][at]
            parts = [(used, frame.swap_used), (empty, film.swap - frame.swap_used)]
            swap = f" {drawn(parts, swap_width)}"
        rows.append(f"{bar}{swap}  {clean(frame.label)}"[:columns].rstrip())
    return rows


def drawn(parts: list[tuple[str, int]], width: int) -> str:
    """Return *width* cells; each border between two parts lies where their sum so far falls.

    >>> drawn([("#", 3), (".", 1)], 8)
    '######..'
    """
    whole = sum(max(size, 0) for _, size in parts) or 1
    bar, so_far = "", 0
    for glyph, size in parts:
        so_far += max(size, 0)
        bar += glyph * (round(width * so_far / whole) - len(bar))
    return bar
