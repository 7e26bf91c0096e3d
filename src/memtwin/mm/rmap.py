"""Reverse mapping: from a frame to the page-table entries that map it.

An anonymous page remembers an **anon_vma** and its place in the address space.  Each memory area is linked to the
anon_vmas whose pages it may map: its own, and those of every ancestor's area that it was forked from.  So the mappings
of a page are found without searching all processes::

    parent area ── av1            page made before the fork: av1 → parent's area, child's area
        │ fork
    child area  ── av1, av2       page made by the child afterwards: av2 → child's area only

Follows mm/rmap.c of Linux 6.1 (``anon_vma_prepare``, ``anon_vma_clone``, ``anon_vma_fork``,
``page_add_new_anon_rmap``, ``page_remove_rmap``).

Not modelled: KSM, huge pages' own counts, reuse of a parent's empty anon_vma by its child.
"""

import cython
from cython.cimports.memtwin.mm.mm_types import (
    CACHE_ANON_VMA,
    CACHE_ANON_VMA_CHAIN,
    OWNER_ANON,
    PG_ANON_EXCLUSIVE,
    PG_SWAPBACKED,
    PG_UPTODATE,
    AnonVma,
    AnonVmaChain,
    Page,
    Vma,
    u32,
    u64,
)
from cython.cimports.memtwin.mm.slub import object_alloc, object_free
from cython.cimports.memtwin.mm.state import State, anon_vma_at, avc_at, pool_get, pool_put, vma_at
from cython.cimports.memtwin.mm.vmstat import NR_ANON_PAGES, NR_MAPPED

SOURCE = "mm/rmap.c", "v6.1"


def anon_vma_chain_link(s: State, vma: u32, anon_vma: u32):
    """Note that *vma* may map pages of *anon_vma*."""
    link: u32 = pool_get(cython.address(s.avcs))
    avc: cython.pointer(AnonVmaChain) = avc_at(s, link)
    av: cython.pointer(AnonVma) = anon_vma_at(s, anon_vma)
    avc.slab = object_alloc(s, CACHE_ANON_VMA_CHAIN)
    avc.vma = vma
    avc.anon_vma = anon_vma
    avc.next_same_vma = vma_at(s, vma).avc
    vma_at(s, vma).avc = link
    avc.next_same_av = av.avc
    if av.avc:
        avc_at(s, av.avc).prev_same_av = link
    av.avc = link


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
    """Take an area that goes away out of every anon_vma; those that nobody needs any more go too."""
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
    s.node[NR_ANON_PAGES] += 1


def page_add_file_rmap(s: State, pfn: u32):
    """Note one more mapping of a page of a file."""
    s.pages[pfn].mapcount += 1
    if s.pages[pfn].mapcount == 1:
        s.node[NR_MAPPED] += 1


def page_remove_rmap(s: State, pfn: u32):
    """Note one mapping less; the last takes the page out of nr_anon_pages or nr_mapped."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.mapcount -= 1
    if page.mapcount == 0:
        s.node[NR_ANON_PAGES if page.owner == OWNER_ANON else NR_MAPPED] -= 1
