"""Misses over memory from one workload's reuse distances, without a run for each size: SHARDS.

The reuse distance of an access is how many other pages were used since the same page was used before. A memory of C
pages that evicts what was not used for the longest time (LRU) misses each access whose distance is C or more, so one
pass gives the misses of every size. Only pages whose hash falls below a threshold are followed, and distances and
counts are scaled by the share of these (Waldspurger and others, *Efficient MRC Construction with SHARDS*, FAST 2015).

The accesses are those of the scenario: memory that is touched, files that are read and written, in pages. Linux is not
LRU: it keeps two lists or four generations, weighs files against anonymous memory by swappiness, and reads ahead.
How far that moves the misses is what points that were run show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.scenario import Exit, Fmap, Fork, Fread, Fwrite, Kill, Mmap, Munmap, Shm, Touch, WorkerOp, pages
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.scenario import Op, Scenario

MOST_FOLLOWED: Final = 16_384
"""Pages that are followed, about: the paper's traces have an error of the miss ratio of 0.01 with half as many."""
_MODULUS: Final = 1 << 24
_MASK: Final = (1 << 64) - 1
_NO_ACCESS: Final = (Mmap, Fmap, Shm, Fork, Munmap, Exit, Kill)


class Access(NamedTuple):
    """A page that is used: the number of what it belongs to, its number there, whether that is a file."""

    owner: int
    page: int
    of_file: bool


class Curve(NamedTuple):
    """Reuse distances in pages, each with how many accesses it stands for, of anonymous memory and of files."""

    accesses: int
    followed: int
    """Pages that were followed."""
    rate: float
    """Which share of all pages they are."""
    anon: tuple[tuple[float, float], ...]
    files: tuple[tuple[float, float], ...]
    left_out: tuple[str, ...]
    """Operations whose accesses are not in it."""

    def misses(self, memory_pages: float, *, of_files: bool) -> float:
        """Return how many accesses find their page evicted where *memory_pages* are left to the workload."""
        return sum(count for distance, count in (self.files if of_files else self.anon) if distance >= memory_pages)


def curve(scenario: Scenario) -> Curve:
    """Return the curve of a scenario's accesses."""
    walk = _Walk(scenario)
    total = max(walk.most_pages, 1)
    threshold = min(_MODULUS, max(_MODULUS * MOST_FOLLOWED // total, 1))
    last: dict[tuple[int, int], int] = {}
    chosen = []
    count = 0
    for access in walk.accesses():
        count += 1
        if _hash(access) % _MODULUS < threshold:
            chosen.append(access)
    rate = threshold / _MODULUS
    marks = _Marks(len(chosen))
    found: dict[bool, dict[float, float]] = {False: {}, True: {}}
    for now, access in enumerate(chosen):
        key = (access.owner, access.page)
        before = last.get(key)
        if before is not None:
            distance = marks.after(before) / rate
            counts = found[access.of_file]
            counts[distance] = counts.get(distance, 0.0) + 1 / rate
            marks.add(before, -1)
        marks.add(now, 1)
        last[key] = now
    anon, files = (tuple(sorted(found[kind].items())) for kind in (False, True))
    return Curve(count, len(last), rate, anon, files, tuple(walk.left_out))


def _hash(access: Access) -> int:
    """Return a number that a page has each time, and no two pages by rule (the finalizer of splitmix64)."""
    z = (access.owner << 40 | access.page) * 0x9E3779B97F4A7C15 & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class _Marks:
    """Which moments are the last at which some page was used, to be counted from any moment on: a Fenwick tree."""

    def __init__(self, size: int) -> None:
        self._sums = [0] * (size + 1)
        self._all = 0

    def add(self, at: int, by: int) -> None:
        """Add a mark, or take one away."""
        self._all += by
        at += 1
        while at < len(self._sums):
            self._sums[at] += by
            at += at & -at

    def after(self, at: int) -> int:
        """Return how many marks stand behind a moment."""
        at += 1
        before = 0
        while at:
            before += self._sums[at]
            at &= at - 1
        return self._all - before


class _Walk:
    """The accesses of a scenario in order; a child's memory is its parent's until it maps its own."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._regions: dict[tuple[str, str], int] = {}
        self._files: dict[str, int] = {}
        self._of_file: set[int] = set()
        self._owners = 0
        self.left_out: dict[str, None] = {}
        sizes = [op.size_bytes or 0 for op in scenario.ops if isinstance(op, Mmap | Shm)]
        self.most_pages = sum((*sizes, *(file.size_bytes for file in scenario.files))) // PAGE_BYTES

    def accesses(self) -> Iterator[Access]:
        """Yield every access."""
        for op in self._scenario.ops:
            if isinstance(op, Touch):
                owner = self._regions.setdefault((op.proc, op.region), self._owner())
                of_file = owner in self._of_file
                for page in pages(op.pattern, op.npages):
                    yield Access(owner, op.offset_pages + page, of_file)
            elif isinstance(op, Fread | Fwrite):
                yield from self._of_call(op)
            else:
                self._note(op)

    def _of_call(self, op: Fread | Fwrite) -> Iterator[Access]:
        owner = self._file(op.file)
        for chunk in pages(op.pattern, op.length_bytes // op.chunk_bytes):
            begin = op.offset_bytes + chunk * op.chunk_bytes
            for page in range(begin // PAGE_BYTES, -(-(begin + op.chunk_bytes) // PAGE_BYTES)):
                yield Access(owner, page, of_file=True)

    def _note(self, op: Op) -> None:
        if isinstance(op, Fmap):
            self._regions[op.proc, op.region] = self._file(op.file)
        elif isinstance(op, Mmap | Shm):
            self._regions[op.proc, op.region] = self._owner()
        elif isinstance(op, Fork):
            parents = [(region, owner) for (proc, region), owner in self._regions.items() if proc == op.proc]
            self._regions.update({(op.child, region): owner for region, owner in parents})
        elif isinstance(op, WorkerOp) and not isinstance(op, _NO_ACCESS):
            self.left_out[op.text.split()[1]] = None

    def _owner(self) -> int:
        self._owners += 1
        return self._owners

    def _file(self, name: str) -> int:
        if name not in self._files:
            self._files[name] = self._owner()
            self._of_file.add(self._files[name])
        return self._files[name]
