"""Pictures as SVG: stacks (each a column, its segments from the bottom up), films and scales.

A picture of stacks is one file without a script, readable in light and dark, on paper and by a screen reader; films and
scales are parts of a page that has a style for them. Parts that look alike in grey differ by a hatching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

from memtwin.render.canvas import FILLS, HATCHED
from memtwin.render.table import clean
from memtwin.render.words import size
from memtwin.units import kib_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.film import Film
    from memtwin.render.grid import Segment, Stack

_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" '
    'font-size="13">'
)
_STYLE: Final = """\
<style>
text { fill: #222 } .s { stroke: #444; stroke-width: .6 } line { stroke: #888; stroke-width: .6 } .b { fill: #fff }
@media (prefers-color-scheme: dark) { text { fill: #eee } .b { fill: #1b1e20 } .s { stroke: #ddd } }
</style>
"""
_HATCHING: Final = """\
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
        _STYLE + _HATCHING,
        f'<rect class="b" width="{width}" height="{height}"/>',
        f'<text x="{_GAP}" y="22" font-size="16">{escape(clean(title))}</text>',
    ]
    for number, stack in enumerate(stacks):
        parts += _column(stack, _GAP + number * (_BAR + _LABELS + _GAP), largest)
    return "\n".join((*parts, "</svg>", ""))


def _column(stack: Stack, left: int, largest: int) -> Iterator[str]:
    whole = sum(one.size_bytes for one in stack.segments)
    yield f'<text x="{left}" y="{_TOP - 12}" font-weight="bold">{escape(stack.title)}: {size(kib_of(whole))}</text>'
    for placed in _place(stack, largest):
        segment = placed.segment
        box = f'x="{left}" y="{placed.top:.1f}" width="{_BAR}" height="{placed.height:.1f}"'
        share = 100 * segment.size_bytes / whole
        text = f"{segment.name}: {size(kib_of(segment.size_bytes))} ({share:.1f} %)"
        yield f'<g><title>{escape(text)}</title><rect class="s" {box} fill="{FILLS[segment.kind]}"/>'
        if segment.kind in HATCHED:
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


_PARTS: Final = {"kernel": "kernel2", "programs": "anon", "files": "cache", "free": "free"}
"""The parts of a film by their kind."""
_ROW, _RAM_WIDTH, _SWAP_WIDTH, _LETTER = 24, 400, 110, 7
_SCALE_WIDTH, _MARGIN = 760, 20
_SIZES_LEFT, _SIZES_WIDTH = 180, 500


def film(shown: Film, name: str, title: str) -> str:
    """Return the frames of a film below each other; *name* sets its parts apart from those of other pictures."""
    longest = max((len(frame.label) for frame in shown.frames), default=0)
    width = 3 * _GAP + _RAM_WIDTH + (_SWAP_WIDTH + _GAP if shown.swap else 0) + _LETTER * longest
    height = 60 + _ROW * len(shown.frames)
    parts = [
        _HEAD.format(width=width, height=height), f"<title>{escape(clean(title))}</title>",
        _HATCHING.replace('id="h"', f'id="{name}"'),
        *_legend(name),
        f'<text x="{_GAP}" y="46">RAM {size(shown.total)} (MemTotal)</text>',
    ]  # fmt: skip
    beside = 2 * _GAP + _RAM_WIDTH
    if shown.swap:
        parts.append(f'<text x="{beside}" y="46">swap {size(shown.swap)}</text>')
    for number, frame in enumerate(shown.frames):
        top = 54 + _ROW * number
        parts += _bar([(_PARTS[kind], part, kind) for kind, part in frame.parts.items()], _GAP, top, _RAM_WIDTH, name)
        if shown.swap:
            used = [("swap", frame.swap_used, "swap in use"), ("free", shown.swap - frame.swap_used, "swap free")]
            parts += _bar(used, beside, top, _SWAP_WIDTH, name)
        label = beside + (_SWAP_WIDTH + _GAP if shown.swap else 0)
        parts.append(f'<text x="{label}" y="{top + 15}">{escape(clean(frame.label))}</text>')
    return "\n".join((*parts, "</svg>", ""))


def _legend(name: str) -> Iterator[str]:
    for place, (part, kind) in enumerate(_PARTS.items()):
        left = _GAP + place * 100
        yield from _bar([(kind, 1, part)], left, 8, 16, name)
        yield f'<text x="{left + 22}" y="22">{part}</text>'


def _bar(parts: Sequence[tuple[str, int, str]], left: int, top: int, width: int, name: str) -> Iterator[str]:
    whole = sum(kib for _, kib, _ in parts) or 1
    at = float(left)
    for kind, kib, text in parts:
        wide = width * kib / whole
        box = f'x="{at:.1f}" y="{top}" width="{wide:.1f}" height="{_ROW - 5}"'
        yield f'<g><title>{text}: {size(kib)}</title><rect class="s" {box} fill="{FILLS[kind]}"/>'
        yield (f'<rect {box} fill="url(#{name})"/>' if kind in HATCHED else "") + "</g>"
        at += wide


def place(value: int, low: int, high: int) -> float:
    """Return where *value* lies on a scale, from the left edge of its picture."""
    return _MARGIN + (_SCALE_WIDTH - 2 * _MARGIN) * (min(max(value, low), high) - low) / (high - low)


def scale(ticks: Sequence[tuple[int, str]], marks: Sequence[tuple[int, str, str]], title: str) -> str:
    """Return a scale with *marks*, each a value, a label and the class of its group; a row each, below the line."""
    low, high = ticks[0][0], ticks[-1][0]
    height = 52 + 26 * len(marks)
    parts = [
        _HEAD.format(width=_SCALE_WIDTH, height=height), f"<title>{escape(clean(title))}</title>",
        f'<line class="axis" x1="{_MARGIN}" y1="34" x2="{_SCALE_WIDTH - _MARGIN}" y2="34"/>',
    ]  # fmt: skip
    for number, (value, text) in enumerate(ticks):
        anchor = "start" if number == 0 else "end" if number == len(ticks) - 1 else "middle"
        x = place(value, low, high)
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="28" x2="{x:.1f}" y2="40"/>')
        parts.append(f'<text x="{x:.1f}" y="20" text-anchor="{anchor}">{escape(text)}</text>')
    for row, (value, text, kind) in enumerate(marks):
        x = place(value, low, high)
        anchor, shift = ("end", -10) if x > _SCALE_WIDTH / 2 else ("start", 10)
        y = 58 + 26 * row
        parts.append(
            f'<g class="{kind}" transform="translate({x:.1f} 0)"><line x1="0" y1="34" x2="0" y2="{y}"/>'
            f'<circle cx="0" cy="{y}" r="5"/>'
            f'<text x="{shift}" y="{y + 5}" text-anchor="{anchor}">{escape(clean(text))}</text></g>'
        )
    return "\n".join((*parts, "</svg>", ""))


def sizes(bars: Sequence[tuple[str, int, str, str]], title: str) -> str:
    """Return bars to one scale, each a name, KiB, a kind of :data:`FILLS` and what it says of its size."""
    largest = max((kib for _, kib, _, _ in bars), default=0) or 1
    height = 12 + _ROW * len(bars)
    parts = [_HEAD.format(width=_SCALE_WIDTH, height=height), f"<title>{escape(clean(title))}</title>"]
    for number, (name, kib, kind, said) in enumerate(bars):
        top, wide = 6 + _ROW * number, _SIZES_WIDTH * kib / largest
        parts.append(f'<text x="{_MARGIN}" y="{top + 15}">{escape(clean(name))}</text>')
        box = f'x="{_SIZES_LEFT}" y="{top}" width="{wide:.1f}" height="{_ROW - 5}"'
        parts.append(f'<rect class="s" {box} fill="{FILLS[kind]}"/>')
        parts.append(f'<text x="{_SIZES_LEFT + wide + 8:.1f}" y="{top + 15}">{escape(said)}</text>')
    return "\n".join((*parts, "</svg>", ""))
