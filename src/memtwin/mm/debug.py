"""The invariants of a machine, all of them, checked from the arrays themselves.

- each managed frame has exactly one owner, and the owners add up to MemTotal;
- free blocks are aligned, of one owner, on the list of their order and type, and merged with their buddies;
- the sums of lists are the counters (free pages, per-cpu lists, the five LRU lists, slabs, page tables);
- a frame's mapcount is the number of page-table entries that name it, and the reverse map finds each of them;
- a process's RSS is what its page tables map, no page is mapped outside an area, and every mapped page holds the
  content that was last written through that mapping;
- a cached page belongs to one file at one index.

Named after mm/debug.c of Linux; the kernel has such checks behind CONFIG_DEBUG_VM.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.memtwin.mm.lru import page_lru
from cython.cimports.memtwin.mm.memory import walk
from cython.cimports.memtwin.mm.mm_types import (
    FILE_VDSO,
    MAX_NR_ZONES,
    MIGRATE_HIGHATOMIC,
    MIGRATE_TYPES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    NR_LRU_LISTS,
    NR_ORDERS,
    NR_PCP_LISTS,
    OWNER_ANON,
    OWNER_BUDDY,
    OWNER_FILE,
    OWNER_NONE,
    OWNER_PCP,
    OWNER_SLAB,
    OWNER_TABLE,
    PG_HEAD,
    PG_LRU,
    PTE_SPECIAL,
    PTRS_PER_TABLE,
    VM_ACCOUNT,
    Mm,
    Page,
    Vma,
    i32,
    i64,
    u32,
    u64,
)
from cython.cimports.memtwin.mm.rmap import vma_of_page
from cython.cimports.memtwin.mm.state import (
    State,
    cache_at,
    file_at,
    mm_at,
    table_at,
    task_at,
    vma_at,
    zone_of,
)
from cython.cimports.memtwin.mm.vmstat import (
    NR_ANON_PAGES,
    NR_FILE_PAGES,
    NR_FREE_PAGES,
    NR_MAPPED,
    NR_PAGE_TABLE_PAGES,
    NR_SLAB_RECLAIMABLE,
    NR_SLAB_UNRECLAIMABLE,
    NR_ZONE_INACTIVE_ANON,
)

from memtwin.errors import ModelBug

SOURCE = "mm/debug.c", "v6.1"


class Check:
    """One pass over a machine."""

    def __init__(self, s: State, story: tuple):
        self.s = s
        self.story = story
        self.mapped = cython.cast(cython.pointer(i32), calloc(s.max_pfn + 1, cython.sizeof(i32)))

    def __dealloc__(self):
        free(self.mapped)

    def hold(self, ok: bool, what: str) -> None:
        """Raise a ModelBug that says *what* unless *ok*."""
        if not ok:
            raise ModelBug(what, story=self.story)

    def equal(self, what: str, counted: int, counter: int) -> None:
        """Raise a ModelBug unless what was counted is what the counter says."""
        if counted != counter:
            raise ModelBug(f"{what}: {counted} counted, the counter says {counter}", story=self.story)

    def run(self) -> None:
        """Check everything."""
        self.free_lists()
        self.per_cpu_lists()
        self.address_spaces()
        self.frames()
        self.lru_lists()
        self.slabs()

    def free_lists(self) -> None:
        """Blocks on the buddy allocator's lists."""
        s: State = self.s
        pfn: u32
        for zone in range(MAX_NR_ZONES):
            pages = 0
            for order in range(NR_ORDERS):
                for mt in range(MIGRATE_TYPES):
                    blocks = 0
                    pfn = s.zones[zone].free_area[order][mt].head
                    while pfn:
                        self.free_block(zone, order, mt, pfn)
                        blocks += 1
                        pfn = s.pages[pfn].next
                    self.equal(f"free blocks of order {order}", blocks, s.zones[zone].free_area[order][mt].nr)
                    pages += blocks << order
            self.equal(f"free pages of zone {zone}", pages, s.zones[zone].stat[NR_FREE_PAGES])

    def free_block(self, zone: int, order: int, mt: int, pfn: int) -> None:
        """One block: aligned, whole, where it belongs, and not beside a free buddy."""
        s: State = self.s
        head: cython.pointer(Page) = cython.address(s.pages[cython.cast(u32, pfn)])
        buddy: u32 = cython.cast(u32, pfn ^ (1 << order))
        self.hold(pfn % (1 << order) == 0, f"free block {pfn} of order {order} is not aligned")
        self.hold(zone_of(s, pfn) == zone, f"free block {pfn} is on the list of another zone")
        self.hold(
            head.flags & PG_HEAD and head.order == order and head.migratetype == mt,
            f"free block {pfn} says order {head.order} type {head.migratetype}, is on {order}/{mt}",
        )
        i: u32
        for i in range(cython.cast(u32, pfn), cython.cast(u32, pfn) + (cython.cast(u32, 1) << cython.cast(u32, order))):
            if s.pages[i].owner != OWNER_BUDDY:
                raise ModelBug(f"frame {i} of a free block is in use", story=self.story)
        if order < NR_ORDERS - 1 and buddy < s.max_pfn and mt < MIGRATE_HIGHATOMIC:
            self.hold(
                not (
                    s.pages[buddy].owner == OWNER_BUDDY
                    and s.pages[buddy].flags & PG_HEAD
                    and s.pages[buddy].order == order
                    and s.pages[buddy].migratetype < MIGRATE_HIGHATOMIC
                    and zone_of(s, buddy) == zone
                ),
                f"free buddies {pfn} and {buddy} of order {order} are not merged",
            )

    def per_cpu_lists(self) -> None:
        """Blocks on the per-cpu lists."""
        s: State = self.s
        pfn: u32
        for i in range(MAX_NR_ZONES * s.nr_cpus):
            pages = 0
            for pindex in range(NR_PCP_LISTS):
                order = 9 if pindex >= 12 else pindex // 3
                pfn = s.pcp[i].lists[pindex].head
                while pfn:
                    self.hold(s.pages[pfn].owner == OWNER_PCP, f"frame {pfn} on a per-cpu list is in use")
                    pages += 1 << order
                    pfn = s.pages[pfn].next
            self.equal("pages on a per-cpu list", pages, s.pcp[i].count)

    def address_spaces(self) -> None:
        """Page tables against areas, RSS, and the content that was written."""
        s: State = self.s
        mm: u32
        promised: i64 = 0
        tables: i64 = 0
        deltas: dict = {}
        for task in range(1, s.tasks.nr):
            if task_at(s, task).mm and mm_at(s, task_at(s, task).mm).pgd:
                mm = task_at(s, task).mm
                before = deltas.get(mm, (0, 0))
                deltas[mm] = (
                    before[0] + task_at(s, task).rss_delta[MM_ANONPAGES],
                    before[1] + task_at(s, task).rss_delta[MM_FILEPAGES],
                )
        for mm in range(1, s.mms.nr):
            if mm_at(s, mm).users:
                promised += self.address_space(mm, deltas.get(mm, (0, 0)))
                tables += mm_at(s, mm).nr_tables
        self.hold(s.committed_as >= promised, f"{promised} pages promised, Committed_AS {s.committed_as}")

    def address_space(self, mm: u32, delta: tuple) -> int:
        """One process: returns the pages promised to it."""
        s: State = self.s
        m: cython.pointer(Mm) = mm_at(s, mm)
        area: cython.pointer(Vma)
        end: u64 = 0
        promised = 0
        total = 0
        anon = 0
        files = 0
        for i in range(m.nr_vmas):
            area = vma_at(s, m.vmas[i])
            self.hold(end <= area.start < area.end, f"areas of mm {mm} overlap or are out of order")
            self.hold(area.mm == mm, f"an area of mm {mm} says it is mm {area.mm}'s")
            end = area.end
            total += area.end - area.start
            if area.flags & VM_ACCOUNT:
                promised += area.end - area.start
            found = self.area(mm, m.vmas[i])
            anon += found[0]
            files += found[1]
        self.equal(f"pages of address space of mm {mm}", total, m.total_vm)
        self.equal(f"anonymous pages mapped by mm {mm}", anon, m.rss[MM_ANONPAGES] + delta[0])
        self.equal(f"file pages mapped by mm {mm}", files, m.rss[MM_FILEPAGES] + delta[1])
        return promised

    def area(self, mm: u32, vma: u32) -> tuple:
        """One area: counts its mappings per frame, checks contents; returns (anonymous, file) pages."""
        s: State = self.s
        area: cython.pointer(Vma) = vma_at(s, vma)
        vpn: u64 = area.start
        limit: u64
        pte: u64
        table: u32
        pfn: u32
        counted: u32[2]
        counted[0] = counted[1] = 0
        while vpn < area.end:
            limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, area.end)
            table = walk(s, mm, vpn)
            while table and vpn < limit:
                pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
                if pte and not pte & PTE_SPECIAL:
                    pfn = pte >> 12
                    self.mapped[pfn] += 1
                    counted[0 if s.pages[pfn].owner == OWNER_ANON else 1] += 1
                    if s.pages[pfn].tag != table_at(s, table).tag[vpn & (PTRS_PER_TABLE - 1)]:
                        raise ModelBug(
                            f"page {vpn:#x} of mm {mm} (frame {pfn}) does not hold what was written to it",
                            story=self.story,
                        )
                vpn += 1
            vpn = limit
        return counted[0], counted[1]

    def frames(self) -> None:
        """Every frame: one owner, and the mappings that it says it has."""
        s: State = self.s
        page: cython.pointer(Page)
        pfn: u32
        extra: i32
        mapped_anon: i64 = 0
        mapped_file: i64 = 0
        cached: i64 = 0
        managed: i64 = 0
        owned: i64 = 0
        batched: dict = {}
        for cpu in range(s.nr_cpus):
            for i in range(s.lru_add_vec[cpu].nr):
                batched[s.lru_add_vec[cpu].pages[i]] = 1
        for pfn in range(1, cython.cast(u32, s.max_pfn)):
            page = cython.address(s.pages[pfn])
            if page.owner == OWNER_NONE:
                continue
            owned += 1
            self.owners[page.owner] += 1
            if page.owner != OWNER_ANON and page.owner != OWNER_FILE:
                continue
            if page.mapcount != self.mapped[pfn]:
                self.equal(f"mappings of frame {pfn}", self.mapped[pfn], page.mapcount)
            extra = (1 if page.owner == OWNER_FILE else 0) + (1 if pfn in batched else 0)
            if page.refcount != page.mapcount + extra:
                self.equal(f"references to frame {pfn}", page.mapcount + extra, page.refcount)
            if page.owner == OWNER_ANON:
                mapped_anon += page.mapcount > 0
                self.reverse_map(pfn)
            else:
                mapped_file += page.mapcount > 0
                cached += self.cached_page(pfn)
        for zone in range(MAX_NR_ZONES):
            managed += s.zones[zone].managed
        self.equal("managed frames", owned, managed)
        self.equal("mapped anonymous pages", mapped_anon, s.node[NR_ANON_PAGES])
        self.equal("mapped file pages", mapped_file, s.node[NR_MAPPED])
        self.equal("page cache", cached, s.node[NR_FILE_PAGES])

    def reverse_map(self, pfn: u32) -> None:
        """The mappings that the reverse map finds are those that the page has."""
        s: State = self.s
        link: u32 = 0
        vpn: u64 = 0
        table: u32
        vma: u32
        found: i32 = 0
        while True:
            vma = vma_of_page(s, pfn, cython.address(link), cython.address(vpn))
            if not vma:
                break
            table = walk(s, vma_at(s, vma).mm, vpn)
            if table and table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] >> 12 == pfn:
                found += 1
        if found != s.pages[pfn].mapcount:
            self.equal(f"mappings of frame {pfn} by the reverse map", found, s.pages[pfn].mapcount)

    def cached_page(self, pfn: u32) -> int:
        """1 for a page of the page cache; its file has it at its index."""
        s: State = self.s
        page: cython.pointer(Page) = cython.address(s.pages[pfn])
        if file_at(s, page.mapping).pages[page.index] != pfn:
            raise ModelBug(f"frame {pfn} is not where its file has it", story=self.story)
        return 0 if file_at(s, page.mapping).kind == FILE_VDSO else 1

    def lru_lists(self) -> None:
        """The five lists, their counters in the node and in the zones."""
        s: State = self.s
        pfn: u32
        for lru in range(NR_LRU_LISTS):
            pages = 0
            pfn = s.lru[lru].head
            while pfn:
                if not s.pages[pfn].flags & PG_LRU or page_lru(s, pfn) != lru:
                    raise ModelBug(f"frame {pfn} is on list {lru} and does not say so", story=self.story)
                pages += 1
                pfn = s.pages[pfn].next
            self.equal(f"pages on list {lru}", pages, s.node[lru])
            zones = sum(s.zones[zone].stat[NR_ZONE_INACTIVE_ANON + lru] for zone in range(MAX_NR_ZONES))
            self.equal(f"pages on list {lru} by zone", pages, zones)

    def slabs(self) -> None:
        """Slab pages and page tables: frames owned against counters."""
        s: State = self.s
        pages = 0
        pfn: u32
        for cache in range(1, s.caches.nr):
            c = cache_at(s, cache)
            pages += c.nr_slabs << c.order
            room = 0
            pfn = c.partial.head
            while pfn:
                room += c.per_slab - s.pages[pfn].index
                pfn = s.pages[pfn].next
            self.equal(f"free objects on cache {cache}'s partial list", room, c.free_partial)
        self.equal("slab frames", self.owners[OWNER_SLAB], pages)
        self.equal("slab pages", pages, s.node[NR_SLAB_RECLAIMABLE] + s.node[NR_SLAB_UNRECLAIMABLE])
        self.hold(
            self.owners[OWNER_TABLE] >= s.node[NR_PAGE_TABLE_PAGES],
            f"{self.owners[OWNER_TABLE]} frames hold page tables, nr_page_table_pages {s.node[NR_PAGE_TABLE_PAGES]}",
        )


def validate(s: State, story: tuple = ()) -> None:
    """Check every invariant; raise a ModelBug that tells *story* (what led here) when one is broken."""
    check = Check(s, story)
    check.run()
