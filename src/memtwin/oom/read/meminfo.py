"""The part below "Mem-Info:": counters of the machine, its nodes and zones, free blocks, swap and totals.

Names and units are read as they stand, so that columns which come and go with kernels need no table of versions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.oom.event import HugePages, Node, Zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.oom.read.builder import Builder

_COUNT = re.compile(r"\b([a-z_]{2,40}):(\d{1,19})(?![\dkKM])", re.IGNORECASE)
_COUNTS_HEAD = re.compile(
    r"\b(?:unevictable|slab_reclaimable|slab_unreclaimable|(?:in)?active_\w+|mapped|sec_pagetables|kernel_misc_reclaimable|free"
    r"|free_cma|Active|inactive):\d{1,19}(?![\dkKM])"
)
_KB_FIELD = re.compile(r"\b([a-z_()]{2,40}?):\s?(\d{1,20})[kK]B", re.IGNORECASE)
_NODE = re.compile(r"\bNode (\d{1,5})\s+(?:hugepages|active_anon):?")
_ZONE = re.compile(r"(?:\bNode (\d{1,5}),? )?\b([A-Z][A-Za-z0-9]{1,15})\s+free:\d")
_RESERVE = re.compile(r"lowmem_reserve\[\]:((?:\s+\d{1,20})*)")
_BLOCKS = re.compile(r"(?:\bNode (\d{1,5}),? )?\b([A-Z][A-Za-z0-9]{1,15}):\s(?=\d{1,10}\*\d{1,10}kB)")
_BLOCK = re.compile(r"(\d{1,10})\*\s?(\d{1,10})kB(?:\s\(([A-Z]{0,8})\))?")
_BLOCKS_TOTAL = re.compile(r"=\s?(\d{1,20})kB")
_HUGE = re.compile(
    r"(?:Node (\d{1,5}) )?hugepages_total=(\d{1,12})\s+hugepages_free=(\d{1,12})\s+hugepages_surp=(\d{1,12})\s+"
    r"hugepages_size=(\d{1,12})kB"
)
_PAGES = re.compile(
    r"\b(\d{1,19}) (?:(total pagecache|pagecache|reserved) pages"
    r"|pages (?:of )?(RAM|HighMem/MovableOnly|HighMem|HIGHMEM|reserved|shared|non-shared|cma reserved|hwpoisoned"
    r"|in pagetable cache))"
)
_SWAP_CACHE = re.compile(r"\b(\d{1,19}) pages in swap cache")
_SWAP = re.compile(r"\b(Free|Total) swap\s*[=:]\s*(\d{1,19})kB")
_SLAB = re.compile(r"^(.{1,80}?)\s+(\d{1,19})KB\s+(\d{1,19})KB$")
_UNRECLAIMABLE = re.compile(r"all_unreclaimable\? (yes|no)")
_MOST_ROWS: Final = 4096
"""Zones, nodes or slab caches of one report: more are noise."""


def start(builder: Builder, text: str) -> bool:
    """Read "Mem-Info:"; only the first of an event is its own."""
    if "Mem-Info:" not in text and "Mem-info:" not in text:
        return False
    builder.section = "mem" if not builder.has_dump else "other"
    return True


def line(builder: Builder, text: str) -> bool:
    """Read a line of this part; False if it is none."""
    if builder.section == "other":
        return False
    if builder.section == "slabs" and _slabs(builder, text):
        return True
    return any(reader(builder, text) for mark, reader in _READERS if mark in text)


def _zone(builder: Builder, text: str) -> bool:
    found = _ZONE.search(text)
    if not found or len(builder.zones) >= _MOST_ROWS:
        return False
    builder.has_dump = True
    dead = _UNRECLAIMABLE.search(text)
    zone = Zone(_number(found[1]), found[2], _fields(text), all_unreclaimable=dead[1] == "yes" if dead else None)
    builder.add_zone(zone)
    reserve = _RESERVE.search(text)
    if reserve:
        _reserve(builder, text)
    return True


def _reserve(builder: Builder, text: str) -> bool:
    found = _RESERVE.search(text)
    if not found:
        return False
    if builder.zones and not builder.zones[-1].lowmem_reserve:
        reserve = tuple(int(pages) for pages in found[1].split())
        builder.zones[-1] = builder.zones[-1]._replace(lowmem_reserve=reserve)
    return True


def _blocks(builder: Builder, text: str) -> bool:
    found = _BLOCKS.search(text)
    if not found:
        return False
    blocks = tuple((int(count), int(size), types or "") for count, size, types in _BLOCK.findall(text, found.end()))
    total = _BLOCKS_TOTAL.search(text, found.end())
    kib = int(total[1]) if total else None
    node, name = _number(found[1]), found[2]
    index = builder.zone_places.get((node, name))
    if index is not None:
        builder.zones[index] = builder.zones[index]._replace(blocks=blocks, blocks_total_kib=kib)
    elif len(builder.zones) < _MOST_ROWS:
        builder.has_dump = True
        builder.add_zone(Zone(node, name, {}, blocks=blocks, blocks_total_kib=kib))
    return True


def _node(builder: Builder, text: str) -> bool:
    huge = _HUGE.search(text)
    if huge:
        if len(builder.huge_pages) < _MOST_ROWS:
            builder.huge_pages.append(HugePages(_number(huge[1]), *(int(huge[group]) for group in range(2, 6))))
        return True
    found = _NODE.search(text)
    if not found or len(builder.nodes) >= _MOST_ROWS:
        return False
    builder.has_dump = True
    dead = _UNRECLAIMABLE.search(text)
    builder.nodes.append(Node(int(found[1]), _fields(text), dead[1] == "yes" if dead else None))
    return True


def _counts(builder: Builder, text: str) -> bool:
    if not _COUNTS_HEAD.search(text):
        return False
    builder.has_dump = True
    for name, pages in _COUNT.findall(text):
        builder.counts.setdefault(name, int(pages))
    return True


def _totals(builder: Builder, text: str) -> bool:
    swap = _SWAP.findall(text)
    for which, kib in swap:
        field = "free_kib" if which == "Free" else "total_kib"
        builder.swap = builder.swap._replace(**{field: int(kib)})
    cache = _SWAP_CACHE.search(text)
    if cache:
        builder.swap = builder.swap._replace(cache_pages=int(cache[1]))
    pages = _PAGES.findall(text)
    for number, before, after in pages:
        name = before or after
        builder.counts.setdefault("total pagecache" if name == "pagecache" else name, int(number))
        builder.has_totals = builder.has_totals or name == "RAM"
        builder.has_dump = True
    return bool(swap or cache or pages)


def _slabs(builder: Builder, text: str) -> bool:
    if "Unreclaimable slab info" in text:
        builder.section = "slabs"
        return True
    found = _SLAB.match(text) if builder.section == "slabs" else None
    if found and len(builder.slabs) < _MOST_ROWS:
        builder.slabs[found[1].strip()] = (int(found[2]), int(found[3]))
    return bool(found)


_READERS: tuple[tuple[str, Callable[[Builder, str], bool]], ...] = (
    (" free:", _zone), ("lowmem_reserve", _reserve), ("kB", _blocks), ("Node ", _node), (":", _counts),
    (" swap", _totals), (" pages", _totals), ("Unreclaimable", _slabs),
)  # fmt: skip
"""What each part of the dump has in its lines, and who reads it."""


def _fields(text: str) -> dict[str, int]:
    fields: dict[str, int] = {}
    for name, kib in _KB_FIELD.findall(text):
        fields.setdefault(name, int(kib))
    return fields


def _number(text: str | None) -> int | None:
    return int(text) if text else None
