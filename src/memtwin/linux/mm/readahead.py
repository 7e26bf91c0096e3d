"""Readahead: reading more than was asked for, and more each time that it turns out right.

Each open file has a **window**: pages ``start`` to ``start + size``, of which the last ``async_size`` are a bet.  The
first page of the bet carries a mark; touching it starts the next window, so that a sequential reader never
waits::

    4 KiB reads from 0:   |0 1·2 3|           window (0, 4), mark at 1
                                  |4 … 11|    touching 1 starts (4, 8), mark at 4
                                          |12 … 27| …  up to read_ahead_kb (32 pages)

    A  at the file's start                    a first window, 2 or 4 times the request
    B  at the mark, or where the window ends  the next window, twice as large
    C  at another mark                        the window behind the cached pages (interleaved readers)
    D  a request larger than the most         a first window
    E  the page after the last read           a first window
    F  more cached pages behind it            a window as large as that history
    G  anything else: random                  just what was asked for

A miss through a mapping reads the window around it (16 pages before, 16 after) until a file has missed a hundred
times more than it hit: then one page at a time.

Pages come in at the head of inactive_file, not referenced: what was read ahead and never used goes first.

Follows mm/readahead.c (``ondemand_readahead``, ``page_cache_ra_unbounded``, ``try_context_readahead``) and
mm/filemap.c (``do_sync_mmap_readahead``) of Linux 6.1.

Not modelled: POSIX_FADV hints, readahead(2), large folios.
"""

import cython
from cython.cimports.memtwin.linux.block.bio import bio_add_page, end_page_read, new_bio, submit_bio
from cython.cimports.memtwin.linux.core.state import State, file_at, filp_at, spend_ns
from cython.cimports.memtwin.linux.mm.filemap import filemap_alloc, filemap_get, is_hole, wait_on_page_locked

IO_PAGES = cython.declare(u64, 320)
MMAP_LOTSAMISS = cython.declare(u32, 100)
GFP_READAHEAD = cython.declare(u32, (GFP_HIGHUSER_MOVABLE & ~GFP_FS) | GFP_NORETRY)


def init_ra_size(size: u64, most: u64) -> u64:
    """The first window for a request of *size* pages."""
    window: u64 = 1
    while window < size:
        window <<= 1
    if window <= most // 32:
        return window * 4
    if window <= most // 4:
        return window * 2
    return most


def next_ra_size(ra: cython.pointer(Filp), most: u64) -> u64:
    """The window after this one."""
    if ra.size < most // 16:
        return 4 * ra.size
    if ra.size <= most // 2:
        return 2 * ra.size
    return most


def read_pages(s: State, filp: u32, start: u64, pages: u64, lookahead: u64) -> u64:
    """Bring *pages* pages from *start* on into the cache, neighbours in one request; returns how many were new.

    The first of the last *lookahead* gets the mark, if it is new.  A page that cannot be allocated ends it.
    """
    file: u32 = filp_at(s, filp).file
    i: u64
    pfn: u32
    bio: u32 = 0
    new: u64 = 0
    holes: u64 = start
    if start >= file_at(s, file).nr_pages:
        return 0
    pages = min(pages, file_at(s, file).nr_pages - start)
    for i in range(start, start + pages):
        pfn = 0 if filemap_get(s, file, i) else filemap_alloc(s, file, i, GFP_READAHEAD)
        if not pfn and not filemap_get(s, file, i):
            break
        if not pfn:  # it is there already, or another task was there first
            bio = send(s, bio)
            end_holes(s, file, holes, i)
            holes = i + 1
            continue
        spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
        new += 1
        if lookahead and i == start + pages - lookahead:
            s.pages[pfn].flags |= PG_READAHEAD
        if is_hole(s, file, i):
            continue
        if not bio:
            bio = new_bio(s, file_at(s, file).device, False)
        if bio_add_page(s, bio, pfn) == BIO_MAX_PAGES:
            bio = send(s, bio)
    send(s, bio)
    end_holes(s, file, holes, start + pages)
    return new


def end_holes(s: State, file: u32, start: u64, end: u64):
    """Unlock the zeroed pages of a batch: only when all of it is in the cache, so that none is evicted meanwhile."""
    i: u64
    pfn: u32
    if not file_at(s, file).hole:
        return
    for i in range(start, end):
        pfn = filemap_get(s, file, i)
        if pfn and s.pages[pfn].flags & PG_LOCKED and is_hole(s, file, i):
            end_page_read(s, pfn)


def send(s: State, bio: u32) -> u32:
    """Submit a request, if there is one; returns 0: the next page starts a new one."""
    if bio:
        submit_bio(s, bio)
    return 0


def initial_window(s: State, filp: u32, index: u64, wanted: u64, most: u64):
    """Set the first window at *index*."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    ra.start = index
    ra.size = init_ra_size(wanted, most)
    ra.async_size = ra.size - wanted if ra.size > wanted else ra.size


def count_history_pages(s: State, file: u32, index: u64, most: u64) -> u64:
    """Cached pages directly before *index*, at most *most*."""
    found: u64 = 0
    while found < most and found < index and filemap_get(s, file, index - 1 - found):
        found += 1
    return found


def try_context_readahead(s: State, filp: u32, index: u64, wanted: u64, most: u64) -> cython.bint:
    """Rule F: enough cached pages before *index* look like a sequential reader whom this open file does not know."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    size: u64 = count_history_pages(s, ra.file, index, most)
    if size <= wanted:
        return False
    if size >= index:
        size *= 2
    ra.start = index
    ra.size = min(size + wanted, most)
    ra.async_size = 1
    return True


def chain_window(s: State, filp: u32, index: u64, wanted: u64, most: u64) -> cython.bint:
    """Rule C: a mark that is not this window's: go on behind the cached pages; False: there is nothing to read."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    start: u64 = index + 1
    while start - index <= most and filemap_get(s, ra.file, start):
        start += 1
    if start - index > most:
        return False
    ra.start = start
    ra.size = start - index + wanted
    ra.size = next_ra_size(ra, most)
    ra.async_size = ra.size
    return True


def ondemand_readahead(s: State, filp: u32, index: u64, wanted: u64, marked: cython.bint):
    """Decide on a window for *wanted* pages at *index*: a miss, or the *marked* page was touched."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    most: u64 = ra.ra_pages
    previous: u64 = ra.prev_pos >> 12
    if wanted > most and most < IO_PAGES:
        most = min(wanted, IO_PAGES)
    if index == 0:
        initial_window(s, filp, index, wanted, most)
    elif index == ra.start + ra.size - ra.async_size or index == ra.start + ra.size:
        ra.start += ra.size
        ra.size = max(cython.cast(u64, ra.size), cython.cast(u64, next_ra_size(ra, most)))
        ra.async_size = ra.size
    elif marked:
        if not chain_window(s, filp, index, wanted, most):
            return
    elif wanted > most or index - previous <= 1:
        initial_window(s, filp, index, wanted, most)
    elif not try_context_readahead(s, filp, index, wanted, most):
        read_pages(s, filp, index, wanted, 0)
        return
    submit_window(s, filp, index, most)


def submit_window(s: State, filp: u32, index: u64, most: u64):
    """Read the window; one whose mark would be its first page, now wanted, is merged with the next."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    more: u64
    if index == ra.start and ra.size == ra.async_size:
        more = next_ra_size(ra, most)
        if ra.size + more <= most:
            ra.async_size = more
            ra.size += more
        else:
            ra.size = most
            ra.async_size = most >> 1
    read_clipped(s, filp)


def sync_readahead(s: State, filp: u32, index: u64, wanted: u64):
    """Page *index* is not in the cache, and *wanted* pages from there on are asked for."""
    ondemand_readahead(s, filp, index, wanted, False)


def async_readahead(s: State, filp: u32, pfn: u32, wanted: u64):
    """A page with the mark was touched: start the next window while the reader goes on."""
    if s.pages[pfn].flags & PG_WRITEBACK:
        return
    s.pages[pfn].flags &= ~cython.cast(u32, PG_READAHEAD)
    ondemand_readahead(s, filp, s.pages[pfn].index, wanted, True)


def read_clipped(s: State, filp: u32):
    """Read an open file's window, as far as the file goes; the mark is counted from that end."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    read_pages(s, filp, ra.start, ra.size, ra.async_size)


def read_cache_page(s: State, file: u32, index: u64, gfp: u32) -> u32:
    """Read one page alone, and wait for it; 0: no memory."""
    bio: u32
    pfn: u32 = filemap_alloc(s, file, index, gfp)
    if not pfn:
        pfn = filemap_get(s, file, index)  # another task was there first
        if pfn:
            wait_on_page_locked(s, pfn)
        return pfn
    spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
    if is_hole(s, file, index):
        end_page_read(s, pfn)
        return pfn
    bio = new_bio(s, file_at(s, file).device, False)
    bio_add_page(s, bio, pfn)
    s.pages[pfn].refcount += 1
    submit_bio(s, bio)
    wait_on_page_locked(s, pfn)
    s.pages[pfn].refcount -= 1
    return pfn


# --- faults ----------------------------------------------------------------------------------------------------------


def mmap_sync_readahead(s: State, filp: u32, index: u64) -> cython.bint:
    """A fault found nothing: read the window around it (True), unless this file mostly misses."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    if ra.mmap_miss < MMAP_LOTSAMISS * 10:
        ra.mmap_miss += 1
    if ra.mmap_miss > MMAP_LOTSAMISS:
        return False
    ra.start = index - ra.ra_pages // 2 if index > ra.ra_pages // 2 else 0
    ra.size = ra.ra_pages
    ra.async_size = ra.ra_pages // 4
    read_clipped(s, filp)
    return True


def mmap_async_readahead(s: State, filp: u32, pfn: u32, index: u64) -> cython.bint:
    """A fault found the page in the cache: one miss is made up for; a mark starts the next window (True)."""
    ra: cython.pointer(Filp) = filp_at(s, filp)
    if ra.mmap_miss:
        ra.mmap_miss -= 1
    if not s.pages[pfn].flags & PG_READAHEAD:
        return False
    async_readahead(s, filp, pfn, ra.ra_pages)
    return True
