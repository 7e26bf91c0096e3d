"""A picture as SVG, drawn from above: the same text is a file of its own or a part of a page.

Data has colours that can be seen on light and dark paper; text, axes and what is free follow the paper. A picture is
one image for a screen reader, with a name; its figures stand in a table beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

FILLS: Final = {
    "outside": "#8d8d8d", "kernel": "#b35900", "kernel2": "#e08a2e", "kernel3": "#f2b872", "unknown": "#c9c9c9",
    "cache": "#4b8bbe", "anon": "#2e7d32", "shared": "#7cb342", "compressed": "#8e44ad", "pool": "#c2185b",
    "swap": "#6d4c41", "free": "#e8eef2", "some": "#d9a441", "full": "#b3261e",
}  # fmt: skip
"""Colours by the kind of what is drawn."""
HATCHED: Final = frozenset({"kernel2", "shared", "unknown", "compressed"})
"""Kinds that look like a neighbour in grey: they have a hatching too."""
_FOLLOWS: Final = frozenset({"free", "swap"})
"""Kinds whose colour follows the paper."""
WIDTH: Final = 860
"""Units of a picture from left to right."""
LETTER: Final = 7.6
"""Units that a letter takes at most, on the average of a text."""
STYLE: Final = """\
.pic text { fill: #222 } .pic .soft { fill: #555 } .pic .axis { stroke: #888; stroke-width: .7 } .pic .swap { fill: #6d4c41 }
.pic .mark { stroke: #444; stroke-width: 1; stroke-dasharray: 3 3 } .pic .ink { stroke: #222; stroke-width: 1.5 }
.pic .box { fill: none; stroke: #999; stroke-width: .7 } .pic .back { fill: #fff } .pic .free { fill: #e8eef2 }
@media screen and (prefers-color-scheme: dark) { .pic text { fill: #e6e9ec } .pic .soft { fill: #b3bcc5 }
.pic .axis, .pic .box { stroke: #7a848e } .pic .mark, .pic .ink { stroke: #dfe4e8 } .pic .back { fill: #16191d }
.pic .free { fill: #2b3238 } .pic .swap { fill: #a88b80 } }
"""
"""What a picture looks like; a page has it once."""


Box = tuple[float, float, float, float]
"""A rectangle: its left and upper edge, its width and height."""


class Canvas:
    """Collects the parts of a picture that is :data:`WIDTH` wide; *name* sets its hatching apart from others'."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._parts: list[str] = []

    def rect(self, box: Box, kind: str, said: str = "") -> None:
        """Draw a filled rectangle of a kind of :data:`FILLS`; *said* is shown where a pointer rests on it."""
        self._fill("rect", _where(box), kind, said)

    def legend(self, x: float, y: float, kind: str, words: str) -> float:
        """Draw a sample of a kind and what it is; return how wide that is."""
        self.rect((x, y, 12, 12), kind)
        self.text(x + 16, y + 10.5, words)
        return 26 + LETTER * len(words)

    def area(self, points: Sequence[tuple[float, float]], kind: str, said: str = "") -> None:
        """Draw a filled polygon."""
        self._fill("polygon", f'points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"', kind, said)

    def _fill(self, element: str, where: str, kind: str, said: str) -> None:
        look = f' class="{kind}"' if kind in _FOLLOWS else ""
        drawn = f'<{element} {where} fill="{FILLS[kind]}"{look}/>'
        if kind in HATCHED:
            drawn += f'<{element} {where} fill="url(#{self.name})"/>'
        self._parts.append(f"<g><title>{escape(clean(said))}</title>{drawn}</g>" if said else drawn)

    def cell(self, box: Box, colour: str) -> None:
        """Draw a rectangle of a colour of its own."""
        self._parts.append(f'<rect {_where(box)} fill="{colour}"/>')

    def box(self, box: Box) -> None:
        """Draw the outline of a rectangle."""
        self._parts.append(f'<rect class="box" {_where(box)}/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str = "axis") -> None:
        """Draw a line: ``axis``, ``mark`` (dashed) or ``ink``."""
        self._parts.append(f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def stroke(self, points: Sequence[tuple[float, float]], colour: str, dashes: str) -> None:
        """Draw a line through *points* in a colour, with *dashes* as SVG has them, or none."""
        if len(points) > 1:
            broken = f' stroke-dasharray="{dashes}"' if dashes else ""
            where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self._parts.append(f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-width="2"{broken}/>')

    def dot(self, x: float, y: float, colour: str, *, filled: bool) -> None:
        """Draw a small circle."""
        inside = f'fill="{colour}"' if filled else 'class="back"'
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {inside} stroke="{colour}" stroke-width="1.5"/>')

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", soft: bool = False, fill: str = ""
    ) -> None:
        """Write text; *fill* is a colour for text on a coloured cell."""
        look = ' class="soft"' if soft else f' style="fill:{fill}"' if fill else ""
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{look}>{escape(clean(words))}</text>')

    def image(self, box: Box, address: str) -> None:
        """Place an image of pixels, given as a ``data:`` address."""
        how = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
        self._parts.append(f'<image {_where(box)} {how} href="{address}"/>')

    def group(self, name: str) -> None:
        """Begin a group with an id that a script moves; :meth:`end` ends it."""
        self._parts.append(f'<g id="{name}">')

    def end(self) -> None:
        """End a group."""
        self._parts.append("</g>")

    def svg(self, title: str, height: float, *, alone: bool = False) -> str:
        """Return the picture; *alone*: as a file of its own, with its style and its paper."""
        named = f'xmlns="http://www.w3.org/2000/svg" class="pic" viewBox="0 0 {WIDTH} {height:.0f}" role="img" {_FONT}'
        size = f' width="{WIDTH}" height="{height:.0f}"' if alone else ""
        paper = f'<style>{STYLE}</style><rect class="back" width="{WIDTH}" height="{height:.0f}"/>' if alone else ""
        body = "\n".join(self._parts)
        hatching = _HATCHING.format(name=self.name) if f"url(#{self.name})" in body else ""
        return f"<svg {named}{size} aria-label={quoteattr(clean(title))}>{paper}{hatching}\n{body}\n</svg>\n"


def _where(box: Box) -> str:
    x, y, wide, high = box
    return f'x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0):.1f}" height="{max(high, 0):.1f}"'


_FONT: Final = 'font-size="12" font-family="system-ui, DejaVu Sans, Liberation Sans, Noto Sans, Arial, sans-serif"'
_HATCHING: Final = (
    '<defs><pattern id="{name}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="0" y1="0" x2="0" y2="7" style="stroke:#fff;stroke-width:2.4"/></pattern></defs>'
)
