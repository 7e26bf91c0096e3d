"""A process's address space, and another's: ``mremap``, ``brk``, ``vm_read``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario.words import like

if TYPE_CHECKING:
    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line


@dataclass(frozen=True, slots=True)
class Mremap(kinds.WorkerOp):
    """``mremap`` of a region to *size_bytes*; *may_move*: MREMAP_MAYMOVE."""

    region: str
    size_bytes: int
    may_move: bool


@dataclass(frozen=True, slots=True)
class Brk(kinds.WorkerOp):
    """``brk``: the region that begins where the program's data ends is *size_bytes* long."""

    region: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class VmRead(kinds.WorkerOp):
    """``process_vm_readv`` of a part of a region of the process *other*."""

    other: str
    region: str
    offset_pages: int
    npages: int


def mremap(body: _Body, line: Line) -> kinds.Op:
    """Parse another length of a region."""
    words = line.counted("NAME mremap REGION SIZE [maymove]", 4, 5)
    region, size_bytes = body.region(line), line.whole_pages(words[3], "SIZE")
    if region == body.breaks.get(words[0]):
        raise line.error(f"a region that was mapped: the length of {region} changes by brk")
    if words[4:] not in ([], ["maymove"]):
        raise line.error(f"maymove or nothing, not {quoted(words[4])}")
    return Mremap(line.index, line.lineno, line.text, words[0], region, size_bytes, bool(words[4:]))


def brk(body: _Body, line: Line) -> kinds.Op:
    """Parse a length of what follows a program's data."""
    words = line.counted("NAME brk REGION SIZE", 4, 4)
    process, region, size_bytes = words[0], words[2], line.whole_pages(words[3], "SIZE")
    if process in body.tags:
        raise line.error("a process without malloc, which moves the end of its data itself")
    if process not in body.breaks and region in body.regions[process]:
        raise line.error(f"a new region; {region!r} is already mapped")
    if body.breaks.setdefault(process, body.map_region(line)) != region:
        raise line.error(f"the region {body.breaks[process]}: a process has one end of its data, not {quoted(region)}")
    return Brk(line.index, line.lineno, line.text, process, region, size_bytes)


def vm_read(body: _Body, line: Line) -> kinds.Op:
    """Parse a read of another process's memory."""
    words = line.counted("NAME vm_read OTHER REGION OFF LEN", 6, 6)
    other, region = words[2], words[3]
    if other not in body.regions:
        raise line.error(f"a process started before, not {quoted(other)}", hint=like(other, body.regions))
    if region not in body.regions[other]:
        hint = like(region, body.regions[other])
        raise line.error(f"a region that {other} mapped before, not {quoted(region)}", hint=hint)
    offset, npages = line.page_range(words[4], words[5])
    return VmRead(line.index, line.lineno, line.text, words[0], other, region, offset, npages)
