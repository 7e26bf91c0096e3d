"""Writing pages to swap, and reading them back.

``pswpout`` and ``pswpin`` count the pages handed to an area, zram included; what zswap takes or has is not handed on.
On a disk neighbouring slots that are written in one pass over the lists go in one request; the write ends later, and
only then can the page be freed.  zram and zswap are done at once.

Follows mm/page_io.c of Linux 6.1 (``swap_writepage``, ``swap_readpage``) and block/blk-mq.c (``blk_add_rq_to_plug``).

Not modelled: swap files' own mapping to blocks, errors of a device.
"""

import cython
from cython.cimports.memtwin.linux.block.bio import bio_add_page, bio_alloc, end_page_read, new_bio, submit_bio
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    bio_at,
    file_at,
    file_block,
    is_huge,
    nr_pages,
    slot_of,
    spend_ns,
)
from cython.cimports.memtwin.linux.drivers.block.zram import zram_read, zram_write
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_memstall_enter, psi_memstall_leave
from cython.cimports.memtwin.linux.mm.page_writeback import end_page_writeback, note_slot_content, set_page_writeback
from cython.cimports.memtwin.linux.mm.swapfile import try_to_free_swap
from cython.cimports.memtwin.linux.mm.zswap import zswap_load, zswap_store

PLUG_FLUSH_PAGES = cython.declare(u32, 32)
KIB_PER_PAGE = cython.declare(u64, 4)
ZEROES = cython.declare(u64, 1)


def plug_of(s: State) -> cython.pointer(BlkPlug):
    """The requests that who runs now has gathered: its own, whatever CPU it has."""
    return cython.address(s.cpus[0].plug[1 if s.in_thread else 2 if s.runner else 0])


def finish_plug(s: State) -> cython.bint:
    """Hand the requests that the running task or thread gathered to their devices, in order; whether there were any."""
    return flush_plug(s, plug_of(s))


def finish_plugs(s: State) -> cython.bint:
    """Hand all requests that were gathered to their devices: who has them does not run while another waits in place."""
    i: u32
    found: cython.bint = False
    for i in range(3):
        found = flush_plug(s, cython.address(s.cpus[0].plug[i])) or found
    return found


def flush_plug(s: State, plug: cython.pointer(BlkPlug)) -> cython.bint:
    """Hand the requests of one plug to their devices; whether there were any."""
    i: u32
    found: cython.bint = plug.nr != 0
    for i in range(plug.nr):
        submit_bio(s, plug.bios[i], i + 1 == plug.nr)
    plug.nr = 0
    plug.several_devices = False
    return found


def mergeable_bio(s: State, entry: u32) -> u32:
    """The last request to the entry's device, if the entry follows on it and there is room; 0: there is none."""
    plug: cython.pointer(BlkPlug) = plug_of(s)
    device: u32 = area_of(s, entry).device
    bio: u32
    follows: cython.bint
    last: u32
    i: u32 = plug.nr
    while i:
        i -= 1
        bio = plug.bios[i]
        if bio_at(s, bio).device == device:
            last = bio_at(s, bio).pages[bio_at(s, bio).nr - 1]
            follows = s.pages[last].private + nr_pages(s, last) == entry
            return bio if follows and bio_at(s, bio).nr < BIO_MAX_PAGES else 0
        if not plug.several_devices:
            break
    return 0


def add_object(s: State, bio: u32, pfn: u32, slab: u32):
    """Merge a page's own bio into a request."""
    bio_at(s, bio).slabs[bio_add_page(s, bio, pfn) - 1] = slab


def plug_page(s: State, pfn: u32):
    """Queue a page's write to a disk: it joins a neighbour's, or begins a request.

    What was gathered goes out when the last request has 128 KiB and the page does not join it, or with 32 requests
    (64 to several devices). In 6.12 requests are gathered in order, and the one that is asked is the first.
    """
    plug: cython.pointer(BlkPlug) = plug_of(s)
    entry: u32 = s.pages[pfn].private
    slab: u32 = bio_alloc(s)
    bio: u32 = mergeable_bio(s, entry)
    if bio:
        add_object(s, bio, pfn, slab)
        return
    asked: u32 = plug.bios[0 if s.features.plug_in_order or not plug.nr else plug.nr - 1]
    if plug.nr and (
        plug.nr >= (PLUG_MAX_BIOS if plug.several_devices else PLUG_MAX_BIOS // 2)
        or bio_at(s, asked).nr + bio_at(s, asked).huge_tails >= PLUG_FLUSH_PAGES
    ):
        finish_plug(s)
    bio = new_bio(s, area_of(s, entry).device, True)
    if plug.nr and bio_at(s, plug.bios[plug.nr - 1]).device != bio_at(s, bio).device:
        plug.several_devices = True
    plug.bios[plug.nr] = bio
    plug.nr += 1
    bio_at(s, bio).swap = True
    add_object(s, bio, pfn, slab)


def swap_writepage(s: State, pfn: u32) -> u32:
    """Write a page of the swap cache to its slot: zswap may take it, else it goes to the area's device.

    Since 6.12 a page of zeroes is only noted.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    entry: u32 = page.private
    page.flags &= ~cython.cast(u32, PG_DIRTY)
    if try_to_free_swap(s, pfn):
        return SWAP_DROPPED
    if s.features.zeromap and is_zeroes(s, pfn):
        note_slot_content(s, pfn)
        s.event[SWPOUT_ZERO] += nr_pages(s, pfn)
        return SWAP_WRITTEN
    if not is_huge(s, pfn) and store_locked(s, pfn, entry):
        set_page_writeback(s, pfn)
        end_page_writeback(s, pfn)
        return SWAP_WRITTEN
    return write_to_device(s, pfn)


def store_locked(s: State, pfn: u32, entry: u32) -> cython.bint:
    """Offer a page to zswap, locked: what zswap allocates lets others run, and the page keeps its slot meanwhile."""
    stored: cython.bint
    s.pages[pfn].flags |= PG_LOCKED
    stored = zswap_store(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry), s.pages[pfn].tag)
    s.pages[pfn].flags &= ~cython.cast(u32, PG_LOCKED)
    return stored


def is_zeroes(s: State, pfn: u32) -> cython.bint:
    """Whether all of a page is zeroes."""
    i: u32
    for i in range(pfn, pfn + cython.cast(u32, nr_pages(s, pfn))):
        if s.pages[i].tag:
            return False
    return True


def write_to_device(s: State, pfn: u32) -> u32:
    """Write a page to its area; it is marked as reclaim's (PG_RECLAIM) until the write has ended.

    What zram has no memory for is tried once more as an ordinary request, which fails too.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    entry: u32 = page.private
    area: cython.pointer(SwapArea) = area_of(s, entry)
    stored: cython.bint
    i: u32
    page.flags |= PG_RECLAIM
    s.event[THP_SWPOUT] += is_huge(s, pfn)
    s.event[PSWPOUT] += nr_pages(s, pfn)
    area.written_pages += nr_pages(s, pfn)
    set_page_writeback(s, pfn)
    if not area.synchronous:
        spend_ns(s, s.cost_ns[COST_SWAP_IO] + (s.cost_ns[COST_SWAP_END] if s.nr_cpus > 1 else 0))
        plug_page(s, pfn)
        return SWAP_STARTED
    if s.features.zram_bios or is_huge(s, pfn):
        s.event[PGPGOUT] += KIB_PER_PAGE * cython.cast(u64, nr_pages(s, pfn))
    stored = True
    for i in range(cython.cast(u32, nr_pages(s, pfn))):
        stored = stored and zram_write(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry) + i, s.pages[pfn + i].tag)
    page.flags &= ~cython.cast(u32, PG_RECLAIM)
    end_page_writeback(s, pfn)
    if stored:
        return SWAP_WRITTEN
    set_page_writeback(s, pfn)
    end_page_writeback(s, pfn)
    page.flags |= PG_DIRTY
    s.event[PGPGOUT] += KIB_PER_PAGE * cython.cast(u64, nr_pages(s, pfn))
    area.zram_failed_writes += 1
    return SWAP_FAILED


def swap_readpage(s: State, pfn: u32, bio: cython.pointer(u32)):
    """Read a page from its slot; of one that was in real use before it was evicted, that is a stall."""
    thrashing: cython.bint = s.pages[pfn].flags & PG_WORKINGSET != 0
    if thrashing:
        psi_memstall_enter(s)
    read_from_slot(s, pfn, bio)
    if thrashing:
        psi_memstall_leave(s)


def read_from_slot(s: State, pfn: u32, bio: cython.pointer(u32)):
    """Read a page of the swap cache, or one that is about to be mapped.

    What zswap or zram have is there at once; from a disk it joins the request *bio*, or begins one (0: none yet).
    """
    entry: u32 = s.pages[pfn].private
    area: cython.pointer(SwapArea) = area_of(s, entry)
    if s.features.zeromap and file_block(file_at(s, area.file), slot_of(entry)) == ZEROES:
        s.event[SWPIN_ZERO] += nr_pages(s, pfn)
        end_page_read(s, pfn)
        return
    if zswap_load(s, pfn, entry >> SWAP_TYPE_SHIFT, slot_of(entry)):
        end_page_read(s, pfn)
        return
    s.event[PSWPIN] += nr_pages(s, pfn)
    if area.synchronous:
        if s.features.zram_bios:
            s.event[PGPGIN] += KIB_PER_PAGE
        zram_read(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry))
        end_page_read(s, pfn)
        return
    if bio[0] and bio_at(s, bio[0]).device != area.device:
        submit_bio(s, bio[0])
        bio[0] = 0
    if not bio[0]:
        bio[0] = new_bio(s, area.device, False)
    bio_add_page(s, bio[0], pfn)
