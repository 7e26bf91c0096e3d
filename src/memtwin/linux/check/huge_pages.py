"""Huge pages: their frames, their references, the queue of those that wait to be split, and the reverse map.

- the first frame of a huge page has all its references; the others have their own mappings;
- the huge entries that name a page are those that it counts, and so are the entries of single frames;
- what waits to be split says so, once; what huge entries map adds up to the counter;
- the reverse map finds each mapping of a frame.
"""

import cython
from cython.cimports.memtwin.linux.check.shared_memory import SharedCheck
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    entire_mapcount,
    global_node_page_state,
    is_huge,
    page_mapped,
    ptes_mapcount,
)
from cython.cimports.memtwin.linux.mm.rmap import next_mapping


class HugeCheck(SharedCheck):
    """Checks of huge pages, and of what maps a frame."""

    def huge_frame(self, pfn: u32, held: int) -> None:
        """One frame of a huge page: the first has all references, the others none."""
        s: State = self.s
        head: u32 = compound_head(s, pfn)
        self.hold(is_huge(s, head) and s.pages[head].order == HPAGE_PMD_ORDER, f"frame {pfn} is of no huge page")
        if pfn != head:
            self.equal(f"references to frame {pfn} within a huge page", 0, s.pages[pfn].refcount)
            self.equal(f"index of frame {pfn}", s.pages[head].index + pfn - head, s.pages[pfn].index)
            return
        cached = HPAGE_PMD_NR if s.pages[head].flags & PG_SWAPCACHE else 0
        self.equal(f"references to huge page {head}", page_mapped(s, head) + held + cached, s.pages[head].refcount)
        mappings: i64 = 0
        i: u32
        for i in range(HPAGE_PMD_NR):
            mappings += s.pages[head + i].mapcount
        self.equal(
            f"mappings of huge page {head}",
            mappings,
            entire_mapcount(s, head)[0] * HPAGE_PMD_NR + ptes_mapcount(s, head)[0],
        )
        self.equal(f"huge entries of page {head}", self.huge_entries.get(head, 0), entire_mapcount(s, head)[0])
        self.mapped_by_huge_entries += HPAGE_PMD_NR if entire_mapcount(s, head)[0] else 0
        self.deferred += s.pages[head].flags & PG_DEFERRED != 0

    def huge_pages(self) -> None:
        """The queue of huge pages that wait to be split, and those that huge entries map."""
        s: State = self.s
        frame: u32 = s.node_data[0].deferred_split.head
        pages = 0
        while frame:
            self.hold(
                is_huge(s, frame - 1) and s.pages[frame - 1].flags & PG_DEFERRED != 0,
                f"frame {frame - 1} waits to be split and does not say so",
            )
            pages += 1
            frame = s.pages[frame].next
        self.equal("huge pages that wait to be split", self.deferred, pages)
        self.equal(
            "pages mapped by huge entries",
            self.mapped_by_huge_entries,
            global_node_page_state(s, NR_ANON_TRANSPARENT_HUGEPAGES),
        )


def reverse_mappings(s: State, pfn: u32) -> i32:
    """Return how many mappings of a frame the reverse map finds."""
    cursor: u32 = 0
    vpn: u64 = 0
    vma: u32 = 0
    found: i32 = 0
    while next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn)) != cython.NULL:
        found += 1
    return found
