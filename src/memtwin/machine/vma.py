"""One mapping of a process of a snapshot, and the rules by which its pages lie in it where no file says that.

``processes.py`` says which rules these are, and fills the mappings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, TypeVar

from memtwin.sources.page_runs import ACTIVE, ANONYMOUS, CACHED, FILE, SWAPPED

if TYPE_CHECKING:
    from memtwin.procfs.pid import maps
    from memtwin.sources.page_runs import PageRun

T = TypeVar("T")
HUGE = 512
"""Base pages of a huge page."""
SEGMENTS = 64
"""Less than this part of an area says nothing of it."""
MOST_PIECES = 1024
"""In how many pieces of an area what came back from swap lies, at most."""
GOLDEN = 0.618
"""Of the pieces: how far one lies from that which came back before it."""
SHARED_MEMORY = (
    "/dev/shm/",  # noqa: S108 - of the snapshot
    "/memfd:",
    "/SYSV",
    "/dev/zero",
    "/i915",
    "/drm mm object",
)


def by_chance(runs: list[T]) -> list[T]:
    """Return runs in an order that has nothing to do with their addresses, the same one each time."""
    count = len(runs)
    stride = next((stride for stride in range(max(round(count * GOLDEN), 1), count) if gcd(stride, count) == 1), 1)
    return [runs[i * stride % count] for i in range(count)]


@dataclass(slots=True)
class Vma:
    """One mapping of a process: pages, and what it holds of each kind."""

    row: maps.Mapping
    start: int
    pages: int
    anon: int = 0
    swap: int = 0
    file: int = 0
    shmem: int = 0
    shmem_swap: int = 0
    """Of the shared memory that it maps what is in swap."""
    lazy: int = 0
    """Of the anonymous pages those given up with MADV_FREE, the last ones."""
    locked: bool = False
    on_tmpfs: bool = False
    """Whether its file lies on a tmpfs."""
    returned: int = 0
    """Of the resident anonymous pages those that came back from swap."""
    read_back: int = 0
    """Pages of it that were read from swap so far."""
    at_once: int = 1
    """Pages that a fault reads from swap."""
    in_order: bool = False
    """Whether they were read in order of address."""
    huge: int = 0
    """Of the anonymous pages those in huge pages."""
    runs: tuple[PageRun, ...] | None = None
    """Where its pages are, if the snapshot says that."""

    def swapped_runs(self) -> list[tuple[int, int]]:
        """Return (first page, pages) of what is in swap: the lowest, between what came back."""
        if self.runs is not None:
            return [(run.first, run.pages) for run in self.runs if run.kind == SWAPPED]
        if self.in_order and not self.huge:
            first, end = self._resident_in_order()
            size = self.anon + self.swap
            gaps = [(0, first), (end, size)] if first < end or not self.anon else [(end, first)]
            return [(self.start + at, last - at) for at, last in gaps if last > at]
        return [(at, total - back) for at, total, back in self._segments() if total > back]

    def _resident_in_order(self) -> tuple[int, int]:
        """Return from where to where the pages last used lie of an area that was gone through in order.

        Written once, its last pages are resident; each page that is read back then takes the place of the oldest: a
        window of as many pages as are resident, which ends where the last page was read, and begins again at its end.
        """
        size = self.anon + self.swap
        end = self.read_back % size if size else 0
        if min(end, size - end) * SEGMENTS < size:  # what was read ahead and not used: a whole pass
            end = 0
        return (end - self.anon) % size if size else 0, end

    def resident_runs(self) -> list[tuple[int, int, bool | None]]:
        """Return (first page, pages, whether on the active list) of what is resident of its process's own.

        Where that is not known: what is above the part in swap, then what came back from it.
        """
        return [(at, count, active) for at, count, _, active in self.pieces()]

    def pieces(self) -> list[tuple[int, int, bool, bool | None]]:
        """Return (first page, pages, whether it is a huge page, whether on the active list) of what is resident."""
        if self.runs is not None:
            return self._known_pieces()
        found = self._pieces_by_rule() if self.huge else [(at, count, False) for at, count in self._resident_by_rule()]
        return [(*piece, None) for piece in found]

    def _known_pieces(self) -> list[tuple[int, int, bool, bool | None]]:
        """Return the runs; as many aligned parts of them are huge pages as the area has, from the lowest up.

        What lies below a page in swap has come back from there, and is younger than what lies above all of them.
        """
        last = max((run.first for run in self.runs or () if run.kind == SWAPPED), default=0)
        found: list[tuple[int, int, bool, bool | None]] = []
        left = self.huge // HUGE
        resident = [run for run in self.runs or () if run.kind in ANONYMOUS]
        never, back = [run for run in resident if run.first >= last], [run for run in resident if run.first < last]
        for run in [*never, *(back if self.in_order else by_chance(back))]:
            at, end = run.first, run.first + run.pages
            for place in range(-(-at // HUGE) * HUGE, end - HUGE + 1, HUGE)[:left]:
                found += [(at, place - at, False, run.kind in ACTIVE)] if place > at else []
                found.append((place, HUGE, True, run.kind in ACTIVE))
                at, left = place + HUGE, left - 1
            found += [(at, end - at, False, run.kind in ACTIVE)] if end > at else []
        return found

    def _resident_by_rule(self) -> list[tuple[int, int]]:
        if self.path == "[stack]":
            return [(self.start + self.pages - self.anon, self.anon)] if self.anon else []
        if self.huge:
            return [(at, count) for at, count, _ in self._pieces_by_rule()]
        if self.in_order:
            first, end = self._resident_in_order()
            size = self.anon + self.swap
            runs = [(first, end)] if first < end else [(first, size), (0, end)]
            return [(self.start + at, last - at) for at, last in runs if last > at and self.anon]
        never = (self.start + self.swap + self.returned, self.anon - self.returned)
        back = [(at + total - back, back) for at, total, back in self._segments() if back]
        return [run for run in (never, *by_chance(back)) if run[1]]

    def _pieces_by_rule(self) -> list[tuple[int, int, bool]]:
        """Return (first page, pages, whether it is a huge page) of what is resident of an area with huge pages.

        Where in its area a huge page lies no file says: here in the first aligned places above what is in swap, and
        base pages around them from the lowest address up.
        """
        end, at = self.start + self.pages, self.start + self.swap
        first = -(-at // HUGE) * HUGE
        places = list(range(first, end - HUGE + 1, HUGE))[: min(self.huge, self.anon) // HUGE]
        found, left = [], self.anon - len(places) * HUGE
        for place in [*places, end]:
            base = min(left, place - at)
            left -= base
            found += [(at, base, False)] if base else []
            found += [(place, HUGE, True)] if place < end else []
            at = place + HUGE
        return found

    def _segments(self) -> list[tuple[int, int, int]]:
        """Return (first page, pages, pages that came back) of the part that was in swap: these spread evenly in it."""
        total, pieces = self.swap + self.returned, -(-self.returned // self.at_once)
        count = max(min(pieces, self.swap, MOST_PIECES), 1)
        ends = [(total * i // count, self.returned * i // count) for i in range(count + 1)]
        pairs = pairwise(ends)
        return [(self.start + at, end - at, after - before) for (at, before), (end, after) in pairs if end > at]

    def cached_runs(self) -> list[tuple[int, int]]:
        """Return (first page, pages) of what came back from swap and may be in the swap cache, the oldest first."""
        if self.runs is not None:
            return [(run.first, run.pages) for run in self.runs if run.kind in CACHED]
        if self.huge or not self.in_order:
            return [(at + total - back, back) for at, total, back in self._segments() if back]
        left, found = self.returned, []
        for at, count in reversed(self._resident_by_rule()):
            found.append((at + count - min(count, left), min(count, left)))
            left -= min(count, left)
        return [run for run in reversed(found) if run[1]]

    def file_runs(self) -> list[tuple[int, int]]:
        """Return (first page, pages) of what is resident of a file or of shared memory; by rule: behind its own."""
        if self.runs is not None:
            return [(run.first, run.pages) for run in self.runs if run.kind == FILE]
        before = self.anon + self.swap + (0 if self.is_used_in_part else self.shmem_swap)
        count = min(self.file + self.shmem, self.pages - before)
        return [(self.start + before, count)] if count > 0 else []

    @property
    def is_used_in_part(self) -> bool:
        """Whether there is more of the shared memory that it maps than its process has used, and than is in swap.

        It is its first part then that was used, and stayed; else what is in swap was used first.
        """
        return (self.shmem_swap + self.shmem) * SEGMENTS < self.pages * (SEGMENTS - 1)

    @property
    def path(self) -> str:
        """What maps calls it."""
        return self.row.path or ""

    @property
    def is_private_memory(self) -> bool:
        """Whether its pages become its process's own when they are written."""
        return self.row.perms[1] == "w" and self.row.perms[3] == "p"

    @property
    def is_shared_memory(self) -> bool:
        """Whether it maps pages of tmpfs, or of shared anonymous memory."""
        return self.row.perms[3] == "s" and (self.on_tmpfs or self.path.startswith(SHARED_MEMORY))

    @property
    def maps_shared_memory(self) -> bool:
        """Whether pages of it that are not its process's own are pages of tmpfs, or of shared anonymous memory."""
        return self.on_tmpfs or self.is_shared_memory

    @property
    def is_file(self) -> bool:
        """Whether it maps a file's pages."""
        return self.row.inode != 0 and not self.is_shared_memory
