"""What glibc's malloc has got back from a program and kept: its own free lists, walked from outside.

glibc is found without symbols: ``main_arena`` lies in the writable data of the C library, and its empty bins point to
themselves. From it all arenas are a ring; each has fastbins, bins (unsorted, small, large) and a top chunk. Their sum
is ``fordblks`` of mallinfo2(3). What ``malloc_trim(0)`` would free is the whole pages within free chunks
(neighbours merged, as malloc_consolidate does first), as far as they are in RAM or swap. The threads' caches (tcache)
count as used, as in mallinfo2.

The program runs on while it is read, so that a list may be torn: every link is checked in both directions, every walk
is bounded, and a result stands when two looks in a row agree, or the program did not run meanwhile. The layout of
``struct malloc_state`` is that of malloc/malloc.c of glibc 2.26 to 2.41, 64 bits; what does not check out is unknown,
never a number.
"""

from __future__ import annotations

import struct
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.pid.maps import Mapping
    from memtwin.sources.process_memory import ProcessMemory

_FASTBINS: Final = 10
_BINS: Final = 127
_AT_FASTBINS: Final = 16
_AT_TOP: Final = 96
_AT_BINS: Final = 112
_AT_NEXT: Final = 2160
_AT_SYSTEM: Final = 2184
_ARENA_BYTES: Final = 2200
_BIN_OFFSET: Final = 16
"""A bin's address as a chunk: its fd and bk are the pair in ``bins``."""
_CHUNK_BYTES: Final = 48
"""sizeof(struct malloc_chunk), which trimming keeps at the head of a free chunk."""
_MINSIZE: Final = 32
_LEAST_SELF_POINTING: Final = 32
_LARGEST_FAST: Final = 176
_FLAGS: Final = 7
MOST_ARENAS: Final = 4096
MOST_CHUNKS: Final = 8_000_000
_MOST_SYSTEM: Final = 1 << 46
_BLOCK_BYTES: Final = 256 << 10
_KEPT: Final = 8
"""Blocks that are kept while lists go through memory in order."""
TRIES: Final = 20
_LONGEST_S: Final = 1.0
"""Looks at a heap that changes meanwhile: at most so many, and after so much time three."""
_AGREE: Final = 0.005
_AGREE_BYTES: Final = 64 << 10
_WORD: Final = struct.Struct("<Q")
_CHUNK: Final = struct.Struct("<QQQQ")
"""prev_size, size, fd, bk."""
_LINKS: Final = struct.Struct("<8xQQQ")
"""The last three."""


class Torn(Exception):  # noqa: N818 - what happened, not an error of anybody
    """A list changed while it was read, or its page is not in RAM."""


class Kept(NamedTuple):
    """What malloc holds: bytes it has of the system (mmapped chunks apart), free ones, and what a trim would give."""

    arenas: int
    system_bytes: int
    free_bytes: int
    trim_bytes: int
    chunks: int
    took_s: float


class Free(NamedTuple):
    """Free chunks: how many, their bytes, and the sizes of those that a trim may take, by address."""

    chunks: int
    total_bytes: int
    large: dict[int, int]


class Unknown(NamedTuple):
    """Why there is no figure."""

    why: str


class _Heaps:
    """The writable mappings, read in blocks, when a chunk of one is asked for.

    Most lists go through memory in order: a few blocks are kept, and what was read is written over. Where one is asked
    for again, all are kept from then on.
    """

    def __init__(self, memory: ProcessMemory, rows: tuple[Mapping, ...]) -> None:
        self._memory = memory
        self._rows = [row for row in rows if row.perms.startswith("rw")]
        self._starts = [row.start for row in self._rows]
        self._blocks: dict[int, tuple[int, bytes | bytearray | memoryview]] = {}
        self._rooms: dict[int, bytearray] = {}
        self._gone: set[int] = set()
        self._keeps_all = False

    def word(self, address: int) -> int:
        """Return the 8 bytes at *address*."""
        start, data = self.block(address)
        return int(_WORD.unpack_from(data, address - start)[0])

    def contains(self, address: int) -> bool:
        """Whether an address is in a writable mapping."""
        index = bisect_right(self._starts, address) - 1
        return index >= 0 and address < self._rows[index].end

    def block(self, address: int) -> tuple[int, bytes | bytearray | memoryview]:
        """Return where the block around *address* begins, and its bytes, with a chunk's head more than the block.

        The bytes are good until as many other blocks were asked for as are kept.
        """
        number = address // _BLOCK_BYTES
        found = self._blocks.get(number)
        if found is not None and 0 <= address - found[0] <= len(found[1]) - _CHUNK.size and not address & 7:
            return found
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address + _CHUNK.size > self._rows[index].end or address & 7:
            raise Torn("a pointer out of any heap")
        row, first = self._rows[index], number * _BLOCK_BYTES
        start, end = max(first, row.start), min(first + _BLOCK_BYTES + self._memory.page_bytes, row.end)
        made = start, self._memory.read(start, end, self._room(number))
        self._blocks[number] = made
        return made

    def _room(self, number: int) -> bytearray | None:
        """Return what the block *number* may be read into: the room of the one that was read first."""
        self._keeps_all |= number in self._gone
        if self._keeps_all:
            return None
        room = None
        if len(self._blocks) >= _KEPT:
            oldest = next(iter(self._blocks))
            del self._blocks[oldest]
            self._gone.add(oldest)
            room = self._rooms.pop(oldest, None)
        self._rooms[number] = room or bytearray(_BLOCK_BYTES + self._memory.page_bytes)
        return self._rooms[number]


def kept(memory: ProcessMemory) -> Kept | Unknown:
    """Return what malloc of the process has free, or why that cannot be known."""
    begin = time.monotonic()
    last: Kept | None = None
    why = "the heap changes faster than it can be read"
    for number in range(TRIES):
        if number >= 3 and time.monotonic() - begin > _LONGEST_S:
            break
        ran = memory.run_ns()
        try:
            found = _look(memory)
        except Torn as problem:
            why = str(problem)
            continue
        except OSError as problem:
            return Unknown(problem.strerror or str(problem))
        if isinstance(found, Unknown):
            return found
        if (ran is not None and memory.run_ns() == ran) or (last is not None and _agree(last, found)):
            return found._replace(took_s=time.monotonic() - begin)
        last = found
    return Unknown(f"its free lists could not be read twice alike: {why}")


def _agree(one: Kept, two: Kept) -> bool:
    near = max(_AGREE * two.system_bytes, _AGREE_BYTES)
    return abs(one.free_bytes - two.free_bytes) <= near and abs(one.trim_bytes - two.trim_bytes) <= near


def _look(memory: ProcessMemory) -> Kept | Unknown:
    rows = memory.maps().rows
    heaps = _Heaps(memory, rows)
    main = _main_arena(memory, rows, heaps)
    if main is None:
        return Unknown("no malloc of glibc is in its memory")
    arenas = list(_ring(main, heaps))
    system = free = chunks = 0
    spans: dict[int, int] = {}
    for arena in arenas:
        own = _free_chunks(arena, heaps, memory.page_bytes)
        own_system = heaps.word(arena + _AT_SYSTEM)
        if own.total_bytes > own_system or own_system > _MOST_SYSTEM:
            raise Torn("more is free than there is")
        system, free, chunks = system + own_system, free + own.total_bytes, chunks + own.chunks
        spans |= own.large
    tops = {heaps.word(arena + _AT_TOP): arena == main for arena in arenas}
    return Kept(len(arenas), system, free, _trimmed(memory, spans, tops), chunks, 0.0)


def _main_arena(memory: ProcessMemory, rows: tuple[Mapping, ...], heaps: _Heaps) -> int | None:
    """Return where main_arena lies: in libc's writable data, or the program's own where it is static."""
    named = [row for row in rows if row.perms.startswith("rw") and row.path and row.path.startswith("/")]
    libc = [row for row in named if row.path and row.path.rpartition("/")[2].startswith(("libc.so", "libc-"))]
    for row in libc or named[:2]:
        data = memory.read(row.start, row.end)
        for base in _candidates(data, row.start):
            try:
                if list(_ring(base, heaps)):
                    return base
            except Torn:
                continue
    return None


def _candidates(data: bytes | bytearray | memoryview, start: int) -> Iterator[int]:
    """Yield where an arena may begin: before a run of bins that point to themselves."""
    words = memoryview(data).cast("Q")
    hits = {
        start + 8 * i
        for i in range(len(words) - 1)
        if words[i] and words[i] == words[i + 1] == start + 8 * i - _BIN_OFFSET
    }
    seen = set()
    for hit in sorted(hits):
        for back in range(_BINS):
            base = hit - _AT_BINS - 16 * back
            if base in seen or base < start or base + _ARENA_BYTES > start + len(data):
                continue
            seen.add(base)
            inside = sum(base + _AT_BINS + 16 * i in hits for i in range(_BINS))
            top, after = words[(base + _AT_TOP - start) // 8], words[(base + _AT_NEXT - start) // 8]
            if inside >= min(_LEAST_SELF_POINTING, len(hits)) and top and after and top % 16 == 0 and after % 16 == 0:
                yield base


def _ring(main: int, heaps: _Heaps) -> Iterator[int]:
    """Yield the arenas; raise Torn for what is no ring of them."""
    arena = main
    for _ in range(MOST_ARENAS):
        system, most = heaps.word(arena + _AT_SYSTEM), heaps.word(arena + _AT_SYSTEM + 8)
        if not heaps.contains(heaps.word(arena + _AT_TOP)) and system:
            raise Torn("an arena without a top")
        if system > most or (system % 4096 and arena != main):
            raise Torn("an arena of a size that cannot be")
        yield arena
        arena = heaps.word(arena + _AT_NEXT)
        if arena == main:
            return
    raise Torn("a ring of arenas without an end")


def _free_chunks(arena: int, heaps: _Heaps, page_bytes: int) -> Free:
    """Return the free chunks of an arena; one by one those of a page or more, or all where fast ones join them."""
    large: dict[int, int] = {}
    top = heaps.word(arena + _AT_TOP)
    if heaps.contains(top) and heaps.word(arena + _AT_SYSTEM):
        large[top] = heaps.word(top + 8) & ~_FLAGS
    for index in range(_FASTBINS):
        large |= _fastbin(heaps.word(arena + _AT_FASTBINS + 8 * index), heaps)
    chunks, total, least = len(large), sum(large.values()), 0 if len(large) > 1 else page_bytes
    for index in range(_BINS):
        one = _bin(arena + _AT_BINS + 16 * index - _BIN_OFFSET, heaps, least)
        chunks, total = chunks + one.chunks, total + one.total_bytes
        large |= one.large
    return Free(chunks, total, large)


def _fastbin(first: int, heaps: _Heaps) -> dict[int, int]:
    """Return the chunks of a fastbin: singly linked, the links mangled by their own address since glibc 2.32."""
    found: dict[int, int] = {}
    address = first
    start = end = 0
    unpack = _CHUNK.unpack_from
    while address and address not in found and len(found) < MOST_CHUNKS:
        if not start <= address < end:
            if not heaps.contains(address):
                break
            start, data = heaps.block(address)
            end = start + len(data) - _CHUNK.size
        _, size, link, _ = unpack(data, address - start)
        size &= ~_FLAGS
        if address & 15 or not _MINSIZE <= size <= _LARGEST_FAST:
            break
        found[address] = size
        mangled = link ^ ((address + 16) >> 12)
        is_near = start <= mangled < end
        address = mangled if not mangled or (not mangled & 15 and (is_near or heaps.contains(mangled))) else link
    return found


def _bin(head: int, heaps: _Heaps, least: int) -> Free:
    """Return the chunks of a bin, a ring of double links around its head; those of *least* bytes one by one.

    Where the ring is torn, what both ends of it still reach is returned: the rest is missed, and shows as two looks
    that do not agree.
    """
    made = _ring_of(head, heaps, least)
    if made is not None:
        return made
    found: dict[int, int] = {}
    for forward in (True, False):
        _walk(head, heaps, found, forward=forward)
    return Free(len(found), sum(found.values()), {at: size for at, size in found.items() if size >= least})


def _ring_of(head: int, heaps: _Heaps, least: int) -> Free | None:
    """Follow a bin's links around; None: they do not lead back to the head, each to one that points back."""
    before, address = head, heaps.word(head + 16)
    start = end = total = 0
    large: dict[int, int] = {}
    unpack, flags = _LINKS.unpack_from, ~_FLAGS
    for chunks in range(MOST_CHUNKS):
        if address == head:
            return Free(chunks, total, large)
        if not start <= address < end:
            if not heaps.contains(address):
                return None
            start, data = heaps.block(address)
            end = start + len(data) - _LINKS.size
        size, link, back = unpack(data, address - start)
        if back != before or size < _MINSIZE:
            return None
        size &= flags
        total += size
        if size >= least:
            large[address] = size
        before, address = address, link
    return None


def _walk(head: int, heaps: _Heaps, found: dict[int, int], *, forward: bool) -> None:
    """Follow a bin's links one way into *found*, as far as they go."""
    before, address = head, heaps.word(head + (16 if forward else 24))
    while address != head and heaps.contains(address) and len(found) <= MOST_CHUNKS:
        start, data = heaps.block(address)
        _, size, link, back = _CHUNK.unpack_from(data, address - start)
        if not forward:
            link, back = back, link
        size &= ~_FLAGS
        if address & 15 or back != before or size < _MINSIZE or address in found:
            return
        found[address] = size
        before, address = address, link


def _trimmed(memory: ProcessMemory, spans: dict[int, int], tops: dict[int, bool]) -> int:
    """Return what malloc_trim(0) would free: whole pages of merged free chunks that are in RAM or swap.

    The top of the main arena shrinks but for MINSIZE; tops of other arenas are only trimmed with their heap.
    """
    page = memory.page_bytes
    is_main_top = {address for address, is_main in tops.items() if is_main}
    total = 0
    for start, end in _merged(spans):
        ends = [address for address in tops if start <= address < end]
        if ends and not is_main_top.intersection(ends):
            continue
        first = -(-(start + (_MINSIZE + 1 if ends else _CHUNK_BYTES)) // page) * page
        last = end // page * page
        if last > first:
            total += memory.held(first, last)
    return total


def _merged(spans: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges that free chunks make with their neighbours."""
    start = end = -1
    for address in sorted(spans):
        if address != end:
            if end > start:
                yield start, end
            start = address
        end = address + spans[address]
    if end > start:
        yield start, end
