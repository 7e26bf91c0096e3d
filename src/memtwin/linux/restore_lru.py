"""What reclaim and its readers left on the pages of the LRU lists when a snapshot is taken: referenced, workingset.

Nothing is scanned here. How many pages of each kind there are is the caller's to say (``memtwin.machine.marks``).
"""

import cython
from cython.cimports.libc.stdlib import free
from cython.cimports.memtwin.linux.core.host_memory import host_zeroed
from cython.cimports.memtwin.linux.core.list import list_add, list_del
from cython.cimports.memtwin.linux.core.state import State, mm_at, nr_pages, table_at, task_at, vma_at
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.rmap import next_mapping


def start_costs(s: State, anon: int, file: int, activated_anon: int, activated_file: int) -> None:
    """Say how much I/O reclaim of anonymous pages and of files has caused, and how many came back too soon by then.

    Both costs halve whenever their sum has come to a quarter of the lists (``lru_note_cost``): from then on it lies
    between an eighth and a quarter. Which kind came when is not known: they are taken to have come by turns.
    """
    lruvec: cython.pointer(Lruvec) = cython.address(s.node_data[0].lruvec)
    pages: i64 = 0
    lru: u32
    for lru in range(4):
        pages += s.node_data[0].stat[LRU_INACTIVE_ANON + lru]
    quarter: i64 = pages // 4
    total: i64 = anon + file
    left: i64 = total
    if total > quarter:
        left = quarter // 2 + (total - quarter) % max(quarter // 2, 1)
    lruvec.anon_cost = left * cython.cast(i64, anon) // max(total, 1)
    lruvec.file_cost = left * cython.cast(i64, file) // max(total, 1)
    lruvec.refaults[0] = lruvec.flushed_activations[0] = activated_anon
    lruvec.refaults[1] = lruvec.flushed_activations[1] = activated_file


def mm_of_page(s: State, pfn: u32) -> u32:
    """The address space that maps a process's own page, the first of several; 0: none does."""
    cursor: u32 = 0
    vma: u32 = 0
    vpn: u64 = 0
    if s.pages[pfn].owner != OWNER_ANON or not s.pages[pfn].mapcount:
        return 0
    next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn))
    return vma_at(s, vma).mm if vma else 0


def interleave(s: State, tasks: list[int]) -> None:
    """Let the pages of some tasks come by turns on the inactive list, each task's own in their order.

    By as many at once as a batch in front of the lists holds: tasks that ran side by side filled them by turns.
    """
    of: cython.pointer(List) = cython.address(s.node_data[0].lruvec.lists[LRU_INACTIVE_ANON])
    i: u32
    nr: u32 = len(tasks)
    last: u32 = nr + 1
    begun: cython.bint = False
    turn: u64
    turns: u64 = 0
    pfn: u32 = of.tail
    before: u32
    chains: cython.pointer(List) = cython.cast(cython.pointer(List), host_zeroed(nr + 2, cython.sizeof(List)))
    totals: cython.pointer(u64) = cython.cast(cython.pointer(u64), host_zeroed(nr + 2, cython.sizeof(u64)))
    places: cython.pointer(u32) = cython.cast(cython.pointer(u32), host_zeroed(s.mms.nr + 1, cython.sizeof(u32)))
    for i in range(nr):
        places[task_at(s, tasks[i]).mm] = i + 1
    while pfn:
        before = s.pages[pfn].prev
        i = places[mm_of_page(s, pfn)]
        begun = begun or i != 0
        list_del(s.pages, of, pfn)
        list_add(s.pages, cython.address(chains[i if i or not begun else last]), pfn)
        pfn = before
    of[0] = chains[0]
    for i in range(1, last):
        totals[i] = chains[i].nr
        turns = max(turns, totals[i] // s.features.lru_batch + 1)
    for turn in range(1, turns + 1):
        for i in range(1, last):
            while chains[i].nr > totals[i] - totals[i] * turn // turns:
                move_tail(s, cython.address(chains[i]), of)
    while chains[last].nr:
        move_tail(s, cython.address(chains[last]), of)
    free(chains)
    free(totals)
    free(places)


def move_tail(s: State, source: cython.pointer(List), target: cython.pointer(List)):
    """Move the last page of a list to the head of another."""
    pfn: u32 = source.tail
    list_del(s.pages, source, pfn)
    list_add(s.pages, target, pfn)


def mark_kept(s: State, count: int, newest: bool) -> None:
    """Let the *count* mapped pages nearest the tail of the inactive list be those that reclaim has scanned and kept.

    *newest*: those nearest its head, where reclaim puts them: it has not come around yet.

    Such a page was in use when it was scanned: it is marked as referenced, and goes unless it was used again since.
    """
    of: cython.pointer(List) = cython.address(s.node_data[0].lruvec.lists[LRU_INACTIVE_ANON])
    from_head: cython.bint = newest
    pfn: u32 = of.head if from_head else of.tail
    left: i64 = count
    cursor: u32
    vma: u32 = 0
    vpn: u64 = 0
    entry: cython.pointer(u64)
    while pfn and left > 0:
        cursor = 0
        if s.pages[pfn].mapcount:
            while True:
                entry = next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn))
                if entry == cython.NULL:
                    break
                entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
            s.pages[pfn].flags |= PG_REFERENCED
            left -= nr_pages(s, pfn)
        pfn = s.pages[pfn].next if from_head else s.pages[pfn].prev


def mark_young(s: State, restored: int) -> None:
    """Let the *restored* youngest pages of processes be those of a workingset that came back (``lru_gen_refault``).

    The page tables alone say there which pages were used.
    """
    left: i64 = restored
    pfn: u32 = s.node_data[0].lruvec.lists[LRU_ACTIVE_ANON].head
    while pfn:
        if s.pages[pfn].owner == OWNER_ANON:
            s.pages[pfn].flags &= ~cython.cast(u32, PG_REFERENCED)
            if left > 0:
                s.pages[pfn].flags |= PG_WORKINGSET | PG_REFS_MASK
                left -= nr_pages(s, pfn)
        pfn = s.pages[pfn].next


def rest_active(s: State) -> None:
    """Let active anonymous pages not be used since they became that: reclaim took note of their use then."""
    cursor: u32
    vma: u32 = 0
    vpn: u64 = 0
    entry: cython.pointer(u64)
    pfn: u32 = s.node_data[0].lruvec.lists[LRU_ACTIVE_ANON].head
    while pfn:
        cursor = 0
        while s.pages[pfn].mapcount:
            entry = next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn))
            if entry == cython.NULL:
                break
            entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
        pfn = s.pages[pfn].next


def touch_kept(s: State, task: int, share: float) -> None:
    """Let a *share* of a task's pages that reclaim has kept or activated be used since, evenly among them."""
    i: u32
    table: u32
    vpn: u64
    entry: cython.pointer(u64)
    page: cython.pointer(Page)
    due: cython.double = 0
    part: cython.double = share
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    for i in range(m.nr_vmas):
        vpn = vma_at(s, m.vmas[i]).start
        while vpn < vma_at(s, m.vmas[i]).end:
            table = walk(s, task_at(s, task).mm, vpn)
            if not table:
                vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
                continue
            entry = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
            page = cython.address(s.pages[entry[0] >> 12])
            vpn += 1
            if not entry[0] & PTE_PRESENT or page.owner != OWNER_ANON:
                continue
            if page.flags & PG_REFERENCED:
                due += part
                if due >= 1:
                    due -= 1
                    entry[0] |= PTE_ACCESSED


def mark_shared(s: State) -> None:
    """Mark pages of tmpfs that are not mapped as referenced: write() and read() do that, page faults do not."""
    pfn: u32
    for which in (LRU_INACTIVE_ANON, LRU_ACTIVE_ANON):
        pfn = s.node_data[0].lruvec.lists[which].head
        while pfn:
            if s.pages[pfn].owner == OWNER_FILE and not s.pages[pfn].mapcount:
                s.pages[pfn].flags |= PG_REFERENCED
            pfn = s.pages[pfn].next


def mark_files(s: State, active: bool, count: int, flag: int) -> None:
    """Set a flag on the *count* pages nearest the tail of a list of file pages that are clean and not mapped."""
    mark: u32 = flag
    which: u32 = LRU_ACTIVE_FILE if active else LRU_INACTIVE_FILE
    pfn: u32 = s.node_data[0].lruvec.lists[which].tail
    left: i64 = count
    while pfn and left > 0:
        if s.pages[pfn].owner == OWNER_FILE and not s.pages[pfn].mapcount and not s.pages[pfn].flags & PG_DIRTY:
            s.pages[pfn].flags |= mark
            left -= 1
        pfn = s.pages[pfn].prev
