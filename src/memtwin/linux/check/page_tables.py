"""What processes map: every page table against its areas, its RSS, and the content that was written.

Named after mm/page_table_check.c of Linux, which counts a frame's mappings in the same way to catch a wrong one.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    compound_head,
    file_at,
    file_block,
    file_page,
    mm_at,
    slot_of,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.pgtable import walk

from memtwin.errors import HostMemoryError, ModelBug


class Check:
    """One pass over a machine: its state, what led here, and what its page tables hold."""

    def __init__(self, s: State, story: tuple[str, ...]):
        self.s = s
        self.story = story
        self.entries = {}
        self.huge_entries = {}
        self.mapped_by_huge_entries = 0
        self.deferred = 0
        self.mapped = cython.cast(cython.pointer(i32), calloc(s.max_pfn + 1, cython.sizeof(i32)))
        if self.mapped == cython.NULL:
            raise HostMemoryError("checking the machine", (s.max_pfn + 1) * cython.sizeof(i32))

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
                before = deltas.get(mm, (0, 0, 0))
                deltas[mm] = (
                    before[0] + task_at(s, task).rss_delta[MM_ANONPAGES],
                    before[1] + task_at(s, task).rss_delta[MM_FILEPAGES] + task_at(s, task).rss_delta[MM_SHMEMPAGES],
                    before[2] + task_at(s, task).rss_delta[MM_SWAPENTS],
                )
        for mm in range(1, s.mms.nr):
            if mm_at(s, mm).users:
                promised += self.address_space(mm, deltas.get(mm, (0, 0, 0)))
                tables += mm_at(s, mm).nr_tables
        self.hold(s.committed_as >= promised, f"{promised} pages promised, Committed_AS {s.committed_as}")

    def address_space(self, mm: u32, delta: tuple[int, ...]) -> int:
        """One process: returns the pages promised to it."""
        s: State = self.s
        m: cython.pointer(Mm) = mm_at(s, mm)
        area: cython.pointer(Vma)
        end: u64 = 0
        promised = 0
        total = 0
        anon = 0
        files = 0
        swapped = 0
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
            swapped += found[2]
        self.equal(f"pages of address space of mm {mm}", total, m.total_vm)
        self.equal(f"anonymous pages mapped by mm {mm}", anon, m.rss[MM_ANONPAGES] + delta[0])
        self.equal(f"file pages mapped by mm {mm}", files, m.rss[MM_FILEPAGES] + m.rss[MM_SHMEMPAGES] + delta[1])
        self.equal(f"pages of mm {mm} in swap", swapped, m.rss[MM_SWAPENTS] + delta[2])
        return promised

    def area(self, mm: u32, vma: u32) -> tuple[int, int, int]:
        """One area: counts its mappings per frame, checks contents; returns (anonymous, file, swapped) pages."""
        s: State = self.s
        area: cython.pointer(Vma) = vma_at(s, vma)
        vpn: u64 = area.start
        limit: u64
        pte: u64
        table: u32
        entry: u32
        pfn: u32
        counted: u32[3]
        counted[0] = counted[1] = counted[2] = 0
        while vpn < area.end:
            limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, area.end)
            table = walk(s, mm, vpn)
            if table and table_at(s, table).entry[0] & PTE_HUGE:
                self.huge_entry(mm, vpn, limit, table)
            while table and vpn < limit:
                pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
                if pte & PTE_SWAP:
                    counted[2] += 1
                    entry = pte >> 12
                    self.entries[entry] = self.entries.get(entry, 0) + 1
                    if not holds_what_was_written(s, entry, table_at(s, table).tag[vpn & (PTRS_PER_TABLE - 1)]):
                        what = f"swapped page {vpn:#x} of mm {mm} is not what was written to it"
                        raise ModelBug(what, story=self.story)
                elif pte and not pte & PTE_SPECIAL:
                    pfn = pte >> 12
                    self.mapped[pfn] += 1
                    counted[0 if s.pages[pfn].owner == OWNER_ANON else 1] += 1
                    if (
                        s.pages[pfn].owner == OWNER_ANON
                        and s.pages[pfn].tag != table_at(s, table).tag[vpn & (PTRS_PER_TABLE - 1)]
                    ):
                        raise ModelBug(
                            f"page {vpn:#x} of mm {mm} (frame {pfn}) does not hold what was written to it",
                            story=self.story,
                        )
                vpn += 1
            vpn = limit
        return counted[0], counted[1], counted[2]

    def huge_entry(self, mm: u32, vpn: u64, limit: u64, table: u32) -> None:
        """One huge entry: the whole of it lies in the area, and its 512 parts are alike."""
        s: State = self.s
        first: u64 = table_at(s, table).entry[0]
        fixed: u64 = ~cython.cast(u64, PTE_ACCESSED | PTE_DIRTY)
        step: u64 = 0 if first & PTE_SPECIAL else 1 << 12
        i: u32
        self.hold(limit - vpn == PTRS_PER_TABLE, f"a huge entry at {vpn:#x} of mm {mm} leaves its area")
        for i in range(PTRS_PER_TABLE):
            if table_at(s, table).entry[i] & fixed != (first & fixed) + i * step:
                raise ModelBug(f"the huge entry at {vpn:#x} of mm {mm} is not one", story=self.story)
        if step:
            self.huge_entries[first >> 12] = self.huge_entries.get(first >> 12, 0) + 1


def holds_what_was_written(s: State, entry: u32, tag: u64) -> cython.bint:
    """Whether what lies in a slot, or in the swap cache for it, is what was written to the page."""
    f: cython.pointer(File) = file_at(s, area_of(s, entry).file)
    cached: u32 = file_page(f, slot_of(entry))
    held: u64 = s.pages[cached].tag if cached else file_block(f, slot_of(entry)) - 1
    return held == tag or (cached != 0 and s.pages[compound_head(s, cached)].flags & PG_LOCKED != 0)
