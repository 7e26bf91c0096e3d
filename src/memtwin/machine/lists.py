"""Pages of each zone on each LRU list, as zoneinfo counts them, handed out to their owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtwin.machine.layout import MOVABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.machine.frames import Frames


class Listed(NamedTuple):
    """Frames *pfn* … for a list, or for the batches in front of the lists."""

    pfn: int
    frames: int
    active: bool
    batched: bool = False


class Lists:
    """The places on the lists of one kind, ``anon`` or ``file``: active ones first, the highest zone first.

    Owners come by age: pages that are older have had more chances to become active. With *generations* it is the other
    way round: those in the two youngest count as active.
    """

    def __init__(self, frames: Frames, counts: dict[tuple[int, bool], int], *, generations: bool = False) -> None:
        self.frames, self.generations = frames, generations
        self.left = {key: counts.get(key, 0) for key in sorted(counts, key=lambda key: (not key[1], -key[0]))}

    def block(self, order: int) -> Listed | None:
        """Return an aligned block of 2^*order* frames for a list that has places for all of it; None: there is none."""
        for key, places in self.left.items():
            pfn = self.frames.block_of(key[0], order) if places >= 1 << order else None
            if pfn is not None:
                self.left[key] -= 1 << order
                return Listed(pfn, 1 << order, key[1])
        return None

    def take(self, count: int, *, youngest: bool = False, active: bool | None = None) -> Iterator[Listed]:
        """Yield frames for *count* pages; those that no list has a place for stand in a CPU's batch.

        With *youngest* inactive ones come first; with *active* those of that list, as far as it has any.
        """
        keys = list(reversed(self.left) if youngest else self.left)
        if self.generations:
            keys.sort(key=lambda key: key[1] != youngest)
        elif active is not None:
            keys.sort(key=lambda key: key[1] != active)
        for key in keys:
            places = self.left[key]
            taken = min(places, count)
            if taken:
                self.left[key] -= taken
                count -= taken
                for pfn, frames in self.frames.runs(taken, MOVABLE, key[0]):
                    yield Listed(pfn, frames, key[1])
        for pfn, frames in self.frames.runs(count, MOVABLE) if count else ():
            yield Listed(pfn, frames, active=False, batched=True)


class Unevictable:
    """The places on the unevictable list, the highest zone first."""

    def __init__(self, frames: Frames, counts: dict[int, int]) -> None:
        self.frames = frames
        self.left = dict(sorted(counts.items(), reverse=True))

    def take(self, count: int, kind: int) -> Iterator[tuple[int, int]]:
        """Yield (first frame, frames) for *count* pages: of ramfs, which cannot be moved, or locked ones, which can."""
        for zone, places in self.left.items():
            taken = min(places, count)
            if taken:
                self.left[zone] -= taken
                count -= taken
                yield from self.frames.runs(taken, kind, zone)
        yield from self.frames.runs(count, kind) if count else ()
