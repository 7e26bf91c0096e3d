"""The tab of the memory manager: zones and watermarks, free blocks, ages, slab caches, every row of meminfo.

A line may be of a figure, which is then the one under the cursor: what is explained, pinned or waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column as size
from memtwin.tui.htop.spans import Line, Span, bar, line, safe
from memtwin.views.lru import generation_rows, list_rows
from memtwin.views.slabtop import size_bytes
from memtwin.views.zoneinfo import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.zoneinfo import ZoneInfo
    from memtwin.sources.looks import Look

_BAR: Final = 30
_GLYPHS: Final = {True: ("█", "░", "·"), False: ("#", "c", ".")}
_CACHES: Final = 12


class Item(NamedTuple):
    """A line of the tab, and the figure that it shows."""

    line: Line
    figure: str = ""


def items(look: Look, columns: int, *, unicode: bool = True) -> list[Item]:
    """Return the lines for a screen of *columns*."""
    page = look.sample.page_bytes
    detail = look.detail
    if detail is None:
        return [Item(line("reading ..."))]
    found: list[Item] = []
    zones = [zone for zone in detail.zones.zones if zone.managed] if detail.zones else []
    found += _section(
        "Zones: free memory and the watermarks", [_zone(zone, page, columns, unicode=unicode) for zone in zones]
    )
    found += _section("Free blocks by order (buddyinfo)", list(_blocks(look, columns)))
    found += _section("Age of memory (LRU)", list(_ages(look, columns, unicode=unicode)))
    found += _section("Slab caches, the largest first", list(_caches(look, page)))
    rows = look.sample.memory
    found += _section("/proc/meminfo", [_row(label, look, columns, unicode=unicode) for label in rows or ()])
    return found


def _section(title: str, of: list[Item]) -> list[Item]:
    return [Item((Span(title, "title"),)), *(of or [Item(line("  not known here"))])]


def _zone(zone: ZoneInfo, page: int, columns: int, *, unicode: bool) -> Item:
    whole = zone.managed * page
    marks = {name: getattr(zone, name) * page for name in ("min", "low", "high")}
    text = f" free {size(zone.free * page)} of {size(whole)}, " + " ".join(f"{k} {size(v)}" for k, v in marks.items())
    text += f", {state(zone)}"
    room = max(min(_BAR, columns - 10 - len(text)), 0)
    end = max(marks["high"] * 2, 1)
    full, _, free = _GLYPHS[unicode]
    cells = bar([(full, min(zone.free * page, end), "free")], room, end, free) if room else ()
    return Item((Span(f"  {safe(zone.name):7}"), *cells, Span(text)))


def _blocks(look: Look, columns: int) -> Iterator[Item]:
    assert look.detail is not None
    blocks = look.detail.blocks
    if blocks is None or not blocks.zones:
        return
    orders = range(len(blocks.zones[0].counts))
    page = look.sample.page_bytes
    wide = columns >= 90
    yield Item(line("  order   " + "".join(f"{order:>7}" if wide else f"{order:>5}" for order in orders)))
    for zone in blocks.zones:
        counts = "".join(f"{number:>7}" if wide else f"{_short(number):>5}" for number in zone.counts)
        largest = next((order for order in reversed(orders) if zone.counts[order]), None)
        most = "none free" if largest is None else f"largest {size(page << largest)}"
        yield Item(line(f"  {safe(zone.zone):8}{counts} {most}"))


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number // 1000}k"


def _ages(look: Look, columns: int, *, unicode: bool) -> Iterator[Item]:
    assert look.detail is not None
    detail, page = look.detail, look.sample.page_bytes
    rows = list(generation_rows(detail.generations, page)) if detail.generations else []
    rows = rows or (list(list_rows(detail.zones, page)) if detail.zones else [])
    whole = sum(row.anon_bytes + row.file_bytes for row in rows)
    full, cache, free = _GLYPHS[unicode]
    room = max(min(_BAR, columns - 46), 0)
    for row in rows:
        age = "" if row.age_ms is None else f" {row.age_ms / 1000:.1f} s old"
        cells = (
            bar([(full, row.anon_bytes, "used"), (cache, row.file_bytes, "cache")], room, whole, free) if room else ()
        )
        text = f" anon {size(row.anon_bytes)} file {size(row.file_bytes)}{age}"
        yield Item((Span(f"  {row.name:9}"), *cells, Span(text)))


def _caches(look: Look, page: int) -> Iterator[Item]:
    assert look.detail is not None
    slab = look.detail.slab
    caches = sorted(slab.caches if slab else (), key=lambda one: -size_bytes(one, page))[:_CACHES]
    for one in caches:
        used = f"{one.active_objs:,} of {one.num_objs:,} objects"
        yield Item(line(f"  {safe(one.name)[:24]:24} {size(size_bytes(one, page)):>5}  {used}"))


def _row(label: str, look: Look, columns: int, *, unicode: bool) -> Item:
    rows = look.sample.memory
    assert rows is not None
    kib, whole = rows[label], rows.get("MemTotal", 0)
    full, _, free = _GLYPHS[unicode]
    room = max(min(_BAR, columns - 30), 0)
    cells = bar([(full, kib, "used")], room, whole, free) if room and whole and kib <= whole else ()
    return Item((Span(f"  {safe(label):18}{size(kib << 10):>6}  "), *cells), label)
