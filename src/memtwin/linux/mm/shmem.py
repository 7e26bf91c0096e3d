"""Shared memory and tmpfs: files whose pages lie in memory alone, and in swap when memory is short.

A memfd, a System V segment and an anonymous shared mapping are files too, without a name; each mapping of one leads to
the same pages.  They are counted as page cache (``Cached``) and as ``Shmem``, stand on the anonymous lists, and go to
swap as anonymous pages do.  Where such a page lies is not said by page tables, which may be many, but by the file::

    a page in memory        the tree's entry is the page
    swapped out             the entry is the slot
    never written           nothing: it reads as zeroes

So a page that is swapped out is nowhere mapped, in no process's ``VmSwap``, and its slot has one user: the file.

=============================== ======================================================================================
what refuses a page             what comes of it
=============================== ======================================================================================
the tmpfs has its size= in use  ENOSPC for a write, SIGBUS for a touch of a mapping
vm.overcommit_memory is 2       the same; an anonymous shared mapping and a System V segment are promised as a whole
no memory                       ENOMEM, or the OOM killer
=============================== ======================================================================================

Truncation takes pages and slots away at once; what then lies beyond the end is SIGBUS, until a write makes it longer.

Follows mm/shmem.c of Linux 6.1 (``shmem_get_folio_gfp``, ``shmem_swapin_folio``, ``shmem_writepage``,
``shmem_fault``, ``shmem_unuse``, ``shmem_truncate_range``, ``shmem_evict_inode``).

Not modelled: huge pages, fallocate, SHM_LOCK, extended attributes, truncation of part of a file.
"""

import cython
from cython.cimports.libc.stdlib import free
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    file_page,
    file_shadow,
    hooks,
    in_pieces,
    is_cut_off,
    mod_lruvec_page_state,
    must_return,
    nr_pages,
    set_current,
    spend_ns,
    task_at,
    this_cpu,
)
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_for
from cython.cimports.memtwin.linux.lib.xarray import file_reserve, make_chunk, xa_erase, xa_skip, xa_store
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.filemap import filemap_get, wait_on_page_locked
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.page_io import swap_writepage
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.pgtable import CHECK_AT_SWAP_IN
from cython.cimports.memtwin.linux.mm.slub import object_alloc, object_free
from cython.cimports.memtwin.linux.mm.swap import lru_cache_add, mark_page_accessed, put_page
from cython.cimports.memtwin.linux.mm.swap_state import (
    add_to_swap_cache,
    delete_from_swap_cache,
    lookup_swap_cache,
)
from cython.cimports.memtwin.linux.mm.swapfile import (
    free_swap_and_cache,
    get_swap_page,
    put_swap_page,
    swap_duplicate,
    swap_free,
)
from cython.cimports.memtwin.linux.mm.swapin import swap_cluster_readahead
from cython.cimports.memtwin.linux.mm.util import vm_enough_memory, vm_unacct_memory

from memtwin.linux.core.host_memory import raise_if_short
from memtwin.linux.core.state import raise_if_broken
from memtwin.linux.records import SharedFigures


def swap_value(entry: u32) -> u64:
    """What the tree holds for a page in a slot (``swp_to_radix_entry``)."""
    return (cython.cast(u64, entry) << 1) | 1


def shmem_swap_entry(s: State, file: u32, index: u64) -> u32:
    """The slot that holds a page of shared memory; 0: it is in memory, or was never written."""
    return cython.cast(u32, file_shadow(file_at(s, file), index) >> 1)


# --- promises and limits ---------------------------------------------------------------------------------------------


def shmem_acct_block(s: State, file: u32) -> cython.bint:
    """Charge one more page of a file: to the promises, if it was not promised as a whole, and to the tmpfs's size."""
    f: cython.pointer(File) = file_at(s, file)
    s.alloc_error = ENOSPC
    if f.no_reserve and not vm_enough_memory(s, task_at(s, this_cpu(s).current).mm, 1):
        return False
    if s.tmpfs_max_blocks[f.tmpfs]:
        if s.tmpfs_used_blocks[f.tmpfs] >= s.tmpfs_max_blocks[f.tmpfs]:
            s.refusal = REFUSED_TMPFS
            s.full_tmpfs = f.tmpfs
            if f.no_reserve:
                vm_unacct_memory(s, 1)
            return False
        s.tmpfs_used_blocks[f.tmpfs] += 1
    return True


def shmem_unacct_block(s: State, file: u32):
    """Take the charge of one page back."""
    f: cython.pointer(File) = file_at(s, file)
    if f.no_reserve:
        vm_unacct_memory(s, 1)
    if s.tmpfs_max_blocks[f.tmpfs]:
        s.tmpfs_used_blocks[f.tmpfs] -= 1


# --- pages of a file -------------------------------------------------------------------------------------------------


def shmem_add_to_page_cache(s: State, pfn: u32, file: u32, index: u64, gfp: u32) -> cython.bint:
    """Let a page stand at a place of a file, where nothing or a slot stood; False: no memory for the tree."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if not xa_store(s, file, index, pfn, gfp):
        return False
    page.owner = OWNER_FILE
    page.mapping = file
    page.index = index
    file_at(s, file).nr_cached += nr_pages(s, pfn)
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, nr_pages(s, pfn))
    mod_lruvec_page_state(s, pfn, NR_SHMEM, nr_pages(s, pfn))
    return True


def shmem_delete_from_page_cache(s: State, pfn: u32, value: u64):
    """Take a page out of its file, and leave *value* in its place: a slot, or 0; the page then belongs to no file."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    file: u32 = page.mapping
    xa_erase(s, file, page.index, value)
    file_at(s, file).nr_cached -= nr_pages(s, pfn)
    mod_lruvec_page_state(s, pfn, NR_FILE_PAGES, -nr_pages(s, pfn))
    mod_lruvec_page_state(s, pfn, NR_SHMEM, -nr_pages(s, pfn))
    page.owner = OWNER_ANON
    page.mapping = 0
    page.refcount -= 1


def shmem_alloc_page(s: State, file: u32, index: u64, write: cython.bint) -> u32:
    """A new page of zeroes at a place of a file; 0: ``State.alloc_error`` says why not."""
    pfn: u32
    if not shmem_acct_block(s, file):
        return 0
    pfn = alloc_pages(s, 0, GFP_HIGHUSER_MOVABLE | (0 if write else GFP_ZERO))
    if not pfn:
        shmem_unacct_block(s, file)
        return 0
    gone: cython.bint = not write and index >= file_at(s, file).nr_pages
    if gone or filemap_get(s, file, index) or shmem_swap_entry(s, file, index):
        free_unref_page(s, pfn, 0)  # it was truncated meanwhile, or another task was there first
        shmem_unacct_block(s, file)
        return shmem_get_page(s, file, index, write, cython.NULL)
    prep_new_page(s, pfn, 0, OWNER_ANON)
    s.pages[pfn].tag = 0
    s.pages[pfn].flags |= PG_SWAPBACKED | PG_UPTODATE | (PG_REFERENCED if write else 0)
    if not shmem_add_to_page_cache(s, pfn, file, index, GFP_HIGHUSER_MOVABLE):
        free_unref_page(s, pfn, 0)
        shmem_unacct_block(s, file)
        s.alloc_error = ENOMEM
        return filemap_get(s, file, index)  # another task may have been there first
    lru_cache_add(s, pfn)
    spend_ns(s, s.cost_ns[COST_CACHE_PAGE])
    return pfn


def note_shmem_hit(s: State, pfn: u32):
    """A page was found in the swap cache: if it was read ahead, that was worth it."""
    if s.pages[pfn].flags & (PG_READAHEAD | PG_WRITEBACK) == PG_READAHEAD:
        s.pages[pfn].flags &= ~cython.cast(u32, PG_READAHEAD)
        s.event[SWAP_RA_HIT] += 1
        s.swap_ra.hits += 1


def shmem_read_slot(s: State, entry: u32, major: cython.pointer(cython.bint)) -> u32:
    """The swap cache's page of a slot, up to date and written, with one more reference; 0: no memory.

    *major*, if a fault asks: whether it had to be read.
    """
    pfn: u32 = lookup_swap_cache(s, entry)
    if pfn:
        note_shmem_hit(s, pfn)
    else:
        if major != cython.NULL:
            major[0] = True
            s.event[PGMAJFAULT] += 1
        pfn = swap_cluster_readahead(s, entry)
        if not pfn:
            s.alloc_error = ENOMEM
            return 0
    s.pages[pfn].refcount += 1
    wait_on_page_locked(s, pfn)
    if in_pieces(s):
        return wait_for_slot(s, pfn)
    while s.pages[pfn].flags & PG_WRITEBACK:
        hooks.io_schedule(s)
    return pfn


def wait_for_slot(s: State, pfn: u32) -> u32:
    """Let a runner wait for a page's read or write, without the reference to it; the page: it need not."""
    if s.pages[pfn].flags & PG_WRITEBACK:
        wait_for(s, WAIT_PAGE_WRITEBACK, pfn, False)
    if not must_return(s):
        return pfn
    put_page(s, pfn)
    s.alloc_error = AGAIN
    return 0


def shmem_swapin_page(s: State, file: u32, index: u64, major: cython.pointer(cython.bint)) -> u32:
    """Bring a page back from its slot, which is free then; 0: no memory.

    The reference that is taken to wait for it becomes that of its file.
    """
    entry: u32 = shmem_swap_entry(s, file, index)
    pfn: u32 = shmem_read_slot(s, entry, major)
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    chunk: cython.pointer(u64)
    if not pfn:
        if must_return(s) or shmem_swap_entry(s, file, index) == entry:
            return 0
        return shmem_get_page(s, file, index, False, major)  # the slot is empty: another task has brought it back
    if shmem_swap_entry(s, file, index) != entry or not page.flags & PG_SWAPCACHE or page.private != entry:
        put_page(s, pfn)  # while this task waited another one brought it back
        return shmem_get_page(s, file, index, False, major)
    shmem_add_to_page_cache(s, pfn, file, index, GFP_HIGHUSER_MOVABLE)
    chunk = cython.address(make_chunk(file_at(s, file), index).disk[index & (XA_CHUNK - 1)])
    if page.tag + 1 != chunk[0] and not s.broken:
        s.broken = CHECK_AT_SWAP_IN
    chunk[0] = 0
    file_at(s, file).nr_swapped -= nr_pages(s, pfn)
    delete_from_swap_cache(s, pfn, 0)
    page.flags |= PG_DIRTY
    put_swap_page(s, entry)
    swap_free(s, entry)
    return pfn


def shmem_get_page(s: State, file: u32, index: u64, write: cython.bint, major: cython.pointer(cython.bint)) -> u32:
    """A page of a file, made or brought back if it is not in memory; 0: ``State.alloc_error`` says why not.

    *write*: for write(), which counts as a use and may be beyond the end, else SIGBUS. *major*: of a fault, or NULL.
    """
    pfn: u32 = filemap_get(s, file, index)
    if pfn:
        if write:
            mark_page_accessed(s, pfn)
        return pfn
    if not write and index >= file_at(s, file).nr_pages:
        s.alloc_error = SIGBUS
        return 0
    if shmem_swap_entry(s, file, index):
        pfn = shmem_swapin_page(s, file, index, major)
        if pfn and write:
            mark_page_accessed(s, pfn)
        return pfn
    return shmem_alloc_page(s, file, index, write)


def shmem_fault(s: State, file: u32, index: u64) -> u32:
    """Find a page of shared memory for a fault; 0: ``State.alloc_error`` says why not (SIGBUS: it may have no more)."""
    t: cython.pointer(Task) = task_at(s, this_cpu(s).current)
    major: cython.bint = False
    pfn: u32
    pfn = shmem_get_page(s, file, index, False, cython.address(major))
    if major:
        t.min_flt -= 1
        t.maj_flt += 1
    if not pfn and s.alloc_error == ENOSPC:
        s.alloc_error = SIGBUS
    return pfn


def shmem_writepage(s: State, pfn: u32) -> u32:
    """Reclaim writes a dirty page that nothing maps to swap: its file's tree names the slot from now on.

    Returns what ``swap_writepage`` says; NO_SLOT: there is none, and the page stays as it was.
    """
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    file: u32 = page.mapping
    index: u64 = page.index
    entry: u32 = get_swap_page(s) if s.total_swap_pages else 0
    if not entry:
        return NO_SLOT
    if not add_to_swap_cache(s, pfn, entry, GFP_HIGH | GFP_NOMEMALLOC):
        put_swap_page(s, entry)
        return NO_SLOT
    file_at(s, file).nr_swapped += nr_pages(s, pfn)
    swap_duplicate(s, entry)
    make_chunk(file_at(s, file), index).disk[index & (XA_CHUNK - 1)] = page.tag + 1
    shmem_delete_from_page_cache(s, pfn, swap_value(entry))
    spend_ns(s, s.cost_ns[COST_SWAP_PAGE])
    return swap_writepage(s, pfn)


def shmem_drop_clean(s: State, pfn: u32):
    """Drop a page that was never written: reading it makes one of zeroes again."""
    file: u32 = s.pages[pfn].mapping
    shmem_delete_from_page_cache(s, pfn, 0)
    shmem_unacct_block(s, file)


def shmem_partial_swap_usage(s: State, file: u32, start: u64, pages: u64) -> u64:
    """How many of a file's pages from *start* on lie in swap areas."""
    index: u64
    swapped: u64 = 0
    if file_at(s, file).nr_swapped:
        for index in range(start, min(start + pages, file_at(s, file).nr_pages)):
            swapped += shmem_swap_entry(s, file, index) != 0
    return swapped


# --- swapoff ---------------------------------------------------------------------------------------------------------


def shmem_unuse(s: State, area: u32) -> u32:
    """Bring back all that files have in an area that is turned off; returns an Outcome.

    Its last user may be killed for memory meanwhile: a file that is worked on stays until that is done.
    """
    file: u32
    code: u32 = OK
    for file in range(1, s.files.nr):
        if code == OK and file_at(s, file).kind == FILE_SHMEM and file_at(s, file).nr_swapped:
            file_at(s, file).users += 1
            code = shmem_unuse_file(s, file, area)
            file_at(s, file).users -= 1
            shmem_put(s, file)
    return code


def shmem_unuse_file(s: State, file: u32, area: u32) -> u32:
    """Bring back what one file has in an area; returns an Outcome."""
    index: u64 = 0
    after: u64
    while index < file_at(s, file).nr_pages and not is_cut_off(s):
        after = xa_skip(s, file, index)
        if after != index and file_at(s, file).height:
            index = after
            continue
        if (
            shmem_swap_entry(s, file, index)
            and shmem_swap_entry(s, file, index) >> SWAP_TYPE_SHIFT == area
            and not shmem_swapin_page(s, file, index, cython.NULL)
            and s.alloc_error != SIGBUS
        ):
            return ENOMEM
        index += 1
    return OK


# --- a file's life ---------------------------------------------------------------------------------------------------


def shmem_truncate_range(s: State, file: u32):
    """Free all that a file holds, in memory and in swap areas."""
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
        if pfn:
            s.pages[pfn].refcount += 1
            s.pages[pfn].flags &= ~cython.cast(u32, PG_DIRTY)
            shmem_delete_from_page_cache(s, pfn, 0)
            put_page(s, pfn)
            shmem_unacct_block(s, file)
        elif shmem_swap_entry(s, file, index):
            drop_slot(s, file, index)
        index += 1


def shmem_evict(s: State, file: u32):
    """Free a file that has no name, descriptor or mapping left: pages, slots, promises, and what the kernel kept."""
    f: cython.pointer(File) = file_at(s, file)
    index: u64
    i: u32
    shmem_truncate_range(s, file)
    vm_unacct_memory(s, f.nr_promised)
    for i in range(3):
        object_free(s, f.slabs[i])
    for index in range(f.cap_pages // XA_CHUNK):
        free(f.chunks[index])
    free(f.chunks)
    for i in range(NR_XA_LEVELS):
        free(f.nodes[i])
    pool_put(cython.address(s.files), file)


def drop_slot(s: State, file: u32, index: u64):
    """Free the slot of a page that goes away with its file."""
    entry: u32 = shmem_swap_entry(s, file, index)
    xa_erase(s, file, index, 0)
    file_at(s, file).nr_swapped -= 1
    make_chunk(file_at(s, file), index).disk[index & (XA_CHUNK - 1)] = 0
    free_swap_and_cache(s, entry)
    shmem_unacct_block(s, file)


def shmem_put(s: State, file: u32):
    """An area, a name or a descriptor of a file went away: without any of these it is freed."""
    f: cython.pointer(File) = file_at(s, file)
    if f.kind == FILE_SHMEM and not f.users and not f.i_mmap:
        shmem_evict(s, file)


def shmem_file(s: State, pages: u64, promised: cython.bint) -> u32:
    """Make a file of shared memory with one user, *promised* at once or not; 0: ``State.alloc_error`` says why not."""
    file: u32
    if promised and not vm_enough_memory(s, task_at(s, this_cpu(s).current).mm, pages):
        s.alloc_error = ENOMEM
        return 0
    file = pool_get(cython.address(s.files))
    if not file_reserve(s, file, max(pages, cython.cast(u64, 1))):
        pool_put(cython.address(s.files), file)
        s.alloc_error = EINVAL
        return 0
    file_at(s, file).kind = FILE_SHMEM
    file_at(s, file).nr_pages = pages
    file_at(s, file).users = 1
    file_at(s, file).no_reserve = not promised
    file_at(s, file).nr_promised = pages if promised else 0
    file_at(s, file).slabs[0] = object_alloc(s, CACHE_DENTRY)
    file_at(s, file).slabs[1] = object_alloc(s, CACHE_SHMEM_INODE)
    file_at(s, file).slabs[2] = object_alloc(s, CACHE_LSM_INODE)
    return file


# --- what Python calls -----------------------------------------------------------------------------------------------


def create(s: State, task: int, pages: int, promised: bool, tmpfs: int = 0) -> tuple[int, int]:
    """Make a file of shared memory with one user; returns (Outcome, file).

    *promised*: MAP_SHARED memory that has no name, which is charged as a whole; a memfd and a file of the *tmpfs* with
    this number are charged page by page.
    """
    file: u32
    set_current(s, task)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    if not pages and promised:
        s.refusal = REFUSED_LENGTH
        return EINVAL, 0
    file = shmem_file(s, pages, promised)
    if not file:
        raise_if_short()
        return s.alloc_error, 0
    file_at(s, file).tmpfs = tmpfs
    return OK, file


def put(s: State, file: int) -> None:
    """A name or descriptor of a file goes away."""
    file_at(s, file).users -= 1
    shmem_put(s, file)
    raise_if_broken(s)


def mount(s: State, tmpfs: int, pages: int) -> None:
    """Say how many pages a tmpfs may have, by its number from 1; 0: there is no limit."""
    s.tmpfs_max_blocks[tmpfs] = pages


def figures(s: State, file: int) -> SharedFigures:
    """What is known of a file of shared memory, in pages."""
    f: cython.pointer(File) = file_at(s, file)
    return SharedFigures(f.nr_pages, f.nr_cached, f.nr_swapped)


def swapped_pages(s: State) -> int:
    """Pages of shared memory that lie in swap areas, of all files."""
    total = 0
    for file in range(1, s.files.nr):
        if file_at(s, file).kind == FILE_SHMEM and file_at(s, file).cap_pages:
            total += file_at(s, file).nr_swapped
    return total


def tmpfs_usage(s: State, tmpfs: int) -> tuple[int, int]:
    """(pages in use, pages in all; 0: there is no limit) of a tmpfs."""
    return s.tmpfs_used_blocks[tmpfs], s.tmpfs_max_blocks[tmpfs]


def full_tmpfs(s: State) -> int:
    """Return the number of the tmpfs that refused a page last."""
    return s.full_tmpfs
