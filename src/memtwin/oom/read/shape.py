"""A text as it was before terminals, mailers, web pages and log services had it: lines joined, decoded and in order.

What was done to a text is judged by its beginning (:data:`SAMPLE` lines), by the lines of a log among it:

- *hard wrap*: no such line is longer than N columns, some have exactly N, and what follows them is the rest of a line:
  it has no time stamp though the others have, and begins like no line of a report. They are joined without a blank.
- *newest first*: time stamps fall from line to line, or the parts of a report stand in the opposite order.
- *web page*: tags of HTML at the ends of lines, or its entities.
- *quoted-printable*: ``=3D``, and lines that end in ``=``.
"""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.read.clock import seconds
from memtwin.oom.read.lines import LONGEST, cut, messages
from memtwin.oom.read.marks import begins, is_cut, is_no_rest, rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memtwin.oom.read.prefixes import LogLine

SAMPLE: Final = 4096
_NARROWEST: Final = 40
_LONG: Final = 4096
"""Characters beyond which a line says nothing of how a text was wrapped or turned round."""
_SEVERAL: Final = 2
_STRIPPED_BLANKS: Final = 12
"""Blanks at the end of a wrapped line that a web page or an editor may have taken off."""
_TAG = re.compile(
    r"<(/?)(br|p|pre|code|div|span|td|tr|th|li|ul|ol|table|tbody|thead|a|b|i|em|strong|font|tt|samp|kbd|blockquote|body"
    r"|html|head|h[1-6]|details|summary)\b[^<>]{0,500}>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,5});")
_BLOCKS: Final = {"br", "p", "pre", "div", "tr", "li", "table", "blockquote"}
_STAT = re.compile(r"[a-z][a-z0-9_]{1,60} \d{1,20}")
"""A line of a cgroup's counters: printed without a time stamp."""
_QUOTE = re.compile(r"(?:[>|]\s?){1,8}")
_ODD_BLANKS: Final = {ord("\xa0"): " ", ord("\u200b"): None, ord("\ufeff"): None, ord("\u2028"): " ", 0: None}


class Shape(NamedTuple):
    """What was done to a text."""

    is_page: bool = False
    width: int | None = None
    has_stamps: bool = False
    is_padded: bool = False
    """Blanks fill each line up to the width of a terminal."""
    is_backwards: bool = False


def restored(raws: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers, as they were printed."""
    lines = _unpacked(unquoted(raws))
    sample = list(islice(lines, SAMPLE))
    is_page = _is_page(sample)
    if is_page:
        sample = list(_unmarked(sample))
        lines = _unmarked(lines)
    shape = _shape(sample, is_page=is_page)
    whole: Iterator[tuple[int, str]] = chain(sample, lines)
    if shape.width is not None:
        whole = _joined(whole, shape.width, has_stamps=shape.has_stamps, is_padded=shape.is_padded)
    return iter(list(whole)[::-1]) if shape.is_backwards else whole


def unquoted(raws: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, mail that is quoted-printable (``=3D``, a line that ends in ``=``) as it was.

    >>> list(unquoted(["gfp_mask=3D0xcc0, or=", "der=3D0", "Mem-Info:"]))
    [(2, 'gfp_mask=0xcc0, order=0'), (3, 'Mem-Info:')]
    """
    is_quoted, before = False, ""
    for number, line in enumerate(raws, 1):
        raw = line if line.isascii() and "\0" not in line else line.translate(_ODD_BLANKS)
        if not is_quoted and "=3D" not in raw:
            yield number, raw
            continue
        is_quoted = True
        text = before + raw.rstrip("\r\n")
        if text.endswith("=") and len(text) < LONGEST:
            before = text[:-1]
            continue
        before = ""
        yield number, text.replace("=20", " ").replace("=09", " ").replace("=3D", "=")
    if before:
        yield number, before


def _unpacked(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield each message of a line that has many as a line."""
    for number, raw in lines:
        found = messages(raw)
        if not found:
            yield number, raw
        for message in found:
            for piece in message.split("\n"):
                yield number, piece


def _is_page(sample: Sequence[tuple[int, str]]) -> bool:
    marked = sum(
        1 for _, raw in sample if ("<" in raw and _TAG.search(raw, 0, LONGEST)) or ("&" in raw and _ENTITY.search(raw))
    )
    return marked > 1 or (marked == 1 and len(sample) <= 2)


def _unmarked(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    r"""Take off tags and entities; ``<br>`` and the ends of blocks are newlines."""
    for number, raw in lines:
        if "<" not in raw and "&" not in raw:
            yield number, raw
            continue
        for piece in _TAG.sub(_in_place_of, raw).split("\n"):
            if piece.strip():
                yield number, unescape(piece).replace("\xa0", " ")


def _in_place_of(tag: re.Match[str]) -> str:
    if tag[2].lower() in _BLOCKS:
        return "\n"
    return " " if tag[2].lower() in {"td", "th"} else ""


def _shape(sample: Sequence[tuple[int, str]], *, is_page: bool) -> Shape:
    first = [next(iter(cut(number, raw)), None) if len(raw) <= _LONG else None for number, raw in sample]
    has_stamps = sum(1 for line in first if line and line.stamp) * 3 > sum(1 for line in first if line and line.text)
    ends = [
        raw.endswith("  ") and not _is_rest(after, has_stamps=has_stamps)
        for (_, raw), after in zip(sample, first[1:], strict=False)
    ]
    is_padded = sum(ends) * 3 > len(sample)
    sizes = [raw.rstrip() if is_padded else raw.rstrip("\r\n") for _, raw in sample]
    width = _width(sizes, first, has_stamps=has_stamps)
    return Shape(is_page, width, has_stamps, is_padded, _is_backwards(first))


def _width(raws: Sequence[str], first: Sequence[LogLine | None], *, has_stamps: bool) -> int | None:
    """Return the column at which lines were broken; None if they were not."""
    logged = [line is not None and (line.stamp is not None or begins(line.text)) for line in first]
    longest = max((len(raw) for raw, is_log in zip(raws, logged, strict=True) if is_log), default=0)
    if not _NARROWEST <= longest < LONGEST:
        return None
    full = cut_off = broken = at_width = short = 0
    is_open = False
    for place, raw in enumerate(raws[:-1]):
        after = first[place + 1]
        is_open = len(raw) == longest and (logged[place] or is_open) and _is_rest(after, has_stamps=has_stamps)
        full += is_open
        if logged[place] and _is_rest(after, has_stamps=False) and not _STAT.fullmatch(after.text if after else ""):
            broken += 1
            at_width += len(raw) == longest
            short += len(raw) < longest - _STRIPPED_BLANKS
        line = first[place]
        cut_off += bool(is_open and line is not None and is_cut(line.text))
    lengths = Counter(len(raw) for raw, is_log in zip(raws, logged, strict=True) if is_log)
    is_many = has_stamps or full * 2 >= lengths[longest]
    if short and at_width * 3 <= broken:  # mail breaks lines at blanks, each at another length
        return None
    return longest if full and is_many and (full > 1 or cut_off or lengths[longest] > _SEVERAL) else None


def _is_rest(line: LogLine | None, *, has_stamps: bool) -> bool:
    """Whether *line* can be the rest of the one before."""
    if line is None or not line.text or line.stamp is not None or line.source or is_no_rest(line.text):
        return False
    return has_stamps or not begins(line.text)


def _joined(
    lines: Iterable[tuple[int, str]], width: int, *, has_stamps: bool, is_padded: bool
) -> Iterator[tuple[int, str]]:
    """Join what was broken at *width* columns; a full line whose last blanks were taken off gets them back."""
    held: tuple[int, str] | None = None
    last = 0
    """Columns of the last part."""
    for number, raw in lines:
        text = raw.rstrip("\r\n")
        text = text if len(text) == width and not is_padded else text.rstrip()
        line = next(iter(cut(number, text)), None)
        if held is not None and len(held[1]) < LONGEST and _is_rest(line, has_stamps=has_stamps):
            is_full = last == width
            is_stripped = width - _STRIPPED_BLANKS <= last < width and (line is None or not begins(line.text))
            if is_full or (is_stripped and has_stamps and is_cut(_plain(held))):
                held = held[0], held[1] + " " * (width - last) + _unindented(text, held[1])
                last = len(text)
                continue
        if held is not None:
            yield held
        held, last = (number, text), len(text)
    if held is not None:
        yield held


def _plain(held: tuple[int, str]) -> str:
    line = next(iter(cut(*held)), None)
    return line.text if line is not None else ""


def _unindented(text: str, first: str) -> str:
    """Take from the rest of a line the indentation and the quote marks that the line has too."""
    quote = _QUOTE.match(first.lstrip())
    if quote:
        found = _QUOTE.match(text.lstrip())
        return text.lstrip()[found.end() :] if found else text
    indent = len(first) - len(first.lstrip())
    return text[indent:] if indent and not text[:indent].strip() else text


def _is_backwards(first: Sequence[LogLine | None]) -> bool:
    """Whether the newest line stands first: by the parts of a report, or else by the time stamps."""
    ranks = [found for line in first if line is not None and (found := rank(line.text)) is not None]
    up = sum(1 for one, other in pairwise(ranks) if other > one)
    down = sum(1 for one, other in pairwise(ranks) if other < one)
    if up != down:
        return down > up
    clocks = [clock for line in first if line is not None and (clock := seconds(line.stamp)) is not None]
    pairs = [other[1] - one[1] for one, other in pairwise(clocks) if one[0] == other[0]]
    rises, falls = sum(1 for step in pairs if step > 0), sum(1 for step in pairs if step < 0)
    return falls > 3 * rises
