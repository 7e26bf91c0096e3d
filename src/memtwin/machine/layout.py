"""Where everything lies after boot: a placement of free blocks and owners that prints the snapshot's own numbers.

A snapshot says how many free blocks of each order and type a zone has, not where they are.  This module chooses: free
blocks of 4 MiB fill whole aligned chunks from the top of the zone down, all smaller ones go into *mixed* pageblocks of
their type so that no two free buddies stand side by side; the frames between them are the used ones.  Given the same
snapshot it always chooses alike.

Units: frames (pages of 4 KiB) and pageblocks (512 frames).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
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
    remaining: int = 0
    """Used frames that are not given away yet."""

    def add_used(self, block: Block) -> None:
        """Add a used block that is still to be given away."""
        self.used[block.order].append(block)
        self.remaining += 1 << block.order

    def take(self, order: int) -> int | None:
        """Return the first frame of an aligned used block of 2^*order* frames, or None when there is none."""
        for larger in range(order, MAX_ORDER + 1):
            if self.used[larger]:
                pfn = self.used[larger].pop().pfn
                for half in range(larger - 1, order - 1, -1):
                    self.used[half].append(Block(pfn + (1 << half), half))
                self.remaining -= 1 << order
                return pfn
        return None

    def take_frames(self, count: int) -> Iterator[tuple[int, int]]:
        """Yield (first frame, frames) of used frames, *count* in all or as many as there are."""
        for order in range(MAX_ORDER, -1, -1):
            while self.used[order] and count >= 1 << order:
                self.remaining -= 1 << order
                count -= 1 << order
                yield self.used[order].pop().pfn, 1 << order
        while count > 0 and (pfn := self.take(0)) is not None:
            yield pfn, 1
            count -= 1


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
    rooms = _type_pageblocks(zone, layout, chunks, end)
    _place_pageblocks(zone, layout, rooms)
    _place_small(zone, layout, rooms)
    _find_used(zone, layout, rooms, end)
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


@dataclass(slots=True)
class Rooms:
    """Where smaller free blocks may lie: of each type, aligned *nodes* by order, the lowest first frame last.

    A node has no free buddy if it keeps one frame that is in use, so it is never filled: a block takes the upper half
    of a node of twice its size, and the lower half stays as a node for smaller blocks. Every way to choose among
    nodes leaves as much room for the orders below, so a block fits whenever there is any room for it.
    """

    nodes: dict[int, list[list[int]]]
    partial: list[int]
    """Pageblocks that are cut by the end of the zone: frames in use only."""

    def find(self, order: int, migratetype: int) -> tuple[list[list[int]], int] | None:
        """Return the nodes and the size of the smallest one above *order*: of the type, else of any."""
        for kind in (migratetype, *sorted(self.nodes)):
            nodes = self.nodes.get(kind)
            for size in range(order + 1, PAGEBLOCK_ORDER + 1) if nodes else ():
                if nodes and nodes[size]:
                    return nodes, size
        return None


def _type_pageblocks(zone: ZoneNumbers, layout: ZoneLayout, chunks: list[int], end: int) -> Rooms:
    """Give the other pageblocks their types; those that lie whole in the zone are room for smaller blocks."""
    left = dict(zone.pageblocks)
    for migratetype in layout.pageblocks.values():
        left[migratetype] = left.get(migratetype, 0) - 1
    first = zone.start_pfn // PAGEBLOCK * PAGEBLOCK
    pending = [pfn for pfn in range(first, end, PAGEBLOCK) if pfn not in layout.pageblocks]
    in_chunks = {block for chunk in chunks for block in (chunk, chunk + PAGEBLOCK)}
    pending.sort(key=lambda pfn: (pfn not in in_chunks, pfn))
    types = [migratetype for migratetype, count in sorted(left.items()) for _ in range(max(count, 0))]
    rooms = Rooms({}, [])
    for position, pfn in enumerate(pending):
        migratetype = types[position] if position < len(types) else MOVABLE
        layout.pageblocks[pfn] = migratetype
        if pfn + PAGEBLOCK > end:
            rooms.partial.append(pfn)
        else:
            nodes = rooms.nodes.setdefault(migratetype, [[] for _ in range(PAGEBLOCK_ORDER + 1)])
            nodes[PAGEBLOCK_ORDER].append(pfn)
    return rooms


def _place_pageblocks(zone: ZoneNumbers, layout: ZoneLayout, rooms: Rooms) -> None:
    """Put the free blocks of one pageblock each where the buddy pageblock is not free as well."""
    whole: set[int] = set()
    mixed = {kind: nodes[PAGEBLOCK_ORDER] for kind, nodes in rooms.nodes.items()}
    for migratetype, counts in zone.free.items():
        for _ in range(counts[PAGEBLOCK_ORDER] if len(counts) > PAGEBLOCK_ORDER else 0):
            pfn = _pop_pageblock(mixed, migratetype, whole)
            if pfn is None:
                raise _too_many(zone, PAGEBLOCK_ORDER)
            whole.add(pfn)
            layout.pageblocks[pfn] = migratetype
            layout.free.append(FreeBlock(pfn, PAGEBLOCK_ORDER, migratetype))
    for pfns in mixed.values():
        pfns.sort(reverse=True)


def _pop_pageblock(mixed: dict[int, list[int]], migratetype: int, whole: set[int]) -> int | None:
    """Take a pageblock of a type (else of any) that starts in the zone and has no free buddy."""
    for kind in (migratetype, *sorted(mixed)):
        for position in range(len(mixed.get(kind, ())) - 1, -1, -1):
            pfn = mixed[kind][position]
            if pfn and pfn ^ PAGEBLOCK not in whole:
                return mixed[kind].pop(position)
    return None


def _place_small(zone: ZoneNumbers, layout: ZoneLayout, rooms: Rooms) -> None:
    """Put the free blocks smaller than a pageblock into the rooms, the largest first."""
    for order in range(PAGEBLOCK_ORDER - 1, -1, -1):
        for migratetype, counts in zone.free.items():
            for _ in range(counts[order]):
                found = rooms.find(order, migratetype)
                if found is None:
                    raise _too_many(zone, order)
                nodes, size = found
                pfn = nodes[size].pop()
                while size > order + 1:
                    size -= 1
                    nodes[size].append(pfn)
                    pfn += 1 << size
                nodes[order].append(pfn)
                layout.free.append(FreeBlock(pfn + (1 << order), order, migratetype))


def _find_used(zone: ZoneNumbers, layout: ZoneLayout, rooms: Rooms, end: int) -> None:
    """Declare as many frames between the free blocks used as the zone manages; the rest is not managed.

    Those in pageblocks with free blocks come first, and then from the lowest address up.
    """
    wanted = zone.managed - sum(1 << block.order for block in layout.free)
    if wanted < 0:
        raise SnapshotError("proc/zoneinfo", f"zone {zone.name} has more free pages than it manages")
    holding = {block.pfn // PAGEBLOCK for block in layout.free}
    heap = [(pfn // PAGEBLOCK not in holding, pfn, order) for pfn, order in _between(zone, rooms, end)]
    heapify(heap)
    while wanted:
        if not heap:
            raise SnapshotError("proc/zoneinfo", f"zone {zone.name} manages more pages than it spans")
        rank, pfn, order = heappop(heap)
        while 1 << order > wanted:
            order -= 1
            heappush(heap, (rank, pfn + (1 << order), order))
        layout.add_used(Block(pfn, order))
        wanted -= 1 << order
    layout.unmanaged = [Block(pfn, order) for _, pfn, order in heap]


def _between(zone: ZoneNumbers, rooms: Rooms, end: int) -> Iterator[tuple[int, int]]:
    """Yield (first frame, order) of the aligned blocks between the free ones."""
    whole = {pfn for nodes in rooms.nodes.values() for pfn in nodes[PAGEBLOCK_ORDER]}
    for nodes in rooms.nodes.values():
        for order, pfns in enumerate(nodes[:PAGEBLOCK_ORDER]):
            for pfn in pfns:
                yield from _pieces(max(pfn, zone.start_pfn), pfn + (1 << order))
    for pfn in sorted(whole):
        if pfn & PAGEBLOCK == 0 and pfn + PAGEBLOCK in whole and pfn >= zone.start_pfn:
            yield pfn, MAX_ORDER
        elif not (pfn & PAGEBLOCK and pfn - PAGEBLOCK in whole and pfn - PAGEBLOCK >= zone.start_pfn):
            yield from _pieces(max(pfn, zone.start_pfn), pfn + PAGEBLOCK)
    for pfn in rooms.partial:
        yield from _pieces(max(pfn, zone.start_pfn), min(pfn + PAGEBLOCK, end))


def _pieces(pfn: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a range of frames into the largest aligned blocks."""
    while pfn < end:
        order = min((pfn & -pfn).bit_length() - 1 if pfn else MAX_ORDER, (end - pfn).bit_length() - 1)
        yield pfn, order
        pfn += 1 << order
