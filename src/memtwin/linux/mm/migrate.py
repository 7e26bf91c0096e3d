"""Moving a page to another frame: what maps it, caches it or holds it in a list names the new frame afterwards.

A page keeps all that is known of it: content, owner, place in its file or address, the flags that say how it was used,
and in each page table that maps it the bits of its entry.  It comes back to the head of its list, through the batch of
new pages, and the old frame is free.  A page that something else refers to (a batch, a device, a fault under way) stays
where it is, and so does a page of ramfs, which has no way to be moved.

Follows mm/migrate.c of Linux 6.1 (``migrate_pages``, ``migrate_folio_extra``, ``folio_migrate_flags``,
``remove_migration_ptes``) and mm/zsmalloc.c (``zs_page_migrate``).

Not modelled: migration entries (nothing else runs in between), balloon pages, other nodes.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    file_at,
    mod_node_page_state,
    slot_of,
    spend_ns,
    zspage_at,
)
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.rmap import next_mapping
from cython.cimports.memtwin.linux.mm.swap import lru_cache_add, put_page
from cython.cimports.memtwin.linux.mm.vmscan import page_is_file_lru


def can_migrate(s: State, pfn: u32) -> cython.bint:
    """Whether an isolated page can be moved: only its mappings, its cache and the isolation refer to it."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    expected: u32 = 1 + page.mapcount
    if page.owner == OWNER_ZSMALLOC:
        return True
    if page.flags & (PG_LOCKED | PG_WRITEBACK):
        return False
    if page.owner == OWNER_FILE:
        if file_at(s, page.mapping).kind == FILE_RAMFS:
            return False
        expected += 1
    expected += 1 if page.flags & PG_SWAPCACHE else 0
    expected += 1 if page.flags & PG_PRIVATE else 0
    return page.refcount == expected


def move_mappings(s: State, old: u32, new: u32):
    """Let every page-table entry of a page name the new frame; its bits stay."""
    cursor: u32 = 0
    vma: u32 = 0
    vpn: u64 = 0
    entry: cython.pointer(u64)
    left: u32 = s.pages[old].mapcount
    while left:
        entry = next_mapping(s, old, cython.address(cursor), cython.address(vma), cython.address(vpn))
        if entry == cython.NULL:
            break
        entry[0] = (entry[0] & 0xFFF) | (cython.cast(u64, new) << 12)
        left -= 1


def move_cached(s: State, old: u32, new: u32):
    """Let a page's file, or the swap cache, hold the new frame."""
    page: cython.pointer(Page) = cython.address(s.pages[old])
    file: u32 = page.mapping
    index: u64 = page.index
    if page.flags & PG_SWAPCACHE:
        file = area_of(s, page.private).file
        index = slot_of(page.private)
    elif page.owner != OWNER_FILE:
        return
    file_at(s, file).chunks[index >> 6].pages[index & 63] = new


def move_zspage(s: State, old: u32, new: u32):
    """Let a group of compressed pages have the new frame in the old one's place."""
    group: cython.pointer(ZsPage) = zspage_at(s, s.pages[old].mapping)
    i: u32
    for i in range(s.zs_class[group.size_class].pages):
        if group.pages[i] == old:
            group.pages[i] = new


def migrate_page(s: State, old: u32, new: u32) -> cython.bint:
    """Move an isolated page to a free frame and free the old one; False: it stays, and so does the frame."""
    zspage: cython.bint = s.pages[old].owner == OWNER_ZSMALLOC
    if not can_migrate(s, old):
        return False
    if zspage:
        move_zspage(s, old, new)
    else:
        move_mappings(s, old, new)
        move_cached(s, old, new)
        mod_node_page_state(s, NR_ISOLATED_ANON + page_is_file_lru(s, old), -1)
    s.pages[new] = s.pages[old]
    s.pages[old].flags = 0
    s.pages[old].mapcount = 0
    spend_ns(s, s.cost_ns[COST_COW_FAULT])
    if not zspage:
        lru_cache_add(s, new)
        put_page(s, new)
    free_unref_page(s, old, 0)
    return True


def putback_movable_page(s: State, pfn: u32):
    """An isolated page stays where it is: it goes back to the head of its list."""
    if s.pages[pfn].owner == OWNER_ZSMALLOC:
        return
    mod_node_page_state(s, NR_ISOLATED_ANON + page_is_file_lru(s, pfn), -1)
    lru_cache_add(s, pfn)
    put_page(s, pfn)
