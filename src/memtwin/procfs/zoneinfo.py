r"""``/proc/zoneinfo``: each zone's watermarks, sizes, counters and per-CPU page lists, in pages.

Layout: ``Node %d, zone %8s``; in the first populated zone of each node the node's counters; the watermarks
and sizes; and, unless the zone is empty, its counters (``%-12s %lu``), each CPU's page set, two last lines. Lines
of other versions (``scanned`` and the counters before v4.8, ``inactive_ratio``) are kept and printed back in place.
From v4.8 to v4.11 a zone's counters stand before its protection.

>>> empty = ZoneInfo(0, "Device", free=0, min=0, low=0, high=0, spanned=0, present=0, managed=0,
...                  boost=0, cma=0, protection=(0, 0, 0, 0, 0))
>>> render(Zoneinfo((empty,))).splitlines()[:2]
['Node 0, zone   Device', '  pages free     0']
>>> parse(render(Zoneinfo((empty,)))).zones[0].promo is None  # printed since v6.8
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memtwin.procfs.text import Lines, join, put_back
from memtwin.units import Pages

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = ("mm/vmstat.c", "v6.1")
PATH = "proc/zoneinfo"

_ZONE = re.compile(r"Node ([0-9]{1,20}), zone +([^\s]+)", re.ASCII)
_STAT = re.compile(r"      ([^\s]+) +([0-9]{1,20})", re.ASCII)
_PROTECTION = re.compile(r"        protection: \(([0-9]{1,20}(?:, [0-9]{1,20})*)\)", re.ASCII)
_ALWAYS = frozenset({"min", "low", "high", "spanned", "present", "managed"})
_SIZES = ("boost", "min", "low", "high", "promo", "spanned", "present", "managed", "cma")
_CPU = "    cpu: "
_THRESHOLD = "  vm stats threshold: "
_UNRECLAIMABLE = "  node_unreclaimable:  "
_START_PFN = "  start_pfn:           "
_FREE = "  pages free     "
_PER_NODE = "  per-node stats"
_PAGESETS = "  pagesets"
_LISTS = ("count", "high", "batch", "high_min", "high_max")


@dataclass(frozen=True, slots=True)
class PageSet:
    """The page lists of one CPU; *stat_threshold* is how far its counters may drift (None without SMP).

    *high_min* and *high_max*, between which *high* is tuned, are printed since v6.13: both or neither.
    """

    cpu: int
    count: Pages
    high: Pages
    batch: Pages
    stat_threshold: int | None = None
    high_min: Pages | None = None
    high_max: Pages | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneInfo:
    """One zone. The node's counters are in its first populated zone only (else None).

    Of an unpopulated zone *stats* and *pagesets* are empty, *node_unreclaimable* and *start_pfn* None.
    """

    node: int = field(kw_only=False)
    name: str = field(kw_only=False)
    node_stats: dict[str, int] | None = None
    free: Pages
    boost: Pages | None = None  # since v5.17
    min: Pages
    low: Pages
    high: Pages
    promo: Pages | None = None  # since v6.8
    spanned: Pages
    present: Pages
    managed: Pages
    cma: Pages | None = None  # since v5.10
    protection: tuple[int, ...]
    stats_first: bool = False
    """The zone's counters stand before its protection: v4.8 to v4.11."""
    stats: dict[str, int] = field(default_factory=dict)
    pagesets: tuple[PageSet, ...] = ()
    node_unreclaimable: int | None = None
    start_pfn: int | None = None


@dataclass(frozen=True, slots=True)
class Zoneinfo:
    """The zones in file order, the empty ones among them. *unknown*: (index of the line, line)."""

    zones: tuple[ZoneInfo, ...] = ()
    unknown: tuple[tuple[int, str], ...] = ()

    def zone(self, name: str, node: int = 0) -> ZoneInfo | None:
        """Return the zone *name* of *node*, or None if there is none."""
        return next((zone for zone in self.zones if (zone.node, zone.name) == (node, name)), None)


_HEADS = (
    "Node ", _PER_NODE, _FREE, _PAGESETS, _CPU, _THRESHOLD, _UNRECLAIMABLE, _START_PFN, "        protection: ",
    *(f"        {size:<8} " for size in _SIZES), *(f"              {name}:" for name in _LISTS),
)  # fmt: skip


class _KnownLines(Lines):
    """The lines that this module can read; the others are put into :attr:`unknown` as they come."""

    __slots__ = ("unknown",)

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        self.unknown: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        while self.peek() is not None:
            yield self.next("")

    def next(self, expected: str) -> str:
        self.peek()
        return super().next(expected)

    def peek(self) -> str | None:
        line = super().peek()
        while line is not None and not _is_known(line):
            self.unknown.append((self.lineno, line))
            super().next("")
            line = super().peek()
        return line


def parse(text: str, path: str = PATH) -> Zoneinfo:
    """Read zoneinfo; *path* names it in errors."""
    lines = _KnownLines(text, path)
    zones = []
    for line in lines:
        match = _ZONE.fullmatch(line)
        if match is None:
            raise lines.bad("Node, a number, zone and a name")
        zones.append(_zone(lines, int(match[1]), match[2]))
    return Zoneinfo(tuple(zones), tuple(lines.unknown))


def render(record: Zoneinfo) -> str:
    """Return the text that the kernel prints, as zoneinfo_show() does."""
    return join(put_back([line for zone in record.zones for line in _zone_lines(zone)], record.unknown))


def _is_known(line: str) -> bool:
    """Whether *line* begins as one of those that this module reads (what follows may still be wrong)."""
    return line.startswith(_HEADS) or (line.startswith("      ") and line[6:7] not in {"", " "})


def _zone(lines: Lines, node: int, name: str) -> ZoneInfo:
    node_stats = None
    if lines.peek() == _PER_NODE:
        lines.next("")
        node_stats = _stats(lines)
    free = _value(lines, _FREE)
    sizes = {}
    for size in _SIZES:
        head = f"        {size:<8} "
        if size in _ALWAYS or (lines.peek() or "").startswith(head):
            sizes[size] = _value(lines, head)
    first = _stats(lines)
    expected = "protection: (0, ...)"
    match = _PROTECTION.fullmatch(lines.next(expected))
    if match is None:
        raise lines.bad(expected)
    protection = tuple([int(token) for token in match[1].split(", ")])
    zone = ZoneInfo(
        node,
        name,
        node_stats=node_stats,
        free=free,
        min=sizes["min"],
        low=sizes["low"],
        high=sizes["high"],
        spanned=sizes["spanned"],
        present=sizes["present"],
        managed=sizes["managed"],
        boost=sizes.get("boost"),
        promo=sizes.get("promo"),
        cma=sizes.get("cma"),
        protection=protection,
        stats_first=bool(first),
        stats=first,
    )
    following = lines.peek()
    return zone if following is None or following.startswith("Node ") else _populated(lines, zone)


def _populated(lines: Lines, zone: ZoneInfo) -> ZoneInfo:
    """Return *zone* with what only a populated zone prints."""
    from dataclasses import replace

    stats = zone.stats or _stats(lines)
    if lines.next("pagesets") != _PAGESETS:
        raise lines.bad("a zone counter or pagesets")
    pagesets = []
    while (lines.peek() or "").startswith(_CPU):
        pagesets.append(_pageset(lines))
    unreclaimable, start = (_value_if_there(lines, head) for head in (_UNRECLAIMABLE, _START_PFN))
    if not (stats or pagesets or unreclaimable is not None or start is not None):
        lines.lineno += 1
        raise lines.bad("counters or a CPU's page set")
    return replace(zone, stats=stats, pagesets=tuple(pagesets), node_unreclaimable=unreclaimable, start_pfn=start)


def _pageset(lines: Lines) -> PageSet:
    cpu = _value(lines, _CPU)
    wide = (lines.peek() or "").startswith("              count:    ")
    count, high, batch = (_value(lines, _pageset_head(label, wide=wide)) for label in ("count", "high", "batch"))
    high_min = _value(lines, _pageset_head("high_min", wide=True)) if wide else None
    high_max = _value(lines, _pageset_head("high_max", wide=True)) if wide else None
    threshold = _value(lines, _THRESHOLD) if (lines.peek() or "").startswith(_THRESHOLD) else None
    return PageSet(cpu, count, high, batch, threshold, high_min, high_max)


def _pageset_head(label: str, *, wide: bool) -> str:
    return f"              {f'{label}:':<{10 if wide else 7}}"


def _value(lines: Lines, head: str) -> Pages:
    """Read the next line, which is *head* and a number."""
    expected = f"{head.strip()} and a number"
    line = lines.next(expected)
    if not line.startswith(head):
        raise lines.bad(expected)
    return Pages(lines.number(line.removeprefix(head), expected))


def _value_if_there(lines: Lines, head: str) -> Pages | None:
    return _value(lines, head) if (lines.peek() or "").startswith(head) else None


def _stats(lines: Lines) -> dict[str, int]:
    """Read counters for as long as there are any."""
    stats: dict[str, int] = {}
    while match := _STAT.fullmatch(lines.peek() or ""):
        lines.next("")
        if match[1] in stats:
            raise lines.bad("each counter once")
        stats[match[1]] = int(match[2])
    return stats


def _stat_lines(stats: dict[str, int]) -> list[str]:
    return [f"      {name:<12} {value}" for name, value in stats.items()]


def _zone_lines(zone: ZoneInfo) -> list[str]:
    lines = [f"Node {zone.node}, zone {zone.name:>8}"]
    if zone.node_stats is not None:
        lines += [_PER_NODE, *_stat_lines(zone.node_stats)]
    lines.append(f"{_FREE}{zone.free}")
    for size in _SIZES:
        value = getattr(zone, size)
        if value is not None:
            lines.append(f"        {size:<8} {value}")
    if zone.stats_first:
        lines += _stat_lines(zone.stats)
    lines.append(f"        protection: ({', '.join(map(str, zone.protection))})")
    tail = ((_UNRECLAIMABLE, zone.node_unreclaimable), (_START_PFN, zone.start_pfn))
    last = [f"{head}{value}" for head, value in tail if value is not None]
    if zone.stats or zone.pagesets or last:
        lines += [*([] if zone.stats_first else _stat_lines(zone.stats)), _PAGESETS]
        for pageset in zone.pagesets:
            lines += _pageset_lines(pageset)
    return [*lines, *last]


def _pageset_lines(pageset: PageSet) -> list[str]:
    wide = pageset.high_min is not None
    labels = _LISTS[: 5 if wide else 3]
    lines = [f"{_pageset_head(label, wide=wide)}{getattr(pageset, label)}" for label in labels]
    if pageset.stat_threshold is not None:
        lines.append(f"{_THRESHOLD}{pageset.stat_threshold}")
    return [f"{_CPU}{pageset.cpu}", *lines]
