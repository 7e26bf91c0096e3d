"""Reclaim, page by page: which pages of a list are taken, which get another chance, and what it costs.

The **inactive** lists are scanned from the tail, 32 pages at a time.  A page that was used since its last scan is
kept; one that was used twice, or by two, goes to the active list; an unused one is reclaimed::

    used through mappings   referenced before    then
    twice, or by several    any                  activate
    once                    yes                  activate
    once, code of a file    any                  activate
    once                    no                   keep, and remember (referenced)
    not at all              yes, file            take it if it is clean
    not at all              no, or anonymous     take it

A clean page of a file is dropped, and leaves a shadow (``workingset.py``).  A dirty one is left to the flusher: it is
marked, moved out of the way to the active list, and comes back to the tail when its write ends.  An anonymous page
goes to swap.

The **active** lists only feed the inactive ones: from the tail, what is there is moved over whether it was used or not
(code of files that was used stays), when the inactive list is short::

    low:  inactive * ratio < active          ratio = sqrt(10 * GiB of both lists), 1 below 1 GiB

Follows mm/vmscan.c of Linux 6.1 (``isolate_lru_folios``, ``folio_check_references``, ``shrink_folio_list``,
``shrink_inactive_list``, ``shrink_active_list``, ``inactive_is_low``).

The multi-gen LRU (``lru_gen_evict.py``) takes pages from its own lists and reclaims them by the same functions.

A huge page is scanned as one, and counts as 512.  It goes to swap as a whole where an area has a free cluster, else it
is split, and its pages are scanned one by one.

Not modelled: memory cgroups, demotion to slower memory.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_del
from cython.cimports.memtwin.linux.core.state import (
    State,
    anon_vma_at,
    entire_mapcount,
    file_at,
    global_node_page_state,
    hooks,
    is_huge,
    mod_lruvec_page_state,
    mod_node_page_state,
    nr_pages,
    page_lruvec,
    page_mapped,
    page_pgdat,
    scanned_pgdat,
    spend_ns,
    zone_of,
)
from cython.cimports.memtwin.linux.lib.int_sqrt import int_sqrt
from cython.cimports.memtwin.linux.mm.filemap import filemap_remove, try_to_free_buffers
from cython.cimports.memtwin.linux.mm.huge_split import (
    can_split_huge_page,
    huge_page_referenced,
    split_huge_page,
    try_to_unmap_huge,
)
from cython.cimports.memtwin.linux.mm.memcontrol import lruvec_page_state
from cython.cimports.memtwin.linux.mm.page_io import SWAP_WRITTEN, swap_writepage
from cython.cimports.memtwin.linux.mm.page_writeback import set_page_dirty, wake_flusher
from cython.cimports.memtwin.linux.mm.rmap import page_referenced, try_to_unmap
from cython.cimports.memtwin.linux.mm.shmem import NO_SLOT, shmem_drop_clean, shmem_writepage
from cython.cimports.memtwin.linux.mm.swap import lru_add, lru_add_drain, lru_cache_add, lru_count, put_page
from cython.cimports.memtwin.linux.mm.swap_state import delete_from_swap_cache, vm_swap_full
from cython.cimports.memtwin.linux.mm.swapfile import add_to_swap, put_swap_slots, try_to_free_swap
from cython.cimports.memtwin.linux.mm.tlb import try_to_unmap_flush, try_to_unmap_flush_dirty
from cython.cimports.memtwin.linux.mm.workingset import lru_note_cost, workingset_eviction

PAGES_PER_GIB_SHIFT = cython.declare(u32, 18)


def is_file_lru(lru: u32) -> cython.bint:
    """Whether a list is one of files."""
    return lru >= LRU_INACTIVE_FILE


def page_is_file_lru(s: State, pfn: u32) -> cython.bint:
    """Whether a page belongs on a file list: what swap does not back."""
    return not s.pages[pfn].flags & PG_SWAPBACKED


def inactive_is_low(s: State, file: cython.bint) -> cython.bint:
    """Whether an inactive list is too short for its active one.

    For example: below 1 GiB half and half; 10 GiB: a tenth; 100 GiB: a 31st may be inactive
    """
    lru: u32 = LRU_INACTIVE_FILE if file else LRU_INACTIVE_ANON
    inactive: u64 = lruvec_page_state(cython.address(s.node_data[0].lruvec), lru)
    active: u64 = lruvec_page_state(cython.address(s.node_data[0].lruvec), lru + 1)
    gib: u64 = (inactive + active) >> PAGES_PER_GIB_SHIFT
    ratio: u64 = int_sqrt(10 * gib) if gib else 1
    return inactive * ratio < active


# --- taking pages off a list and putting them back -------------------------------------------------------------------


def isolate_lru_pages(
    s: State,
    sc: cython.pointer(ScanControl),
    lru: u32,
    nr_to_scan: u64,
    taken: cython.pointer(List),
    nr_scanned: cython.pointer(u64),
) -> u64:
    """Take up to *nr_to_scan* pages from a list's tail; returns how many.

    Pages of zones that the caller cannot use are passed over and go to the head; they count as scanned.
    """
    chain: cython.pointer(List) = cython.address(scanned_pgdat(s, sc).lruvec.lists[lru])
    skipped: List
    pfn: u32
    nr: u64 = 0
    skipped.head = skipped.tail = 0
    skipped.nr = 0
    while nr < nr_to_scan and chain.tail:
        pfn = chain.tail
        nr_scanned[0] += nr_pages(s, pfn)
        list_del(s.pages, chain, pfn)
        if zone_of(s, pfn) > sc.reclaim_idx:
            s.event[PGSKIP_DMA + zone_of(s, pfn)] += nr_pages(s, pfn)
            list_add(s.pages, cython.address(skipped), pfn)
            continue
        s.pages[pfn].flags &= ~cython.cast(u32, PG_LRU)
        s.pages[pfn].refcount += 1
        lru_count(s, pfn, lru, -nr_pages(s, pfn))
        list_add(s.pages, taken, pfn)
        nr += nr_pages(s, pfn)
    splice_head(s, cython.address(skipped), chain)
    mod_node_page_state(s, NR_ISOLATED_ANON + is_file_lru(lru), nr)
    return nr


def splice_head(s: State, skipped: cython.pointer(List), lru: cython.pointer(List)):
    """Put a whole list before the head of another."""
    if not skipped.head:
        return
    s.pages[skipped.tail].next = lru.head
    if lru.head:
        s.pages[lru.head].prev = skipped.tail
    else:
        lru.tail = skipped.tail
    lru.head = skipped.head
    lru.nr += skipped.nr


def putback_lru_pages(s: State, chain: cython.pointer(List)):
    """Put pages back at the heads of the lists that they now belong on, the oldest first."""
    pfn: u32
    while chain.tail:
        pfn = chain.tail
        list_del(s.pages, chain, pfn)
        if s.pages[pfn].flags & PG_MLOCKED:
            lru_cache_add(s, pfn)
            put_page(s, pfn)
            continue
        lru_add(s, pfn)
        if s.pages[pfn].flags & PG_ACTIVE:
            page_lruvec(s, pfn).nonresident_age += nr_pages(s, pfn)
        put_page(s, pfn)


# --- inactive lists --------------------------------------------------------------------------------------------------


def referenced(s: State, pfn: u32, vm_flags: cython.pointer(u32)) -> u32:
    """How many mappings used a page since this was last asked (folio_referenced)."""
    return huge_page_referenced(s, pfn, vm_flags) if is_huge(s, pfn) else page_referenced(s, pfn, vm_flags)


def is_locked_by_split(s: State, pfn: u32) -> cython.bint:
    """Whether a mapped page is of the anon_vma whose lock is held by who splits a huge page and does not run."""
    if s.pages[pfn].owner != OWNER_ANON or not page_mapped(s, pfn):
        return False
    return anon_vma_at(s, s.pages[pfn].mapping).root == s.split_anon_vma


def check_references(s: State, pfn: u32) -> u32:
    """Decide by how a page was used since its last scan; this clears what it reads.

    It stays where the lock is held that its mappings are found under, as while a huge page beside it is being split.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    vm_flags: u32 = 0
    used: u32
    before: cython.bint
    if s.split_anon_vma and is_locked_by_split(s, pfn):
        return PAGEREF_KEEP
    used = referenced(s, pfn, cython.address(vm_flags))
    before = page.flags & PG_REFERENCED != 0
    page.flags &= ~cython.cast(u32, PG_REFERENCED)
    if vm_flags & VM_LOCKED:
        return PAGEREF_ACTIVATE
    if used:
        page.flags |= PG_REFERENCED
        if before or used > 1 or (vm_flags & VM_EXEC and page_is_file_lru(s, pfn)):
            return PAGEREF_ACTIVATE
        return PAGEREF_KEEP
    if before and page_is_file_lru(s, pfn):
        return PAGEREF_RECLAIM_CLEAN
    return PAGEREF_RECLAIM


def check_dirty_writeback(
    s: State, sc: cython.pointer(ScanControl), pfn: u32, stat: cython.pointer(ReclaimStat)
) -> u32:
    """Count what the flusher has to do with a page; a page under writeback is moved out of the way (activated)."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    dirty: cython.bint = page.flags & PG_DIRTY != 0
    writeback: cython.bint = page.flags & PG_WRITEBACK != 0
    if page_is_file_lru(s, pfn) and page.owner != OWNER_ANON:
        if dirty or writeback:
            stat.nr_dirty += nr_pages(s, pfn)
        if dirty and not writeback:
            stat.nr_unqueued_dirty += nr_pages(s, pfn)
        if writeback and page.flags & PG_RECLAIM:
            stat.nr_congested += nr_pages(s, pfn)
    if not writeback:
        return PAGEREF_RECLAIM
    if sc.kswapd and page.flags & PG_RECLAIM and page_pgdat(s, pfn).writeback:
        stat.nr_immediate += nr_pages(s, pfn)
    else:
        page.flags |= PG_RECLAIM
        stat.nr_writeback += nr_pages(s, pfn)
    return PAGEREF_ACTIVATE


def pageout(s: State, sc: cython.pointer(ScanControl), pfn: u32, stat: cython.pointer(ReclaimStat)) -> u32:
    """A dirty page: one of swap is written now; one of a file is the flusher's business, and comes back when written.

    A page of shared memory gets its slot now. kswapd may ask the file system for a page; ext4 declines, for the page's
    blocks are not chosen yet.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    written: u32
    if page_is_file_lru(s, pfn):
        if sc.kswapd and page.flags & PG_RECLAIM and page_pgdat(s, pfn).dirty:
            return PAGEREF_KEEP
        mod_lruvec_page_state(s, pfn, NR_VMSCAN_IMMEDIATE_RECLAIM, nr_pages(s, pfn))
        page.flags |= PG_RECLAIM
        return PAGEREF_ACTIVATE
    if not sc.may_writepage or not sc.gfp & GFP_IO or page.refcount != 1 + nr_pages(s, pfn):
        return PAGEREF_KEEP
    try_to_unmap_flush_dirty(s)
    if page.owner == OWNER_FILE:
        if not sc.gfp & GFP_FS:
            return PAGEREF_KEEP
        written = shmem_writepage(s, pfn)
        if written == NO_SLOT:
            return PAGEREF_ACTIVATE
    else:
        written = swap_writepage(s, pfn)
    mod_lruvec_page_state(s, pfn, NR_VMSCAN_WRITE, nr_pages(s, pfn))
    stat.nr_pageout += nr_pages(s, pfn)
    return PAGEREF_RECLAIM if written == SWAP_WRITTEN else PAGEREF_KEEP


def remove_mapping(s: State, pfn: u32) -> cython.bint:
    """Take a clean, unmapped page out of its cache and leave a shadow; False: something else refers to it."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    entry: u32 = page.private
    if page.flags & PG_DIRTY:
        return False
    if page.owner == OWNER_ANON and not page.flags & PG_SWAPBACKED:
        s.event[PGLAZYFREED] += nr_pages(s, pfn) if page.refcount == 1 else 0
        return page.refcount == 1
    if page.refcount != 1 + nr_pages(s, pfn):
        return False
    if page.flags & PG_SWAPCACHE:
        delete_from_swap_cache(s, pfn, workingset_eviction(s, pfn))
        put_swap_slots(s, entry, nr_pages(s, pfn))
        return True
    file_at(s, page.mapping).nr_reclaimed += nr_pages(s, pfn)
    if page.flags & PG_SWAPBACKED:
        shmem_drop_clean(s, pfn)
        return True
    filemap_remove(s, pfn, workingset_eviction(s, pfn))
    return True


def add_huge_to_swap(s: State, pfn: u32, chain: cython.pointer(List)) -> cython.bint:
    """Find a huge page a cluster, or split it, the others onto *chain*, and its first page a slot; False: neither.

    One that no huge entry maps is split at once: what nothing maps is free then; since 6.12, one that is partly mapped.
    """
    at_once: cython.bint = entire_mapcount(s, pfn)[0] == 0
    if s.features.deferred_if_mapped:
        at_once = s.pages[pfn].flags & PG_PARTLY_MAPPED != 0
    if not can_split_huge_page(s, pfn) or (at_once and not split_huge_page(s, pfn, chain)):
        return False
    if add_to_swap(s, pfn):
        return True
    if not is_huge(s, pfn) or not split_huge_page(s, pfn, chain):
        return False
    s.event[THP_SWPOUT_FALLBACK] += 1
    return add_to_swap(s, pfn)


def add_to_swap_and_unmap(s: State, sc: cython.pointer(ScanControl), pfn: u32, chain: cython.pointer(List)) -> u32:
    """Find an anonymous page a slot, then take a page from all who map it; shared memory gets its slot after that."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.owner == OWNER_ANON and page.flags & (PG_SWAPBACKED | PG_SWAPCACHE) == PG_SWAPBACKED:
        if not sc.gfp & GFP_IO:
            return PAGEREF_KEEP
        if is_huge(s, pfn):
            if not add_huge_to_swap(s, pfn, chain):
                return PAGEREF_ACTIVATE
        elif not add_to_swap(s, pfn):
            return PAGEREF_ACTIVATE
    if page_mapped(s, pfn) and unmapped_dirty(s, pfn):
        if page.owner == OWNER_ANON:
            page.flags |= PG_DIRTY
        else:
            set_page_dirty(s, pfn)
    return PAGEREF_ACTIVATE if page_mapped(s, pfn) else PAGEREF_RECLAIM


def unmapped_dirty(s: State, pfn: u32) -> cython.bint:
    """Take a page from all who map it; whether one had written to it."""
    return try_to_unmap_huge(s, pfn) if is_huge(s, pfn) else try_to_unmap(s, pfn)


def check_page(s: State, sc: cython.pointer(ScanControl), pfn: u32, stat: cython.pointer(ReclaimStat)) -> u32:
    """Whether a page may be taken: it can be reclaimed, is not being written, and was not used."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & (PG_UNEVICTABLE | PG_MLOCKED):
        return PAGEREF_ACTIVATE
    if (
        page_lruvec(s, pfn).gen.enabled
        and not sc.ignore_references
        and page.flags & PG_REFERENCED
        and page_mapped(s, pfn)
    ):
        return PAGEREF_KEEP
    if check_dirty_writeback(s, sc, pfn, stat) == PAGEREF_ACTIVATE:
        return PAGEREF_ACTIVATE
    return PAGEREF_RECLAIM if sc.ignore_references else check_references(s, pfn)


def shrink_page(
    s: State, sc: cython.pointer(ScanControl), pfn: u32, stat: cython.pointer(ReclaimStat), chain: cython.pointer(List)
) -> u32:
    """Try to take one isolated page: PAGEREF_RECLAIM says that it is the caller's to free.

    Pages that a huge one is split into go on *chain*, the caller's list.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    nr: u64 = nr_pages(s, pfn)
    references: u32
    verdict: u32
    if page.flags & PG_LOCKED:
        return PAGEREF_KEEP
    sc.nr_scanned += nr
    references = check_page(s, sc, pfn, stat)
    if references == PAGEREF_ACTIVATE or references == PAGEREF_KEEP:
        return references
    verdict = add_to_swap_and_unmap(s, sc, pfn, chain)
    sc.nr_scanned -= nr - nr_pages(s, pfn)
    if verdict == PAGEREF_RECLAIM and page.flags & PG_DIRTY:
        verdict = pageout(s, sc, pfn, stat)
    if verdict != PAGEREF_RECLAIM:
        return verdict
    if page.flags & PG_PRIVATE and not try_to_free_buffers(s, pfn):
        return PAGEREF_ACTIVATE
    return PAGEREF_RECLAIM if remove_mapping(s, pfn) else PAGEREF_KEEP


def shrink_page_list(
    s: State, sc: cython.pointer(ScanControl), chain: cython.pointer(List), stat: cython.pointer(ReclaimStat)
) -> u64:
    """Look at isolated pages, the oldest first; returns how many were freed, *chain* holds the others."""
    kept: List
    pfn: u32
    verdict: u32
    freed: u64 = 0
    kept.head = kept.tail = 0
    kept.nr = 0
    while chain.tail:
        pfn = chain.tail
        list_del(s.pages, chain, pfn)
        spend_ns(s, s.cost_ns[COST_SCAN_PAGE])
        verdict = shrink_page(s, sc, pfn, stat, chain)
        if s.zswap.shrink_queued:
            hooks.shrink_zswap(s)
        if verdict == PAGEREF_RECLAIM:
            spend_ns(s, nr_pages(s, pfn) * s.cost_ns[COST_RECLAIM_PAGE])
            freed += nr_pages(s, pfn)
            put_page(s, pfn)
            continue
        if verdict == PAGEREF_ACTIVATE:
            if s.pages[pfn].flags & PG_SWAPCACHE and (vm_swap_full(s) or s.pages[pfn].flags & PG_MLOCKED):
                try_to_free_swap(s, pfn)
            if not s.pages[pfn].flags & (PG_UNEVICTABLE | PG_MLOCKED):
                s.pages[pfn].flags |= PG_ACTIVE
                stat.nr_activated += nr_pages(s, pfn)
        list_add(s.pages, cython.address(kept), pfn)
    try_to_unmap_flush(s)
    chain[0] = kept
    s.event[PGACTIVATE] += stat.nr_activated
    return freed


def shrink_inactive_list(s: State, sc: cython.pointer(ScanControl), lru: u32, nr_to_scan: u64) -> u64:
    """Look at pages of an inactive list; returns how many were freed."""
    taken: List
    stat: ReclaimStat
    file: u32 = is_file_lru(lru)
    nr_scanned: u64 = 0
    nr_taken: u64
    freed: u64
    taken.head = taken.tail = 0
    taken.nr = 0
    stat.nr_dirty = stat.nr_unqueued_dirty = stat.nr_congested = stat.nr_writeback = 0
    stat.nr_immediate = stat.nr_pageout = stat.nr_activated = 0
    spend_ns(s, s.cost_ns[COST_SHRINK])
    lru_add_drain(s)
    nr_taken = isolate_lru_pages(s, sc, lru, nr_to_scan, cython.address(taken), cython.address(nr_scanned))
    s.event[PGSCAN_KSWAPD if sc.kswapd else PGSCAN_DIRECT] += nr_scanned
    s.event[PGSCAN_ANON + file] += nr_scanned
    if not nr_taken:
        return 0
    freed = shrink_page_list(s, sc, cython.address(taken), cython.address(stat))
    putback_lru_pages(s, cython.address(taken))
    mod_node_page_state(s, NR_ISOLATED_ANON + file, -cython.cast(i64, nr_taken))
    s.event[PGSTEAL_KSWAPD if sc.kswapd else PGSTEAL_DIRECT] += freed
    s.event[PGSTEAL_ANON + file] += freed
    lru_note_cost(s, cython.address(scanned_pgdat(s, sc).lruvec), file != 0, stat.nr_pageout, nr_scanned - freed)
    if stat.nr_unqueued_dirty == nr_taken:
        s.bdi.flusher.work_pages = global_node_page_state(s, NR_DIRTY)
        wake_flusher(s)
    sc.nr_dirty += stat.nr_dirty
    sc.nr_unqueued_dirty += stat.nr_unqueued_dirty
    sc.nr_congested += stat.nr_congested
    sc.nr_writeback += stat.nr_writeback
    sc.nr_immediate += stat.nr_immediate
    sc.nr_taken += nr_taken
    if file:
        sc.nr_file_taken += nr_taken
    return freed


# --- active lists ----------------------------------------------------------------------------------------------------


def shrink_active_list(s: State, sc: cython.pointer(ScanControl), lru: u32, nr_to_scan: u64):
    """Move pages from the tail of an active list to the head of its inactive one; used code of files goes round."""
    taken: List
    kept: List
    nr_scanned: u64 = 0
    nr_taken: u64
    pfn: u32
    vm_flags: u32
    moved: u64 = 0
    rotated: u64 = 0
    taken.head = taken.tail = kept.head = kept.tail = 0
    taken.nr = kept.nr = 0
    spend_ns(s, s.cost_ns[COST_SHRINK])
    lru_add_drain(s)
    nr_taken = isolate_lru_pages(s, sc, lru, nr_to_scan, cython.address(taken), cython.address(nr_scanned))
    s.event[PGREFILL] += nr_scanned
    while taken.tail:
        pfn = taken.tail
        list_del(s.pages, cython.address(taken), pfn)
        if s.pages[pfn].flags & PG_MLOCKED:
            lru_cache_add(s, pfn)
            put_page(s, pfn)
            continue
        vm_flags = 0
        if referenced(s, pfn, cython.address(vm_flags)) and vm_flags & VM_EXEC and page_is_file_lru(s, pfn):
            list_add(s.pages, cython.address(kept), pfn)
            rotated += nr_pages(s, pfn)
            continue
        s.pages[pfn].flags &= ~cython.cast(u32, PG_ACTIVE)
        s.pages[pfn].flags |= PG_WORKINGSET
        list_add(s.pages, cython.address(kept), pfn)
        moved += nr_pages(s, pfn)
    putback_lru_pages(s, cython.address(kept))
    s.event[PGDEACTIVATE] += moved
    if rotated and s.features.rotations_cost:
        lru_note_cost(s, cython.address(scanned_pgdat(s, sc).lruvec), is_file_lru(lru), 0, rotated)
    mod_node_page_state(s, NR_ISOLATED_ANON + is_file_lru(lru), -cython.cast(i64, nr_taken))
    spend_ns(s, nr_taken * s.cost_ns[COST_SCAN_PAGE])
