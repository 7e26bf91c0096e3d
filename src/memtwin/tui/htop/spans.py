"""Lines of styled text, before any terminal: spans, bars of cells, what fits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from memtwin.render.table import clean, cut, display_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Span(NamedTuple):
    """Printable text in one style: a name that the painter knows, or none."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
BLANK: Line = ()


def line(*parts: str | Span) -> Line:
    """Return a line of *parts*, plain where they are text."""
    return tuple(Span(part) if isinstance(part, str) else part for part in parts)


def safe(text: str) -> str:
    """Return *text* as a terminal may have it: nothing in it is obeyed."""
    return clean(text)


def width(of: Line) -> int:
    """Return how many columns a line takes."""
    return sum(display_width(span.text) for span in of)


def text(of: Line) -> str:
    """Return a line without its styles."""
    return "".join(span.text for span in of)


def fitted(of: Line, columns: int) -> Line:
    """Return as much of a line as *columns* hold."""
    spans, left = [], columns
    for span in of:
        shown = cut(span.text, left)
        spans.append(Span(shown, span.style))
        left -= len(shown) if shown.isascii() else display_width(shown)
        if left <= 0:
            break
    return tuple(spans)


def filled(of: Line, columns: int, style: str = "") -> Line:
    """Return a line that takes *columns*, cut or with blanks in *style* at its end."""
    shown = fitted(of, columns)
    room = columns - width(shown)
    return (*shown, Span(" " * room, style)) if room > 0 else shown


def bar(parts: Sequence[tuple[str, float, str]], columns: int, whole: float, rest: str = " ") -> Line:
    """Return *columns* cells for parts of *whole*, each a glyph, an amount and a style.

    Each border lies where the sum so far falls, so that no part is drawn larger than it is; what is left is *rest*.
    """
    spans, so_far, at = [], 0.0, 0
    for glyph, amount, style in parts:
        so_far += max(amount, 0.0)
        end = min(round(columns * so_far / whole), columns) if whole > 0 else 0
        if end > at:
            spans.append(Span(glyph * (end - at), style))
            at = end
    if at < columns:
        spans.append(Span(rest * (columns - at)))
    return tuple(spans)


def flowed(parts: Iterable[Line], columns: int, gap: str = "  ") -> list[Line]:
    """Return *parts* on as few lines as hold them, none divided."""
    lines: list[Line] = []
    for part in parts:
        if lines and width(lines[-1]) + len(gap) + width(part) <= columns:
            lines[-1] = (*lines[-1], Span(gap), *part)
        else:
            lines.append(part)
    return lines


def clock(at_unix_ms: int | None) -> str:
    """Return a time of day with its date."""
    return "--:--:--" if at_unix_ms is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_unix_ms / 1000))
