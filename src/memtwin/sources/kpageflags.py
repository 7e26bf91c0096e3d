"""The map of memory of a real kernel: /proc/kpageflags, eight bytes a frame, for root alone.

Follows fs/proc/page.c and include/uapi/linux/kernel-page-flags.h of Linux 6.1. A frame of no known use is ``other``:
the kernel's own memory, per-CPU lists and compressed pages, which the flags do not tell apart.
"""

from __future__ import annotations

import os
import re
import time
from array import array
from typing import TYPE_CHECKING, Final

from memtwin.procfs import zoneinfo
from memtwin.sources.frame_map import FrameMap, ZoneMap
from memtwin.sysfs import lru_gen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.zoneinfo import Zoneinfo
    from memtwin.sources.source import Source

PATH: Final = "/proc/kpageflags"
CLASSES: Final = ("hole", "free", "anon", "swap cache", "file", "shmem", "slab", "tables", "hugetlb", "other")
HOLE, FREE, ANON, SWAP_CACHE, FILE, SHMEM, SLAB, TABLES, HUGETLB, OTHER = range(len(CLASSES))
_LISTED: Final = 0x10
"""Set beside the class: the frame is on an LRU list; :data:`_ACTIVE` as well: on an active one."""
_ACTIVE: Final = 0x20
_CLASS_OF: Final = bytes(value & 0xF for value in range(256))
_LRU, _ACT, _SLAB, _BUDDY, _MMAP, _ANON, _SWAPCACHE, _SWAPBACKED = (1 << bit for bit in (5, 6, 7, 10, 11, 12, 13, 14))
_HUGE, _NOPAGE, _KSM, _THP, _OFFLINE, _ZERO, _PGTABLE = (1 << bit for bit in (17, 20, 21, 22, 23, 24, 26))
_ALONE: Final = (
    (_NOPAGE | _OFFLINE, HOLE), (_BUDDY, FREE), (_SLAB, SLAB), (_PGTABLE, TABLES), (_HUGE, HUGETLB),
)  # fmt: skip
"""Flags that say it alone, in the order in which they count."""
_FREE_RUN: Final = re.compile(bytes([FREE]) + b"+")
_ORDERS: Final = 11
"""Orders of free blocks: 0 to 10."""
_CHUNK_FRAMES: Final = 1 << 17
_ENTRY_BYTES: Final = 8
_REST: Final = 20.0
MOST_FRAMES: Final = 1 << 26
"""The largest machine whose map is read: 256 GiB, some ten seconds."""


def class_of(flags: int) -> int:
    """Return what a frame with these flags is used for.

    >>> CLASSES[class_of(1 << 10)], CLASSES[class_of(1 << 5 | 1 << 12 | 1 << 11)], CLASSES[class_of(0)]
    ('free', 'anon', 'other')
    """
    for bits, kind in _ALONE:
        if flags & bits:
            return kind
    if flags & (_ANON | _KSM):
        return SWAP_CACHE if flags & _SWAPCACHE and not flags & _MMAP else ANON
    if flags & (_LRU | _THP) and not flags & _ZERO:
        return SHMEM if flags & _SWAPBACKED else FILE
    return OTHER


class _Classes(dict[int, int]):
    """The byte of each combination of flags that was met."""

    def __missing__(self, flags: int) -> int:
        value = class_of(flags)
        if flags & _LRU:
            value |= _LISTED | (_ACTIVE if flags & _ACT else 0)
        self[flags] = value
        return value


class FrameMapReader:
    """Reads the map of this host; a second time only when twenty times as long has gone by as reading took."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._last: FrameMap | None = None
        self._due_s = 0.0

    def read(self, source: Source, order: int) -> FrameMap | None:
        """Return the map by blocks of 2**order frames; None where it may not be read, or is larger than 256 GiB.

        With generations, or where it is not known whether there are any, the flags do not say how old a page is.
        """
        if self._last is not None and self._last.order == order and time.monotonic() < self._due_s:
            return self._last
        text = source.read(zoneinfo.PATH)
        zones = None if text is None else zoneinfo.parse(text, source.label(zoneinfo.PATH))
        if zones is None or sum(zone.spanned for zone in zones.zones) > MOST_FRAMES:
            return None
        generations = source.read(lru_gen.ENABLED)
        has_ages = source.unread[lru_gen.ENABLED] == "absent" if generations is None else int(generations, 0) & 1 == 0
        began_s = time.monotonic()
        try:
            self._last = read(zones, order, has_ages=has_ages, path=self._path)
        except OSError:
            return None
        self._due_s = began_s + (time.monotonic() - began_s) * _REST
        return self._last


def read(zones: Zoneinfo, order: int, *, has_ages: bool, path: str = PATH) -> FrameMap:
    """Return the map by blocks of 2**order frames; raise OSError where the file may not be read."""
    known, shown = _Classes(), []
    several = len({zone.node for zone in zones.zones}) > 1
    began_s = time.thread_time()
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for zone in zones.zones:
            if zone.spanned and zone.start_pfn is not None:
                counts = _Blocks(zone.start_pfn, order, has_ages=has_ages)
                for kinds in _kinds(file, known, zone.start_pfn, zone.start_pfn + zone.spanned, order):
                    counts.add(kinds)
                shown.append(counts.zone_map(f"{zone.name} {zone.node}" if several else zone.name))
    finally:
        os.close(file)
    note = f"as of {time.strftime('%H:%M:%S')} ({time.thread_time() - began_s:.1f} s of CPU)"
    return FrameMap(order, CLASSES, tuple(shown), note, has_ages)


def _kinds(file: int, known: _Classes, begin: int, end: int, order: int) -> Iterator[bytes]:
    """Yield a byte a frame: its class, and how it is listed; pieces end at whole blocks."""
    step = max(_CHUNK_FRAMES, 1 << order)
    while begin < end:
        until = min((begin // step + 1) * step, end)
        flags = array("Q")
        while len(flags) < until - begin:
            data = os.pread(file, (until - begin - len(flags)) * _ENTRY_BYTES, (begin + len(flags)) * _ENTRY_BYTES)
            if not data:  # the end of what the kernel has
                flags.extend([_NOPAGE] * (until - begin - len(flags)))
            flags.frombytes(data)
        yield bytes(map(known.__getitem__, flags))
        begin = until


class _Blocks:
    """The blocks of one zone, counted piece by piece."""

    def __init__(self, start_pfn: int, order: int, *, has_ages: bool) -> None:
        self.first_pfn = start_pfn >> order << order
        self.order, self.has_ages = order, has_ages
        self.at = start_pfn
        self.use, self.share, self.age, self.largest = bytearray(), bytearray(), bytearray(), bytearray()
        self.totals, self.free = [0] * len(CLASSES), [0] * _ORDERS

    def add(self, kinds: bytes) -> None:
        """Count frames from where the last ended."""
        classes = kinds.translate(_CLASS_OF)
        first, step = len(self.use), 1 << self.order
        begin = self.first_pfn + (first << self.order) - self.at
        for low in range(begin, len(classes), step):
            at = max(low, 0)
            self._add_block(classes[at : low + step], kinds[at : low + step])
        self._add_free(classes, self.at)
        for kind in range(len(CLASSES)):
            self.totals[kind] += classes.count(kind)
        self.at += len(kinds)

    def _add_block(self, classes: bytes, kinds: bytes) -> None:
        counts = [classes.count(kind) for kind in range(1, len(CLASSES))]
        most = max(counts)
        self.use.append(counts.index(most) + 1 if most else HOLE)
        self.share.append(most * 255 >> self.order)
        self.age.append(_age(kinds) if self.has_ages else 0)
        self.largest.append(0)

    def _add_free(self, classes: bytes, first: int) -> None:
        """Count free blocks by order, and note the largest of each block.

        The flags do not say where a free block begins; but two buddies that are both free are one block, so that a run
        of free frames can be cut in one way only.
        """
        for run in _FREE_RUN.finditer(classes):
            pfn, end = run.start() + first, run.end() + first
            while pfn < end:
                aligned = (pfn & -pfn).bit_length() - 1 if pfn else _ORDERS
                order = min(aligned, (end - pfn).bit_length() - 1, _ORDERS - 1)
                self.free[order] += 1
                block = pfn - self.first_pfn >> self.order
                for at in range(block, block + max(1 << order >> self.order, 1)):
                    self.largest[at] = max(self.largest[at], order + 1)
                pfn += 1 << order

    def zone_map(self, name: str) -> ZoneMap:
        """Return what was counted."""
        use, share, largest, age = map(bytes, (self.use, self.share, self.largest, self.age))
        return ZoneMap(name, self.first_pfn, use, share, largest, age, tuple(self.totals), tuple(self.free))


def _age(kinds: bytes) -> int:
    """Return 0 for a block without pages on LRU lists, else 1 to 4 by the quarter that are active."""
    listed = active = 0
    for kind in (ANON, SWAP_CACHE, FILE, SHMEM):
        young = kinds.count(kind | _LISTED | _ACTIVE)
        active += young
        listed += young + kinds.count(kind | _LISTED)
    return 1 + min(active * 4 // listed, 3) if listed else 0
