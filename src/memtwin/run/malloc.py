"""The C library's malloc as far as a process's memory shows it: which pages it asks for, writes, and frees.

It is glibc 2.36's on 64 bits. A chunk is the request and 8 bytes, a multiple of 16, at least 32. Where a freed chunk
goes decides whether the kernel ever sees it again::

    up to 1,040 bytes    the thread's cache: 7 of each size; freed to no one
    up to 128            a fastbin: not merged with its neighbours until something large is freed or asked for
    larger               merged with free neighbours, and kept in a bin; at the end of the heap it joins the *top*
    a mapping of its own munmap: gone at once

realloc gives a chunk another size where it is, if what follows it is the top or free and has enough; what it has too
much is freed. Else it is copied, and its old place is freed. A mapping is another length after mremap, without a copy.

The heap of the main arena is brk's and shrinks only at its end: when the top reaches the trim threshold (128 KiB). One
chunk in use above keeps all that is free below it. A request of the mmap threshold (128 KiB) or more that the top
cannot serve is a mapping; freeing one raises that threshold to its size, and the trim threshold to twice that, so that
the next such request comes from the heap. Other threads have arenas of their own, mappings of 64 MiB of address space
that grow by mprotect.

What malloc writes itself counts too: the head of each chunk, of what is left of a split, and the end of a free one.

Follows malloc/malloc.c and arena.c of glibc 2.36, from its documented behaviour and by measurement. Not modelled:
memalign, failures of brk, hugetlb tunables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.run.malloc_arena import (
    MINSIZE,
    PAGE,
    TCACHE_COUNT,
    TCACHE_MOST,
    TCACHE_STRUCT,
    THRESHOLD_MOST,
    Arena,
    Settings,
    Thread,
    up,
)
from memtwin.run.malloc_system import Nowhere

if TYPE_CHECKING:
    from memtwin.run.malloc_system import System

ARENAS_PER_CPU: Final = 8


class Malloc:
    """The allocator of one process."""

    def __init__(self, system: System, cpus: int) -> None:
        self.system = system
        self.settings = Settings()
        self.cpus = cpus
        self.sizes: dict[int, int] = {}
        """Chunks in use, those in threads' caches among them."""
        self.owners: dict[int, Arena] = {}
        self.mapped: dict[int, int] = {}
        self.main = Arena(self, is_main=True)
        self.arenas = [self.main]
        self.threads = {"": Thread(self.main)}

    def start_thread(self, name: str) -> None:
        """Let a thread have an arena: a new one, or, where there are as many as there may be, one in turn."""
        most = self.settings.arena_max or ARENAS_PER_CPU * self.cpus
        if len(self.arenas) < most:
            arena = Arena(self, is_main=False)
            self.arenas.append(arena)
        else:
            arena = self.arenas[len(self.threads) % len(self.arenas)]
        self.threads[name] = Thread(arena)

    def malloc(self, size: int, thread: str = "") -> int:
        """Return the address of a chunk for a request of *size* bytes."""
        wanted, caller = _chunk_size(size), self._caller(thread)
        cache = caller.cache.get(wanted)
        if cache:
            return cache.pop()
        return caller.arena.allocate(wanted, caller) or self.map(wanted)

    def map(self, wanted: int) -> int:
        """Return a chunk that is a mapping of its own."""
        whole = up(wanted + 8)
        chunk = self.system.mmap(whole)
        self.mapped[chunk] = whole
        self.system.write(chunk, 16)
        return chunk

    def usable(self, chunk: int) -> int:
        """Return how much of a chunk its owner may use (malloc_usable_size)."""
        return self.mapped[chunk] - 16 if chunk in self.mapped else self.sizes[chunk] - 8

    def realloc(self, chunk: int, size: int, thread: str = "") -> int:
        """Give a chunk another size, more than 0; returns where it is then."""
        wanted = _chunk_size(size)
        self.system.read(chunk, 16)
        if chunk not in self.mapped:
            return self.owners[chunk].resize(chunk, wanted, self._caller(thread))
        whole = up(wanted + 8)
        if whole == self.mapped[chunk]:
            return chunk
        moved = self.system.mremap(chunk, self.mapped[chunk], whole)
        del self.mapped[chunk]
        self.mapped[moved] = whole
        self.system.write(moved, 16)
        return moved

    def _caller(self, thread: str) -> Thread:
        """Return who calls, with a cache."""
        caller = self.threads[thread]
        if not caller.started:
            caller.started = True
            self._first(caller)
        return caller

    def _first(self, caller: Thread) -> None:
        """Make a thread's arena, if it is new, and its cache."""
        if not caller.arena.is_main and not caller.arena.limit:
            caller.arena.begin_heap()
        chunk = caller.arena.allocate(TCACHE_STRUCT, caller)
        self.system.write(chunk, TCACHE_STRUCT)

    def free(self, chunk: int, thread: str = "") -> None:
        """Take a chunk back."""
        self.system.read(chunk, 16)
        if chunk in self.mapped:
            self._unmap(chunk)
            return
        self.put_back(chunk, self.threads[thread])

    def put_back(self, chunk: int, caller: Thread) -> None:
        """Take a chunk of an arena back: into the caller's cache, if it has room."""
        size = self.sizes[chunk]
        if size <= TCACHE_MOST:
            cache = caller.cache.setdefault(size, [])
            if len(cache) < TCACHE_COUNT:
                cache.append(chunk)
                self.system.write(chunk, 32)
                return
        del self.sizes[chunk]
        self.owners.pop(chunk).release(chunk, size)

    def _unmap(self, chunk: int) -> None:
        size = self.mapped.pop(chunk)
        if self.settings.dynamic and self.settings.mmap_threshold < size <= THRESHOLD_MOST:
            self.settings.mmap_threshold = size
            self.settings.trim_threshold = 2 * size
        self.system.munmap(chunk, size)

    def trim(self, pad: int = 0) -> None:
        """malloc_trim."""
        for arena in self.arenas:
            arena.give_up_pages()
            if arena.is_main:
                arena.trim(pad)

    def set(self, name: str, value: int) -> None:
        """Set one of mallopt's parameters by its name here."""
        setattr(self.settings, name, value)
        if name != "arena_max":
            self.settings.dynamic = False

    @property
    def system_bytes(self) -> int:
        """What arenas have of the system, mappings apart (``arena`` of mallinfo2)."""
        return sum(arena.system_bytes for arena in self.arenas)

    @property
    def free_bytes(self) -> int:
        """What of that is free (``fordblks``)."""
        return sum(arena.free_bytes for arena in self.arenas)

    @property
    def trimmable_bytes(self) -> int:
        """What malloc_trim would free: whole pages within free chunks, and the end of the heap."""
        arenas = [arena.copied(self) for arena in self.arenas]
        for arena in arenas:
            arena.system = Nowhere()
            arena.consolidate()
        inner = sum(size for arena in arenas for _, size in arena.whole_pages())
        return inner + max(arenas[0].top_size - MINSIZE - 1, 0) // PAGE * PAGE


def _chunk_size(size: int) -> int:
    """Return the size of the chunk for a request."""
    return max(MINSIZE, (size + 8 + 15) & ~15)
