"""One process of a scenario, as the run knows it: its regions, files and allocator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtwin.run.heap import Heap


@dataclass(slots=True)
class Region:
    """A range that a process mapped: first page number and pages."""

    start: int
    pages: int


@dataclass(slots=True)
class Worker:
    """One process of a scenario."""

    name: str
    pid: int
    task: int
    next_region: int
    """Where the next region is mapped."""
    alive: bool = True
    command: int = 0
    """Commands that it was given."""
    regions: dict[str, Region] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    """Open files by name."""
    buffer: int = 0
    """Page number of its buffer for reads and writes; 0: it has none yet."""
    uid: int = 0
    read_only: set[str] = field(default_factory=set)
    """Names of its open files that it may not write."""
    brk: int = 0
    """Page number at which its brk began; 0: it has not moved it."""
    heap: Heap | None = None
    """Its allocator, once it has called malloc."""
    runs_program: bool = True
    """Whether it runs the program whose own touches are known; an attached one does as the scenario says."""
