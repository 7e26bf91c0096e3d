"""The flusher: the thread that writes dirty pages back.

It wakes for one of three reasons, checked in this order:

========== ================================================== ================================================
asked      reclaim met only dirty pages not under writeback    as many pages as were dirty then
old        5 s after something became dirty, and every 5 s    inodes that were first dirtied more than 30 s ago
background a writer found more dirty pages than the           until they are no more than the background limit
           background limit
========== ================================================== ================================================

A request that the device does not take yet (``blk_wbt.py``) is made when it does.

Files take turns, the one that has been dirty longest first: a **chunk** each, then the next::

    chunk = half a second of the device's bandwidth, at most an eighth of the dirty limit, rounded up to 4 MiB

A device that has completed no write lately has no share of the limits: then any dirty page is too many, and the first
look, 5 s after the first write, writes at least a chunk.

``sync`` and ``fsync`` are the caller's own work: everything, and then waiting for it.

Who closes a file that was truncated to nothing and written again **queues** its dirty pages, if one of them has no
block yet: the call lasts until the device has taken the last request, at the device's speed but for what its queue
holds.  On XFS only where neither the flusher nor fsync has come to the file since.

Follows fs/fs-writeback.c of Linux 6.1 (``wb_do_writeback``, ``wb_writeback``, ``writeback_chunk_size``,
``queue_io``), mm/page-writeback.c (``write_cache_pages``), and of file systems ext4_release_file() and xfs_release().

Not modelled: inodes' own times and journals, several devices with a flusher each, waiting for locks.
"""

import cython
from cython.cimports.memtwin.linux.block.bio import (
    bio_add_page,
    close_io_end,
    join_io_end,
    new_bio,
    open_io_end,
    submit_bio,
)
from cython.cimports.memtwin.linux.block.blk_wbt import wbt_may_queue
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    file_block,
    file_page,
    filp_at,
    global_node_page_state,
    hooks,
    in_pieces,
    is_cut_off,
    set_current,
    spend_ns,
)
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_for
from cython.cimports.memtwin.linux.lib.xarray import xa_next_dirty
from cython.cimports.memtwin.linux.mm.dirty_limits import domain_dirty_limit
from cython.cimports.memtwin.linux.mm.page_writeback import (
    arm_flusher,
    clear_page_dirty_for_io,
    over_bground_thresh,
    set_page_writeback,
    update_bandwidth,
    wb_list_add,
)

from memtwin.linux.core.state import raise_if_broken

NS_PER_CENTISEC = cython.declare(u64, 10_000_000)
MIN_WRITEBACK_PAGES = cython.declare(u64, 1024)
EXTENT_PAGES = cython.declare(u64, 2048)
ALL_PAGES = cython.declare(u64, 0x7FFFFFFFFFFFFFFF)


def chunk_size(s: State) -> u64:
    """Pages that a file may write in one turn.

    For example: 25,600 pages/s, limit 9,600: min(12,800, 1,200) + 1,024, rounded down to 1,024: 2,048
    """
    pages: u64 = min(s.bdi.flusher.bandwidth // 2, domain_dirty_limit(s) // 8)
    pages = min(pages, s.bdi.flusher.work_left)
    return (pages + MIN_WRITEBACK_PAGES) // MIN_WRITEBACK_PAGES * MIN_WRITEBACK_PAGES


def queue_io(s: State, older_than_ns: u64):
    """Line up the files whose turn it is: those with more to write, then those dirty since before a point in time."""
    file: u32 = s.bdi.lists[WB_MORE_IO].head
    following: u32
    while file:
        following = file_at(s, file).wb_next
        wb_list_add(s, file, WB_IO)
        file = following
    file = s.bdi.lists[WB_DIRTY].head
    while file:
        following = file_at(s, file).wb_next
        if file_at(s, file).dirtied_when_ns <= older_than_ns:
            wb_list_add(s, file, WB_IO)
        file = following


def begin_work(s: State) -> cython.bint:
    """Find the next reason to write; False: there is none."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    interval: u64 = cython.cast(u64, s.sysctl.dirty_writeback_centisecs) * NS_PER_CENTISEC
    expire: u64 = cython.cast(u64, s.sysctl.dirty_expire_centisecs) * NS_PER_CENTISEC
    f.for_background = False
    f.older_than_ns = s.now_ns
    if f.work_pages:
        f.work_left = f.work_pages
        f.work_pages = 0
        return True
    if interval and s.now_ns - f.last_old_flush_ns >= interval:
        f.last_old_flush_ns = s.now_ns
        f.older_than_ns = s.now_ns - expire if s.now_ns > expire else 0
        f.work_left = global_node_page_state(s, NR_DIRTY)
        return f.work_left != 0
    if over_bground_thresh(s):
        f.for_background = True
        f.work_left = ALL_PAGES
        return True
    return False


def begin_turn(s: State) -> cython.bint:
    """Give the next file its turn; False: this work is done."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    if not f.work_left or (f.for_background and not over_bground_thresh(s)):
        return False
    if not s.bdi.lists[WB_IO].head:
        queue_io(s, f.older_than_ns)
    f.file = s.bdi.lists[WB_IO].head
    if not f.file:
        return False
    f.chunk_left = chunk_size(s)
    f.turn_written = 0
    return True


def end_turn(s: State):
    """End a file's turn: it is clean or waits for its next; where nothing could be written its age starts again."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    close_extent(s, f.file)
    if not file_at(s, f.file).nr_dirty:
        wb_list_add(s, f.file, WB_CLEAN)
    elif s.features.requeue_expired and file_at(s, f.file).dirtied_when_ns > f.older_than_ns:
        wb_list_add(s, f.file, WB_DIRTY)
    elif f.turn_written:
        wb_list_add(s, f.file, WB_MORE_IO)
    else:
        file_at(s, f.file).dirtied_when_ns = s.now_ns + 1
        wb_list_add(s, f.file, WB_DIRTY)
    f.file = 0
    update_bandwidth(s)


def write_pages(s: State, file: u32, most: u64, cyclic: cython.bint) -> u64:
    """Hand up to *most* dirty pages of a file to its device, in one request of neighbours; returns how many.

    *cyclic*: from where the last turn ended, once round.
    """
    f: cython.pointer(File) = file_at(s, file)
    index: u64 = xa_next_dirty(s, file, f.writeback_index if cyclic else 0)
    bio: u32 = 0
    done: u64 = 0
    fresh: cython.bint = False
    pfn: u32
    f.truncated = f.truncated and not s.bdi.no_buffer_heads
    while done < most and index < f.nr_pages:
        pfn = file_page(f, index)
        if pfn and s.pages[pfn].flags & (PG_DIRTY | PG_WRITEBACK) == PG_DIRTY:
            if bio and fresh != (file_block(f, index) == 0 and f.hole):
                break
            if not bio:
                bio = new_bio(s, f.device, True)
                fresh = file_block(f, index) == 0 and f.hole
            clear_page_dirty_for_io(s, pfn)
            set_page_writeback(s, pfn)
            bio_add_page(s, bio, pfn)
            done += 1
            index += 1
            continue
        if bio:
            break
        index = xa_next_dirty(s, file, index + 1)
    f.writeback_index = index if index < f.nr_pages else 0
    if bio:
        spend_ns(s, done * s.cost_ns[COST_WRITEBACK_PAGE])
        if fresh:
            join_extent(s, file, bio, done)
        submit_bio(s, bio)
    return done


def join_extent(s: State, file: u32, bio: u32, pages: u64):
    """New blocks of one turn become valid together, up to 2,048 pages at a time."""
    f: cython.pointer(File) = file_at(s, file)
    if f.io_end and f.io_end_pages + pages > EXTENT_PAGES:
        close_extent(s, file)
    if not f.io_end:
        f.io_end = bio
        f.io_end_pages = 0
        open_io_end(s, bio)
    f.io_end_pages += pages
    join_io_end(s, bio, f.io_end)


def close_extent(s: State, file: u32):
    """No more requests join: when those that did are done, all end."""
    io_end: u32 = file_at(s, file).io_end
    file_at(s, file).io_end = 0
    if io_end:
        close_io_end(s, io_end)


def flusher_done(s: State):
    """Nothing left to do now: sleep, and look again after a while if anything is dirty."""
    s.bdi.flusher.state = THREAD_ASLEEP
    s.bdi.flusher.background = False
    s.bdi.flusher.in_work = False
    s.bdi.flusher.wake_ns = 0
    if s.bdi.lists[WB_DIRTY].head or s.bdi.lists[WB_IO].head or s.bdi.lists[WB_MORE_IO].head:
        arm_flusher(s)


def flusher_runnable(s: State) -> cython.bint:
    """Whether the flusher has something to do now."""
    if s.entities[SCHED_FLUSHER].busy_until_ns > s.now_ns:
        return False
    if s.bdi.flusher.state == THREAD_ASLEEP:
        return s.bdi.flusher.wake_ns != 0 and s.now_ns >= s.bdi.flusher.wake_ns
    return not s.bdi.flusher.file or wbt_may_queue(s, file_at(s, s.bdi.flusher.file).device, True)


def flusher_step(s: State):
    """Let the flusher do one piece of work: one request, or deciding what comes next."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    written: u64
    f.state = THREAD_RUNNING
    if not f.in_work:
        f.in_work = begin_work(s)
        if not f.in_work:
            flusher_done(s)
            return
    if not f.file:
        if not begin_turn(s):
            f.in_work = False
            if f.for_background and not f.work_pages:
                flusher_done(s)  # the last reason there is, even where no file's turn has come
            return
        if not wbt_may_queue(s, file_at(s, f.file).device, True):
            return
    written = write_pages(s, f.file, min(f.chunk_left, BIO_MAX_PAGES), True)
    if not written and file_at(s, f.file).writeback_index == 0 and not f.wrapped:
        f.wrapped = True
        return
    f.wrapped = False
    f.turn_written += written
    f.chunk_left -= written
    f.work_left -= min(written, f.work_left)
    if not written or not f.chunk_left or not file_at(s, f.file).nr_dirty:
        end_turn(s)


# --- sync and fsync --------------------------------------------------------------------------------------------------


def write_all(s: State, file: u32):
    """Write every dirty page of a file and wait until that is done (fsync); a runner returns where it has to wait."""
    f: cython.pointer(File) = file_at(s, file)
    while (f.nr_dirty or f.nr_writeback) and not is_cut_off(s):
        f = file_at(s, file)
        if f.nr_dirty and not wbt_may_queue(s, f.device, False):
            if in_pieces(s):
                wait_for(s, WAIT_WRITE_QUEUE, f.device, False)
                return
            hooks.io_schedule(s)
            continue
        if f.nr_dirty and write_pages(s, file, BIO_MAX_PAGES, False):
            if s.rq.resched:
                hooks.cond_resched(s)
            continue
        close_extent(s, file)
        if f.nr_writeback and in_pieces(s):
            wait_for(s, WAIT_FILE_WRITEBACK, file, False)
            return
        if f.nr_writeback:
            hooks.io_schedule(s)
    forget_clean(s, file)


def forget_clean(s: State, file: u32):
    """Take a file that is clean off the flusher's lists, unless it has its turn."""
    if file_at(s, file).wb_list != WB_CLEAN and s.bdi.flusher.file != file:
        wb_list_add(s, file, WB_CLEAN)


def fsync(s: State, task: int, file: int) -> int:
    """Write a file's dirty pages and wait for them; returns an Outcome."""
    number: u32 = file
    set_current(s, task)
    with cython.nogil:
        write_all(s, number)
    raise_if_broken(s)
    return OK


def sync(s: State) -> None:
    """Write everything that is dirty and wait for it."""
    i: u32
    for i in range(1, s.files.nr):
        if file_at(s, i).nr_dirty or file_at(s, i).nr_writeback:
            write_all(s, i)
    raise_if_broken(s)


# --- closing a file that was replaced --------------------------------------------------------------------------------


def filemap_flush(s: State, file: u32, may_wait: cython.bint):
    """Queue every dirty page of a file; where it *may wait*, only as the device takes requests.

    A runner returns where it has to wait.
    """
    f: cython.pointer(File) = file_at(s, file)
    while f.nr_dirty and not is_cut_off(s):
        if may_wait and not wbt_may_queue(s, f.device, False):
            if in_pieces(s):
                wait_for(s, WAIT_WRITE_QUEUE, f.device, False)
                return
            hooks.io_schedule(s)
        elif not write_pages(s, file, BIO_MAX_PAGES, False):
            break  # what is left is under way, and dirty again
        elif s.rq.resched:
            hooks.cond_resched(s)
    close_extent(s, file)


def has_delayed_blocks(s: State, file: u32) -> cython.bint:
    """Whether a file has a dirty page for which no block is allocated yet."""
    f: cython.pointer(File) = file_at(s, file)
    index: u64 = xa_next_dirty(s, file, 0)
    pfn: u32
    while index < f.nr_pages:
        pfn = file_page(f, index)
        if pfn and s.pages[pfn].flags & PG_DIRTY and f.hole and not file_block(f, index):
            return True
        index = xa_next_dirty(s, file, index + 1)
    return False


def release_file(s: State, filp: u32) -> u32:
    """The last user of an open file closes it; returns the file if its dirty pages are to be queued now, else 0."""
    file: u32 = filp_at(s, filp).file
    if filp_at(s, filp).users > 1 or not file_at(s, file).truncated:
        return 0
    file_at(s, file).truncated = False
    return file if has_delayed_blocks(s, file) else 0


def release(s: State, task: int, filp: int, may_wait: bool) -> None:
    """Do what a file system does as an open file is closed, by a task that *may wait* or one that is killed."""
    file: u32 = release_file(s, filp)
    waits: cython.bint = may_wait
    set_current(s, task)
    with cython.nogil:
        if file:
            filemap_flush(s, file, waits)
    raise_if_broken(s)
