"""read() and write() of files through the page cache, many calls at once.

**read()** takes pages from the cache in runs of up to 15.  A miss starts readahead and waits; the page with the
readahead mark starts the next window; every page taken counts as used once in a call, unless the call goes on inside
the page in which the last one ended.

**write()** finds or makes a page, copies, and marks it dirty; it does not count as a use.  A page that is written in
part and is not in the cache is read first.  After each page the writer comes to a balance point
(``page_writeback.py``).

Data goes through a buffer of the process, which faults like any other memory.

Follows fs/read_write.c, mm/filemap.c (``filemap_read``, ``generic_perform_write``) and fs/ext4/inode.c
(``ext4_da_write_begin``) of Linux 6.1.

Not modelled: direct I/O, appending past a limit, a full disk.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    filp_at,
    hooks,
    is_cut_off,
    local_clock,
    must_return,
    set_current,
    spend_ns,
    task_at,
)
from cython.cimports.memtwin.linux.lib.xarray import file_reserve
from cython.cimports.memtwin.linux.mm.filemap import (
    create_buffers,
    filemap_alloc,
    filemap_get,
    is_hole,
    needs_block,
    pin_buffer,
    reserve_block,
    wait_on_page_locked,
)
from cython.cimports.memtwin.linux.mm.memory import access_page
from cython.cimports.memtwin.linux.mm.page_writeback import balance_dirty_pages_ratelimited, set_page_dirty
from cython.cimports.memtwin.linux.mm.pgtable import content_at, store_content
from cython.cimports.memtwin.linux.mm.readahead import async_readahead, read_cache_page, sync_readahead
from cython.cimports.memtwin.linux.mm.shmem import shmem_get_page, shmem_swap_entry
from cython.cimports.memtwin.linux.mm.swap import mark_page_accessed, put_page
from cython.cimports.memtwin.linux.pace import is_paced, keep_pace, pace_step
from cython.cimports.memtwin.linux.touch import content_tag, draw, fill_pattern

from memtwin.linux.core.state import raise_if_broken

PAGE = cython.declare(u64, 4096)


class FileIo:
    """A run of ``pread`` or ``pwrite`` calls of *chunk* bytes each that stops when time is up and goes on from there.

    *offset*: byte at which chunk 0 starts; *nchunks*: chunks that the pattern (0 seq, 1 rand) draws from;
    *buffer_vpn*: page number of the process's buffer, which holds what was read, and of which a write is;
    *bytes_per_s*: a rate to keep to, 0: none; *think_ns*: how long it sleeps after each call.
    """

    def __init__(
        self,
        s: State,
        task: int,
        filp: int,
        offset: int,
        chunk: int,
        nchunks: int,
        write: bool,
        buffer_vpn: int,
        opno: int = 0,
        kind: int = PATTERN_SEQ,
        touches: int = 0,
        seed: int = 0,
        bytes_per_s: int = 0,
        think_ns: int = 0,
    ):
        w: cython.pointer(Work) = cython.address(self.work)
        self.s = s
        w.kind = WORK_IO
        w.task = task
        w.filp = filp
        w.start = offset
        w.chunk = chunk
        w.write = write
        w.buffer_vpn = buffer_vpn
        w.opno = opno
        fill_pattern(cython.address(w.pattern), kind, nchunks, touches, seed)
        w.pace.bytes_per_s = bytes_per_s
        w.pace.think_ns = think_ns
        w.pending = -1

    def run(self, until_ns: int = (1 << 64) - 1) -> int:
        """Call until done (0), until the clock reaches *until_ns* (``AGAIN``), or until an Outcome stops it."""
        code: u32
        until: u64 = until_ns
        s: State = self.s
        with cython.nogil:
            set_current(s, self.work.task)
            code = io_batch(s, cython.address(self.work), until)
        raise_if_broken(s)
        return code


def io_batch(s: State, w: cython.pointer(Work), until_ns: u64) -> u32:
    """The loop over calls."""
    number: u64
    code: u32
    while w.done < w.pattern.touches:
        if task_at(s, w.task).killed:
            return KILLED
        if is_paced(cython.address(w.pace)) and not keep_pace(s, cython.address(w.pace), until_ns):
            return AGAIN
        if local_clock(s) >= until_ns or is_cut_off(s) or (s.nr_ended != 0 and not s.runner):
            return AGAIN
        number = w.pending if w.pending >= 0 else draw(cython.address(w.pattern), w.done)
        w.pending = -1
        code = io_call(s, w, w.start + number * w.chunk, until_ns)
        if code != OK or must_return(s):
            w.pending = number
            return AGAIN if must_return(s) else code
        w.is_begun = False
        w.done += 1
        if is_paced(cython.address(w.pace)) and w.done < w.pattern.touches:
            pace_step(s, cython.address(w.pace), w.done * w.chunk)
        if s.rq.resched:
            hooks.cond_resched(s)
    return OK


def io_call(s: State, w: cython.pointer(Work), start: u64, until_ns: u64) -> u32:
    """One call whose first byte is *start*, or the rest of it; returns an Outcome."""
    if not w.is_begun:
        w.is_begun = True
        w.position = start
        spend_ns(s, s.cost_ns[COST_IO_CALL])
    if file_at(s, filp_at(s, w.filp).file).kind == FILE_SHMEM:
        return shmem_write(s, w, start, until_ns) if w.write else shmem_read(s, w, start, until_ns)
    return pwrite(s, w, start, until_ns) if w.write else pread(s, w, start, until_ns)


def goes_back(s: State, w: cython.pointer(Work), position: u64, until_ns: u64) -> cython.bint:
    """Whether a runner returns from the middle of a call, and goes on at *position* another time."""
    w.position = position
    return s.runner != 0 and (must_return(s) or local_clock(s) >= until_ns)


# --- reading ---------------------------------------------------------------------------------------------------------


def get_read_batch(s: State, filp: u32, index: u64, last: u64, pages: cython.pointer(u32)) -> u32:
    """Cached pages from *index* up to before *last*: up to 15, ending at a hole, behind a mark or a page being read.

    Each gets a reference, so that none is evicted while others are read.
    """
    nr: u32 = 0
    pfn: u32
    while index + nr < last and nr < READ_BATCH:
        pfn = filemap_get(s, filp_at(s, filp).file, index + nr)
        if not pfn:
            break
        s.pages[pfn].refcount += 1
        pages[nr] = pfn
        nr += 1
        if s.pages[pfn].flags & PG_READAHEAD or not s.pages[pfn].flags & PG_UPTODATE:
            break
    return nr


def filemap_get_pages(s: State, filp: u32, index: u64, last: u64, pages: cython.pointer(u32)) -> u32:
    """A run of pages that are up to date, reading what is missing; returns how many, 0: no memory, or it waits."""
    nr: u32 = get_read_batch(s, filp, index, last, pages)
    pfn: u32
    if not nr:
        sync_readahead(s, filp, index, last - index)
        nr = get_read_batch(s, filp, index, last, pages)
    if not nr:
        pages[0] = read_cache_page(s, filp_at(s, filp).file, index, GFP_HIGHUSER_MOVABLE)
        if must_return(s):
            return 0
        s.pages[pages[0]].refcount += 1 if pages[0] else 0
        return 1 if pages[0] else 0
    pfn = pages[nr - 1]
    if s.pages[pfn].flags & PG_READAHEAD:
        async_readahead(s, filp, pfn, last - s.pages[pfn].index)
    if not s.pages[pfn].flags & PG_UPTODATE:
        if nr > 1:
            put_page(s, pfn)
            return nr - 1
        wait_on_page_locked(s, pfn)
        if must_return(s):
            put_page(s, pfn)
            return 0
    return nr


def put_read_batch(s: State, w: cython.pointer(Work)):
    """Drop the pages that a read holds: it has ended, or never goes on."""
    nr: u32 = w.nr_batch
    i: u32
    w.nr_batch = 0
    for i in range(nr):
        put_page(s, w.batch[i])


def pread(s: State, w: cython.pointer(Work), start: u64, until_ns: u64) -> u32:
    """One read; it ends at the file's end.  While it waits for its buffer it holds its pages.  Returns an Outcome."""
    ra: cython.pointer(Filp) = filp_at(s, w.filp)
    end: u64 = min(start + w.chunk, file_at(s, ra.file).nr_pages * PAGE)
    i: u32
    code: u32
    while w.position < end or w.nr_batch:
        if s.rq.resched:
            hooks.cond_resched(s)
        if not w.nr_batch:
            w.batch_at = 0
            w.nr_batch = filemap_get_pages(s, w.filp, w.position // PAGE, (end + PAGE - 1) // PAGE, w.batch)
            if not w.nr_batch:
                return s.alloc_error
            ra = filp_at(s, w.filp)
            for i in range(w.nr_batch):
                if i or (ra.prev_pos - 1) // PAGE != w.position // PAGE:
                    mark_page_accessed(s, w.batch[i])
        code = copy_to_buffer(s, w, start)
        if code == AGAIN:
            return AGAIN
        put_read_batch(s, w)
        if code != OK:
            return code
        if w.position < end and goes_back(s, w, w.position, until_ns):
            return AGAIN
    return OK


def copy_to_buffer(s: State, w: cython.pointer(Work), start: u64) -> u32:
    """Copy the pages that a read holds to where the call has come to, from the one that is next; returns an Outcome."""
    code: u32 = OK
    vpn: u64
    while w.batch_at < w.nr_batch:
        vpn = w.buffer_vpn + (w.position - start) // PAGE
        code = access_page(s, w.task, vpn, True)
        if code != OK:
            break
        store_content(s, w.task, vpn, s.pages[w.batch[w.batch_at]].tag)
        spend_ns(s, s.cost_ns[COST_READ_PAGE])
        w.position = min((w.position // PAGE + 1) * PAGE, start + w.chunk)
        w.batch_at += 1
    if code == OK or code == AGAIN:
        filp_at(s, w.filp).prev_pos = w.position
    return code


# --- writing ---------------------------------------------------------------------------------------------------------


def write_begin(s: State, file: u32, index: u64, whole: cython.bint) -> u32:
    """The page that a write goes to, up to date, with one more reference; 0: no memory."""
    pfn: u32 = filemap_get(s, file, index)
    if not pfn and not whole and index < file_at(s, file).nr_pages and not is_hole(s, file, index):
        pfn = read_cache_page(s, file, index, GFP_HIGHUSER_MOVABLE)
        if not pfn or must_return(s):
            return 0
    if not pfn:
        pfn = filemap_alloc(s, file, index, GFP_HIGHUSER_MOVABLE | GFP_WRITE)
        if pfn:
            return fresh_page(s, pfn)
        pfn = filemap_get(s, file, index)  # another task was there first
    if pfn:
        s.pages[pfn].refcount += 1
        wait_on_page_locked(s, pfn)
        if must_return(s):
            put_page(s, pfn)
            return 0
    return pfn


def fresh_page(s: State, pfn: u32) -> u32:
    """A page that was allocated for a write, which fills it, with one more reference."""
    spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
    s.pages[pfn].flags |= PG_UPTODATE
    s.pages[pfn].flags &= ~cython.cast(u32, PG_LOCKED)
    s.pages[pfn].refcount += 1
    return pfn


def written(s: State, w: cython.pointer(Work), before: u64, start: u64, position: u64) -> u64:
    """What a page holds after a write from the buffer: all of it is that, or a part, beside what was there *before*."""
    kind: u32 = content_at(s, w.task, w.buffer_vpn + (position - start) // PAGE) & CONTENT_MASK
    is_whole: cython.bint = position % PAGE == 0 and start + w.chunk - position >= PAGE
    if is_whole:
        return content_tag(0, w.opno, position // PAGE, kind)
    return content_tag(before, w.opno, position // PAGE, CONTENT_MARK if kind == CONTENT_ZERO else kind)


def pwrite(s: State, w: cython.pointer(Work), start: u64, until_ns: u64) -> u32:
    """One write; the file grows if it must.  Returns an Outcome."""
    file: u32 = filp_at(s, w.filp).file
    end: u64 = start + w.chunk
    position: u64 = w.position
    stop: u64
    pfn: u32
    code: u32
    takes_block: cython.bint
    if not file_reserve(s, file, (end + PAGE - 1) // PAGE):
        return EFBIG
    while position < end:
        stop = min((position // PAGE + 1) * PAGE, end)
        code = access_page(s, w.task, w.buffer_vpn + (position - start) // PAGE, False)
        if code != OK:
            w.position = position
            return code
        takes_block = needs_block(s, file, position // PAGE)
        if takes_block and not reserve_block(s):
            w.position = position
            return ENOSPC
        pfn = write_begin(s, file, position // PAGE, position % PAGE == 0 and stop - position == PAGE)
        if not pfn or not create_buffers(s, pfn):
            w.position = position
            s.disk_used_blocks -= takes_block
            if pfn:
                put_page(s, pfn)
            return s.alloc_error
        file_at(s, file).nr_pages = max(file_at(s, file).nr_pages, position // PAGE + 1)
        spend_ns(s, s.cost_ns[COST_WRITE_PAGE])
        s.pages[pfn].tag = written(s, w, s.pages[pfn].tag, start, position)
        set_page_dirty(s, pfn)
        put_page(s, pfn)
        position = stop
        if s.rq.resched:
            hooks.cond_resched(s)
        balance_dirty_pages_ratelimited(s)
        if goes_back(s, w, position, until_ns):
            return AGAIN
    return OK


# --- files of a tmpfs ------------------------------------------------------------------------------------------------


def shmem_read(s: State, w: cython.pointer(Work), start: u64, until_ns: u64) -> u32:
    """One read of a file in memory; what was never written reads as zeroes and stays so.  Returns an Outcome."""
    file: u32 = filp_at(s, w.filp).file
    end: u64 = min(start + w.chunk, file_at(s, file).nr_pages * PAGE)
    position: u64 = w.position
    vpn: u64
    pfn: u32
    code: u32
    while position < end:
        pfn = filemap_get(s, file, position // PAGE)
        if pfn or shmem_swap_entry(s, file, position // PAGE):
            pfn = shmem_get_page(s, file, position // PAGE, False, cython.NULL)
            if not pfn:
                w.position = position
                return OK if s.alloc_error == SIGBUS else s.alloc_error  # truncated meanwhile: the file ends before
            s.pages[pfn].refcount += 1
            if not position % PAGE:
                mark_page_accessed(s, pfn)
        vpn = w.buffer_vpn + (position - start) // PAGE
        code = access_page(s, w.task, vpn, True)
        if code == OK:
            store_content(s, w.task, vpn, s.pages[pfn].tag if pfn else 0)
        if pfn:
            put_page(s, pfn)
        if code != OK:
            w.position = position
            return code
        spend_ns(s, s.cost_ns[COST_READ_PAGE])
        position = min((position // PAGE + 1) * PAGE, end)
        if s.rq.resched:
            hooks.cond_resched(s)
        if goes_back(s, w, position, until_ns):
            return AGAIN
    return OK


def shmem_write(s: State, w: cython.pointer(Work), start: u64, until_ns: u64) -> u32:
    """One write to a file in memory, which has no writeback to wait for.  Returns an Outcome."""
    file: u32 = filp_at(s, w.filp).file
    end: u64 = start + w.chunk
    position: u64 = w.position
    pfn: u32
    code: u32
    if not file_reserve(s, file, (end + PAGE - 1) // PAGE):
        return EFBIG
    while position < end:
        code = access_page(s, w.task, w.buffer_vpn + (position - start) // PAGE, False)
        if code != OK:
            w.position = position
            return code
        pfn = shmem_get_page(s, file, position // PAGE, True, cython.NULL)
        if not pfn and s.alloc_error == SIGBUS:
            continue  # truncated while it came back from swap: a new page
        if not pfn:
            w.position = position
            return s.alloc_error
        file_at(s, file).nr_pages = max(file_at(s, file).nr_pages, position // PAGE + 1)
        s.pages[pfn].tag = written(s, w, s.pages[pfn].tag, start, position)
        s.pages[pfn].flags |= PG_DIRTY
        spend_ns(s, s.cost_ns[COST_WRITE_PAGE])
        position = min((position // PAGE + 1) * PAGE, end)
        if s.rq.resched:
            hooks.cond_resched(s)
        if goes_back(s, w, position, until_ns):
            return AGAIN
    return OK


# --- a device's own blocks -------------------------------------------------------------------------------------------


def read_mapping_page(s: State, file: int, index: int) -> int:
    """Read one page of a file for the file system itself; returns its frame, 0: no memory."""
    return read_cache_page(s, file, index, GFP_NOFS)


def bread(s: State, file: int, index: int) -> int:
    """Read a block of a device through its page cache (Buffers), as file systems do; returns its frame, 0: no memory.

    The processor remembers the last few, and looking one up counts as two uses.
    """
    pfn: u32 = filemap_get(s, file, index)
    if not pfn:
        pfn = read_cache_page(s, file, index, GFP_NOFS | GFP_MOVABLE | GFP_NOFAIL)
        if not pfn:
            return 0
        create_buffers(s, pfn)
        mark_page_accessed(s, pfn)
    mark_page_accessed(s, pfn)
    pin_buffer(s, pfn)
    return pfn
