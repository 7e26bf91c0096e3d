"""Frames that are in use and have no owner yet: what the builder hands out.

Some owners are bound to a zone: zoneinfo counts each zone's pages on the LRU lists and on per-CPU lists. The others
(slabs, page tables, the kernel's own) may lie anywhere. So that each zone keeps what its own counters claim, frames for
the others are taken from the highest zone that has more in use than it needs.

What an owner is (UNMOVABLE, MOVABLE, RECLAIMABLE) says in which pageblocks its frames are looked for first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import SnapshotError
from memtwin.machine.layout import MOVABLE, UNMOVABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.machine.layout import ZoneLayout


class Frames:
    """Used frames of every zone, by the number of the zone. *name*: the snapshot's, for errors."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layouts: dict[int, ZoneLayout] = {}
        self.zones: list[int] = []
        """The zones, the highest first."""
        self.bound: dict[int, int] = {}
        """Frames of each zone that its own counters claim and that are not handed out yet."""

    def add_zone(self, zone: int, layout: ZoneLayout, bound: int) -> None:
        """Add a zone of whose used frames *bound* belong to its own counters."""
        self.layouts[zone] = layout
        self.zones = sorted(self.layouts, reverse=True)
        self.bound[zone] = min(bound, layout.remaining)

    def remaining(self) -> int:
        """Frames of all zones that are not allocated yet."""
        return sum(layout.remaining for layout in self.layouts.values())

    def unbound(self, zone: int) -> int:
        """Frames of a zone that its own counters do not claim."""
        return self.layouts[zone].remaining - self.bound[zone]

    def block(self, order: int, kind: int = UNMOVABLE) -> int:
        """Return the first frame of an aligned block of 2^*order* frames, of the highest zone that can spare it."""
        for spare in (True, False):
            for zone in self.zones:
                if spare and self.unbound(zone) < 1 << order:
                    continue
                pfn = self.layouts[zone].take(order, kind)
                if pfn is not None:
                    self.bound[zone] = min(self.bound[zone], self.layouts[zone].remaining)
                    return pfn
        raise self._short()

    def block_of(self, zone: int, order: int) -> int | None:
        """Return the first frame of an aligned block of a zone that its LRU lists claim; None: it has none."""
        pfn = self.layouts[zone].take(order, MOVABLE)
        if pfn is not None:
            self.bound[zone] -= min(self.bound[zone], 1 << order)
        return pfn

    def has_block(self, order: int) -> bool:
        """Whether there is an aligned block of 2^*order* frames."""
        return any(layout.has_block(order) for layout in self.layouts.values())

    def one(self) -> int:
        """Return a single frame of any zone."""
        return self.block(0)

    def singles(self, count: int) -> list[int]:
        """Return *count* single frames of any zone for the kernel itself."""
        return [pfn + i for pfn, frames in self.runs(count, UNMOVABLE) for i in range(frames)]

    def runs(self, count: int, kind: int, zone: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (first frame, frames), *count* in all: of *zone*, which claims them, or of zones that can spare them.

        A zone that has too few makes the others help.
        """
        if zone is not None:
            taken = min(count, self.layouts[zone].remaining)
            self.bound[zone] -= min(self.bound[zone], count)
            yield from self.layouts[zone].take_frames(taken, kind)
            count -= taken
        for spare in (True, False):
            for other in self.zones:
                taken = min(count, self.unbound(other) if spare else self.layouts[other].remaining)
                yield from self.layouts[other].take_frames(taken, kind)
                self.bound[other] = min(self.bound[other], self.layouts[other].remaining)
                count -= taken
        if count:
            raise self._short()

    def _short(self) -> SnapshotError:
        return SnapshotError(self.name, "its counters add up to more pages than are in use")
