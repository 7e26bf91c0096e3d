"""Swap areas: which slot a page gets, from which area, and when the slot is free again.

**Areas** are used in order of priority; equals take turns.  Each turn is a batch: a cpu takes up to 64 slots at once
(its *slot cache*) and hands them out one by one, so what is "used" runs ahead of what is written; and freed slots are
parked, 64 at a time, before they go back.  With little swap left (fewer than 128 slots a cpu) both are switched off.

**Slots** are sought so that writes are sequential.  On a rotating disk: a run of 512 free slots, the lowest there is,
then its slots in order; when no run is left, whatever is free, upwards from the lowest.  On others (``ssd``: zram
too) in clusters of 512: each cpu takes a free cluster and fills it; with none free, any slot.

Each slot has a count of the page-table entries that hold it, and a mark: its page is in the swap cache, or parked::

    in use by a process, page not in memory      map = 1
    swap cache, mapped again                     map = 0 + CACHE        the process's entry is the page again
    parked in a cpu's cache                      map = CACHE

Follows mm/swapfile.c, mm/swap_slots.c and mm/swap_state.c of Linux 6.1 (``scan_swap_map_slots``, ``get_swap_pages``,
``folio_alloc_swap``, ``free_swap_slot``, ``__swap_entry_free``, ``try_to_free_swap``).

Not modelled: discard, continuation of counts beyond 62 (here a count may be larger), the random first cluster.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    compound_head,
    is_huge,
    nr_pages,
    page_mapped,
    slot_of,
    spend_ns,
    this_cpu,
)
from cython.cimports.memtwin.linux.mm.swap import put_page
from cython.cimports.memtwin.linux.mm.swap_avail import (
    avail_requeue,
    entry_of,
    get_swap_cluster,
    swap_range_alloc,
    swap_range_free,
)
from cython.cimports.memtwin.linux.mm.swap_cluster import (
    dec_cluster,
    inc_cluster,
    scan_swap_map_try_ssd_cluster,
)
from cython.cimports.memtwin.linux.mm.swap_state import (
    add_to_swap_cache,
    delete_from_swap_cache,
    lookup_swap_cache,
    vm_swap_full,
)

ACTIVATE = cython.declare(i64, 5 * SWAP_SLOTS_CACHE_SIZE)
DEACTIVATE = cython.declare(i64, 2 * SWAP_SLOTS_CACHE_SIZE)

FOUND = cython.declare(u32, 0)
SCAN = cython.declare(u32, 1)
END = cython.declare(u32, 2)
AGAIN_ = cython.declare(u32, 3)


# --- searching an area -----------------------------------------------------------------------------------------------


def scan_swap_map_pause(scan: cython.pointer(Scan)) -> cython.bint:
    """Count one slot scanned; returns whether the search has used up its latency budget."""
    scan.latency -= 1
    if scan.latency < 0:
        scan.latency = LATENCY_LIMIT
        return True
    return False


def tire_of_cluster(scan: cython.pointer(Scan)) -> cython.bint:
    """Count the slots of a cluster that was skipped; returns whether the budget was used up in it."""
    left: cython.int = SWAPFILE_CLUSTER - (scan.latency + 1)
    scan.latency = LATENCY_LIMIT - left % (LATENCY_LIMIT + 1)
    return True


def all_held(a: cython.pointer(SwapArea), slot: u32, end: u32) -> cython.bint:
    """Whether a cluster begins at *slot*, lies below *end*, and has no slot that a search could take or free."""
    return (
        slot % SWAPFILE_CLUSTER == 0
        and slot + SWAPFILE_CLUSTER <= end
        and a.cluster_held[slot // SWAPFILE_CLUSTER] == SWAPFILE_CLUSTER
    )


def begin_rotating(s: State, area: u32, scan: cython.pointer(Scan)):
    """Where a run is used up, look for the lowest 512 free slots in a row; with none, go on from the lowest slot."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    run: u32 = a.cluster_nr
    slot: u32
    free: u32 = 0
    a.cluster_nr -= 1
    if run:
        return
    a.cluster_nr = SWAPFILE_CLUSTER - 1
    if a.pages - a.inuse < SWAPFILE_CLUSTER:
        return
    scan.base = scan.offset = slot = a.lowest_bit
    while slot - free + SWAPFILE_CLUSTER - 1 <= a.highest_bit:
        if a.map[slot]:
            free = 0
        else:
            free += 1
            if free == SWAPFILE_CLUSTER:
                scan.offset = a.cluster_next = slot - (SWAPFILE_CLUSTER - 1)
                return
        scan_swap_map_pause(scan)
        slot += 1


def scan_swap_map_usable(s: State, area: u32, slot: u32) -> cython.bint:
    """Whether a slot is free, or only a swap-cache page stands in the way while swap is more than half full."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    return a.map[slot] == 0 or (a.map[slot] == SWAP_HAS_CACHE and vm_swap_full(s))


def scan_swap_map_next(s: State, area: u32, scan: cython.pointer(Scan)) -> cython.bint:
    """Look upwards from here, then from the bottom to where the search began; False: nothing."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    while scan.offset < a.highest_bit:
        if all_held(a, scan.offset + 1, a.highest_bit):
            scan.offset += SWAPFILE_CLUSTER
            scan.scanned_many = tire_of_cluster(scan)
            continue
        scan.offset += 1
        if scan_swap_map_usable(s, area, scan.offset):
            return True
        scan.scanned_many = scan_swap_map_pause(scan) or scan.scanned_many
    scan.offset = a.lowest_bit
    while scan.offset < scan.base:
        if all_held(a, scan.offset, scan.base):
            scan.offset += SWAPFILE_CLUSTER
            scan.scanned_many = tire_of_cluster(scan)
            continue
        if scan_swap_map_usable(s, area, scan.offset):
            return True
        scan.scanned_many = scan_swap_map_pause(scan) or scan.scanned_many
        scan.offset += 1
    return False


def next_in_run(s: State, area: u32, scan: cython.pointer(Scan)) -> cython.bint:
    """A slot was taken: find the next one near by; False: this batch ends."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    scan.latency -= 1
    if scan.latency < 0:
        return False
    if a.ssd:
        if scan_swap_map_try_ssd_cluster(s, area, cython.address(scan.offset)):
            return True
    elif a.cluster_nr:
        scan.offset += 1
        if scan.offset < a.max and not a.map[scan.offset]:
            a.cluster_nr -= 1
            return True
    return not scan.scanned_many and next_near(a, scan)


def next_near(a: cython.pointer(SwapArea), scan: cython.pointer(Scan)) -> cython.bint:
    """Look a little further up for a free slot, as long as the latency budget lasts."""
    limit: u32 = scan.base if scan.offset < scan.base else a.highest_bit
    while scan.offset <= limit:
        scan.latency -= 1
        if scan.latency <= 0:
            return False
        if not a.map[scan.offset]:
            return True
        scan.offset += 1
    return False


def check_slot(s: State, area: u32, scan: cython.pointer(Scan)) -> u32:
    """Look at the slot that the search came to: FOUND, END, SCAN on, or look AGAIN."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    if a.highest_bit == 0:
        return END
    if scan.offset > a.highest_bit:
        scan.base = scan.offset = a.lowest_bit
    if a.map[scan.offset] == SWAP_HAS_CACHE and vm_swap_full(s):
        return AGAIN_ if try_to_reclaim_swap(s, entry_of(area, scan.offset), True) else SCAN
    if a.map[scan.offset]:
        return END if scan.nr else SCAN
    return FOUND


def scan_swap_map_slots(s: State, area: u32, goal: u32, slots: cython.pointer(u32)) -> u32:
    """Take up to *goal* slots of an area; returns how many, their entries in *slots*."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    scan: Scan
    verdict: u32
    scan.latency = LATENCY_LIMIT
    scan.scanned_many = False
    scan.nr = 0
    scan.base = scan.offset = a.next_cpu[s.cpu] if a.ssd else a.cluster_next
    verdict = AGAIN_
    if not a.ssd:
        begin_rotating(s, area, cython.address(scan))
    elif not scan_swap_map_try_ssd_cluster(s, area, cython.address(scan.offset)):
        verdict = SCAN
    while True:
        if verdict == SCAN and not scan_swap_map_next(s, area, cython.address(scan)):
            return scan.nr
        verdict = check_slot(s, area, cython.address(scan))
        if verdict == END:
            break
        if verdict != FOUND:
            continue
        a.map[scan.offset] = SWAP_HAS_CACHE
        inc_cluster(a, scan.offset)
        swap_range_alloc(s, area, scan.offset)
        slots[scan.nr] = entry_of(area, scan.offset)
        scan.nr += 1
        if scan.nr == goal or scan.offset >= a.highest_bit or not next_in_run(s, area, cython.address(scan)):
            break
        verdict = AGAIN_
    if a.ssd:
        a.next_cpu[s.cpu] = scan.offset + 1
    else:
        a.cluster_next = scan.offset + 1
    return scan.nr


# --- areas by priority -----------------------------------------------------------------------------------------------


def get_swap_pages(s: State, goal: u32, entries: cython.pointer(u32)) -> u32:
    """Take up to *goal* slots, all of one area: of the first that has any."""
    nr: u32 = 0
    i: u32 = 0
    order: u32[32]
    tried: u32
    if s.nr_swap_pages <= 0:
        return 0
    goal = min(goal, cython.cast(u32, min(s.nr_swap_pages, cython.cast(i64, SWAP_SLOTS_CACHE_SIZE))))
    s.nr_swap_pages -= goal
    tried = s.nr_avail
    for i in range(tried):
        order[i] = s.avail[i]
    for i in range(tried):
        if not s.areas[order[i]].writeok or not s.areas[order[i]].highest_bit:
            continue
        avail_requeue(s, order[i])
        nr = scan_swap_map_slots(s, order[i], goal, entries)
        if nr:
            break
    s.nr_swap_pages += goal - nr
    return nr


# --- the cpu's slots -------------------------------------------------------------------------------------------------


def swapcache_free_entries(s: State, entries: cython.pointer(u32), nr: u32):
    """Free unused slots in their areas."""
    i: u32
    for i in range(nr):
        free_swap_entry(s, entries[i])


def free_swap_entry(s: State, entry: u32):
    """Free one unused slot in its area."""
    area_of(s, entry).map[slot_of(entry)] = 0
    dec_cluster(area_of(s, entry), slot_of(entry))
    swap_range_free(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry))


def drain_slots(s: State):
    """Empty every cpu's slot cache: when swap runs short, and before an area is turned off."""
    cpu: u32
    slots: cython.pointer(SwapSlots)
    for cpu in range(s.nr_cpus):
        slots = cython.address(s.cpus[cpu].swap_slots)
        swapcache_free_entries(s, cython.address(slots.take[slots.cur]), slots.nr)
        swapcache_free_entries(s, slots.back, slots.nr_back)
        slots.nr = slots.cur = slots.nr_back = 0


def check_cache_active(s: State) -> cython.bint:
    """Whether cpus take slots in advance: not while swap is nearly full."""
    if not s.swap_slots_active:
        s.swap_slots_active = s.nr_swap_pages > s.nr_cpus * ACTIVATE
    elif s.nr_swap_pages < s.nr_cpus * DEACTIVATE:
        s.swap_slots_active = False
        drain_slots(s)
    return s.swap_slots_active


def get_swap_page(s: State) -> u32:
    """A slot for one page; 0: swap is full."""
    slots: cython.pointer(SwapSlots) = cython.address(this_cpu(s).swap_slots)
    entry: u32 = 0
    if check_cache_active(s):
        if not slots.nr:
            slots.cur = 0
            slots.nr = get_swap_pages(s, SWAP_SLOTS_CACHE_SIZE, slots.take)
        if slots.nr:
            entry = slots.take[slots.cur]
            slots.cur += 1
            slots.nr -= 1
            return entry
    get_swap_pages(s, 1, cython.address(entry))
    return entry


def free_swap_slot(s: State, entry: u32):
    """A slot has lost its last user: park it, or give it back at once."""
    slots: cython.pointer(SwapSlots) = cython.address(this_cpu(s).swap_slots)
    if not s.swap_slots_active:
        swapcache_free_entries(s, cython.address(entry), 1)
        return
    if slots.nr_back == SWAP_SLOTS_CACHE_SIZE:
        swapcache_free_entries(s, slots.back, slots.nr_back)
        slots.nr_back = 0
    slots.back[slots.nr_back] = entry
    slots.nr_back += 1


# --- users of a slot -------------------------------------------------------------------------------------------------


def swap_count(s: State, entry: u32) -> u32:
    """Page-table entries that hold a slot."""
    return area_of(s, entry).map[slot_of(entry)] & SWAP_MAP_COUNT


def swap_duplicate(s: State, entry: u32):
    """One more page-table entry holds a slot."""
    a: cython.pointer(SwapArea) = area_of(s, entry)
    slot: u32 = slot_of(entry)
    if not a.map[slot] & SWAP_MAP_COUNT:
        a.cluster_held[slot // SWAPFILE_CLUSTER] += 1
    a.map[slot] += 1


def swap_free(s: State, entry: u32):
    """One less; the last one parks the slot, unless its page is in the swap cache."""
    a: cython.pointer(SwapArea) = area_of(s, entry)
    at: cython.pointer(u16) = cython.address(a.map[slot_of(entry)])
    at[0] -= 1
    if not at[0] & SWAP_MAP_COUNT:
        a.cluster_held[slot_of(entry) // SWAPFILE_CLUSTER] -= 1
    if at[0] == 0:
        at[0] = SWAP_HAS_CACHE
        free_swap_slot(s, entry)


def put_swap_page(s: State, entry: u32):
    """A slot's page is no longer in the swap cache: the slot is free if no page-table entry holds it."""
    at: cython.pointer(u16) = cython.address(area_of(s, entry).map[slot_of(entry)])
    if at[0] & SWAP_MAP_COUNT:
        at[0] &= ~cython.cast(u16, SWAP_HAS_CACHE)
    else:
        free_swap_slot(s, entry)


def try_to_free_swap(s: State, pfn: u32) -> cython.bint:
    """Free a page's slot if only the page needs it: it is a plain dirty page again."""
    page: cython.pointer(Page)
    entry: u32
    pfn = compound_head(s, pfn)
    page = cython.address(s.pages[pfn])
    entry = page.private
    if not page.flags & PG_SWAPCACHE or page.flags & PG_WRITEBACK or page_swapped(s, pfn):
        return False
    delete_from_swap_cache(s, pfn, 0)
    page.flags |= PG_DIRTY
    put_swap_slots(s, entry, nr_pages(s, pfn))
    return True


def page_swapped(s: State, pfn: u32) -> cython.bint:
    """Whether a page-table entry holds a slot of a page of the swap cache (folio_swapped)."""
    entry: u32 = s.pages[pfn].private
    i: u32
    for i in range(cython.cast(u32, nr_pages(s, pfn))):
        if swap_count(s, entry + i):
            return True
    return False


def put_swap_slots(s: State, entry: u32, nr: u32):
    """The page of *nr* slots is no longer in the swap cache; a cluster that nothing holds is free as a whole."""
    a: cython.pointer(SwapArea) = area_of(s, entry)
    i: u32
    held: u32 = 0
    for i in range(nr):
        held += a.map[slot_of(entry) + i] & SWAP_MAP_COUNT != 0
    for i in range(nr):
        if nr == 1 or held:
            put_swap_page(s, entry + i)
        else:
            free_swap_entry(s, entry + i)


def try_to_reclaim_swap(s: State, entry: u32, anyway: cython.bint) -> cython.bint:
    """Free a slot that only the swap cache holds; *anyway*: though its page is mapped and swap not full."""
    pfn: u32 = lookup_swap_cache(s, entry)
    freed: cython.bint = False
    pfn = compound_head(s, pfn)
    if not pfn or s.pages[pfn].flags & PG_LOCKED:
        return False
    s.pages[pfn].refcount += 1
    if anyway or not page_mapped(s, pfn) or vm_swap_full(s):
        freed = try_to_free_swap(s, pfn)
    put_page(s, pfn)
    return freed


def free_swap_and_cache(s: State, entry: u32):
    """A page-table entry that holds a slot goes away; a page that no process maps goes with it."""
    swap_free(s, entry)
    if area_of(s, entry).map[slot_of(entry)] == SWAP_HAS_CACHE:
        try_to_reclaim_swap(s, entry, False)


def add_to_swap(s: State, pfn: u32) -> cython.bint:
    """Give an anonymous page a slot and put it into the swap cache; False: swap is full, or no memory for the tree.

    A huge page gets a whole cluster, or none.
    """
    entry: u32 = get_swap_cluster(s) if is_huge(s, pfn) else get_swap_page(s)
    if not entry:
        return False
    if not add_to_swap_cache(s, pfn, entry, GFP_HIGH | GFP_NOMEMALLOC):
        put_swap_slots(s, entry, nr_pages(s, pfn))
        return False
    s.pages[pfn].flags |= PG_DIRTY
    spend_ns(s, nr_pages(s, pfn) * s.cost_ns[COST_SWAP_PAGE])
    return True
