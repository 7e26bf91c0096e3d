"""Page tables: finding, making and freeing them, and counting what they map.

An address is translated by four levels of tables of 512 entries; the last level's entry names the frame::

    page number   |  9 bits  |  9 bits  |  9 bits  |  9 bits  |
                     PGD   →    PUD   →    PMD   →    PTE      → frame, and the bits present, write, accessed, dirty

A PMD entry has an accessed bit too, which the multi-gen LRU reads: whether anything below it was used.

A leaf table also holds, beside each entry, the content that the owner of the address last wrote there: what an
anonymous page must still hold when the kernel next handles it.  A page of a file belongs to the file; what it must
hold stands with the file.

Up to 6.1 a task counts its resident pages by itself and folds them into its address space after 64 faults: until then
VmRSS does not show them.

Follows mm/memory.c and mm/pgtable-generic.c of Linux 6.1 (``free_pgtables``, ``check_sync_rss_stat``).

Not modelled: five-level tables, huge entries.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    mm_at,
    mod_node_page_state,
    table_at,
    table_get,
    table_put,
    task_at,
)
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page

SOURCE = "mm/pgtable-generic.c", "v6.1"

PMD_YOUNG = cython.declare(u64, 1 << 32)
"""Accessed bit of a PMD entry, above the number of the table that it names."""


def alloc_table(s: State, order: u32, owner: u32) -> u32:
    """Make an empty table in frames of its own, OWNER_TABLE or OWNER_TOP_TABLE; 0: no memory."""
    table: u32
    pfn: u32 = alloc_pages(s, order, GFP_KERNEL)
    if not pfn:
        return 0
    prep_new_page(s, pfn, order, owner)
    table = table_get(s)
    s.table_pfn[table] = pfn
    return table


def free_table(s: State, table: u32, counted: cython.bint):
    """Give a table and its frame back; *counted*: it is a PTE or PMD table, which meminfo's PageTables holds."""
    pfn: u32 = s.table_pfn[table]
    free_unref_page(s, pfn, s.pages[pfn].order)
    table_put(s, table)
    if counted:
        mod_node_page_state(s, NR_PAGE_TABLE_PAGES, -1)


def next_level(s: State, table: u32, vpn: u64, shift: u32) -> u32:
    """The table that an upper table's entry for page *vpn* names."""
    return cython.cast(u32, table_at(s, table).entry[(vpn >> shift) & (PTRS_PER_TABLE - 1)])


def walk(s: State, mm: u32, vpn: u64) -> u32:
    """The PTE table that would map page *vpn*; 0: there is none."""
    table: u32 = next_level(s, mm_at(s, mm).pgd, vpn, 27)
    if table:
        table = next_level(s, table, vpn, 18)
    if table:
        table = next_level(s, table, vpn, 9)
    return table


def pmd_table(s: State, mm: u32, vpn: u64) -> u32:
    """The PMD table that would lead to page *vpn*; 0: there is none."""
    table: u32 = next_level(s, mm_at(s, mm).pgd, vpn, 27)
    return next_level(s, table, vpn, 18) if table else 0


def pmd_mkyoung(s: State, mm: u32, vpn: u64):
    """Set the accessed bit of the PMD entry that leads to page *vpn*, as the processor does when it uses it."""
    table_at(s, pmd_table(s, mm, vpn)).entry[(vpn >> 9) & (PTRS_PER_TABLE - 1)] |= PMD_YOUNG


def pmdp_test_and_clear_young(s: State, table: u32, vpn: u64) -> cython.bint:
    """Whether the PMD entry of *table* for page *vpn* was used since this was last asked."""
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[(vpn >> 9) & (PTRS_PER_TABLE - 1)])
    young: cython.bint = entry[0] & PMD_YOUNG != 0
    entry[0] &= ~PMD_YOUNG
    return young


def walk_alloc(s: State, mm: u32, vpn: u64) -> u32:
    """As :func:`walk`, making the tables that are missing; 0: no memory."""
    table: u32 = walk(s, mm, vpn)
    return table if table else alloc_tables(s, mm, vpn)


def alloc_tables(s: State, mm: u32, vpn: u64) -> u32:
    """Make the tables that are missing on the way to page *vpn*; returns the last, 0: no memory."""
    table: u32 = mm_at(s, mm).pgd
    below: u32
    shift: u32 = 27
    while shift:
        below = next_level(s, table, vpn, shift)
        if not below:
            below = alloc_table(s, 0, OWNER_TABLE if shift < 27 else OWNER_TOP_TABLE)
            if not below:
                return 0
            table_at(s, table).entry[(vpn >> shift) & (PTRS_PER_TABLE - 1)] = below | (PMD_YOUNG if shift == 9 else 0)
            mm_at(s, mm).nr_tables += 1
            if shift < 27:
                mod_node_page_state(s, NR_PAGE_TABLE_PAGES, 1)
        table = below
        shift -= 9
    return table


def free_pgtables(s: State, mm: u32, floor: u64, ceiling: u64):
    """Free the tables that lie wholly between *floor* and *ceiling*, where no area is left."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    free_tables_below(s, mm, m.pgd, 0, floor, ceiling, 27)


def free_tables_below(s: State, mm: u32, table: u32, base: u64, floor: u64, ceiling: u64, shift: u32):
    """Free what hangs below *table*, which maps pages from *base* on, *shift* bits of page number an entry."""
    i: u32
    below: u32
    start: u64
    end: u64
    for i in range(PTRS_PER_TABLE):
        start = base + (cython.cast(u64, i) << shift)
        end = start + (cython.cast(u64, 1) << shift)
        below = cython.cast(u32, table_at(s, table).entry[i])
        if not below or end <= floor or start >= ceiling:
            continue
        if shift > 9:
            free_tables_below(s, mm, below, start, floor, ceiling, shift - 9)
        if start >= floor and end <= ceiling:
            table_at(s, table).entry[i] = 0
            free_table(s, below, shift < 27)
            mm_at(s, mm).nr_tables -= 1


# --- counting --------------------------------------------------------------------------------------------------------


def sync_mm_rss(s: State, task: u32):
    """Fold what a task counted by itself into its mm: until then VmRSS does not show it (kernels up to 6.1)."""
    t: cython.pointer(Task) = task_at(s, task)
    m: cython.pointer(Mm) = mm_at(s, t.mm)
    i: u32
    for i in range(NR_MM_COUNTERS):
        m.rss[i] += t.rss_delta[i]
        t.rss_delta[i] = 0
    t.rss_events = 0


def add_mm_counter_fast(s: State, task: u32, mm: u32, kind: u32, pages: i64):
    """Count pages of a kind: by a task itself in its own mm, at once in another's."""
    if task_at(s, task).mm == mm:
        task_at(s, task).rss_delta[kind] += pages
    else:
        mm_at(s, mm).rss[kind] += pages


def mm_counter(s: State, mm: u32, kind: u32) -> i64:
    """Pages of one kind, as the kernel would print them: what tasks count by themselves is missing, but never below 0.

    Reclaim takes what a task has not folded yet from what it has, so that the sum itself may be negative for a while.
    """
    return max(mm_at(s, mm).rss[kind], cython.cast(i64, 0))


def mm_rss(s: State, mm: u32) -> i64:
    """VmRSS in pages, as the kernel would print it."""
    return mm_counter(s, mm, MM_FILEPAGES) + mm_counter(s, mm, MM_ANONPAGES) + mm_counter(s, mm, MM_SHMEMPAGES)


def update_hiwater_rss(s: State, mm: u32):
    """Remember the highest VmRSS before it falls."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    m.hiwater_rss = max(m.hiwater_rss, mm_rss(s, mm))


def fold_rss_batch(s: State, t: cython.pointer(Task)):
    """Fold what has become a batch of 32 pages: until then a CPU keeps it (kernels since 6.2)."""
    i: u32
    for i in range(NR_MM_COUNTERS):
        if t.rss_delta[i] >= PERCPU_COUNTER_BATCH or t.rss_delta[i] <= -PERCPU_COUNTER_BATCH:
            mm_at(s, t.mm).rss[i] += t.rss_delta[i]
            t.rss_delta[i] = 0


def count_retried_fault(s: State, task: u32):
    """A fault that had to wait is retried: it counts once more, up to 6.4."""
    if not s.features.fault_once:
        count_fault(s, task)


def count_fault(s: State, task: u32):
    """Count a fault, or the second try of one; each 66th folds the task's own count of resident pages."""
    t: cython.pointer(Task) = task_at(s, task)
    s.event[PGFAULT] += 1
    if s.features.rss_percpu:
        fold_rss_batch(s, t)
        return
    t.rss_events += 1
    if t.rss_events > TASK_RSS_EVENTS_THRESH + 1:
        sync_mm_rss(s, task)


def content_at(s: State, task: u32, vpn: u64) -> u64:
    """What a page of *task* holds that it has reached, and that may be on its way to swap by now."""
    leaf: cython.pointer(Table) = table_at(s, walk(s, task_at(s, task).mm, vpn))
    pte: u64 = leaf.entry[vpn & (PTRS_PER_TABLE - 1)]
    return s.pages[pte >> 12].tag if pte & PTE_PRESENT else leaf.tag[vpn & (PTRS_PER_TABLE - 1)]


def store_content(s: State, task: u32, vpn: u64, tag: u64):
    """Note what was written to a page that *task* has just reached for that."""
    leaf: cython.pointer(Table) = table_at(s, walk(s, task_at(s, task).mm, vpn))
    leaf.tag[vpn & (PTRS_PER_TABLE - 1)] = tag
    s.pages[leaf.entry[vpn & (PTRS_PER_TABLE - 1)] >> 12].tag = tag
