"""The page cache: which page of which file stands in which frame, and how it gets in and out.

Every read and write of a file goes through here.  A page is found by its file and index (``xarray.py``), comes in
from a device or as a fresh page to write to, and leaves again when reclaim takes it, when it is dropped
(``vm.drop_caches``), or with its file.  A page belongs to exactly one file and index.

============ ===============================================================================================
kind of file what its pages count as
============ ===============================================================================================
regular      Cached; on the file lists; dirty until written to its device
block device Buffers; a file system's own blocks; those in use cannot be dropped
ramfs        Cached, Unevictable: the only copy
shmem, tmpfs Cached and Shmem; on the anonymous lists
============ ===============================================================================================

Pages that were written through ``write()`` have **buffer heads** (104 bytes of slab each) until they are dropped.

Each page has a content, and so has each block of the device: a page that leaves the cache clean must be what its
device has.

Follows mm/filemap.c, mm/truncate.c (``invalidate_mapping_pagevec``) and fs/buffer.c of Linux 6.1.

Not modelled: truncation of part of a file, direct I/O, large folios, a file system's own metadata beyond an inode's
block.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    file_block,
    file_page,
    file_shadow,
    hooks,
    in_pieces,
    is_cut_off,
    mod_lruvec_page_state,
    nr_pages,
    this_cpu,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_memstall_enter, psi_memstall_leave
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_for
from cython.cimports.memtwin.linux.lib.xarray import file_reserve, xa_erase, xa_erase_shadow, xa_skip, xa_store
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.page_writeback import is_accounted
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.pgtable import CHECK_AT_DROP
from cython.cimports.memtwin.linux.mm.slub import object_alloc_gfp, object_free
from cython.cimports.memtwin.linux.mm.swap import deactivate_file_page, lru_add, lru_cache_add, put_page
from cython.cimports.memtwin.linux.mm.workingset import workingset_refault

from memtwin.linux.core.host_memory import raise_if_short
from memtwin.linux.records import FileFigures

GOLDEN = cython.declare(u64, 0x9E3779B97F4A7C15)
TAG_BITS = cython.declare(u64, 0xFFFFFFFFFFFFFFF8)


def create_file(s: State, pages: int, kind: int, hole: bool = False) -> int:
    """Make a file of *pages* pages, none of them in memory, and return its number; *hole*: without blocks on disk.

    One of shared memory has a name, so that it stays when nothing maps it any more.
    """
    file: u32 = pool_get(cython.address(s.files))
    if not file_reserve(s, file, max(pages, 1)):
        raise_if_short()
        raise ValueError(f"a file of {pages} pages is too large")
    file_at(s, file).nr_pages = pages
    file_at(s, file).kind = kind
    file_at(s, file).users = 1
    file_at(s, file).hole = hole
    return file


def limit_disk(s: State, pages: int) -> None:
    """Say how many pages may be written to the data disk beside what its files have; 0: there is no limit."""
    s.disk_max_blocks = pages


def disk_usage(s: State) -> tuple[int, int]:
    """(pages taken, pages that there were; 0: there is no limit) on the data disk."""
    return s.disk_used_blocks, s.disk_max_blocks


def append_page(s: State, file: int) -> int:
    """Make a file one page longer; returns the index of the new page, which is not in memory."""
    f: cython.pointer(File) = file_at(s, file)
    if not file_reserve(s, file, f.nr_pages + 1):
        raise_if_short()
        raise ValueError("the file is too large")
    f.nr_pages += 1
    return f.nr_pages - 1


def disk_content(s: State, file: u32, index: u64) -> u64:
    """The content of a page's block on the device."""
    f: cython.pointer(File) = file_at(s, file)
    if file_block(f, index):
        return file_block(f, index) - 1
    if f.hole or f.kind != 0:
        return 0
    return (((cython.cast(u64, file) << 40) + index + 1) * GOLDEN & TAG_BITS) | CONTENT_RANDOM


def is_hole(s: State, file: u32, index: u64) -> cython.bint:
    """Whether a page of a file has no block on the device: it reads as zeroes."""
    return file_at(s, file).hole and not file_block(file_at(s, file), index)


def needs_block(s: State, file: u32, index: u64) -> cython.bint:
    """Whether a write to a page takes a block of the disk that nothing has taken yet."""
    f: cython.pointer(File) = file_at(s, file)
    pfn: u32
    if not s.disk_max_blocks or f.kind != FILE_REGULAR:
        return False
    if index >= f.nr_pages:
        return True
    pfn = file_page(f, index)
    return is_hole(s, file, index) and not (pfn and s.pages[pfn].flags & (PG_DIRTY | PG_WRITEBACK))


def reserve_block(s: State) -> cython.bint:
    """Take a block for a page that will be written (delayed allocation); False: the file system is full."""
    if s.disk_used_blocks >= s.disk_max_blocks:
        s.refusal = REFUSED_DISK
        s.alloc_error = ENOSPC
        return False
    s.disk_used_blocks += 1
    return True


def filemap_get(s: State, file: u32, index: u64) -> u32:
    """The frame of a page of a file; 0: not in memory, or past its end."""
    f: cython.pointer(File) = file_at(s, file)
    return file_page(f, index) if index < f.nr_pages else 0


def filemap_place(s: State, file: u32, index: u64, pfn: u32, active: cython.bint):
    """Make a frame that was in use at boot the page *index* of a file and put it on its list."""
    f: cython.pointer(File) = file_at(s, file)
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.owner = OWNER_FILE
    page.mapping = file
    page.index = index
    page.flags = PG_UPTODATE
    page.tag = disk_content(s, file, index)
    xa_store(s, file, index, pfn, GFP_KERNEL)
    f.nr_cached += nr_pages(s, pfn)
    if f.kind == FILE_VDSO:
        return
    if f.kind == FILE_RAMFS:
        page.flags |= PG_DIRTY | PG_UNEVICTABLE
    elif active:
        page.flags |= PG_ACTIVE
    if f.kind == FILE_SHMEM:
        page.flags |= PG_SWAPBACKED | PG_DIRTY
        page.tag = ((cython.cast(u64, file) << 40) + index + 1) * GOLDEN & TAG_BITS | CONTENT_TEXT
        mod_lruvec_page_state(s, pfn, NR_SHMEM, nr_pages(s, pfn))
    if f.kind == FILE_BDEV:
        page.flags |= PG_PRIVATE
        page.refcount += 1
        pin_buffer(s, pfn)
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, nr_pages(s, pfn))
    lru_add(s, pfn)


def filemap_add(s: State, file: u32, index: u64, pfn: u32, gfp: u32) -> cython.bint:
    """Put a fresh page into the cache, locked, and queue it for its list; False: no memory for the tree.

    A page that was evicted not long ago is recognised by its shadow.
    """
    f: cython.pointer(File) = file_at(s, file)
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    shadow: u64 = file_shadow(f, index)
    page.owner = OWNER_FILE
    page.mapping = file
    page.index = index
    page.flags |= PG_LOCKED
    if not xa_store(s, file, index, pfn, gfp):
        return False
    f.nr_cached += nr_pages(s, pfn)
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, nr_pages(s, pfn))
    if shadow and not gfp & GFP_WRITE:
        workingset_refault(s, pfn, shadow)
    lru_cache_add(s, pfn)
    return True


def filemap_alloc(s: State, file: u32, index: u64, gfp: u32) -> u32:
    """Allocate a page and put it into the cache, locked; 0: no memory."""
    pfn: u32 = alloc_pages(s, 0, gfp)
    if not pfn:
        return 0
    prep_new_page(s, pfn, 0, OWNER_FILE)
    if not filemap_add(s, file, index, pfn, gfp):
        free_unref_page(s, pfn, 0)
        return 0
    return pfn


def filemap_remove(s: State, pfn: u32, shadow: u64):
    """Take a clean page out of the cache and leave *shadow*, if any; the caller holds a reference.

    What it held must be what its device has.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    file: u32 = page.mapping
    differs: cython.bint = page.flags & (PG_DIRTY | PG_WRITEBACK) != 0 or page.tag != disk_content(s, file, page.index)
    if differs and is_accounted(s, file) and not s.broken:
        s.broken = CHECK_AT_DROP
    xa_erase(s, file, page.index, shadow)
    file_at(s, file).nr_cached -= nr_pages(s, pfn)
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, -nr_pages(s, pfn))
    page.refcount -= 1


# --- buffer heads ----------------------------------------------------------------------------------------------------


def create_buffers(s: State, pfn: u32) -> cython.bint:
    """Give a page its buffer head, as the first write() to it does; it holds a reference.  False: no memory.

    A file system that works by extents (XFS) has none for the pages of its files.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    slab: u32
    if page.flags & PG_PRIVATE or (s.bdi.no_buffer_heads and file_at(s, page.mapping).kind == FILE_REGULAR):
        return True
    slab = object_alloc_gfp(s, CACHE_BUFFER_HEAD, GFP_KERNEL)
    if not slab and s.known_cache[CACHE_BUFFER_HEAD]:
        return False
    if page.flags & PG_PRIVATE:  # another task was there first
        object_free(s, slab)
        return True
    page.private = slab
    page.flags |= PG_PRIVATE
    page.refcount += 1
    return True


def try_to_free_buffers(s: State, pfn: u32) -> cython.bint:
    """Take a clean page's buffer head away; False: they are in use."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    i: u32
    if not page.flags & PG_PRIVATE:
        return True
    if page.flags & (PG_DIRTY | PG_WRITEBACK):
        return False
    for i in range(BH_LRU_SIZE):
        if this_cpu(s).bh_lru[i] == pfn:
            return False
    object_free(s, page.private)
    page.private = 0
    page.flags &= ~cython.cast(u32, PG_PRIVATE)
    page.refcount -= 1
    return True


def pin_buffer(s: State, pfn: u32):
    """Note a device's block that is in use: the cpu remembers the last 16, and those cannot be dropped."""
    i: u32
    for i in range(BH_LRU_SIZE):
        if this_cpu(s).bh_lru[i] == pfn:
            return
    if this_cpu(s).bh_lru[this_cpu(s).bh_next]:
        put_page(s, this_cpu(s).bh_lru[this_cpu(s).bh_next])
    this_cpu(s).bh_lru[this_cpu(s).bh_next] = pfn
    this_cpu(s).bh_next = (this_cpu(s).bh_next + 1) % BH_LRU_SIZE
    s.pages[pfn].refcount += 1


# --- waiting and dropping --------------------------------------------------------------------------------------------


def wait_on_page_locked(s: State, pfn: u32):
    """Let the running task wait until a page's read has ended; a runner returns at once, and must then go back.

    Waiting for a page that was in real use before it was evicted is a stall for lack of memory.
    """
    thrashing: cython.bint = s.pages[pfn].flags & (PG_LOCKED | PG_WORKINGSET) == PG_LOCKED | PG_WORKINGSET
    if in_pieces(s):
        if s.pages[pfn].flags & PG_LOCKED:
            wait_for(s, WAIT_PAGE_LOCKED, pfn, thrashing)
        return
    if thrashing:
        psi_memstall_enter(s)
    while s.pages[pfn].flags & PG_LOCKED:
        hooks.io_schedule(s)
    if thrashing:
        psi_memstall_leave(s)


def invalidate_page(s: State, pfn: u32) -> cython.bint:
    """Drop a page of the cache unless it is in use: dirty, being written, mapped, or referred to by a batch."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    wanted: u32 = 2 + (1 if page.flags & PG_PRIVATE else 0)
    if page.flags & (PG_DIRTY | PG_WRITEBACK | PG_LOCKED) or page.mapcount:
        return False
    page.refcount += 1
    if page.refcount != wanted or not try_to_free_buffers(s, pfn):
        page.refcount -= 1
        return False
    filemap_remove(s, pfn, 0)
    put_page(s, pfn)
    return True


def invalidate_mapping(s: State, file: u32) -> u64:
    """Drop every page of a file that can be dropped, and its shadows; returns how many pages.

    What is in use is moved to the end of the inactive list.
    """
    f: cython.pointer(File) = file_at(s, file)
    index: u64 = 0
    after: u64
    dropped: u64 = 0
    pfn: u32
    while index < f.nr_pages and not is_cut_off(s):
        if f.height:
            after = xa_skip(s, file, index)
            if after != index:
                index = after
                continue
        pfn = file_page(f, index)
        if pfn:
            if invalidate_page(s, pfn):
                dropped += 1
            else:
                deactivate_file_page(s, pfn)
        elif file_shadow(f, index):
            xa_erase_shadow(s, file, index)
        index += 1
    return dropped


def cached_pages(s: State, file: int) -> int:
    """Pages of a file that are in memory."""
    return file_at(s, file).nr_cached


def file_info(s: State, file: int) -> FileFigures:
    """What is known of a file: pages in all, in memory, dirty, taken by reclaim."""
    f: cython.pointer(File) = file_at(s, file)
    return FileFigures(f.nr_pages, f.nr_cached, f.nr_dirty, f.nr_reclaimed)
