"""A machine that is being built."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from memtwin.machine.lists import Lists, Unevictable

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.machine import costs
    from memtwin.machine.accounts import Accounts
    from memtwin.machine.boot import Boot
    from memtwin.machine.frames import Frames
    from memtwin.machine.machine import Booted, SwapArea
    from memtwin.machine.program import Program
    from memtwin.procfs import zoneinfo

LRU_GEN_CORE = 1
"""Of what lru_gen/enabled has: that it reclaims at all (``lru_gen_walk.pxd``)."""
LEAST_FRAMES = 8
"""For tables that a range of pages may need beyond one for each 512 of them: two a level and some to spare."""
ZONES = ("DMA", "DMA32", "Normal", "Movable", "Device")


@dataclass
class Draft:
    """A machine that is being built: what the steps so far have made, and what the next ones need."""

    boot: Boot
    program: Program
    zones: list[zoneinfo.ZoneInfo]
    state: State
    profile: costs.CostProfile
    accounts: Accounts
    frames: Frames
    content: int = 0
    """What pages of unknown content hold (Content)."""
    contents: dict[int, tuple[tuple[int, int, int], ...]] = field(default_factory=dict)
    """What pages of tasks hold, where that is known: first page, pages, Content."""
    caches: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    tables: list[int] = field(default_factory=list)
    """Frames put by for page tables."""
    rest: int = 0
    files: dict[str, int] = field(default_factory=dict)
    areas: list[SwapArea] = field(default_factory=list)
    booted: list[Booted] = field(default_factory=list)
    slots: list[tuple[int, int, int]] = field(default_factory=list)
    """Swap slots of processes: area, the first, how many."""
    cached_slots: list[tuple[int, int, int]] = field(default_factory=list)
    """Those of mapped pages that came back and kept theirs."""
    zspages: dict[int, int] = field(default_factory=dict)
    """Frames of zsmalloc's pools, by zone."""
    unknown_zswap: int = 0
    """Pages in zswap whose owners are not known."""
    anon_left: int = 0
    """Of the anonymous pages, the page cache and shared memory: what is not placed yet."""
    cache_left: int = 0
    slabs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Of each slab cache the first frame of its slabs, and how many objects are in use, the oldest first."""
    shmem_left: int = 0
    tmpfs_swap: int = 0
    """Pages of tmpfs in swap that no process maps."""
    held: int = 0
    """Swap slots in use that no process of the snapshot has."""
    taken_again: int = 0
    """Swap slots of the area that is used first that are for the newest pages."""
    unplaced: int = 0
    """Anonymous, swapped and file pages of processes beyond what the machine counts."""
    unplaced_swap: int = 0
    placed_huge: int = 0
    """Huge pages that processes have."""
    unmapped_files: int = 0
    filled: list[tuple[int, int, int]] = field(default_factory=list)
    """Pages of files on the disk that are cached: file, first page, how many."""
    ramfs_init: int = 0
    """Pages of PID 1's program in ramfs."""
    notes: list[str] = field(default_factory=list)

    @cached_property
    def anon_lists(self) -> Lists:
        """Places on the anonymous lists."""
        return self._lists("anon")

    @cached_property
    def file_lists(self) -> Lists:
        """Places on the file lists."""
        return self._lists("file")

    @cached_property
    def unevictable(self) -> Unevictable:
        """Places on the unevictable list."""
        counts = {zone: self.zone_count(zone, "nr_zone_unevictable") for zone in self.frames.zones}
        return Unevictable(self.frames, counts)

    def reserve(self, count: int = 1024) -> None:
        """Make sure that there are frames for the page tables of *count* pages more."""
        wanted = (count >> 9) + LEAST_FRAMES
        if len(self.tables) < wanted:
            self.tables += self.frames.singles(wanted)

    def _lists(self, kind: str) -> Lists:
        counts = {
            (zone, is_active): self.zone_count(zone, f"nr_zone_{state}_{kind}")
            for zone in self.frames.zones
            for is_active, state in ((True, "active"), (False, "inactive"))
        }
        return Lists(self.frames, counts, generations=self.has_generations)

    @property
    def has_generations(self) -> bool:
        """Whether the multi-gen LRU reclaims."""
        return self.boot.lru_gen_caps & LRU_GEN_CORE != 0

    def zone_count(self, zone: int, name: str) -> int:
        """Return a counter of a zone."""
        found = next((z for z in self.zones if z.name == ZONES[zone]), None)
        return found.stats.get(name, 0) if found and found.managed else 0
