"""An arena of the C library's malloc: a heap with bins of free chunks, from which requests are served.

What it reads and writes of its own counts as the program's does: heads and ends of chunks, links of free ones. The
rules stand in ``malloc.py``.

Follows malloc/malloc.c and arena.c of glibc 2.36 (``_int_malloc``, ``_int_realloc``, ``_int_free``, ``sysmalloc``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.run.malloc import Malloc


PAGE: Final = 4096
MINSIZE: Final = 32
TCACHE_MOST: Final = 1040
TCACHE_COUNT: Final = 7
TCACHE_STRUCT: Final = 0x290
"""The chunk of a thread's cache itself, which its first malloc makes."""
FAST_MOST: Final = 128
SMALL_BELOW: Final = 1024
CONSOLIDATION: Final = 65536
DEFAULT_THRESHOLD: Final = 131072
THRESHOLD_MOST: Final = 32 << 20
MMAPS_MOST: Final = 65536
HEAP_BYTES: Final = 64 << 20
ARENA_HEAD: Final = 0x8B0
"""heap_info and malloc_state at the start of a thread's arena."""
CHUNK_HEAD: Final = 48
"""sizeof(struct malloc_chunk): what trimming keeps at the head of a free chunk."""
SORTED_MOST: Final = 10_000
"""Chunks that one request sorts at most."""
LARGE_LINKS: Final = 48
"""Sizes and links of a large chunk: to its neighbours, and to those of the next sizes."""


@dataclass(slots=True)
class Settings:
    """mallopt's parameters; setting a threshold ends the dynamic ones."""

    mmap_threshold: int = DEFAULT_THRESHOLD
    trim_threshold: int = DEFAULT_THRESHOLD
    top_pad: int = DEFAULT_THRESHOLD
    arena_max: int = 0
    dynamic: bool = True


@dataclass(slots=True)
class Thread:
    """A thread: its cache and its arena."""

    arena: Arena
    cache: dict[int, list[int]] = field(default_factory=dict)
    started: bool = False


class Arena:
    """A heap with its bins; *is_main*: brk's."""

    def __init__(self, malloc: Malloc, *, is_main: bool) -> None:
        self.malloc, self.system, self.is_main = malloc, malloc.system, is_main
        self.top = self.top_size = 0
        self.system_bytes = 0
        self.heap_end = 0
        """Of a thread's arena: where the part with rights ends."""
        self.limit = 0
        self.free: dict[int, int] = {}
        """Free chunks in bins: address to size."""
        self.ends: dict[int, int] = {}
        self.fast: dict[int, list[int]] = {}
        self.unsorted: dict[int, None] = {}
        self.small: dict[int, dict[int, None]] = {}
        self.large: list[tuple[int, int]] = []
        self.last_remainder = 0

    def copied(self, malloc: Malloc) -> Arena:
        """Return this arena as one of another allocator, whose memory is a copy."""
        twin = copy(self)
        twin.malloc, twin.system = malloc, malloc.system
        twin.free, twin.ends, twin.unsorted = dict(self.free), dict(self.ends), dict(self.unsorted)
        twin.fast = {size: list(chunks) for size, chunks in self.fast.items()}
        twin.small = {size: dict(chunks) for size, chunks in self.small.items()}
        twin.large = list(self.large)
        return twin

    # --- bins

    def _take(self, chunk: int) -> int:
        """Take a free chunk out of its bin, where its end agrees with its head; returns its size."""
        size = self.free.pop(chunk)
        self.system.read(chunk, MINSIZE)
        self.system.read(chunk + size, 8)
        del self.ends[chunk + size]
        if chunk in self.unsorted:
            del self.unsorted[chunk]
        elif size < SMALL_BELOW:
            del self.small[size][chunk]
        else:
            del self.large[bisect_left(self.large, (size, chunk))]
        return size

    def _keep(self, chunk: int, size: int) -> None:
        """Put a free chunk before all others of the unsorted bin, and write its head and its end."""
        self.free[chunk] = size
        self.ends[chunk + size] = chunk
        self._link(chunk, self.unsorted)
        self.system.write(chunk + size, 8)

    def _link(self, chunk: int, newer: dict[int, None]) -> None:
        """Put a free chunk before all others of a bin: its links are written, and that of the one behind it."""
        for behind in islice(reversed(newer), 1):
            self.system.write(behind, MINSIZE)
        newer[chunk] = None
        self.system.write(chunk, MINSIZE)

    def _sort(self, chunk: int) -> None:
        """Move a chunk from the unsorted bin to its own."""
        del self.unsorted[chunk]
        size = self.free[chunk]
        self.system.read(chunk + size, 16)
        if size < SMALL_BELOW:
            self._link(chunk, self.small.setdefault(size, {}))
        else:
            insort(self.large, (size, chunk))
            self.system.write(chunk, LARGE_LINKS)

    def _split(self, chunk: int, wanted: int, *, remember: bool) -> int:
        """Take a free chunk and keep what is beyond *wanted*; returns the chunk."""
        size = self._take(chunk)
        if size - wanted >= MINSIZE:
            self._keep(chunk + wanted, size - wanted)
            if remember:
                self.last_remainder = chunk + wanted
            size = wanted
        return self._used(chunk, size)

    def _used(self, chunk: int, size: int) -> int:
        self._own(chunk, size)
        self.system.write(chunk, 16)
        return chunk

    def _own(self, chunk: int, size: int) -> None:
        """Note a chunk that is the program's, or lies in a thread's cache."""
        self.malloc.sizes[chunk] = size
        self.malloc.owners[chunk] = self

    # --- malloc

    def allocate(self, wanted: int, thread: Thread) -> int:
        """Return a chunk of *wanted* bytes of this arena, or 0 where it must be a mapping."""
        if wanted <= FAST_MOST and self.fast.get(wanted):
            chunk = self.fast[wanted].pop()
            self._stash(wanted, self.fast[wanted], thread)
            return self._used(chunk, wanted)
        if wanted < SMALL_BELOW:
            found = self.small.get(wanted)
            if found:
                chunk = next(iter(found))
                self._take(chunk)
                self._stash_small(wanted, found, thread)
                return self._used(chunk, wanted)
        elif any(self.fast.values()):
            self.consolidate()
        return self._from_bins(wanted, thread)

    def _stash(self, size: int, chunks: list[int], thread: Thread) -> None:
        """Move chunks of the same size from a fastbin to the thread's cache, as long as it has room."""
        cache = thread.cache.setdefault(size, [])
        while chunks and len(cache) < TCACHE_COUNT:
            self._own(chunks[-1], size)
            cache.append(chunks.pop())

    def _stash_small(self, size: int, found: dict[int, None], thread: Thread) -> None:
        cache = thread.cache.setdefault(size, [])
        while found and len(cache) < TCACHE_COUNT:
            chunk = next(iter(found))
            self._take(chunk)
            self._own(chunk, size)
            cache.append(chunk)

    def _from_bins(self, wanted: int, thread: Thread) -> int:
        while True:
            chunk = self._from_unsorted(wanted, thread) or self._best_fit(wanted)
            if chunk:
                return chunk
            if self.top_size >= wanted + MINSIZE:
                return self._from_top(wanted)
            if not any(self.fast.values()):
                return self._grow(wanted)
            self.consolidate()

    def _from_unsorted(self, wanted: int, thread: Thread) -> int:
        """Go through the unsorted bin, the oldest first, so many at a time: take what fits exactly, sort all else."""
        cached = 0
        for _ in range(min(len(self.unsorted), SORTED_MOST)):
            chunk = next(iter(self.unsorted))
            size = self.free[chunk]
            alone = len(self.unsorted) == 1 and chunk == self.last_remainder
            if wanted < SMALL_BELOW and alone and size > wanted + MINSIZE:
                return self._split(chunk, wanted, remember=True)
            if size != wanted:
                self._sort(chunk)
                continue
            cache = thread.cache.setdefault(size, []) if size <= TCACHE_MOST else None
            self._take(chunk)
            if cache is None or len(cache) >= TCACHE_COUNT:
                return self._used(chunk, size)
            self._own(chunk, size)
            cache.append(chunk)
            cached = 1
        return thread.cache[wanted].pop() if cached else 0

    def _best_fit(self, wanted: int) -> int:
        """Take the smallest free chunk that is large enough."""
        sizes = sorted(size for size, chunks in self.small.items() if chunks and size >= wanted)
        if sizes:
            return self._split(next(iter(self.small[sizes[0]])), wanted, remember=wanted < SMALL_BELOW)
        at = bisect_left(self.large, (wanted, 0))
        if at < len(self.large):
            return self._split(self.large[at][1], wanted, remember=wanted < SMALL_BELOW)
        return 0

    def _from_top(self, wanted: int) -> int:
        chunk = self.top
        self.top += wanted
        self.top_size -= wanted
        self.system.write(self.top, 16)
        return self._used(chunk, wanted)

    def _grow(self, wanted: int) -> int:
        """Serve a request that nothing free can: a mapping (0), or a larger heap."""
        settings = self.malloc.settings
        if wanted >= settings.mmap_threshold and len(self.malloc.mapped) < MMAPS_MOST:
            return 0
        if self.is_main:
            size = up(wanted + settings.top_pad + MINSIZE - self.top_size)
            start = self.system.sbrk(size)
            self.top = self.top or start
            self.top_size += size
            self.system_bytes += size
            return self._from_top(wanted)
        size = up(wanted + MINSIZE - self.top_size)
        if self.heap_end + size > self.limit:
            self._keep_old_top()
            self.begin_heap(wanted)
        else:
            self.system.allow(self.heap_end, size)
            self.heap_end += size
            self.top_size += size
            self.system_bytes += size
        return self._from_top(wanted)

    def _keep_old_top(self) -> None:
        """The heap is full: what is left of it becomes a free chunk, less its fence."""
        size = (self.top_size - MINSIZE) & ~15
        if size >= MINSIZE:
            self._keep(self.top, size)

    def begin_heap(self, wanted: int = 0) -> None:
        """Give a thread's arena 64 MiB of address space, of which it may use a part yet."""
        size = up(ARENA_HEAD + wanted + MINSIZE + self.malloc.settings.top_pad)
        start = self.system.heap()
        self.limit = start + HEAP_BYTES
        self.system.allow(start, size)
        self.heap_end = start + size
        self.top, self.top_size = start + ARENA_HEAD, size - ARENA_HEAD
        self.system_bytes += size
        self.system.write(start, ARENA_HEAD + 16)

    # --- realloc

    def resize(self, chunk: int, wanted: int, thread: Thread) -> int:
        """Give a chunk of this arena *wanted* bytes; returns it, or the one that it was copied to."""
        malloc, size = self.malloc, self.malloc.sizes[chunk]
        self.system.read(chunk + size, 16)
        if size < wanted:
            behind = chunk + size
            if behind == self.top and size + self.top_size >= wanted + MINSIZE:
                self.top, self.top_size = chunk + wanted, self.top_size - (wanted - size)
                self.system.write(self.top, 16)
                return self._used(chunk, wanted)
            if behind in self.free and size + self.free[behind] >= wanted:
                size += self._take(behind)
            else:
                moved = self.allocate(wanted, thread) or malloc.map(wanted)
                if moved != behind:
                    self.system.copy(chunk + 16, moved + 16, size - 8)
                    malloc.put_back(chunk, thread)
                    return moved
                size += malloc.sizes.pop(moved)
                del malloc.owners[moved]
        if size - wanted < MINSIZE:
            return self._used(chunk, size)
        self._used(chunk + wanted, size - wanted)
        malloc.put_back(chunk + wanted, thread)
        return self._used(chunk, wanted)

    # --- free

    def release(self, chunk: int, size: int) -> None:
        """Take a chunk back."""
        if size <= FAST_MOST:
            self.fast.setdefault(size, []).append(chunk)
            self.system.read(chunk + size, 16)
            self.system.write(chunk, 24)
            return
        size = self._merge(chunk, size)
        if size >= CONSOLIDATION:
            if any(self.fast.values()):
                self.consolidate()
            if self.top_size >= self.malloc.settings.trim_threshold:
                self.trim(self.malloc.settings.top_pad)

    def _merge(self, chunk: int, size: int) -> int:
        """Merge a chunk with its free neighbours and keep it; returns how large it became."""
        self.system.read(chunk + size, 16)
        before = self.ends.get(chunk)
        if before is not None:
            size += self._take(before)
            chunk = before
        if chunk + size == self.top:
            self.top, self.top_size = chunk, self.top_size + size
            self.system.write(self.top, 16)
            return self.top_size
        if chunk + size in self.free:
            size += self._take(chunk + size)
        self._keep(chunk, size)
        return size

    def consolidate(self) -> None:
        """Merge what the fastbins hold with its neighbours."""
        chunks = [(chunk, size) for size in sorted(self.fast) for chunk in reversed(self.fast[size])]
        self.fast.clear()
        for chunk, size in chunks:
            self._merge(chunk, size)

    def trim(self, pad: int) -> bool:
        """Give the end of the heap back, but for *pad* bytes; whether there was anything."""
        extra = (self.top_size - MINSIZE - 1 - pad) // PAGE * PAGE
        if extra <= 0:
            return False
        if self.is_main:
            self.system.sbrk(-extra)
        else:
            self.heap_end -= extra
            self.system.dontneed(self.heap_end, extra)
        self.top_size -= extra
        self.system_bytes -= extra
        self.system.write(self.top, 16)
        return True

    def give_up_pages(self) -> None:
        """malloc_trim: MADV_DONTNEED for whole pages within free chunks."""
        self.consolidate()
        for start, size in self.whole_pages():
            self.system.dontneed(start, size)

    def whole_pages(self) -> Iterator[tuple[int, int]]:
        """Yield where whole pages lie within free chunks, and how much."""
        for chunk, size in self.free.items():
            start = up(chunk + CHUNK_HEAD)
            if chunk + size - start >= PAGE:
                yield start, (chunk + size - start) // PAGE * PAGE

    @property
    def free_bytes(self) -> int:
        """What is free in this arena: bins, fastbins and top, as ``fordblks`` counts it."""
        return sum(self.free.values()) + sum(size * len(c) for size, c in self.fast.items()) + self.top_size


def up(size: int) -> int:
    """Return *size* rounded up to whole pages."""
    return -(-size // PAGE) * PAGE
