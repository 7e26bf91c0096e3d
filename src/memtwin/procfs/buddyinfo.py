r"""``/proc/buddyinfo``: free blocks of each order in each populated zone.

Layout: ``Node %d, zone %8s `` and ``%6lu `` an order, so that every line ends in a blank. Order n is a block
of 2**n pages; v6.1 has orders 0 to 10.

>>> zone = parse("Node 0, zone      DMA      8      6 \n").zones[0]
>>> zone.zone, zone.counts, zone.free_pages
('DMA', (8, 6), 20)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join
from memtwin.units import Pages

SOURCE = ("mm/vmstat.c", "v6.1")
PATH = "proc/buddyinfo"

_LINE = re.compile(r"Node +([0-9]{1,20}), zone +(\S+)((?: +[0-9]{1,20})+) *", re.ASCII)


@dataclass(frozen=True, slots=True)
class ZoneBlocks:
    """One zone's free blocks: ``counts[order]``, of all migrate types."""

    node: int
    zone: str
    counts: tuple[int, ...]

    @property
    def free_pages(self) -> Pages:
        """Pages in all these blocks: what nr_free_pages is, but for the moment between two reads."""
        return Pages(sum(count << order for order, count in enumerate(self.counts)))


@dataclass(frozen=True, slots=True)
class Buddyinfo:
    """The zones in file order."""

    zones: tuple[ZoneBlocks, ...] = ()


def parse(text: str, path: str = PATH) -> Buddyinfo:
    """Read buddyinfo; *path* names it in errors."""
    lines = Lines(text, path)
    zones = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise lines.bad("Node N, zone NAME and a count for each order")
        zones.append(ZoneBlocks(int(match[1]), match[2], tuple(map(int, match[3].split()))))
    return Buddyinfo(tuple(zones))


def render(record: Buddyinfo) -> str:
    """Return the text that the kernel prints, as frag_show_print() does."""
    return join([f"Node {row.node}, zone {row.zone:>8} {_counts(row.counts)}" for row in record.zones])


def _counts(counts: tuple[int, ...]) -> str:
    return "".join([f"{count:6d} " for count in counts])
