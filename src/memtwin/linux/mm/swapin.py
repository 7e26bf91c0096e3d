"""Swapping in: the fault on a page that is in a swap area, and reading its neighbours with it.

==============================================  =======================================================================
its page is in the swap cache                   map it: a minor fault, even while it is still being written
the area is zram, and nothing else has the page  read it at once, without swap cache and readahead
otherwise                                       read a window of slots into the swap cache, and wait
==============================================  =======================================================================

The **window** is by slots around the one wanted, aligned, where any active area is rotational; else by addresses around
the one that faulted, for the order of slots means nothing on a device that is not rotational.  Its size follows how
many pages of the last one were used::

    pages = hits + 2, rounded up to a power of two, at least 4     hits: pages read ahead that were then wanted
          = 1 if there were none, unless this is the page next to the last one
          at most 2^vm.page-cluster (8), at least half of the last window

A slot is kept when its page comes back (it need not be written again if it is not changed), unless swap is more than
half full, or the fault was a write by the only one who has it.

Follows mm/memory.c (``do_swap_page``) and mm/swap_state.c (``swap_cluster_readahead``, ``swap_vma_readahead``) of
Linux 6.1.

Not modelled: KSM, device-private pages, memory that cannot be read back.
"""

import cython
from cython.cimports.memtwin.linux.block.bio import submit_bio
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    compound_head,
    in_pieces,
    is_compound,
    must_return,
    nr_pages,
    slot_of,
    spend_ns,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.filemap import wait_on_page_locked
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.page_io import swap_readpage
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.pgtable import (
    CHECK_AT_SWAP_IN,
    add_mm_counter_fast,
    check_tag,
    count_retried_fault,
    walk,
)
from cython.cimports.memtwin.linux.mm.rmap import page_add_anon_rmap
from cython.cimports.memtwin.linux.mm.swap import lru_add_drain, lru_cache_add, mlock_page, put_page
from cython.cimports.memtwin.linux.mm.swap_state import add_to_swap_cache, get_shadow, lookup_swap_cache, vm_swap_full
from cython.cimports.memtwin.linux.mm.swapfile import swap_count, swap_free, try_to_free_swap
from cython.cimports.memtwin.linux.mm.workingset import workingset_refault

SOURCE = "mm/memory.c", "v6.1"

VMA_WINDOW_PAGES = cython.declare(u32, 32)


# --- readahead -------------------------------------------------------------------------------------------------------


def swapin_nr_pages(s: State, ra: cython.pointer(SwapRa), here: u64) -> u32:
    """Size of the next window, by what the last was worth; *here*: the slot, or the page number of the address."""
    most: u32 = cython.cast(u32, 1) << s.sysctl.page_cluster
    pages: u32
    power: u32 = 4
    if most <= 1:
        return 1
    pages = ra.hits + 2
    if pages == 2:
        if here != ra.previous + 1 and here != ra.previous - 1:
            pages = 1
        ra.previous = here
    else:
        while power < pages:
            power <<= 1
        pages = power
    pages = min(pages, most)
    pages = max(pages, ra.last // 2)
    ra.hits = 0
    ra.last = pages
    return pages


def get_swap_cache_page(s: State, entry: u32, gfp: u32, fresh: cython.pointer(cython.bint)) -> u32:
    """The swap cache's page of a slot; where there is none, a locked one to read into (*fresh*).

    0: no memory, or a slot without an owner.
    """
    pfn: u32 = lookup_swap_cache(s, entry)
    shadow: u64
    fresh[0] = False
    if pfn or not swap_count(s, entry):
        return pfn
    pfn = alloc_pages(s, 0, gfp)
    if not pfn:
        return 0
    if lookup_swap_cache(s, entry) or not swap_count(s, entry):
        free_unref_page(s, pfn, 0)
        return lookup_swap_cache(s, entry)
    prep_new_page(s, pfn, 0, OWNER_ANON)
    if not swap_count(s, entry):  # who held the slot was killed to get this frame
        free_unref_page(s, pfn, 0)
        return 0
    s.pages[pfn].flags = PG_LOCKED | PG_SWAPBACKED
    shadow = get_shadow(s, entry)
    if not add_to_swap_cache(s, pfn, entry, gfp):
        free_unref_page(s, pfn, 0)
        return 0
    area_of(s, entry).map[slot_of(entry)] |= SWAP_HAS_CACHE
    s.pages[pfn].refcount -= 1
    if shadow:
        workingset_refault(s, pfn, shadow)
    lru_cache_add(s, pfn)
    spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
    fresh[0] = True
    return pfn


def read_swap_cache(s: State, entry: u32, bio: cython.pointer(u32), fresh: cython.pointer(cython.bint)) -> u32:
    """The page of a slot, read into the swap cache if it is not there (*fresh*); 0: no memory, or no owner."""
    pfn: u32 = get_swap_cache_page(s, entry, GFP_HIGHUSER_MOVABLE, fresh)
    if fresh[0]:
        swap_readpage(s, pfn, bio)
    return pfn


def read_swap_cache_async(s: State, entry: u32):
    """Start reading a slot's page, by itself (MADV_WILLNEED)."""
    bio: u32 = 0
    fresh: cython.bint = False
    read_swap_cache(s, entry, cython.address(bio), cython.address(fresh))
    if bio:
        submit_bio(s, bio)


def read_ahead_slot(s: State, entry: u32, wanted: u32, bio: cython.pointer(u32)) -> u32:
    """Read one slot of a window; those that were not asked for get the readahead mark."""
    fresh: cython.bint = False
    pfn: u32 = read_swap_cache(s, entry, bio, cython.address(fresh))
    if fresh and entry != wanted:
        s.pages[pfn].flags |= PG_READAHEAD
        s.event[SWAP_RA] += 1
    return pfn


def finish_readahead(s: State, entry: u32, bio: u32, window: u32) -> u32:
    """Send the request off; a single page is waited for here.  Returns the wanted page, 0: no memory.

    Where a device needs no waiting, the rest of a window may have taken the wanted page's frame: it is read again.
    """
    pfn: u32
    held: cython.bint
    again: u32 = 0
    fresh: cython.bint = False
    if bio:
        submit_bio(s, bio)
    if window > 1:
        lru_add_drain(s)
    pfn = read_swap_cache(s, entry, cython.address(again), cython.address(fresh))
    held = pfn != 0 and not in_pieces(s)  # a runner that has to wait returns, and looks for its page again
    if held:
        s.pages[compound_head(s, pfn)].refcount += 1
    if again:
        submit_bio(s, again)
    if pfn and window == 1:
        wait_on_page_locked(s, pfn)
    return drop_unless_cached(s, pfn) if held else pfn


def drop_unless_cached(s: State, pfn: u32) -> u32:
    """Drop a reference that was held while others ran; 0: the slot lost its last owner then, and the page went."""
    head: u32 = compound_head(s, pfn)
    if s.pages[head].flags & PG_SWAPCACHE:
        s.pages[head].refcount -= 1
        return pfn
    put_page(s, head)
    return 0


def swap_cluster_readahead(s: State, entry: u32) -> u32:
    """Read the aligned window of slots around *entry*."""
    window: u32 = swapin_nr_pages(s, cython.address(s.swap_ra), slot_of(entry))
    first: u32 = slot_of(entry) & ~(window - 1)
    last: u32 = slot_of(entry) | (window - 1)
    area: u32 = entry >> SWAP_TYPE_SHIFT
    slot: u32
    bio: u32 = 0
    last = min(last, s.areas[area].max - 1)
    for slot in range(max(first, cython.cast(u32, 1)), last + 1):
        read_ahead_slot(s, (area << SWAP_TYPE_SHIFT) | slot, entry, cython.address(bio))
    return finish_readahead(s, entry, bio, window)


def swap_vma_readahead(s: State, vma: u32, vpn: u64, entry: u32) -> u32:
    """Read what is swapped out around the address: ahead in the direction of the faults, else on both sides."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    before: u64 = area.swap_ra.previous
    window: u32
    first: u64
    last: u64
    at: u64
    pte: u64
    table: u32
    bio: u32 = 0
    window = min(swapin_nr_pages(s, cython.address(area.swap_ra), vpn), VMA_WINDOW_PAGES)
    area.swap_ra.previous = vpn
    if vpn == before + 1:
        first = vpn
    elif before == vpn + 1:
        first = vpn - (window - 1)
    else:
        first = vpn - (window - 1) // 2
    last = first + window
    first = max(first, area.start, vpn & ~cython.cast(u64, PTRS_PER_TABLE - 1))
    last = min(last, area.end, (vpn | (PTRS_PER_TABLE - 1)) + 1)
    for at in range(first, last):
        table = walk(s, vma_at(s, vma).mm, at)
        pte = table_at(s, table).entry[at & (PTRS_PER_TABLE - 1)] if table else 0
        if pte & PTE_SWAP and not pte & PTE_PRESENT:
            read_ahead_slot(s, cython.cast(u32, pte >> 12), entry, cython.address(bio))
    return finish_readahead(s, entry, bio, window)


def read_synchronous(s: State, entry: u32) -> u32:
    """zram, and nothing else has the page: read it without the swap cache; 0: no memory."""
    pfn: u32 = alloc_pages(s, 0, GFP_HIGHUSER_MOVABLE)
    shadow: u64 = get_shadow(s, entry)
    bio: u32 = 0
    if not pfn:
        return 0
    prep_new_page(s, pfn, 0, OWNER_ANON)
    s.pages[pfn].flags = PG_LOCKED | PG_SWAPBACKED | PG_DIRTY | PG_SWAPCACHE
    s.pages[pfn].private = entry
    if shadow:
        workingset_refault(s, pfn, shadow)
    swap_readpage(s, pfn, cython.address(bio))
    s.pages[pfn].flags &= ~cython.cast(u32, PG_SWAPCACHE)
    s.pages[pfn].private = 0
    lru_cache_add(s, pfn)
    spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
    return pfn


def note_hit(s: State, vma: u32, vpn: u64, pfn: u32):
    """A fault found its page in the swap cache: if it was read ahead, that was worth it."""
    marked: cython.bint = s.pages[pfn].flags & (PG_READAHEAD | PG_WRITEBACK) == PG_READAHEAD
    ra: cython.pointer(SwapRa) = cython.address(s.swap_ra)
    if not s.nr_rotating:
        ra = cython.address(vma_at(s, vma).swap_ra)
        ra.previous = vpn
    if marked:
        s.pages[pfn].flags &= ~cython.cast(u32, PG_READAHEAD)
        s.event[SWAP_RA_HIT] += 1
        ra.hits += 1


# --- the fault -------------------------------------------------------------------------------------------------------


def swapin_page(s: State, vma: u32, vpn: u64, entry: u32) -> u32:
    """Read the page of a slot that is not in the swap cache: a major fault; 0: no memory."""
    s.event[PGMAJFAULT] += 1
    if area_of(s, entry).synchronous and swap_count(s, entry) == 1:
        return read_synchronous(s, entry)
    return swapin_readahead(s, vma, vpn, entry)


def swapin_readahead(s: State, vma: u32, vpn: u64, entry: u32) -> u32:
    """Read the page of a slot into the swap cache, with more around it: by slots if any disk turns, or by addresses."""
    if s.nr_rotating:
        return swap_cluster_readahead(s, entry)
    return swap_vma_readahead(s, vma, vpn, entry)


def should_try_to_free_swap(s: State, vma: u32, pfn: u32, write: cython.bint) -> cython.bint:
    """Whether a page that comes back gives its slot up at once."""
    page: cython.pointer(Page) = cython.address(s.pages[compound_head(s, pfn)])
    if not page.flags & PG_SWAPCACHE:
        return False
    if vm_swap_full(s) or vma_at(s, vma).flags & VM_LOCKED or page.flags & PG_MLOCKED:
        return True
    return write and page.refcount == 1 + nr_pages(s, compound_head(s, pfn))


def map_swapped_page(s: State, task: u32, vma: u32, vpn: u64, entry: cython.pointer(u64), pfn: u32, write: cython.bint):
    """Map a page in the place of its swap entry; the caller's reference becomes the mapping's."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    head: cython.pointer(Page) = cython.address(s.pages[compound_head(s, pfn)])
    slot: u32 = cython.cast(u32, entry[0] >> 12)
    exclusive: cython.bint = entry[0] & PTE_SWP_EXCLUSIVE != 0 or not head.flags & PG_SWAPCACHE
    is_new: cython.bint
    swap_free(s, slot)
    if should_try_to_free_swap(s, vma, pfn, write):
        try_to_free_swap(s, pfn)
    add_mm_counter_fast(s, task, vma_at(s, vma).mm, MM_ANONPAGES, 1)
    add_mm_counter_fast(s, task, vma_at(s, vma).mm, MM_SWAPENTS, -1)
    entry[0] = (cython.cast(u64, pfn) << 12) | PTE_PRESENT | PTE_ACCESSED
    is_new = not page.mapping and s.features.swapin_unlocked
    if vma_at(s, vma).flags & VM_LOCKED and not is_compound(s, pfn) and not is_new:
        mlock_page(s, pfn)
    if exclusive or head.refcount == 1:
        page.flags |= PG_ANON_EXCLUSIVE
        if write:
            entry[0] |= PTE_WRITE | PTE_DIRTY
        elif s.features.swapin_writable and vma_at(s, vma).flags & VM_WRITE:
            entry[0] |= PTE_WRITE
    page_add_anon_rmap(s, pfn, vma, vpn)


def find_page(
    s: State, task: u32, vma: u32, vpn: u64, entry: cython.pointer(u64), major: cython.pointer(cython.bint)
) -> u32:
    """The page of a swap entry, up to date, with a reference for its mapping.

    0: no memory, the task waits, or the entry is another one after a wait.  Having to wait for its read means that the
    fault is retried, which counts once more.
    """
    before: u64 = entry[0]
    pfn: u32
    head: u32
    while entry[0] == before:
        pfn = lookup_swap_cache(s, cython.cast(u32, before >> 12))
        if pfn:
            note_hit(s, vma, vpn, compound_head(s, pfn))
        else:
            major[0] = True
            pfn = swapin_page(s, vma, vpn, cython.cast(u32, before >> 12))
        if not pfn or must_return(s):
            return 0
        head = compound_head(s, pfn)
        s.pages[head].refcount += 1 if s.pages[head].flags & PG_SWAPCACHE else 0
        if not s.pages[head].flags & PG_LOCKED:
            return pfn
        wait_on_page_locked(s, head)
        put_page(s, head)
        major[0] = True
        count_retried_fault(s, task)
        if must_return(s):
            return 0
    return 0


def do_swap_page(s: State, task: u32, vma: u32, vpn: u64, table: u32, write: cython.bint) -> u32:
    """A touch of a page that is swapped out; returns an Outcome.

    Bringing it back lets others run, and may kill: where the entry is another one by then (``pte_same``), nothing is
    done, and the touch faults again.
    """
    entry: cython.pointer(u64) = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
    before: u64 = entry[0]
    major: cython.bint = task_at(s, task).fault_major
    pfn: u32 = find_page(s, task, vma, vpn, entry, cython.address(major))
    task_at(s, task).fault_major = major and must_return(s)
    if must_return(s):
        return AGAIN
    if major:
        task_at(s, task).min_flt -= 1
        task_at(s, task).maj_flt += 1
    if entry[0] != before:
        if pfn:
            put_page(s, compound_head(s, pfn))
        return OK
    if not pfn:
        return s.alloc_error
    if write and not s.pages[compound_head(s, pfn)].flags & PG_LRU:
        lru_add_drain(s)
    check_tag(s, table_at(s, table).tag[vpn & (PTRS_PER_TABLE - 1)], pfn, CHECK_AT_SWAP_IN)
    map_swapped_page(s, task, vma, vpn, entry, pfn, write)
    spend_ns(s, s.cost_ns[COST_SWAP_FAULT])
    return OK
