"""What lies in swap when a snapshot is taken: who holds which slot, the swap cache, and zram's pool.

Slots are taken from the bottom of an area up. Nothing is written or read.

Not a kernel file, as ``restore.py`` is none.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get
from cython.cimports.memtwin.linux.core.state import (
    State,
    anon_vma_at,
    file_at,
    file_page,
    file_shadow,
    mm_at,
    slot_of,
    table_at,
    task_at,
    vma_at,
    zspage_at,
)
from cython.cimports.memtwin.linux.drivers.block.zram import LENGTH_SAME, compressed_length
from cython.cimports.memtwin.linux.lib.xarray import make_chunk, xa_erase, xa_store
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.rmap import (
    anon_vma_prepare,
)
from cython.cimports.memtwin.linux.mm.shmem import swap_value
from cython.cimports.memtwin.linux.mm.swap import lru_add
from cython.cimports.memtwin.linux.mm.swap_avail import entry_of
from cython.cimports.memtwin.linux.mm.swap_cluster import inc_cluster
from cython.cimports.memtwin.linux.mm.swap_state import add_to_swap_cache
from cython.cimports.memtwin.linux.mm.swapfile import swap_duplicate
from cython.cimports.memtwin.linux.mm.vma import find_vma
from cython.cimports.memtwin.linux.mm.zbud import (
    ZBUD_MAX_SIZE,
    find_unbuddied,
    init_zbud_page,
    size_to_chunks,
    zbud_put,
)
from cython.cimports.memtwin.linux.mm.zsmalloc import (
    ZS_POOL_ZSWAP,
    class_index,
    count_objects_of,
    count_pool,
    find_get_zspage,
    huge_class_size,
    insert_zspage,
    remove_zspage,
)
from cython.cimports.memtwin.linux.mm.zswap import zswap_lru_add
from cython.cimports.memtwin.linux.restore import content_of

from memtwin.linux.restore import make_tables

PAGE = cython.declare(u32, 4096)
ZS_HANDLE_SIZE = cython.declare(u32, 8)
ZSWAP_HEADER = cython.declare(u32, 8)


# --- swap ------------------------------------------------------------------------------------------------------------


def next_slot(s: State, area: int) -> int:
    """The lowest free slot of an area whose slots are taken from the bottom up; 0: it is full."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[cython.cast(u32, area)])
    return a.lowest_bit if a.inuse < a.pages else 0


def take_slot(s: State, area: u32, slot: u32, tag: u64):
    """Take a slot, the lowest free one, and say what lies there; who holds it is the caller's to count."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    inc_cluster(a, slot)
    a.inuse += 1
    s.nr_swap_pages -= 1
    a.lowest_bit = slot + 1
    if a.inuse == a.pages:
        a.highest_bit = 0
    make_chunk(file_at(s, a.file), slot).disk[slot & (XA_CHUNK - 1)] = tag + 1
    leave_shadow(s, a.file, slot)


def leave_shadow(s: State, file: u32, slot: u32):
    """Leave what a page leaves that reclaim evicts: the clock of its eviction, which goes on by a page.

    With generations the oldest one that there is (``lru_gen_state.begin``).
    """
    lruvec: cython.pointer(Lruvec) = cython.address(s.node_data[0].lruvec)
    if not xa_store(s, file, slot, slot, 0):  # any page: only the entry's place counts
        return
    if s.lru_gen_caps:
        xa_erase(s, file, slot, ((lruvec.gen.max_seq - MIN_NR_GENS) << 4) | 1)
        return
    xa_erase(s, file, slot, (lruvec.nonresident_age << 2) | 1)
    lruvec.nonresident_age += 1


def add_swapped_pages(
    s: State, task: int, vpn: int, area: int, slot: int, count: int, content: int, frames: list[int]
) -> None:
    """Let page-table entries of pages *vpn* … hold the slots *slot* …, the lowest free ones of an area."""
    i: u32
    at: u64
    t: u32
    tag: u64
    number: u32 = area
    kind: u32 = content
    first: u32 = slot
    a: cython.pointer(SwapArea) = cython.address(s.areas[number])
    for i in range(cython.cast(u32, count)):
        at = cython.cast(u64, vpn) + i
        tag = content_of(task, at, kind) if kind else 0
        take_slot(s, number, first + i, tag)
        a.map[first + i] = 1
        a.cluster_held[(first + i) // SWAPFILE_CLUSTER] += 1
        t = make_tables(s, task, at, frames)
        anon_vma_prepare(s, find_vma(s, task_at(s, task).mm, at))
        table_at(s, t).entry[at & (PTRS_PER_TABLE - 1)] = (
            (cython.cast(u64, entry_of(number, first + i)) << 12) | PTE_SWAP | PTE_SWP_EXCLUSIVE
        )
        table_at(s, t).tag[at & (PTRS_PER_TABLE - 1)] = tag
        mm_at(s, task_at(s, task).mm).rss[MM_SWAPENTS] += 1


def add_swapped_shared(s: State, file: int, index: int, area: int, slot: int, count: int, content: int) -> int:
    """Let pages of shared memory lie in the slots *slot* …, the lowest free ones of an area; returns how many.

    From page *index* on, and from the first one behind the last; pages that are in memory or in swap are passed by.
    """
    at: u64 = index
    tag: u64
    placed: u32 = 0
    number: u32 = area
    kind: u32 = content
    a: cython.pointer(SwapArea) = cython.address(s.areas[number])
    f: cython.pointer(File) = file_at(s, file)
    for _ in range(f.nr_pages):
        at = 0 if at >= f.nr_pages else at
        if placed == cython.cast(u32, count):
            break
        if not file_page(f, at) and not file_shadow(f, at):
            tag = content_of(file, at, kind) if kind else 0
            take_slot(s, number, slot + placed, tag)
            a.map[slot + placed] = 1
            a.cluster_held[(slot + placed) // SWAPFILE_CLUSTER] += 1
            if xa_store(s, file, at, slot, 0):  # any page: only the entry's place counts
                xa_erase(s, file, at, swap_value(entry_of(number, slot + placed)))
            make_chunk(f, at).disk[at & (XA_CHUNK - 1)] = tag + 1
            f.nr_swapped += 1
            placed += 1
        at += 1
    return placed


def are_linked(s: State, task: u32, other: u32, vpn: u64) -> cython.bint:
    """Whether the reverse map finds a page of either task's area at a place in both, as after a fork."""
    mine: u32 = find_vma(s, task_at(s, task).mm, vpn)
    theirs: u32 = find_vma(s, task_at(s, other).mm, vpn)
    if not mine or not theirs or not vma_at(s, mine).anon_vma or not vma_at(s, theirs).anon_vma:
        return False
    return anon_vma_at(s, vma_at(s, mine).anon_vma).root == anon_vma_at(s, vma_at(s, theirs).anon_vma).root


def share_swapped_pages(s: State, task: int, owner: int, vpn: int, count: int, frames: list[int]) -> int:
    """As :func:`share_anon_pages`, of pages in swap: each slot is held once more."""
    i: u32
    at: u64
    theirs: u32
    mine: u32
    entry: cython.pointer(u64)
    shared: u32 = 0
    for i in range(cython.cast(u32, count)):
        at = cython.cast(u64, vpn) + i
        theirs = walk(s, task_at(s, owner).mm, at)
        if not theirs or not are_linked(s, task, owner, at):
            break
        entry = cython.address(table_at(s, theirs).entry[at & (PTRS_PER_TABLE - 1)])
        if not entry[0] & PTE_SWAP:
            break
        entry[0] &= ~cython.cast(u64, PTE_SWP_EXCLUSIVE)
        swap_duplicate(s, cython.cast(u32, entry[0] >> 12))
        mine = make_tables(s, task, at, frames)
        table_at(s, mine).entry[at & (PTRS_PER_TABLE - 1)] = entry[0]
        table_at(s, mine).tag[at & (PTRS_PER_TABLE - 1)] = table_at(s, theirs).tag[at & (PTRS_PER_TABLE - 1)]
        mm_at(s, task_at(s, task).mm).rss[MM_SWAPENTS] += 1
        shared += 1
    return shared


def cache_mapped_page(s: State, task: int, vpn: int, area: int, slot: int) -> bool:
    """Give a mapped page that came back from swap its slot, the lowest free one; whether there is such a page."""
    table: u32 = walk(s, task_at(s, task).mm, vpn)
    pte: u64 = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] if table else 0
    pfn: u32 = cython.cast(u32, pte >> 12)
    if not pte & PTE_PRESENT or pte & PTE_HUGE or s.pages[pfn].owner != OWNER_ANON or s.pages[pfn].flags & PG_SWAPCACHE:
        return False
    take_slot(s, area, slot, s.pages[pfn].tag)
    s.areas[cython.cast(u32, area)].map[cython.cast(u32, slot)] = SWAP_HAS_CACHE
    add_to_swap_cache(s, pfn, entry_of(area, slot), 0)
    if s.pages[pfn].mapcount == 1:  # it was read, and not written since: that would have given the slot up
        table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] &= ~cython.cast(u64, PTE_DIRTY | PTE_WRITE)
    return True


def cache_pages_of(s: State, task: int, other: int, vpn: int, count: int, most: int) -> int:
    """Let pages *vpn* … of a task that *other* has in swap be the swap cache's of those slots; returns how many."""
    at: u64
    entry: u32
    table: u32
    theirs: u32
    pte: u64
    pfn: u32
    found: u32 = 0
    for at in range(cython.cast(u64, vpn), cython.cast(u64, vpn + count)):
        table = walk(s, task_at(s, task).mm, at)
        theirs = walk(s, task_at(s, other).mm, at)
        if found >= cython.cast(u32, max(most, 0)):
            break
        if not table or not theirs or not are_linked(s, task, other, at):
            continue
        pte = table_at(s, table).entry[at & (PTRS_PER_TABLE - 1)]
        entry = cython.cast(u32, table_at(s, theirs).entry[at & (PTRS_PER_TABLE - 1)] >> 12)
        if not table_at(s, theirs).entry[at & (PTRS_PER_TABLE - 1)] & PTE_SWAP:
            continue
        pfn = cython.cast(u32, pte >> 12)
        if not pte & PTE_PRESENT or pte & PTE_HUGE or s.pages[pfn].owner != OWNER_ANON or s.pages[pfn].mapcount != 1:
            continue
        if s.pages[pfn].flags & PG_SWAPCACHE or s.areas[entry >> SWAP_TYPE_SHIFT].map[slot_of(entry)] & SWAP_HAS_CACHE:
            continue
        s.pages[pfn].tag = table_at(s, theirs).tag[at & (PTRS_PER_TABLE - 1)]
        table_at(s, table).tag[at & (PTRS_PER_TABLE - 1)] = s.pages[pfn].tag
        s.areas[entry >> SWAP_TYPE_SHIFT].map[slot_of(entry)] |= cython.cast(u16, SWAP_HAS_CACHE)
        add_to_swap_cache(s, pfn, entry, 0)
        s.pages[pfn].flags &= ~cython.cast(u32, PG_ANON_EXCLUSIVE)
        s.pages[pfn].mapping = anon_vma_at(s, s.pages[pfn].mapping).root  # the other may map it too
        table_at(s, table).entry[at & (PTRS_PER_TABLE - 1)] &= ~cython.cast(u64, PTE_DIRTY | PTE_WRITE)
        table_at(s, theirs).entry[at & (PTRS_PER_TABLE - 1)] &= ~cython.cast(u64, PTE_SWP_EXCLUSIVE)
        found += 1
    return found


def cache_swapped_page(s: State, area: int, slot: int, pfn: int, active: bool) -> None:
    """Let a frame be the swap cache's page of a slot that page-table entries hold: read in, not mapped."""
    page: cython.pointer(Page) = cython.address(s.pages[cython.cast(u32, pfn)])
    number: u32 = area
    at: u32 = slot
    prep_new_page(s, pfn, 0, OWNER_ANON)
    page.flags = PG_SWAPBACKED | PG_UPTODATE | (PG_ACTIVE if active else 0)
    page.tag = max(make_chunk(file_at(s, s.areas[number].file), at).disk[at & (XA_CHUNK - 1)], cython.cast(u64, 1)) - 1
    page.refcount = 0
    add_to_swap_cache(s, pfn, entry_of(number, at), 0)
    s.areas[number].map[at] |= cython.cast(u16, SWAP_HAS_CACHE)
    lru_add(s, pfn)


# --- zram ------------------------------------------------------------------------------------------------------------


def store_in_zram(s: State, area: int, slot: int, count: int, frames: list[int]) -> None:
    """Keep what lies in the slots *slot* … of a zram area in its pool, whose new pages are popped from *frames*."""
    number: u32 = area
    at: u32
    length: u32
    a: cython.pointer(SwapArea) = cython.address(s.areas[number])
    for at in range(cython.cast(u32, slot), cython.cast(u32, slot + count)):
        if len(frames) < 4:  # there is no room for it: as if it were one word
            a.length[at] = LENGTH_SAME
            a.zram_same += 1
            a.zram_pages += 1
            continue
        length = compressed_length(s, a.algorithm, make_chunk(file_at(s, a.file), at).disk[at & (XA_CHUNK - 1)] - 1)
        if length >= huge_class_size(s):
            length = PAGE
            a.zram_huge += 1
        a.zspage[at] = zs_restore(s, number, length, frames)
        a.length[at] = length
        a.zram_compressed += length
        a.zram_pages += 1


def fitting_slots(s: State, area: int, first: int, count: int) -> list[int]:
    """Which of *count* slots from *first* on hold what compresses well enough for zswap's pool."""
    most: u32 = ZBUD_MAX_SIZE - ZSWAP_HEADER if s.zswap.zpool == ZPOOL_ZBUD else PAGE
    at: u32
    tag: u64
    f: cython.pointer(File) = file_at(s, s.areas[cython.cast(u32, area)].file)
    found = []
    for at in range(cython.cast(u32, first), cython.cast(u32, first + count)):
        tag = make_chunk(f, at).disk[at & (XA_CHUNK - 1)] - 1
        if (s.zswap.same_filled and tag & CONTENT_MASK == CONTENT_ZERO) or (
            compressed_length(s, s.zswap.algorithm, tag) <= most
        ):
            found.append(at)
    return found


def store_in_zswap(s: State, area: int, slot: int, frames: list[int], alone: bool) -> bool:
    """Keep what lies in a slot in zswap's pool, new pages of it popped from *frames*; False: no room, or too long.

    *alone*: in a page of zbud's of its own.
    """
    number: u32 = area
    at: u32 = slot
    length: u32
    zbud: u32
    a: cython.pointer(SwapArea) = cython.address(s.areas[number])
    tag: u64 = make_chunk(file_at(s, a.file), at).disk[at & (XA_CHUNK - 1)] - 1
    if s.zswap.same_filled and tag & CONTENT_MASK == CONTENT_ZERO:
        a.zswap_length[at] = LENGTH_SAME
        zswap_lru_add(s, (number << SWAP_TYPE_SHIFT) | at)
        s.zswap.same_filled_pages += 1
        s.zswap.stored_pages += 1
        return True
    length = compressed_length(s, s.zswap.algorithm, tag)
    if length > (ZBUD_MAX_SIZE - ZSWAP_HEADER if s.zswap.zpool == ZPOOL_ZBUD else PAGE):
        return False
    if s.zswap.zpool != ZPOOL_ZBUD and len(frames) < 4:
        return False
    if s.zswap.zpool == ZPOOL_ZBUD:
        zbud = 0 if alone else find_unbuddied(s, size_to_chunks(length + ZSWAP_HEADER))
        if not zbud and not frames:
            return False
        if not zbud:
            zbud = init_zbud_page(s, frames.pop())
        a.zswap_handle[at] = zbud_put(s, zbud, size_to_chunks(length + ZSWAP_HEADER), (number << SWAP_TYPE_SHIFT) | at)
    else:
        a.zswap_handle[at] = zs_restore(s, ZS_POOL_ZSWAP, length, frames)
    a.zswap_length[at] = length
    zswap_lru_add(s, (number << SWAP_TYPE_SHIFT) | at)
    s.zswap.stored_pages += 1
    return True


def zs_restore(s: State, area: u32, length: u32, frames: list[int]) -> u32:
    """Find room in the pool of a zram area or of zswap for an object; a new group of pages is made of *frames*."""
    index: u32 = s.zs_class[class_index(length + ZS_HANDLE_SIZE)].merged
    zspage: u32 = find_get_zspage(s, cython.address(s.zs_class[index]), area)
    if zspage:
        remove_zspage(s, zspage)
    else:
        zspage = pool_get(cython.address(s.zspages))
        zspage_at(s, zspage).size_class = index
        zspage_at(s, zspage).area = area
        for i in range(s.zs_class[index].pages):
            pfn = frames.pop()
            prep_new_page(s, pfn, 0, OWNER_ZSMALLOC)
            zspage_at(s, zspage).pages[i] = pfn
            s.pages[pfn].mapping = zspage
        count_pool(s, area, s.zs_class[index].pages)
        count_objects_of(s, zspage_at(s, zspage), s.zs_class[index].objects, 0)
    zspage_at(s, zspage).inuse += 1
    count_objects_of(s, zspage_at(s, zspage), 0, 1)
    insert_zspage(s, zspage)
    return zspage


def start_zram(s: State, area: int, pages: int, compressed_bytes: int, pool_pages: int) -> None:
    """Let a zram area's figures be a snapshot's; what no process's slot explains is of processes that are not known."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[cython.cast(u32, area)])
    if pages > cython.cast(i64, a.zram_pages):
        a.zram_boot_pages = pages - a.zram_pages
        a.zram_pages = pages
        a.zram_compressed = max(a.zram_compressed, cython.cast(u64, compressed_bytes))
    a.zram_pool_pages = max(a.zram_pool_pages, cython.cast(u64, pool_pages))
    a.zram_pool_max = max(a.zram_pool_max, a.zram_pool_pages)


def pool_pages(s: State, area: int) -> int:
    """Pages of a zram area's pool."""
    return s.areas[cython.cast(u32, area)].zram_pool_pages


def own_objects(s: State, kind: int, slabs: list[tuple[int, int]]) -> None:
    """Let what lies in zram and zswap own slab objects of a kind (KnownCache), so that they go with it.

    *slabs*: (first frame, objects in use), the newest first.
    """
    area: u32
    slot: u32
    place: u32 = 0
    used: u32 = 0
    a: cython.pointer(SwapArea)
    owners: cython.pointer(u32)
    for area in range(s.nr_areas):
        a = cython.address(s.areas[area])
        owners = a.zswap_slab if cython.cast(u32, kind) == CACHE_ZSWAP_ENTRY else a.handle
        if owners == cython.NULL:
            continue
        for slot in range(1, cython.cast(u32, a.pages + 1)):
            if owners[slot] or not (a.zswap_length[slot] if owners == a.zswap_slab else a.zspage[slot]):
                continue
            while place < cython.cast(u32, len(slabs)) and used >= cython.cast(u32, slabs[place][1]):
                place += 1
                used = 0
            if place >= cython.cast(u32, len(slabs)):
                return
            owners[slot] = slabs[place][0]
            used += 1
