"""Swap areas: which slots are in use, who holds them, and what is stored for them.

- a slot is held by as many page-table entries as its map says, and by its page in the swap cache;
- the counts of slots, of each cluster and of all areas are what the maps have;
- for each slot that is held something is stored, or it is a page of zeroes; zram's counts are those of its slots;
- slots without an owner are those in the CPUs' caches.
"""

import cython
from cython.cimports.memtwin.linux.check.huge_pages import HugeCheck
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    file_at,
    file_block,
    file_page,
    slot_of,
)

from memtwin.errors import ModelBug


class SlotCheck(HugeCheck):
    """Checks of swap areas."""

    def swap(self) -> None:
        """Every area: slots in use, who holds them, the swap cache, zram's pool."""
        s: State = self.s
        free: i64 = 0
        total: i64 = 0
        pool: i64 = 0
        parked = 0
        self.held_entries()
        for area in range(s.nr_areas):
            parked += self.swap_area(area)
            if s.areas[area].used:
                total += s.areas[area].pages
                free += cython.cast(i64, s.areas[area].pages) - s.areas[area].inuse
            pool += s.areas[area].zram_pool_pages
        if s.zswap.zpool != ZPOOL_ZBUD:
            pool += s.zswap.pool_pages
        for cpu in range(s.nr_cpus):
            parked -= s.cpus[cpu].swap_slots.nr + s.cpus[cpu].swap_slots.nr_back
        self.equal("slots without owner beside those in the CPUs' caches", parked, 0)
        self.equal("slots of all areas", total, s.total_swap_pages)
        self.equal("free slots", free, s.nr_swap_pages)
        self.hold(self.owners[OWNER_ZSMALLOC] <= pool, f"{self.owners[OWNER_ZSMALLOC]} frames hold compressed pages")

    def swap_area(self, area: int) -> int:
        """One area: its map against page tables, caches and what is stored; returns the slots without an owner."""
        s: State = self.s
        a: cython.pointer(SwapArea) = cython.address(s.areas[cython.cast(u32, area)])
        file: cython.pointer(File) = file_at(s, a.file)
        first: u32 = cython.cast(u32, area) << SWAP_TYPE_SHIFT
        cluster: u32
        slot: u32
        cached: u32
        count: u32
        held: u32
        inuse: i64 = 0
        stored: i64 = 0
        same: i64 = 0
        bytes_: i64 = 0
        parked: i64 = 0
        for cluster in range(a.max // SWAPFILE_CLUSTER + 1):
            held = 0
            for slot in range(cluster * SWAPFILE_CLUSTER or 1, min((cluster + 1) * SWAPFILE_CLUSTER, a.max)):
                count = a.map[slot] & SWAP_MAP_COUNT
                inuse += a.map[slot] != 0
                held += count != 0
                cached = file_page(file, slot)
                if cached and (not a.map[slot] & SWAP_HAS_CACHE or s.pages[cached].private != first | slot):
                    what = f"the swap cache's page of slot {slot} of area {area} is not its own"
                    raise ModelBug(what, story=self.story)
                parked += a.map[slot] == SWAP_HAS_CACHE and not cached
                if a.synchronous:
                    stored += a.length[slot] != 0
                    same += a.length[slot] == 1
                    bytes_ += a.length[slot] if a.length[slot] > 1 else 0
                if count and slot > a.held:
                    self.held_slot(first | slot, count, cached)
            if held != a.cluster_held[cluster]:
                self.equal(f"slots held in cluster {cluster} of area {area}", held, a.cluster_held[cluster])
        self.equal(f"slots in use of area {area}", inuse, a.inuse)
        if a.synchronous:
            self.equal(f"pages stored by area {area}", stored + a.zram_boot_pages, a.zram_pages)
            self.equal(f"pages of one word in area {area}", same, a.zram_same)
            if not a.zram_boot_pages:
                self.equal(f"compressed bytes of area {area}", bytes_, a.zram_compressed)
        return parked

    def held_slot(self, entry: u32, count: u32, cached: u32) -> None:
        """A slot that page-table entries hold: as many of them as are there, and something is stored for it."""
        a: cython.pointer(SwapArea) = area_of(self.s, entry)
        slot: u32 = slot_of(entry)
        area = entry >> SWAP_TYPE_SHIFT
        found = self.entries.get(entry, 0)
        if count != found:
            self.equal(f"page-table entries that hold slot {slot} of area {area}", found, count)
        if not a.synchronous or cached or a.length[slot] or (a.zswap_length != cython.NULL and a.zswap_length[slot]):
            return
        self.hold(self.is_zeroes(area, slot), f"slot {slot} of area {area} is in use and nothing is stored for it")

    def held_entries(self) -> None:
        """What page tables hold: no slot that the map of its area calls free."""
        s: State = self.s
        for entry, found in self.entries.items():
            a: cython.pointer(SwapArea) = area_of(s, entry)
            slot: u32 = slot_of(entry)
            count = a.map[slot] & SWAP_MAP_COUNT if slot < a.max else 0
            if count != found and slot > a.held:
                self.equal(f"page-table entries that hold slot {slot} of area {entry >> SWAP_TYPE_SHIFT}", found, count)

    def is_zeroes(self, area: int, slot: int) -> bool:
        """Whether a slot is noted as a page of zeroes, which nothing is stored for."""
        s: State = self.s
        found: u64 = file_block(file_at(s, s.areas[cython.cast(u32, area)].file), slot)
        return s.features.zeromap != 0 and found == 1
