"""Files in memory: which page of which file stands in which frame.

Only ramfs is here yet: its pages are the file's only copy, so they are always dirty to ``smaps``, unevictable, and
never read from a device.  The program that every process of a scenario runs lies in such a file, and all processes
map the same pages of it.

Follows mm/filemap.c and fs/ramfs/ of Linux 6.1.

Not modelled yet: reading from a device, readahead, writing, eviction.
"""

import cython
from cython.cimports.libc.stdlib import calloc
from cython.cimports.memtwin.mm.lru import lru_add
from cython.cimports.memtwin.mm.mm_types import (
    FILE_RAMFS,
    FILE_SHMEM,
    FILE_VDSO,
    OWNER_FILE,
    PG_ACTIVE,
    PG_DIRTY,
    PG_SWAPBACKED,
    PG_UNEVICTABLE,
    PG_UPTODATE,
    File,
    Page,
    u32,
    u64,
)
from cython.cimports.memtwin.mm.state import State, file_at, pool_get
from cython.cimports.memtwin.mm.vmstat import NR_FILE_PAGES, NR_SHMEM

SOURCE = "mm/filemap.c", "v6.1"


def create_file(s: State, pages: int, kind: int) -> int:
    """Make a file of *pages* pages, none of them in memory, and return its number."""
    file: u32 = pool_get(cython.address(s.files))
    f: cython.pointer(File) = file_at(s, file)
    f.nr_pages = pages
    f.kind = kind
    f.pages = cython.cast(cython.pointer(u32), calloc(max(pages, 1), cython.sizeof(u32)))
    return file


def filemap_get(s: State, file: u32, index: u64) -> u32:
    """The frame of a page of a file; 0: not in memory, or past its end."""
    f: cython.pointer(File) = file_at(s, file)
    return f.pages[index] if index < f.nr_pages else 0


def filemap_add(s: State, file: u32, index: u64, pfn: u32, active: cython.bint):
    """Make the frame *pfn*, which the caller allocated, the page *index* of a file and put it on its list."""
    f: cython.pointer(File) = file_at(s, file)
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.owner = OWNER_FILE
    page.mapping = file
    page.index = index
    page.flags = PG_UPTODATE
    f.pages[index] = pfn
    f.nr_cached += 1
    if f.kind == FILE_VDSO:
        return
    if f.kind == FILE_RAMFS:
        page.flags |= PG_DIRTY | PG_UNEVICTABLE
    elif active:
        page.flags |= PG_ACTIVE
    if f.kind == FILE_SHMEM:
        page.flags |= PG_SWAPBACKED
        s.node[NR_SHMEM] += 1
    s.node[NR_FILE_PAGES] += 1
    lru_add(s, pfn)


def cached_pages(s: State, file: int) -> int:
    """Pages of a file that are in memory."""
    return file_at(s, file).nr_cached
