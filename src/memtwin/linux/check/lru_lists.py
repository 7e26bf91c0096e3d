"""The lists of reclaim, five of one policy and the generations of the other, against the counters of node and zones.

- a page is on the list that its flags say, linked both ways; the sums of lists are the counters;
- only one policy has pages that can be reclaimed;
- there are two to four generations of each type, and files are never older than anonymous pages by number;
- a page of a generation stands on the list that it says, of its type and zone; pages by the generation that they say
  are its counts; the two youngest add up to the active counters, the others to the inactive ones;
- address spaces that are walked are linked both ways.
"""

import cython
from cython.cimports.memtwin.linux.check.page_tables import Check
from cython.cimports.memtwin.linux.core.state import (
    State,
    global_node_page_state,
    mm_at,
    nr_pages,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.mm.lru_gen import list_of, lru_gen_is_active, page_lru_gen, page_type
from cython.cimports.memtwin.linux.mm.swap import page_lru

from memtwin.errors import ModelBug

SOURCE = "mm/vmscan.c", "v6.12"


class LruCheck(Check):
    """Checks of the lists that reclaim works on."""

    def lru_lists(self) -> None:
        """The lists of both policies, their counters in the node and in the zones."""
        s: State = self.s
        active_inactive = self.generations()
        for lru in range(NR_LRU_LISTS):
            pages = self.lru_list(lru)
            if s.node_data[0].lruvec.gen.enabled and lru < LRU_UNEVICTABLE:
                self.equal(f"pages on list {lru} beside generations", pages, 0)
            pages += active_inactive[lru]
            self.equal(f"pages on list {lru}", pages, global_node_page_state(s, lru))
            zones = sum(zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + lru] for zone in range(MAX_NR_ZONES))
            self.equal(f"pages on list {lru} by zone", pages, zones)
        self.walked_address_spaces()

    def lru_list(self, lru: int) -> int:
        """One list of the active and inactive ones: linked both ways; returns its pages."""
        s: State = self.s
        pfn: u32 = s.node_data[0].lruvec.lists[cython.cast(u32, lru)].head
        before: u32 = 0
        pages: i64 = 0
        while pfn:
            if not s.pages[pfn].flags & PG_LRU or page_lru(s, pfn) != lru or page_lru_gen(s, pfn):
                raise ModelBug(f"frame {pfn} is on list {lru} and does not say so", story=self.story)
            if s.pages[pfn].prev != before:
                raise ModelBug(f"list {lru} is not linked both ways at frame {pfn}", story=self.story)
            pages += nr_pages(s, pfn)
            before = pfn
            pfn = s.pages[pfn].next
        return pages

    def generations(self) -> list[int]:
        """Every generation; returns the pages that count for each of the five lists."""
        s: State = self.s
        gen: cython.pointer(LruGen) = cython.address(s.node_data[0].lruvec.gen)
        counted: list = [0] * NR_LRU_LISTS
        by_place: dict = {}
        for kind in range(2):
            nr = gen.max_seq - gen.min_seq[kind] + 1
            self.hold(MIN_NR_GENS <= nr <= MAX_NR_GENS, f"{nr} generations of type {kind}")
        self.hold(gen.min_seq[0] <= gen.min_seq[1], "anonymous generations are numbered above those of files")
        for place in range(MAX_NR_GENS):
            for kind in range(2):
                for zone in range(MAX_NR_ZONES):
                    self.generation(place, kind, zone, by_place)
        for place in range(MAX_NR_GENS):
            at: u32 = cython.cast(u32, place)
            for kind in range(2):
                active = 1 if lru_gen_is_active(gen, at) else 0
                for zone in range(MAX_NR_ZONES):
                    pages = by_place.get((place, kind, zone), 0)
                    self.equal(
                        f"pages of generation {place}, type {kind}, zone {zone}", pages, gen.nr_pages[at][kind][zone]
                    )
                    counted[kind * LRU_INACTIVE_FILE + active] += pages
        return counted

    def generation(self, place: int, kind: int, zone: int, by_place: dict[tuple[int, int, int], int]) -> None:
        """One list of a generation; adds its pages to those of the generation that they say."""
        s: State = self.s
        at: u32 = cython.cast(u32, place)
        pfn: u32 = s.node_data[0].lruvec.gen.lists[at][cython.cast(u32, kind)][cython.cast(u32, zone)].head
        before: u32 = 0
        says: i32
        counts: i64[MAX_NR_GENS]
        i: u32
        for i in range(MAX_NR_GENS):
            counts[i] = 0
        while pfn:
            says = page_lru_gen(s, pfn) - 1
            if (
                not 0 <= says < MAX_NR_GENS
                or not s.pages[pfn].flags & PG_LRU
                or list_of(cython.address(s.pages[pfn])) != at
                or page_type(s, pfn) != kind
                or zone_of(s, pfn) != zone
            ):
                raise ModelBug(f"frame {pfn} is in generation {place} and does not say so", story=self.story)
            if s.pages[pfn].prev != before:
                raise ModelBug(f"generation {place} is not linked both ways at frame {pfn}", story=self.story)
            counts[says] += nr_pages(s, pfn)
            before = pfn
            pfn = s.pages[pfn].next
        for i in range(MAX_NR_GENS):
            by_place[i, kind, zone] = by_place.get((i, kind, zone), 0) + counts[i]

    def walked_address_spaces(self) -> None:
        """The address spaces whose page tables are walked."""
        s: State = self.s
        state: cython.pointer(LruGenMmState) = cython.address(s.node_data[0].lruvec.mm_state)
        before: u32 = 0
        mm: u32 = state.first
        while mm:
            self.hold(mm_at(s, mm).gen_listed, f"address space {mm} is walked and does not say so")
            self.equal(f"address space before {mm}", before, mm_at(s, mm).gen_prev)
            before = mm
            mm = mm_at(s, mm).gen_next
        self.equal("last address space that is walked", before, state.last)
        self.equal("generations that walks were finished for", state.seq + 1, s.node_data[0].lruvec.gen.max_seq)

    def zswap_list(self, most: int) -> int:
        """How many pages stand on zswap's list, each of them stored; *most*: where a list that does not end is cut."""
        s: State = self.s
        entry: u32 = s.zswap.list_head
        listed = 0
        while entry and listed <= most:
            a: cython.pointer(SwapArea) = cython.address(s.areas[entry >> SWAP_TYPE_SHIFT])
            slot: u32 = entry & ((1 << SWAP_TYPE_SHIFT) - 1)
            if not a.zswap_length[slot]:
                raise ModelBug(f"zswap's list has slot {slot}, for which nothing is stored", story=self.story)
            listed += 1
            entry = a.zswap_next[slot]
        return listed
