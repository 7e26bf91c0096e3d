"""Requests to devices: pages that are read or written together, and what happens when they are done.

Neighbouring pages go in one request.  The device says when it will be complete (``device.submit``); until then a page
that is read is locked, and one that is written is under writeback.  ``pgpgin`` and ``pgpgout`` count KiB at
submission.

Writes to new blocks end together, up to 8 MiB of a file: only when all of it is on the device does the file system
make the blocks valid, and the pages clean.

Each page that goes to a swap disk is a bio of its own, an object of the slab cache ``bio-192``, before neighbours are
merged into a request.  Below the *min* mark there is no memory for more of them: swapping out then goes no faster than
earlier writes end.

Follows block/bio.c and block/blk-core.c of Linux 6.1 (``bio_alloc_bioset``, ``submit_bio``, ``bio_endio``),
mm/mempool.c (``mempool_alloc``) and fs/ext4/page-io.c (``ext4_end_bio``).

Not modelled: the bios of files as objects, schedulers, errors.
"""

import cython
from cython.cimports.memtwin.linux.core.device import emulation_ns, submit
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import (
    EVENT_BIO,
    EVENT_IO_END,
    State,
    area_of,
    bio_at,
    file_at,
    file_block,
    hooks,
    nr_pages,
    slot_of,
    spend_ns,
)
from cython.cimports.memtwin.linux.mm.filemap import disk_content
from cython.cimports.memtwin.linux.mm.page_writeback import end_page_writeback
from cython.cimports.memtwin.linux.mm.slub import object_alloc_gfp, object_free

KIB_PER_PAGE = cython.declare(u64, 4)
TURN_NS = cython.declare(u64, 3_000_000)


def bio_alloc(s: State) -> u32:
    """An object for one page's write to swap, out of which requests are merged: its slab, 0 if that is not known.

    It may not take from the reserves.  Without memory for a new slab there are two more; when these are under way too
    the writer waits for a write to end.
    """
    slab: u32
    if not s.known_cache[CACHE_BIO] or (s.in_thread and s.nr_cpus > 1):
        return 0
    slab = object_alloc_gfp(s, CACHE_BIO, GFP_KSWAPD_RECLAIM | GFP_NOMEMALLOC | GFP_NORETRY)
    while not slab and not s.bio_pool_nr:
        hooks.io_schedule(s)
        slab = object_alloc_gfp(s, CACHE_BIO, GFP_KSWAPD_RECLAIM | GFP_NOMEMALLOC | GFP_NORETRY)
    if not slab:
        s.bio_pool_nr -= 1
        slab = s.bio_pool[s.bio_pool_nr]
    return slab


def bio_free(s: State, slab: u32):
    """Give the object of a page's write back, to the pool of two first, which has its own again as soon as it can."""
    if s.bio_pool_nr < BIO_POOL_SIZE:
        s.bio_pool[s.bio_pool_nr] = slab
        s.bio_pool_nr += 1
        return
    if not slab:
        slab = s.bio_pool[0]
        s.bio_pool[0] = 0
    if slab:
        object_free(s, slab)


def new_bio(s: State, device: u32, write: cython.bint) -> u32:
    """Make an empty request; returns its number."""
    bio: u32 = pool_get(cython.address(s.bios))
    bio_at(s, bio).device = device
    bio_at(s, bio).write = write
    return bio


def bio_add_page(s: State, bio: u32, pfn: u32) -> u32:
    """Add a page to a request; returns how many it has now."""
    b: cython.pointer(Bio) = bio_at(s, bio)
    b.pages[b.nr] = pfn
    b.nr += 1
    b.huge_tails += nr_pages(s, pfn) - 1
    return b.nr


def reads_swap(s: State, b: cython.pointer(Bio)) -> cython.bint:
    """Whether a request reads from swap; of a file's request the time is part of what its pages cost."""
    return not b.write and s.pages[b.pages[0]].flags & PG_SWAPCACHE != 0


def request_ns(s: State, b: cython.pointer(Bio)) -> u64:
    """How long it takes until the device has a request.

    With one CPU it has one queue, and a scheduler of requests: a single page, which was not gathered, goes to it by a
    kernel thread.  With several the writer is charged for the interrupt too.
    """
    if b.swap:
        return s.cost_ns[COST_SWAP_REQUEST] * (1 if s.nr_cpus == 1 else 2)
    if reads_swap(s, b):
        return s.cost_ns[COST_READ_REQUEST] + (s.cost_ns[COST_KBLOCKD] if s.nr_cpus == 1 and b.nr == 1 else 0)
    return s.cost_ns[COST_IO_CALL]


def miss_rotation(s: State, b: cython.pointer(Bio)):
    """Pages that reclaim still has in hand when their write ends stay where it puts them."""
    i: u32
    for i in range(b.nr):
        if not s.pages[b.pages[i]].flags & PG_LRU:
            s.pages[b.pages[i]].flags &= ~cython.cast(u32, PG_RECLAIM)


def submit_bio(s: State, bio: u32, last: cython.bint = True):
    """Hand a request to its device, which begins when it has the *last* of those that go together."""
    b: cython.pointer(Bio) = bio_at(s, bio)
    done_ns: u64
    work_ns: u64
    spend_ns(s, request_ns(s, b))
    b = bio_at(s, bio)
    work_ns = emulation_ns(s, b.device, b.nr + b.huge_tails) if b.swap and last else 0
    s.event[PGPGOUT if b.write else PGPGIN] += (b.nr + b.huge_tails) * KIB_PER_PAGE
    if b.write and not b.swap:
        s.devices[b.device].writes += 1
    done_ns = submit(s, b.device, b.nr + b.huge_tails, b.write)
    schedule_event(s, done_ns, EVENT_BIO, bio)
    if work_ns:
        if s.nr_cpus > 1:
            miss_rotation(s, bio_at(s, bio))
        spend_ns(s, work_ns)


def open_io_end(s: State, io_end: u32):
    """Let more requests join a first one."""
    bio_at(s, io_end).pending += 1


def join_io_end(s: State, bio: u32, io_end: u32):
    """Let a request end together with others (*io_end*: their first), for their blocks become valid at one stroke."""
    bio_at(s, bio).io_end = io_end
    bio_at(s, io_end).pending += 1


def close_io_end(s: State, io_end: u32):
    """One request less to wait for: a done one, or the promise of more.

    With the last, all end, in a work item of the file system's: on one cpu it has to wait for its turn.
    """
    bio_at(s, io_end).pending -= 1
    if not bio_at(s, io_end).pending:
        schedule_event(s, s.now_ns + (TURN_NS if s.nr_cpus == 1 else 0), EVENT_IO_END, io_end)


def finish_io_end(s: State, io_end: u32):
    """The blocks are valid: all requests that ended together are done."""
    following: u32
    while io_end:
        following = bio_at(s, io_end).next
        finish_bio(s, io_end)
        io_end = following


def spend_in_interrupt(s: State, ns: u64):
    """Let the time of a device's interrupt pass: who runs on the CPU that has it has so much less.

    With several CPUs the writer was charged for it; a CPU that idles has the time.
    """
    if s.nr_cpus == 1 and s.rq.curr != SCHED_IDLE:
        spend_ns(s, ns)


def finish_bio(s: State, bio: u32):
    """A request's pages are up to date, or clean."""
    i: u32
    pfn: u32
    for i in range(bio_at(s, bio).nr):
        pfn = bio_at(s, bio).pages[i]
        if bio_at(s, bio).swap:
            spend_in_interrupt(s, nr_pages(s, pfn) * s.cost_ns[COST_SWAP_END])
            bio_free(s, bio_at(s, bio).slabs[i])
        if bio_at(s, bio).write:
            end_page_writeback(s, pfn)
        else:
            end_page_read(s, pfn)
    pool_put(cython.address(s.bios), bio)


def bio_endio(s: State, bio: u32):
    """A request is complete; one of several that end together waits for the others."""
    first: u32 = bio_at(s, bio).io_end
    if bio_at(s, bio).swap:
        spend_in_interrupt(s, s.cost_ns[COST_SWAP_REQUEST])
    if bio_at(s, bio).write and not bio_at(s, bio).swap:
        s.devices[bio_at(s, bio).device].writes -= 1
    if not first:
        finish_bio(s, bio)
        return
    if bio != first:
        bio_at(s, bio).next = bio_at(s, first).next
        bio_at(s, first).next = bio
    close_io_end(s, first)


def end_page_read(s: State, pfn: u32):
    """A page's content has come from the device."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_SWAPCACHE:
        page.tag = file_block(file_at(s, area_of(s, page.private).file), slot_of(page.private)) - 1
    else:
        page.tag = disk_content(s, page.mapping, page.index)
    page.flags |= PG_UPTODATE
    page.flags &= ~cython.cast(u32, PG_LOCKED)
