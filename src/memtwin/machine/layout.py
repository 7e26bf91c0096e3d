"""Where everything lies after boot: a placement of free blocks and owners that prints the snapshot's own numbers.

A snapshot says how many free blocks of each order and type a zone has, not where they are.  This module chooses: free
blocks of 4 MiB fill whole aligned chunks from the top of the zone down, all smaller ones go into *mixed* pageblocks of
their type so that no two free buddies stand side by side; the frames between them are the used ones.  Who takes a used
frame says whether it could be moved: it gets one in a pageblock of that type as long as there is one, as the kernel's
allocator does, so that it goes back to that type's list when it is freed.  Frames that are not managed (the kernel's
image, struct pages) lie in movable pageblocks, the type that all have before the allocator begins.  Given the same
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
UNMOVABLE, MOVABLE, RECLAIMABLE, HIGHATOMIC, ISOLATE = range(5)
FALLBACKS = {
    UNMOVABLE: (UNMOVABLE, RECLAIMABLE, MOVABLE, HIGHATOMIC, ISOLATE),
    MOVABLE: (MOVABLE, RECLAIMABLE, UNMOVABLE, HIGHATOMIC, ISOLATE),
    RECLAIMABLE: (RECLAIMABLE, UNMOVABLE, MOVABLE, HIGHATOMIC, ISOLATE),
}
"""In pageblocks of which types an owner's frames are looked for, by what it is."""


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
    used: dict[int, list[list[Block]]] = field(default_factory=dict)
    """By the type of their pageblock and by order."""
    remaining: int = 0
    """Used frames that are not given away yet."""

    def take(self, order: int, kind: int) -> int | None:
        """Return the first frame of an aligned used block of 2^*order* frames for an owner, or None: there is none."""
        for migratetype in FALLBACKS[kind]:
            pfn = _pop(self.used.get(migratetype, []), order)
            if pfn is not None:
                self.remaining -= 1 << order
                return pfn
        return None

    def take_frames(self, count: int, kind: int) -> Iterator[tuple[int, int]]:
        """Yield (first frame, frames) of used frames for an owner, *count* in all or as many as there are."""
        for migratetype in FALLBACKS[kind]:
            used = self.used.get(migratetype, [])
            for order in range(len(used) - 1, -1, -1):
                while used[order] and count >= 1 << order:
                    self.remaining -= 1 << order
                    count -= 1 << order
                    yield used[order].pop().pfn, 1 << order
            while count > 0 and (pfn := _pop(used, 0)) is not None:
                self.remaining -= 1
                count -= 1
                yield pfn, 1

    def has_block(self, order: int) -> bool:
        """Whether there is a used block of 2^*order* frames or more."""
        return any(blocks for used in self.used.values() for blocks in used[order:])

    def type_of(self, pfn: int) -> int:
        """Return the type of a frame's pageblock."""
        return self.pageblocks[pfn // PAGEBLOCK * PAGEBLOCK]

    def add_used(self, block: Block) -> None:
        """Add a block of used frames, in pageblocks of one type."""
        self.used.setdefault(self.type_of(block.pfn), [[] for _ in range(MAX_ORDER + 1)])[block.order].append(block)
        self.remaining += 1 << block.order


def _pop(used: list[list[Block]], order: int) -> int | None:
    """Take an aligned block of 2^*order* frames off blocks by order; what is over stays. None: there is none."""
    for larger in range(order, len(used)):
        if used[larger]:
            pfn = used[larger].pop().pfn
            for half in range(larger - 1, order - 1, -1):
                used[half].append(Block(pfn + (1 << half), half))
            return pfn
    return None


class ZoneNumbers(NamedTuple):
    """What a snapshot says of a zone: place, pages, free blocks by type and order, pageblocks by type.

    *movable* is how many of its pages in use could be moved: those on LRU lists, but for unevictable ones, and
    zsmalloc's.
    """

    name: str
    start_pfn: int
    spanned: int
    managed: int
    free: Mapping[int, tuple[int, ...]]
    pageblocks: Mapping[int, int]
    movable: int = 0


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

    A node has no free buddy if it keeps one frame that is in use, so it is never filled: a block takes one half of a
    node of twice its size, by turns the upper and the lower one, as both occur; the other stays as a node for smaller
    blocks. Every way to choose among nodes leaves as much room for the orders below, so a block fits whenever there is
    any room for it.
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
                halves = [pfn, pfn + (1 << order)]
                taken = halves.pop(len(layout.free) % 2 if pfn >= zone.start_pfn else 1)
                layout.free.append(FreeBlock(taken, order, migratetype))
                nodes[order].extend(halves)


def _find_used(zone: ZoneNumbers, layout: ZoneLayout, rooms: Rooms, end: int) -> None:
    """Declare as many frames between the free blocks used as the zone manages; the rest is not managed.

    Of movable pageblocks as many as there are movable pages, then of the others, then of movable ones again; each time
    those in pageblocks with free blocks first, and then from the lowest address up.
    """
    wanted = zone.managed - sum(1 << block.order for block in layout.free)
    if wanted < 0:
        raise SnapshotError("proc/zoneinfo", f"zone {zone.name} has more free pages than it manages")
    holding = {block.pfn // PAGEBLOCK for block in layout.free}
    heaps: tuple[list[tuple[bool, int, int]], ...] = ([], [])
    for pfn, order in _between(zone, layout, rooms, end):
        heaps[layout.type_of(pfn) == MOVABLE].append((pfn // PAGEBLOCK not in holding, pfn, order))
    for heap in heaps:
        heapify(heap)
    others, movable = heaps
    wanted -= _use(layout, movable, min(zone.movable, wanted))
    wanted -= _use(layout, others, wanted)
    wanted -= _use(layout, movable, wanted)
    if wanted:
        raise SnapshotError("proc/zoneinfo", f"zone {zone.name} manages more pages than it spans")
    layout.unmanaged = [Block(pfn, order) for heap in heaps for _, pfn, order in heap]


def _use(layout: ZoneLayout, heap: list[tuple[bool, int, int]], wanted: int) -> int:
    """Declare *wanted* frames of a heap of blocks used, or as many as it has; returns how many."""
    left = wanted
    while left and heap:
        rank, pfn, order = heappop(heap)
        while 1 << order > left:
            order -= 1
            heappush(heap, (rank, pfn + (1 << order), order))
        layout.add_used(Block(pfn, order))
        left -= 1 << order
    return wanted - left


def _between(zone: ZoneNumbers, layout: ZoneLayout, rooms: Rooms, end: int) -> Iterator[tuple[int, int]]:
    """Yield (first frame, order) of the aligned blocks between the free ones; each lies in pageblocks of one type."""
    whole = {pfn for nodes in rooms.nodes.values() for pfn in nodes[PAGEBLOCK_ORDER]}
    pairs = {
        pfn for pfn in whole
        if pfn & PAGEBLOCK == 0 and pfn + PAGEBLOCK in whole and pfn >= zone.start_pfn
        and layout.type_of(pfn) == layout.type_of(pfn + PAGEBLOCK)
    }  # fmt: skip
    for nodes in rooms.nodes.values():
        for order, pfns in enumerate(nodes[:PAGEBLOCK_ORDER]):
            for pfn in pfns:
                yield from _pieces(max(pfn, zone.start_pfn), pfn + (1 << order))
    for pfn in sorted(whole):
        if pfn in pairs:
            yield pfn, MAX_ORDER
        elif pfn - PAGEBLOCK not in pairs:
            yield from _pieces(max(pfn, zone.start_pfn), pfn + PAGEBLOCK)
    for pfn in rooms.partial:
        yield from _pieces(max(pfn, zone.start_pfn), min(pfn + PAGEBLOCK, end))


def _pieces(pfn: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a range of frames into the largest aligned blocks."""
    while pfn < end:
        order = min((pfn & -pfn).bit_length() - 1 if pfn else MAX_ORDER, (end - pfn).bit_length() - 1)
        yield pfn, order
        pfn += 1 << order
