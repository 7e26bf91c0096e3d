"""Truncation: a file loses its pages, whatever they hold, what was remembered of evicted ones, and its blocks.

A page under way to or from the device is waited for; a dirty one is never written.  So a truncation is no writeback:
``nr_written`` stays, ``nr_dirty`` falls.

A program that replaces a file truncates it, writes it again and closes it.  A crash between would leave it empty, so
file systems write such a file when it is closed (``fs_writeback.release_file``).

Follows mm/truncate.c of Linux 6.1 (``truncate_inode_pages_range``, ``truncate_cleanup_folio``), and of file systems
ext4_truncate() and xfs_setattr_size() in what they note for the file's next close.

A file of shared memory has no writeback to wait for: its pages and slots are freed, and each mapping of it loses them,
private copies too.  What is touched there then lies beyond the end.

Not modelled: truncation of part of a file, of one of a disk that is mapped, blocks and journal that it changes.
"""

import cython
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    file_page,
    file_shadow,
    hooks,
    nr_pages,
    set_current,
    spend_ns,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.fs.fs_writeback import close_extent, forget_clean
from cython.cimports.memtwin.linux.lib.xarray import xa_erase_shadow, xa_skip
from cython.cimports.memtwin.linux.mm.filemap import disk_content, filemap_remove, is_hole, try_to_free_buffers
from cython.cimports.memtwin.linux.mm.memory_range import unmap_mapping_range
from cython.cimports.memtwin.linux.mm.page_writeback import clear_dirty
from cython.cimports.memtwin.linux.mm.shmem import shmem_truncate_range
from cython.cimports.memtwin.linux.mm.swap import lru_del, put_page

from memtwin.linux.core.state import raise_if_broken


def truncate_page(s: State, pfn: u32):
    """Take a page that is not under way out of its file; what it holds is lost."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_DIRTY:
        clear_dirty(s, pfn)
        zone_at(s, zone_of(s, pfn)).stat[NR_ZONE_WRITE_PENDING] -= nr_pages(s, pfn)
    try_to_free_buffers(s, pfn)
    page.tag = disk_content(s, page.mapping, page.index)
    page.refcount += 1
    filemap_remove(s, pfn, 0)
    page.owner = OWNER_ANON
    page.mapping = 0
    if page.refcount > 1 and page.flags & PG_LRU:  # a read holds it: reclaim could not free it
        lru_del(s, pfn)
    put_page(s, pfn)
    spend_ns(s, s.cost_ns[COST_UNMAP_PAGE])


def truncate_inode_pages(s: State, file: u32):
    """Take every page of a file, and every shadow, out of its tree."""
    f: cython.pointer(File) = file_at(s, file)
    index: u64 = 0
    after: u64
    pfn: u32
    while index < f.nr_pages:
        after = xa_skip(s, file, index)
        if f.height and after != index:
            index = after
            continue
        pfn = file_page(f, index)
        if pfn and s.pages[pfn].flags & (PG_LOCKED | PG_WRITEBACK):
            hooks.io_schedule(s)
            continue
        if pfn:
            truncate_page(s, pfn)
        elif file_shadow(f, index):
            xa_erase_shadow(s, file, index)
        index += 1


def blocks_of(s: State, file: u32) -> u64:
    """How many blocks of the disk a file has, or has reserved."""
    f: cython.pointer(File) = file_at(s, file)
    index: u64
    blocks: u64 = 0
    for index in range(f.nr_pages):
        blocks += not is_hole(s, file, index) or (
            file_page(f, index) != 0 and s.pages[file_page(f, index)].flags & (PG_DIRTY | PG_WRITEBACK) != 0
        )
    return blocks


def free_blocks(s: State, blocks: u64):
    """Give blocks back to the disk: those that were taken since the start, and those that the file had then."""
    taken: u64 = min(blocks, s.disk_used_blocks)
    if s.disk_max_blocks:
        s.disk_used_blocks -= taken
        s.disk_max_blocks += blocks - taken


def truncate_file(s: State, file: u32):
    """Make a file of a device empty, and note for its next close that it was."""
    f: cython.pointer(File) = file_at(s, file)
    chunk: u64
    had: u64 = f.nr_pages
    close_extent(s, file)
    free_blocks(s, blocks_of(s, file) if s.disk_max_blocks else 0)
    truncate_inode_pages(s, file)
    for chunk in range(f.cap_pages // XA_CHUNK):
        if f.chunks[chunk] != cython.NULL:
            memset(f.chunks[chunk].disk, 0, cython.sizeof(u64) * XA_CHUNK)
    f.nr_pages = 0
    f.writeback_index = 0
    f.hole = True
    f.truncated = had != 0 or not s.bdi.no_buffer_heads
    forget_clean(s, file)


def truncate_shmem(s: State, file: u32):
    """Make a file of shared memory empty: no page of it is mapped any more, and none is left."""
    unmap_mapping_range(s, file)
    shmem_truncate_range(s, file)
    file_at(s, file).nr_pages = 0


def truncate(s: State, task: int, file: int) -> int:
    """Truncate a file to nothing, as open(2) with O_TRUNC does; returns an Outcome."""
    number: u32 = file
    set_current(s, task)
    with cython.nogil:
        spend_ns(s, s.cost_ns[COST_SYSCALL])
        if file_at(s, number).kind == FILE_SHMEM:
            truncate_shmem(s, number)
        else:
            truncate_file(s, number)
    raise_if_broken(s)
    return OK
