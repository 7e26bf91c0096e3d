"""A sample of real pages: of processes' memory, as it would go to swap, or of a file. Nothing is written.

Of a process only pages that are in RAM are read, in mappings that go to swap: anonymous ones, and shared memory that no
file of a disk backs. A page in swap stays there. Each page is as likely as another; which are taken depends on a seed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import InputError, SnapshotError
from memtwin.files.inputs import why_not_read
from memtwin.sources.process_memory import ProcessMemory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.procfs.pid.maps import Mapping

PAGE_BYTES: Final = 4096
_SEED: Final = 1
_MEMORY: Final = ("/dev/zero", "/memfd:", "/SYSV", "/dev/shm/", "anon_inode:")  # noqa: S108 - a name to compare
_NOT_MEMORY: Final = ("[vdso]", "[vvar]", "[vsyscall]", "[vvar_vclock]")


class Extent(NamedTuple):
    """Pages that may be read: of a process (*pid*) from an address on, or of the file (None) from an offset on."""

    pid: int | None
    start: int
    pages: int


class Population(NamedTuple):
    """What a sample is taken of: extents, and what could not be read."""

    extents: tuple[Extent, ...]
    path: str | None
    swapped_pages: int
    """Pages in swap: they are left there."""
    processes: int
    refused: int
    """Processes that this user may not read."""

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return sum(extent.pages for extent in self.extents)


def of_processes(pids: Sequence[int], *, every: bool = False) -> Population:
    """Return the pages of processes; with *every* those that may not be read are counted, else they are an error."""
    extents: list[Extent] = []
    swapped = refused = read = 0
    for pid in pids:
        try:
            memory = ProcessMemory(pid)
        except OSError as problem:
            if not every:
                raise SnapshotError("this host", f"/proc/{pid}/mem: {problem.strerror}", hint=_hint(problem)) from None
            refused += isinstance(problem, PermissionError)
            continue
        try:
            for row in memory.maps().rows:
                if not _goes_to_swap(row):
                    continue
                here = [Extent(pid, at, (to - at) // PAGE_BYTES) for at, to in memory.present(row.start, row.end)]
                extents += here
                held = memory.held(row.start, row.end) // PAGE_BYTES
                swapped += max(held - sum(extent.pages for extent in here), 0)
            read += 1
        except OSError:  # it ended meanwhile
            continue
        finally:
            memory.close()
    return Population(tuple(extents), None, swapped, read, refused)


def _hint(problem: OSError) -> str | None:
    return "root may read it" if isinstance(problem, PermissionError) else "memtwin ps lists the processes"


def _goes_to_swap(row: Mapping) -> bool:
    """Whether a mapping's pages have no file to go back to; the few written ones of private files are not counted."""
    path = row.path or ""
    if path in _NOT_MEMORY or "r" not in row.perms:
        return False
    return not path or path.startswith(("[", *_MEMORY))


def of_file(path: str) -> Population:
    """Return the pages of a file; the last is filled up with zeros."""
    why = why_not_read(path)
    if why:
        raise InputError(f"{path}: {why}")
    try:
        size = Path(path).stat().st_size
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror}") from None
    if not Path(path).is_file():
        raise InputError(f"{path}: is no file")
    return Population((Extent(None, 0, -(-size // PAGE_BYTES)),), path, 0, 0, 0)


def sample(population: Population, count: int, seed: int = _SEED) -> Iterator[bytes]:
    """Yield *count* pages of a population, or all if it has fewer; one that cannot be read any more is left out."""
    total = population.pages
    chosen = sorted(random.Random(seed).sample(range(total), min(count, total)))  # noqa: S311 - a sample, no secret
    places = _places(population.extents, chosen)
    if population.path is not None:
        yield from _of_file(population.path, places)
        return
    memory: ProcessMemory | None = None
    try:
        for extent, number in places:
            if memory is None or memory.pid != extent.pid:
                if memory is not None:
                    memory.close()
                    memory = None
                try:
                    memory = ProcessMemory(extent.pid or 0)
                except OSError:
                    continue
            at = extent.start + number * PAGE_BYTES
            try:
                is_there = next(memory.present(at, at + PAGE_BYTES), None) is not None
                data = bytes(memory.read(at, at + PAGE_BYTES)) if is_there else b""
            except OSError:
                continue
            if len(data) == PAGE_BYTES:
                yield data
    finally:
        if memory is not None:
            memory.close()


def _places(extents: Sequence[Extent], chosen: Sequence[int]) -> Iterator[tuple[Extent, int]]:
    """Yield where each of the chosen pages lies: its extent, and its number there."""
    before, at = 0, 0
    for number in chosen:
        while number - before >= extents[at].pages:
            before += extents[at].pages
            at += 1
        yield extents[at], number - before


def _of_file(path: str, places: Iterator[tuple[Extent, int]]) -> Iterator[bytes]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for extent, number in places:
            data = os.pread(file, PAGE_BYTES, extent.start + number * PAGE_BYTES)
            if data:
                yield data.ljust(PAGE_BYTES, b"\0")
    finally:
        os.close(file)
