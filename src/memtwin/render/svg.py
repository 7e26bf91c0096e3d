"""Stacks as an SVG picture: each a column, its segments from the bottom up, with name, size and share beside them.

The picture is one file without a script, readable in light and dark, on paper and by a screen reader; parts that look
alike in grey differ by a hatching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

from memtwin.render.table import clean
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.grid import Segment, Stack

_FILLS: Final = {
    "outside": "#8d8d8d", "kernel": "#b35900", "kernel2": "#e08a2e", "kernel3": "#f2b872", "unknown": "#c9c9c9",
    "cache": "#4b8bbe", "anon": "#2e7d32", "shared": "#7cb342", "compressed": "#8e44ad", "pool": "#c2185b",
    "swap": "#6d4c41", "free": "#e8eef2",
}  # fmt: skip
_HATCHED: Final = frozenset({"kernel2", "shared", "unknown", "compressed"})
_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" '
    'font-size="13">'
)
_STYLE: Final = """\
<style>
text { fill: #222 } .s { stroke: #444; stroke-width: .6 } line { stroke: #888; stroke-width: .6 } .b { fill: #fff }
@media (prefers-color-scheme: dark) { text { fill: #eee } .b { fill: #1b1e20 } .s { stroke: #ddd } }
</style>
<defs><pattern id="h" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<line x1="0" y1="0" x2="0" y2="7" style="stroke:#fff;stroke-width:2.4"/></pattern></defs>"""
_HEIGHT: Final = 520
_TOP: Final = 56
_BAR: Final = 130
_LINE: Final = 17
_LABELS: Final = 390
_GAP: Final = 24


class _Placed(NamedTuple):
    segment: Segment
    top: float
    height: float
    label: float


def draw(stacks: Sequence[Stack], title: str) -> str:
    """Return the picture of *stacks* side by side, all to one scale."""
    largest = max((sum(one.size_bytes for one in stack.segments) for stack in stacks), default=0) or 1
    width = _GAP + len(stacks) * (_BAR + _LABELS + _GAP)
    height = _TOP + _HEIGHT + 40
    parts = [
        _HEAD.format(width=width, height=height),
        f"<title>{escape(clean(title))}</title>",
        _STYLE,
        f'<rect class="b" width="{width}" height="{height}"/>',
        f'<text x="{_GAP}" y="22" font-size="16">{escape(clean(title))}</text>',
    ]
    for number, stack in enumerate(stacks):
        parts += _column(stack, _GAP + number * (_BAR + _LABELS + _GAP), largest)
    return "\n".join((*parts, "</svg>", ""))


def _column(stack: Stack, left: int, largest: int) -> Iterator[str]:
    whole = sum(one.size_bytes for one in stack.segments)
    yield f'<text x="{left}" y="{_TOP - 12}" font-weight="bold">{escape(stack.title)}: {size(whole // 1024)}</text>'
    for placed in _place(stack, largest):
        segment = placed.segment
        box = f'x="{left}" y="{placed.top:.1f}" width="{_BAR}" height="{placed.height:.1f}"'
        share = 100 * segment.size_bytes / whole
        text = f"{segment.name}: {size(segment.size_bytes // 1024)} ({share:.1f} %)"
        yield f'<g><title>{escape(text)}</title><rect class="s" {box} fill="{_FILLS[segment.kind]}"/>'
        if segment.kind in _HATCHED:
            yield f'<rect {box} fill="url(#h)"/>'
        middle, right = placed.top + placed.height / 2, left + _BAR
        yield f'<line x1="{right}" y1="{middle:.1f}" x2="{right + 14}" y2="{placed.label:.1f}"/>'
        yield f'<text x="{right + 18}" y="{placed.label + 4:.1f}">{escape(text)}</text></g>'


def _place(stack: Stack, largest: int) -> list[_Placed]:
    """Return where each segment and its label lie: labels beside their segments, at least a line apart."""
    bottom = float(_TOP + _HEIGHT)
    found: list[_Placed] = []
    below = bottom + _LINE
    for segment in stack.segments:
        height = segment.size_bytes / largest * _HEIGHT
        bottom -= height
        below = min(bottom + height / 2, below - _LINE)
        found.append(_Placed(segment, bottom, height, below))
    above = float(_TOP - _LINE)
    for at in range(len(found) - 1, -1, -1):
        above = max(found[at].label, above + _LINE)
        found[at] = found[at]._replace(label=above)
    return found
