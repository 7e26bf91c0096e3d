"""RAM as one bar whose segments add up to MemTotal, and each swap area as another.

::

    used     total - free - buffers - cache      programs, the kernel, page tables
    shared   Shmem                               shared memory and tmpfs: in Cached, but nothing can drop it
    buffers  Buffers
    dirty    Dirty + Writeback                   of the cache, what a disk must get first
    cache    Cached + SReclaimable - shared - dirty
    free     MemFree

A segment has a glyph of its own beside its place, so that nothing depends on a colour; no segment is drawn larger than
it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column
from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.swaps import Swaps

GLYPHS: Final = {
    "used": ("█", "#"), "shared": ("▓", "S"), "buffers": ("▒", "b"), "dirty": ("▚", "d"), "cache": ("░", "c"),
    "free": ("·", "."),
}  # fmt: skip
"""Each segment's glyph, and the one for terminals that have ASCII alone."""
_NARROWEST: Final = 10


class Segment(NamedTuple):
    """One part of the whole: a name of :data:`GLYPHS`, and its size."""

    name: str
    kib: int


def segments(memory: Meminfo) -> tuple[Segment, ...] | None:
    """Return the parts of RAM, or None where a row is missing that distinguishes them."""
    if any(row not in memory for row in ("MemTotal", "MemFree", "Buffers", "Cached")):
        return None
    cached = memory["Cached"] + memory.get("SReclaimable", 0)
    shared = min(memory.get("Shmem", 0), cached)
    dirty = min(memory.get("Dirty", 0) + memory.get("Writeback", 0), cached - shared)
    used = memory["MemTotal"] - memory["MemFree"] - memory["Buffers"] - cached
    parts = {
        "used": used, "shared": shared, "buffers": memory["Buffers"], "dirty": dirty,
        "cache": cached - shared - dirty, "free": memory["MemFree"],
    }  # fmt: skip
    return tuple(Segment(name, parts[name]) for name in GLYPHS)


def lines(parts: Sequence[Segment], areas: Swaps | None, columns: int, *, unicode: bool = True) -> list[str]:
    """Return the bar of RAM with its legend, and a bar of each swap area, as wide as *columns*."""
    at = 0 if unicode else 1
    swaps = areas.areas if areas else ()
    names = [clean(area.filename).rpartition("/")[2] for area in swaps]
    width = max(map(len, ("Mem", *names)))
    room = max(columns - width - 2, _NARROWEST)
    bar = _drawn([(GLYPHS[one.name][at], one.kib) for one in parts], room)
    legend = " ".join(f"{GLYPHS[one.name][at]}{one.name} {column(one.kib << 10)}" for one in parts)
    rows = [f"{'Mem':{width}}[{bar}]", f"{'':{width}} {legend}"]
    for name, area in zip(names, swaps, strict=True):
        text = f" {column(area.used_kib << 10)}/{column(area.size_kib << 10)}"
        filled = [(GLYPHS["used"][at], area.used_kib), (GLYPHS["free"][at], area.size_kib - area.used_kib)]
        rows.append(f"{name:{width}}[{_drawn(filled, max(room - len(text), 1))}]{text}")
    return rows


def _drawn(parts: Sequence[tuple[str, int]], width: int) -> str:
    """Return *width* cells; each border between two parts lies where their sum so far falls."""
    whole = sum(max(size, 0) for _, size in parts) or 1
    bar, so_far = "", 0
    for glyph, size in parts:
        so_far += max(size, 0)
        bar += glyph * (round(width * so_far / whole) - len(bar))
    return bar
