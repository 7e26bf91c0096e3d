"""Where everything lies after boot: a placement of free blocks and owners that prints the snapshot's own numbers.

A snapshot says how many free blocks of each order and type a zone has, not where they are.  This module chooses: free
blocks of 4 MiB fill whole aligned chunks from the top of the zone down, all smaller ones go into *mixed* pageblocks of
their type so that no two free buddies stand side by side; the frames between them are the used ones.  Given the same
snapshot it always chooses alike.

Units: frames (pages of 4 KiB) and pageblocks (512 frames).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from memtwin.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_ORDER = 10
PAGEBLOCK_ORDER = 9
PAGEBLOCK = 1 << PAGEBLOCK_ORDER
CHUNK = 1 << MAX_ORDER
MOVABLE = 1


class Block(NamedTuple):
    """2^order aligned frames from *pfn* on."""

    pfn: int
    order: int


class FreeBlock(NamedTuple):
    """A block for a free list."""

    pfn: int
    order: int
    migratetype: int


@dataclass(slots=True)
class ZoneLayout:
    """One zone's frames: free blocks, types of pageblocks, used blocks still to be given away, unmanaged frames."""

    free: list[FreeBlock] = field(default_factory=list)
    unmanaged: list[Block] = field(default_factory=list)
    pageblocks: dict[int, int] = field(default_factory=dict)
    used: list[list[Block]] = field(default_factory=lambda: [[] for _ in range(MAX_ORDER + 1)])

    def take(self, order: int) -> int | None:
        """Return the first frame of an aligned used block of 2^*order* frames, or None when there is none."""
        for larger in range(order, MAX_ORDER + 1):
            if self.used[larger]:
                pfn = self.used[larger].pop().pfn
                for half in range(larger - 1, order - 1, -1):
                    self.used[half].append(Block(pfn + (1 << half), half))
                return pfn
        return None

    def take_frames(self, count: int) -> Iterator[tuple[int, int]]:
        """Yield (first frame, frames) of used frames, *count* in all or as many as there are."""
        for order in range(MAX_ORDER, -1, -1):
            while self.used[order] and count >= 1 << order:
                yield self.used[order].pop().pfn, 1 << order
                count -= 1 << order
        while count > 0 and (pfn := self.take(0)) is not None:
            yield pfn, 1
            count -= 1

    def remaining(self) -> int:
        """Used frames that nobody has taken yet."""
        return sum(len(blocks) << order for order, blocks in enumerate(self.used))


class ZoneNumbers(NamedTuple):
    """What a snapshot says of a zone: place, pages, free blocks by type and order, pageblocks by type."""

    name: str
    start_pfn: int
    spanned: int
    managed: int
    free: Mapping[int, tuple[int, ...]]
    pageblocks: Mapping[int, int]


def place(zone: ZoneNumbers) -> ZoneLayout:
    """Choose a layout for a zone.

    Raises SnapshotError when the numbers cannot be: more free blocks than the zone has room for.
    """
    layout = ZoneLayout()
    end = zone.start_pfn + zone.spanned
    chunks = list(range(-(-zone.start_pfn // CHUNK) * CHUNK, end - CHUNK + 1, CHUNK))
    _place_chunks(zone, layout, chunks)
    mixed = _type_pageblocks(zone, layout, chunks, end)
    _place_pageblocks(zone, layout, mixed)
    _place_small(zone, layout, mixed)
    _find_used(zone, layout, end)
    return layout


def _too_many(zone: ZoneNumbers, order: int) -> SnapshotError:
    return SnapshotError(
        "proc/buddyinfo", f"zone {zone.name} has no room for its free blocks of order {order}",
        hint="are buddyinfo, pagetypeinfo and zoneinfo of one moment?",
    )  # fmt: skip


def _place_chunks(zone: ZoneNumbers, layout: ZoneLayout, chunks: list[int]) -> None:
    """Put the free blocks of the largest order into whole chunks, from the top down."""
    for migratetype, counts in zone.free.items():
        for _ in range(counts[MAX_ORDER] if len(counts) > MAX_ORDER else 0):
            if not chunks:
                raise _too_many(zone, MAX_ORDER)
            pfn = chunks.pop()
            layout.free.append(FreeBlock(pfn, MAX_ORDER, migratetype))
            for block in (pfn, pfn + PAGEBLOCK):
                layout.pageblocks[block] = migratetype


def _type_pageblocks(zone: ZoneNumbers, layout: ZoneLayout, chunks: list[int], end: int) -> dict[int, list[int]]:
    """Give the other pageblocks their types; return those that lie whole in the zone, by type."""
    left = dict(zone.pageblocks)
    for migratetype in layout.pageblocks.values():
        left[migratetype] = left.get(migratetype, 0) - 1
    first = zone.start_pfn // PAGEBLOCK * PAGEBLOCK
    pending = [pfn for pfn in range(first, end, PAGEBLOCK) if pfn not in layout.pageblocks]
    in_chunks = {block for chunk in chunks for block in (chunk, chunk + PAGEBLOCK)}
    pending.sort(key=lambda pfn: (pfn not in in_chunks, pfn))
    types = [migratetype for migratetype, count in sorted(left.items()) for _ in range(max(count, 0))]
    mixed: dict[int, list[int]] = {}
    for position, pfn in enumerate(pending):
        migratetype = types[position] if position < len(types) else MOVABLE
        layout.pageblocks[pfn] = migratetype
        if pfn + PAGEBLOCK <= end:
            mixed.setdefault(migratetype, []).append(pfn)
    return mixed


def _place_pageblocks(zone: ZoneNumbers, layout: ZoneLayout, mixed: dict[int, list[int]]) -> None:
    """Put the free blocks of one pageblock each where the buddy pageblock is not free as well."""
    whole: set[int] = set()
    for migratetype, counts in zone.free.items():
        for _ in range(counts[PAGEBLOCK_ORDER] if len(counts) > PAGEBLOCK_ORDER else 0):
            pfn = _pop_pageblock(mixed, migratetype, whole)
            if pfn is None:
                raise _too_many(zone, PAGEBLOCK_ORDER)
            whole.add(pfn)
            layout.pageblocks[pfn] = migratetype
            layout.free.append(FreeBlock(pfn, PAGEBLOCK_ORDER, migratetype))


def _pop_pageblock(mixed: dict[int, list[int]], migratetype: int, whole: set[int]) -> int | None:
    """Take a mixed pageblock of a type (else of any) that starts in the zone and has no free buddy."""
    for kind in (migratetype, *sorted(mixed)):
        for position in range(len(mixed.get(kind, ())) - 1, -1, -1):
            pfn = mixed[kind][position]
            if pfn and pfn ^ PAGEBLOCK not in whole:
                return mixed[kind].pop(position)
    return None


def _place_small(zone: ZoneNumbers, layout: ZoneLayout, mixed: dict[int, list[int]]) -> None:
    """Put the free blocks smaller than a pageblock into mixed pageblocks, the largest first.

    A block takes the upper half of a node twice its size; the lower half can hold only smaller blocks.  So its buddy
    is never wholly free.
    """
    spill: list[tuple[int, int]] = []
    for migratetype, counts in zone.free.items():
        nodes = _nodes(mixed.get(migratetype, []))
        for order in range(PAGEBLOCK_ORDER - 1, -1, -1):
            placed = (_place_in_node(layout, nodes, order, migratetype) for _ in range(counts[order]))
            spill += [(order, migratetype) for there in placed if not there]
    other = _nodes(_untouched(layout, mixed))
    for order, migratetype in sorted(spill, reverse=True):
        if not _place_in_node(layout, other, order, migratetype):
            raise _too_many(zone, order)


def _nodes(pageblocks: list[int]) -> list[list[int]]:
    """Return the room in pageblocks as first frames by order, the lowest last."""
    return [[] for _ in range(PAGEBLOCK_ORDER)] + [sorted(pageblocks, reverse=True)]


def _untouched(layout: ZoneLayout, mixed: dict[int, list[int]]) -> list[int]:
    """Mixed pageblocks without a free block."""
    holding = {block.pfn // PAGEBLOCK for block in layout.free}
    return [pfn for pfns in mixed.values() for pfn in pfns if pfn // PAGEBLOCK not in holding]


def _place_in_node(layout: ZoneLayout, nodes: list[list[int]], order: int, migratetype: int) -> bool:
    """Place one block in the smallest node that is larger than it."""
    size = next((size for size in range(order + 1, PAGEBLOCK_ORDER + 1) if nodes[size]), None)
    if size is None:
        return False
    pfn = nodes[size].pop()
    while size > order + 1:
        size -= 1
        nodes[size].append(pfn)
        pfn += 1 << size
    nodes[order].append(pfn)
    layout.free.append(FreeBlock(pfn + (1 << order), order, migratetype))
    return True


def _find_used(zone: ZoneNumbers, layout: ZoneLayout, end: int) -> None:
    """Declare as many frames between the free blocks used as the zone manages; the rest is not managed."""
    free = {block.pfn: block.order for block in layout.free}
    wanted = zone.managed - sum(1 << order for order in free.values())
    if wanted < 0:
        raise SnapshotError("proc/zoneinfo", f"zone {zone.name} has more free pages than it manages")
    heap: list[tuple[int, int, int]] = []
    pfn = zone.start_pfn
    holding = {block // PAGEBLOCK for block in free}
    while pfn < end:
        if pfn in free:
            pfn += 1 << free[pfn]
            continue
        order = _largest_block(pfn, end, free)
        heappush(heap, (pfn // PAGEBLOCK not in holding, pfn, order))
        pfn += 1 << order
    while wanted:
        if not heap:
            raise SnapshotError("proc/zoneinfo", f"zone {zone.name} manages more pages than it spans")
        rank, pfn, order = heappop(heap)
        while 1 << order > wanted:
            order -= 1
            heappush(heap, (rank, pfn + (1 << order), order))
        layout.used[order].append(Block(pfn, order))
        wanted -= 1 << order
    layout.unmanaged = [Block(pfn, order) for _, pfn, order in heap]


def _largest_block(pfn: int, end: int, free: Mapping[int, int]) -> int:
    """The order of the largest aligned block at *pfn* that reaches neither *end* nor a free block."""
    order = 0
    while (
        order < MAX_ORDER
        and pfn % (2 << order) == 0
        and pfn + (2 << order) <= end
        and not any(at in free for at in range(pfn + (1 << order), pfn + (2 << order)))
    ):
        order += 1
    return order
