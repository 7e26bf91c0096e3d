"""Reverse mapping: from a frame to the page-table entries that map it.

An anonymous page remembers an **anon_vma** and its place in the address space.  Each memory area is linked to the
anon_vmas whose pages it may map: its own, and those of every ancestor's area that it was forked from.  So the mappings
of a page are found without searching all processes::

    parent area ── av1            page made before the fork: av1 → parent's area, child's area
        │ fork
    child area  ── av1, av2       page made by the child afterwards: av2 → child's area only

A page of a file knows its file and its place in it; the file knows the areas that map it.

Reclaim asks three things of it: who used this page since I last looked (``page_referenced``: reads and clears the
accessed bits), unmap it everywhere (``try_to_unmap``), and make each write to it fault (``page_mkclean``).

Follows mm/rmap.c and mm/mmap.c (``vma_link_file``) of Linux 6.1 (``anon_vma_prepare``, ``anon_vma_clone``,
``anon_vma_fork``, ``page_add_new_anon_rmap``, ``page_remove_rmap``, ``folio_referenced``, ``try_to_unmap``,
``folio_mkclean``).

The mappings of a huge page are walked in ``huge_split.py``.

Not modelled: KSM, reuse of a parent's empty anon_vma by its child.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import (
    State,
    anon_vma_at,
    avc_at,
    compound_head,
    file_at,
    is_compound,
    mm_at,
    mod_lruvec_page_state,
    nr_pages,
    page_lruvec,
    page_mapped,
    ptes_mapcount,
    spend_ns,
    table_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_page import deferred_split_page
from cython.cimports.memtwin.linux.mm.lru_gen_walk import lru_gen_look_around
from cython.cimports.memtwin.linux.mm.pgtable import (
    CHECK_AT_UNMAP,
    check_tag,
    mm_counter_of,
    update_hiwater_rss,
    walk,
)
from cython.cimports.memtwin.linux.mm.slub import object_alloc, object_free
from cython.cimports.memtwin.linux.mm.swap import mlock_page
from cython.cimports.memtwin.linux.mm.swapfile import swap_duplicate
from cython.cimports.memtwin.linux.mm.tlb import set_tlb_ubc_flush_pending


def anon_vma_chain_link(s: State, vma: u32, anon_vma: u32):
    """Note that *vma* may map pages of *anon_vma*: behind those linked before, so a parent stands before its child."""
    link: u32 = pool_get(cython.address(s.avcs))
    avc: cython.pointer(AnonVmaChain) = avc_at(s, link)
    av: cython.pointer(AnonVma) = anon_vma_at(s, anon_vma)
    avc.slab = object_alloc(s, CACHE_ANON_VMA_CHAIN)
    avc.vma = vma
    avc.anon_vma = anon_vma
    avc.next_same_vma = vma_at(s, vma).avc
    vma_at(s, vma).avc = link
    avc.prev_same_av = av.last_avc
    if av.last_avc:
        avc_at(s, av.last_avc).next_same_av = link
    else:
        av.avc = link
    av.last_avc = link


def anon_vma_prepare(s: State, vma: u32):
    """Give an area its anon_vma before its first anonymous page."""
    av: u32
    if vma_at(s, vma).anon_vma:
        return
    av = pool_get(cython.address(s.anon_vmas))
    anon_vma_at(s, av).slab = object_alloc(s, CACHE_ANON_VMA)
    anon_vma_at(s, av).root = av
    anon_vma_at(s, av).nr_vmas = 1
    anon_vma_chain_link(s, vma, av)
    vma_at(s, vma).anon_vma = av


def anon_vma_clone(s: State, dst: u32, src: u32):
    """Link *dst* to every anon_vma that *src* is linked to."""
    link: u32 = vma_at(s, src).avc
    while link:
        anon_vma_chain_link(s, dst, avc_at(s, link).anon_vma)
        link = avc_at(s, link).next_same_vma


def anon_vma_share(s: State, dst: u32, src: u32):
    """Let *dst* have the anon_vma of *src*, if that has one: parts of what was one area, or was there before."""
    if not vma_at(s, src).anon_vma:
        return
    anon_vma_clone(s, dst, src)
    vma_at(s, dst).anon_vma = vma_at(s, src).anon_vma
    anon_vma_at(s, vma_at(s, src).anon_vma).nr_vmas += 1


def anon_vma_fork(s: State, child: u32, parent: u32):
    """Link a forked area to its ancestors' anon_vmas and give it one of its own for what it writes."""
    av: u32
    up: u32 = vma_at(s, parent).anon_vma
    if not up:
        return
    anon_vma_clone(s, child, parent)
    av = pool_get(cython.address(s.anon_vmas))
    anon_vma_at(s, av).slab = object_alloc(s, CACHE_ANON_VMA)
    anon_vma_at(s, av).root = anon_vma_at(s, up).root
    anon_vma_at(s, av).parent = up
    anon_vma_at(s, av).nr_vmas = 1
    anon_vma_at(s, up).nr_children += 1
    anon_vma_chain_link(s, child, av)
    vma_at(s, child).anon_vma = av


def unlink_anon_vmas(s: State, vma: u32):
    """Take an area that goes away out of every anon_vma; those that are not needed any more are freed."""
    link: u32 = vma_at(s, vma).avc
    following: u32
    avc: cython.pointer(AnonVmaChain)
    if vma_at(s, vma).anon_vma:
        anon_vma_at(s, vma_at(s, vma).anon_vma).nr_vmas -= 1
    while link:
        avc = avc_at(s, link)
        following = avc.next_same_vma
        if avc.prev_same_av:
            avc_at(s, avc.prev_same_av).next_same_av = avc.next_same_av
        else:
            anon_vma_at(s, avc.anon_vma).avc = avc.next_same_av
        if avc.next_same_av:
            avc_at(s, avc.next_same_av).prev_same_av = avc.prev_same_av
        else:
            anon_vma_at(s, avc.anon_vma).last_avc = avc.prev_same_av
        put_anon_vma(s, avc.anon_vma)
        object_free(s, avc.slab)
        pool_put(cython.address(s.avcs), link)
        link = following
    vma_at(s, vma).avc = 0
    vma_at(s, vma).anon_vma = 0


def put_anon_vma(s: State, anon_vma: u32):
    """Free an anon_vma that no area is linked to; its parent then has a child less."""
    av: cython.pointer(AnonVma) = anon_vma_at(s, anon_vma)
    up: u32
    if av.avc or av.nr_vmas:
        return
    up = av.parent
    object_free(s, av.slab)
    pool_put(cython.address(s.anon_vmas), anon_vma)
    if up:
        anon_vma_at(s, up).nr_children -= 1


def vma_of_page(s: State, pfn: u32, avc: cython.pointer(u32), vpn: cython.pointer(u64)) -> u32:
    """Walk the areas that may map an anonymous page: start with ``avc[0] = 0``; returns 0 after the last.

    ``vpn[0]`` gets the page number of the address at which the area would map it.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    link: u32 = avc_at(s, avc[0]).next_same_av if avc[0] else anon_vma_at(s, page.mapping).avc
    area: cython.pointer(Vma)
    while link:
        area = vma_at(s, avc_at(s, link).vma)
        if area.pgoff <= page.index < area.pgoff + (area.end - area.start):
            avc[0] = link
            vpn[0] = area.start + (page.index - area.pgoff)
            return avc_at(s, link).vma
        link = avc_at(s, link).next_same_av
    return 0


def page_add_new_anon_rmap(s: State, pfn: u32, vma: u32, vpn: u64):
    """Note the first mapping of a new anonymous page."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    area: cython.pointer(Vma) = vma_at(s, vma)
    page.mapping = area.anon_vma
    page.index = area.pgoff + (vpn - area.start)
    page.mapcount = 1
    page.flags |= PG_SWAPBACKED | PG_UPTODATE | PG_ANON_EXCLUSIVE
    mod_lruvec_page_state(s, pfn, NR_ANON_PAGES, nr_pages(s, pfn))


def page_add_anon_rmap(s: State, pfn: u32, vma: u32, vpn: u64):
    """Note a mapping of an anonymous page that comes back from swap; one that others may have is known by the root."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    area: cython.pointer(Vma) = vma_at(s, vma)
    if not page.mapping:
        page.mapping = area.anon_vma
        if not page.flags & PG_ANON_EXCLUSIVE:
            page.mapping = anon_vma_at(s, area.anon_vma).root
        page.index = area.pgoff + (vpn - area.start)
    s.pages[compound_head(s, pfn)].flags |= PG_SWAPBACKED | PG_UPTODATE
    page.mapcount += 1
    if is_compound(s, pfn):
        ptes_mapcount(s, compound_head(s, pfn))[0] += 1
    if page.mapcount == 1:
        mod_lruvec_page_state(s, pfn, NR_ANON_PAGES, 1)


def page_add_file_rmap(s: State, pfn: u32):
    """Note one more mapping of a page of a file."""
    s.pages[pfn].mapcount += 1
    if s.pages[pfn].mapcount == 1:
        mod_lruvec_page_state(s, pfn, NR_MAPPED, nr_pages(s, pfn))


def page_remove_rmap(s: State, pfn: u32):
    """Note one page-table entry less; the last takes the page out of nr_anon_pages or nr_mapped.

    A huge page whose part is unmapped waits to be split; since 6.12 only while another part is mapped.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.mapcount -= 1
    if is_compound(s, pfn):
        remove_part_rmap(s, pfn)
    if page.mapcount == 0:
        mod_lruvec_page_state(s, pfn, NR_ANON_PAGES if page.owner == OWNER_ANON else NR_MAPPED, -1)


def remove_part_rmap(s: State, pfn: u32):
    """One page-table entry less maps a frame of a huge page."""
    head: u32 = compound_head(s, pfn)
    ptes_mapcount(s, head)[0] -= 1
    if s.pages[pfn].mapcount == 0 and (not s.features.deferred_if_mapped or page_mapped(s, head)):
        deferred_split_page(s, head, True)


# --- files -----------------------------------------------------------------------------------------------------------


def vma_link_file(s: State, vma: u32):
    """Note that an area maps its file, behind all others that do."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    if not area.file:
        return
    area.next_share = 0
    area.prev_share = file_at(s, area.file).i_mmap_last
    if area.prev_share:
        vma_at(s, area.prev_share).next_share = vma
    else:
        file_at(s, area.file).i_mmap = vma
    file_at(s, area.file).i_mmap_last = vma


def vma_unlink_file(s: State, vma: u32):
    """Note that an area that goes away no longer maps its file."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    if not area.file:
        return
    if area.next_share:
        vma_at(s, area.next_share).prev_share = area.prev_share
    else:
        file_at(s, area.file).i_mmap_last = area.prev_share
    if area.prev_share:
        vma_at(s, area.prev_share).next_share = area.next_share
    else:
        file_at(s, area.file).i_mmap = area.next_share


def next_share(s: State, pfn: u32, cursor: cython.pointer(u32), vpn: cython.pointer(u64)) -> u32:
    """Walk the areas that may map a page of a file, as :func:`vma_of_page` does for anonymous ones."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    area: cython.pointer(Vma)
    vma: u32 = vma_at(s, cursor[0]).next_share if cursor[0] else file_at(s, page.mapping).i_mmap
    while vma:
        area = vma_at(s, vma)
        if area.pgoff <= page.index < area.pgoff + (area.end - area.start):
            cursor[0] = vma
            vpn[0] = area.start + (page.index - area.pgoff)
            return vma
        vma = area.next_share
    return 0


# --- all mappings of a page ------------------------------------------------------------------------------------------


def next_mapping(
    s: State, pfn: u32, cursor: cython.pointer(u32), vma: cython.pointer(u32), vpn: cython.pointer(u64)
) -> cython.pointer(u64):
    """The next page-table entry that maps a page, its area and its page number; NULL after the last.

    Start with ``cursor[0] = 0``.
    """
    table: u32
    entry: cython.pointer(u64)
    while True:
        if s.pages[pfn].owner == OWNER_ANON:
            vma[0] = vma_of_page(s, pfn, cursor, vpn)
        else:
            vma[0] = next_share(s, pfn, cursor, vpn)
        if not vma[0]:
            return cython.NULL
        table = walk(s, vma_at(s, vma[0]).mm, vpn[0])
        if not table:
            continue
        entry = cython.address(table_at(s, table).entry[vpn[0] & (PTRS_PER_TABLE - 1)])
        if entry[0] & (PTE_PRESENT | PTE_PROTNONE) and entry[0] >> 12 == pfn:
            return entry


def page_referenced(s: State, pfn: u32, vm_flags: cython.pointer(u32)) -> u32:
    """How many mappings used the page since this was last asked; their flags are gathered in ``vm_flags[0]``.

    A locked area ends the search: such a page is not reclaimed at all, and locked if that was missed.
    """
    cursor: u32 = 0
    vma: u32 = 0
    vpn: u64 = 0
    referenced: u32 = 0
    entry: cython.pointer(u64)
    vm_flags[0] = 0
    while s.pages[pfn].mapcount:
        entry = next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn))
        if entry == cython.NULL:
            break
        spend_ns(s, s.cost_ns[COST_RMAP])
        if vma_at(s, vma).flags & VM_LOCKED:
            mlock_page(s, pfn)
            vm_flags[0] |= VM_LOCKED
            return referenced
        if page_lruvec(s, pfn).gen.enabled:
            if lru_gen_look_around(s, pfn, vma, vpn, entry):
                referenced += 1
                vm_flags[0] |= vma_at(s, vma).flags
        elif entry[0] & PTE_ACCESSED:
            entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
            referenced += 1
            vm_flags[0] |= vma_at(s, vma).flags
    return referenced


def try_to_unmap(s: State, pfn: u32) -> cython.bint:
    """Take a page from all who map it; returns whether one had written to it.

    A page of a file can be faulted in again; one of the swap cache leaves its slot in the page tables.  A page given
    up with MADV_FREE is just gone, unless it was written to since: then it stays, as an ordinary page.  A locked area
    keeps its page: it is still mapped afterwards.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    cursor: u32 = 0
    vma: u32 = 0
    vpn: u64 = 0
    dirty: cython.bint = False
    lazy: cython.bint = page.owner == OWNER_ANON and not page.flags & PG_SWAPBACKED
    entry: cython.pointer(u64)
    while page.mapcount:
        entry = next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn))
        if entry == cython.NULL or vma_at(s, vma).flags & VM_LOCKED:
            break
        dirty = dirty or entry[0] & PTE_DIRTY != 0
        if lazy and (dirty or page.flags & PG_DIRTY):
            page.flags |= PG_SWAPBACKED
            break
        unmap_one(s, pfn, vma_at(s, vma).mm, vpn, entry)
    return dirty


def unmap_one(s: State, pfn: u32, mm: u32, vpn: u64, entry: cython.pointer(u64)):
    """Take a page out of one page-table entry."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    head: u32 = compound_head(s, pfn)
    m: cython.pointer(Mm) = mm_at(s, mm)
    check_tag(s, table_at(s, walk(s, mm, vpn)).tag[vpn & (PTRS_PER_TABLE - 1)], pfn, CHECK_AT_UNMAP)
    update_hiwater_rss(s, mm)
    set_tlb_ubc_flush_pending(s, mm, entry[0] & PTE_DIRTY != 0)
    entry[0] = 0
    if page.owner != OWNER_ANON:
        m.rss[mm_counter_of(s, pfn)] -= 1
    else:
        m.rss[MM_ANONPAGES] -= 1
        if s.pages[head].flags & PG_SWAPCACHE:
            swap_duplicate(s, page.private)
            m.rss[MM_SWAPENTS] += 1
            entry[0] = (cython.cast(u64, page.private) << 12) | PTE_SWAP
            entry[0] |= PTE_SWP_EXCLUSIVE if page.flags & PG_ANON_EXCLUSIVE else 0
            page.flags &= ~cython.cast(u32, PG_ANON_EXCLUSIVE)
        else:
            table_at(s, walk(s, mm, vpn)).tag[vpn & (PTRS_PER_TABLE - 1)] = 0
    m.nr_reclaimed += 1
    page_remove_rmap(s, pfn)
    s.pages[head].refcount -= 1


def page_mkclean(s: State, pfn: u32) -> cython.bint:
    """Write-protect a shared page in all who map it, so that the next write is noticed; whether one had written."""
    cursor: u32 = 0
    vma: u32 = 0
    vpn: u64 = 0
    dirty: cython.bint = False
    entry: cython.pointer(u64)
    while s.pages[pfn].mapcount:
        entry = next_mapping(s, pfn, cython.address(cursor), cython.address(vma), cython.address(vpn))
        if entry == cython.NULL:
            break
        if vma_at(s, vma).flags & VM_SHARED and entry[0] & (PTE_DIRTY | PTE_WRITE):
            dirty = dirty or entry[0] & PTE_DIRTY != 0
            entry[0] &= ~cython.cast(u64, PTE_DIRTY | PTE_WRITE)
    return dirty
