"""A map of memory: every frame of each zone by what it is used for, counted by blocks. Models have it.

A real kernel says it frame by frame in /proc/kpageflags, half a second's reading for 16 GiB, and to root alone.
"""

from __future__ import annotations

from typing import NamedTuple


class ZoneMap(NamedTuple):
    """One zone by blocks, a byte a block from the lowest address on.

    *use* is the class that has most frames of the block, *share* how many in 255ths, *largest* the order of the largest
    free block there plus 1 (0: none), *age* 0 without pages on an LRU list, else 1 to 4 by the quarter that are
    active. *totals* are frames by class, *free* the free blocks by order.
    """

    name: str
    first_pfn: int
    use: bytes
    share: bytes
    largest: bytes
    age: bytes
    totals: tuple[int, ...]
    free: tuple[int, ...]


class FrameMap(NamedTuple):
    """All zones by blocks of 2**order frames; *classes* are the names of the uses."""

    order: int
    classes: tuple[str, ...]
    zones: tuple[ZoneMap, ...]

    def frames(self, name: str) -> int:
        """Return how many frames are used for *name*."""
        at = self.classes.index(name)
        return sum(zone.totals[at] for zone in self.zones)
