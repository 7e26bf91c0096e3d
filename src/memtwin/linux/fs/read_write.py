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
    set_current,
    spend_ns,
    task_at,
    this_cpu,
)
from cython.cimports.memtwin.linux.lib.xarray import file_reserve
from cython.cimports.memtwin.linux.mm.filemap import (
    create_buffers,
    filemap_alloc,
    filemap_get,
    is_hole,
    pin_buffer,
    wait_on_page_locked,
)
from cython.cimports.memtwin.linux.mm.memory import access_page
from cython.cimports.memtwin.linux.mm.page_writeback import balance_dirty_pages_ratelimited, set_page_dirty
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
    *buffer_vpn*: page number of the process's buffer; *content*: what it holds, which a file in memory then has;
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
        content: int = CONTENT_RANDOM,
        bytes_per_s: int = 0,
        think_ns: int = 0,
    ):
        self.s = s
        self.task = task
        self.content = content
        self.filp = filp
        self.offset = offset
        self.chunk = chunk
        self.write = write
        self.buffer_vpn = buffer_vpn
        self.opno = opno
        fill_pattern(cython.address(self.pattern), kind, nchunks, touches, seed)
        self.pace.bytes_per_s = bytes_per_s
        self.pace.think_ns = think_ns
        self.pending = -1

    def run(self, until_ns: int = (1 << 64) - 1) -> int:
        """Call until done (0), until the clock reaches *until_ns* (``AGAIN``), or until an Outcome stops it."""
        code: u32
        until: u64 = until_ns
        s: State = self.s
        with cython.nogil:
            code = io_batch(s, self, until)
        raise_if_broken(s)
        return code


def io_batch(s: State, io: FileIo, until_ns: u64) -> u32:
    """The loop over calls."""
    number: u64
    position: u64
    code: u32
    set_current(s, io.task)
    while io.done < io.pattern.touches:
        if task_at(s, io.task).killed:
            return KILLED
        if is_paced(cython.address(io.pace)) and not keep_pace(s, cython.address(io.pace), until_ns):
            return AGAIN
        if s.now_ns >= until_ns or is_cut_off(s):
            return AGAIN
        number = io.pending if io.pending >= 0 else draw(cython.address(io.pattern), io.done)
        io.pending = -1
        spend_ns(s, s.cost_ns[COST_IO_CALL])
        position = io.offset + number * io.chunk
        if file_at(s, filp_at(s, io.filp).file).kind == FILE_SHMEM:
            code = shmem_write(s, io, position) if io.write else shmem_read(s, io, position)
        else:
            code = pwrite(s, io, position) if io.write else pread(s, io, position)
        if code != OK:
            io.pending = number
            return code
        io.done += 1
        if is_paced(cython.address(io.pace)) and io.done < io.pattern.touches:
            pace_step(s, cython.address(io.pace), io.done * io.chunk)
        if this_cpu(s).rq.resched:
            hooks.cond_resched(s)
    return OK


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
    """A run of pages that are up to date, reading what is missing; returns how many, 0: no memory."""
    nr: u32 = get_read_batch(s, filp, index, last, pages)
    pfn: u32
    if not nr:
        sync_readahead(s, filp, index, last - index)
        nr = get_read_batch(s, filp, index, last, pages)
    if not nr:
        pages[0] = read_cache_page(s, filp_at(s, filp).file, index, GFP_HIGHUSER_MOVABLE)
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
    return nr


def pread(s: State, io: FileIo, position: u64) -> u32:
    """One read; it ends at the file's end.  Returns an Outcome."""
    ra: cython.pointer(Filp) = filp_at(s, io.filp)
    size: u64 = file_at(s, ra.file).nr_pages * PAGE
    end: u64 = min(position + io.chunk, size)
    start: u64 = position
    pages: u32[READ_BATCH]
    nr: u32
    i: u32
    code: u32
    while position < end:
        if this_cpu(s).rq.resched:
            hooks.cond_resched(s)
        nr = filemap_get_pages(s, io.filp, position // PAGE, (end + PAGE - 1) // PAGE, pages)
        if not nr:
            return s.alloc_error
        ra = filp_at(s, io.filp)
        for i in range(nr):
            if i or (ra.prev_pos - 1) // PAGE != position // PAGE:
                mark_page_accessed(s, pages[i])
        code = OK
        for _ in range(nr):
            if code == OK:
                code = access_page(s, io.task, io.buffer_vpn + (position - start) // PAGE, True)
            spend_ns(s, s.cost_ns[COST_READ_PAGE])
            position = min((position // PAGE + 1) * PAGE, end)
        for i in range(nr):
            put_page(s, pages[i])
        if code != OK:
            return code
        filp_at(s, io.filp).prev_pos = position
    return OK


# --- writing ---------------------------------------------------------------------------------------------------------


def write_begin(s: State, file: u32, index: u64, whole: cython.bint) -> u32:
    """The page that a write goes to, up to date, with one more reference; 0: no memory."""
    pfn: u32 = filemap_get(s, file, index)
    if not pfn and not whole and index < file_at(s, file).nr_pages and not is_hole(s, file, index):
        pfn = read_cache_page(s, file, index, GFP_HIGHUSER_MOVABLE)
        if not pfn:
            return 0
    if pfn:
        s.pages[pfn].refcount += 1
        wait_on_page_locked(s, pfn)
        return pfn
    pfn = filemap_alloc(s, file, index, GFP_HIGHUSER_MOVABLE | GFP_WRITE)
    if not pfn:
        return 0
    spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
    s.pages[pfn].flags |= PG_UPTODATE
    s.pages[pfn].flags &= ~cython.cast(u32, PG_LOCKED)
    s.pages[pfn].refcount += 1
    return pfn


def pwrite(s: State, io: FileIo, position: u64) -> u32:
    """One write; the file grows if it must.  Returns an Outcome."""
    file: u32 = filp_at(s, io.filp).file
    end: u64 = position + io.chunk
    start: u64 = position
    stop: u64
    pfn: u32
    code: u32
    if not file_reserve(s, file, (end + PAGE - 1) // PAGE):
        return EFBIG
    while position < end:
        stop = min((position // PAGE + 1) * PAGE, end)
        code = access_page(s, io.task, io.buffer_vpn + (position - start) // PAGE, False)
        if code != OK:
            return code
        pfn = write_begin(s, file, position // PAGE, position % PAGE == 0 and stop - position == PAGE)
        if not pfn:
            return s.alloc_error
        if not create_buffers(s, pfn):
            put_page(s, pfn)
            return s.alloc_error
        file_at(s, file).nr_pages = max(file_at(s, file).nr_pages, position // PAGE + 1)
        spend_ns(s, s.cost_ns[COST_WRITE_PAGE])
        s.pages[pfn].tag = content_tag(s.pages[pfn].tag, io.opno, position // PAGE, CONTENT_RANDOM)
        set_page_dirty(s, pfn)
        put_page(s, pfn)
        position = stop
        if this_cpu(s).rq.resched:
            hooks.cond_resched(s)
        balance_dirty_pages_ratelimited(s)
    return OK


# --- files of a tmpfs ------------------------------------------------------------------------------------------------


def shmem_read(s: State, io: FileIo, position: u64) -> u32:
    """One read of a file in memory; what was never written reads as zeroes and stays so.  Returns an Outcome."""
    file: u32 = filp_at(s, io.filp).file
    end: u64 = min(position + io.chunk, file_at(s, file).nr_pages * PAGE)
    start: u64 = position
    pfn: u32
    code: u32
    while position < end:
        pfn = filemap_get(s, file, position // PAGE)
        if pfn or shmem_swap_entry(s, file, position // PAGE):
            pfn = shmem_get_page(s, file, position // PAGE, False, cython.NULL)
            if not pfn:
                return s.alloc_error
            s.pages[pfn].refcount += 1
            if not position % PAGE:
                mark_page_accessed(s, pfn)
        code = access_page(s, io.task, io.buffer_vpn + (position - start) // PAGE, True)
        if pfn:
            put_page(s, pfn)
        if code != OK:
            return code
        spend_ns(s, s.cost_ns[COST_READ_PAGE])
        position = min((position // PAGE + 1) * PAGE, end)
        if this_cpu(s).rq.resched:
            hooks.cond_resched(s)
    return OK


def shmem_write(s: State, io: FileIo, position: u64) -> u32:
    """One write to a file in memory, which has no writeback to wait for.  Returns an Outcome."""
    file: u32 = filp_at(s, io.filp).file
    end: u64 = position + io.chunk
    start: u64 = position
    pfn: u32
    code: u32
    if not file_reserve(s, file, (end + PAGE - 1) // PAGE):
        return EFBIG
    while position < end:
        code = access_page(s, io.task, io.buffer_vpn + (position - start) // PAGE, False)
        if code != OK:
            return code
        pfn = shmem_get_page(s, file, position // PAGE, True, cython.NULL)
        if not pfn:
            return s.alloc_error
        file_at(s, file).nr_pages = max(file_at(s, file).nr_pages, position // PAGE + 1)
        s.pages[pfn].tag = content_tag(s.pages[pfn].tag, io.opno, position // PAGE, io.content)
        s.pages[pfn].flags |= PG_DIRTY
        spend_ns(s, s.cost_ns[COST_WRITE_PAGE])
        position = min((position // PAGE + 1) * PAGE, end)
        if this_cpu(s).rq.resched:
            hooks.cond_resched(s)
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
