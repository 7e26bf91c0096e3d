"""Memory areas of one address space: finding, inserting, merging, splitting and counting them.

An area (VMA) is a range of pages with one set of rights and one source (a file, or nothing: anonymous).  VIRT is the
sum of all areas; nothing of it need be in memory.  Neighbouring anonymous areas with equal rights become one.

Follows mm/mmap.c of Linux 6.1.  The kernel keeps areas in a maple tree; here they are a sorted array per address
space, searched by halving.
"""

import cython
from cython.cimports.libc.string import memmove
from cython.cimports.memtwin.linux.core.host_memory import longer
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    filp_at,
    mm_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import split_huge_pmd_address
from cython.cimports.memtwin.linux.mm.rmap import anon_vma_share, unlink_anon_vmas, vma_link_file, vma_unlink_file
from cython.cimports.memtwin.linux.mm.shmem import shmem_put
from cython.cimports.memtwin.linux.mm.slub import object_alloc, object_free

SOURCE = "mm/mmap.c", "v6.1"

FIRST_HITS = cython.declare(u32, 4)
NEVER_READ = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)


def find_vma_index(s: State, mm: u32, vpn: u64) -> u32:
    """Index of the first area that ends above page *vpn*; the number of areas if there is none."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    low: u32 = 0
    high: u32 = m.nr_vmas
    middle: u32
    while low < high:
        middle = (low + high) >> 1
        if vma_at(s, m.vmas[middle]).end <= vpn:
            low = middle + 1
        else:
            high = middle
    return low


def find_vma(s: State, mm: u32, vpn: u64) -> u32:
    """The first area that ends above page *vpn* (it need not hold it); 0: none."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    area: cython.pointer(Vma)
    if m.vma_found < m.nr_vmas:
        area = vma_at(s, m.vmas[m.vma_found])
        if area.start <= vpn < area.end:
            return m.vmas[m.vma_found]
    m.vma_found = find_vma_index(s, mm, vpn)
    return m.vmas[m.vma_found] if m.vma_found < m.nr_vmas else 0


def new_vma(s: State) -> u32:
    """Make an area that belongs to no address space yet."""
    vma: u32 = pool_get(cython.address(s.vmas))
    vma_at(s, vma).slab = object_alloc(s, CACHE_VMA)
    vma_at(s, vma).swap_ra.hits = FIRST_HITS
    return vma


def open_filp(s: State, file: u32) -> u32:
    """Open a file: returns a new open file, with one user."""
    filp: u32 = pool_get(cython.address(s.filps))
    filp_at(s, filp).slab = object_alloc(s, CACHE_FILP)
    filp_at(s, filp).file = file
    filp_at(s, filp).users = 1
    filp_at(s, filp).ra_pages = s.bdi.ra_pages
    file_at(s, file).users += 1
    filp_at(s, filp).prev_pos = NEVER_READ
    return filp


def get_filp(s: State, filp: u32) -> u32:
    """One user more of an open file: a fork, a mapping."""
    if filp:
        filp_at(s, filp).users += 1
    return filp


def put_filp(s: State, filp: u32):
    """One user less; the last closes it."""
    file: u32
    if not filp:
        return
    filp_at(s, filp).users -= 1
    if filp_at(s, filp).users == 0:
        file = filp_at(s, filp).file
        object_free(s, filp_at(s, filp).slab)
        pool_put(cython.address(s.filps), filp)
        file_at(s, file).users -= 1
        shmem_put(s, file)


def vm_get_page_prot(s: State, vma: u32) -> u32:
    """The bits of an entry that maps a page of an area's file for a read.

    A write to a page of a file must fault first, so that it is noticed that the page is dirty; one to shared memory
    need not, for nothing writes that back.
    """
    area: cython.pointer(Vma) = vma_at(s, vma)
    writable: u32 = VM_SHARED | VM_WRITE
    if not area.flags & VM_ACCESS:
        return PTE_PROTNONE | PTE_ACCESSED
    if area.file and area.flags & writable == writable and file_at(s, area.file).kind == FILE_SHMEM:
        return PTE_PRESENT | PTE_ACCESSED | PTE_WRITE
    return PTE_PRESENT | PTE_ACCESSED


def insert_vma(s: State, mm: u32, vma: u32):
    """Put an area in its place in the sorted array."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    index: u32 = find_vma_index(s, mm, vma_at(s, vma).start)
    if m.nr_vmas == m.cap_vmas:
        m.cap_vmas = max(m.cap_vmas * 2, 16)
        m.vmas = cython.cast(cython.pointer(u32), longer(m.vmas, m.cap_vmas * cython.sizeof(u32)))
    memmove(
        cython.address(m.vmas[index + 1]),
        cython.address(m.vmas[index]),
        (m.nr_vmas - index) * cython.sizeof(u32),
    )
    m.vmas[index] = vma
    m.nr_vmas += 1
    vma_at(s, vma).prot = vm_get_page_prot(s, vma)
    vma_link_file(s, vma)


def remove_vma(s: State, mm: u32, index: u32):
    """Take an area out of its address space."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    vma: u32 = m.vmas[index]
    file: u32 = vma_at(s, vma).file
    unlink_anon_vmas(s, vma)
    vma_unlink_file(s, vma)
    put_filp(s, vma_at(s, vma).filp)
    if file:
        shmem_put(s, file)
    m.nr_vmas -= 1
    memmove(
        cython.address(m.vmas[index]),
        cython.address(m.vmas[index + 1]),
        (m.nr_vmas - index) * cython.sizeof(u32),
    )
    object_free(s, vma_at(s, vma).slab)
    pool_put(cython.address(s.vmas), vma)


def vm_stat_account(s: State, mm: u32, flags: u32, pages: i64):
    """Count pages of address space: all, and by kind (VmExe and VmLib, VmStk, VmData)."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    m.total_vm += pages
    m.hiwater_vm = max(m.hiwater_vm, m.total_vm)
    if flags & VM_EXEC and not flags & (VM_WRITE | VM_GROWSDOWN):
        m.exec_vm += pages
    elif flags & VM_GROWSDOWN:
        m.stack_vm += pages
    elif flags & VM_WRITE and not flags & VM_SHARED:
        m.data_vm += pages
    if flags & VM_LOCKED:
        m.locked_vm += pages


def merge_vma(s: State, mm: u32, start: u64, end: u64, flags: u32) -> cython.bint:
    """Grow a neighbouring anonymous area of the same kind over the new range; the two around it become one."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    index: u32 = find_vma_index(s, mm, start)
    before: cython.pointer(Vma) = vma_at(s, m.vmas[index - 1]) if index else vma_at(s, 0)
    after: cython.pointer(Vma) = vma_at(s, m.vmas[index]) if index < m.nr_vmas else vma_at(s, 0)
    joins_before: cython.bint = index > 0 and before.end == start and before.flags == flags and not before.file
    joins_after: cython.bint = index < m.nr_vmas and after.start == end and after.flags == flags and not after.file
    if joins_before and joins_after and after.anon_vma == 0:
        before.end = after.end
        remove_vma(s, mm, index)
        return True
    if joins_before:
        before.end = end
        return True
    if joins_after:
        after.pgoff -= after.start - start
        after.start = start
        return True
    return False


def is_mergeable(s: State, low: u32, high: u32) -> cython.bint:
    """Whether two neighbouring areas are parts of one: the same rights, and the same file or anonymous pages."""
    a: cython.pointer(Vma) = vma_at(s, low)
    b: cython.pointer(Vma) = vma_at(s, high)
    if a.end != b.start or a.flags != b.flags or a.file != b.file or a.pgoff + (a.end - a.start) != b.pgoff:
        return False
    return not a.anon_vma or not b.anon_vma or a.anon_vma == b.anon_vma


def merge_two(s: State, mm: u32, index: u32):
    """Let an area take over the one behind it."""
    low: u32 = mm_at(s, mm).vmas[index]
    high: u32 = mm_at(s, mm).vmas[index + 1]
    if not vma_at(s, low).anon_vma:
        anon_vma_share(s, low, high)
    vma_at(s, low).end = vma_at(s, high).end
    remove_vma(s, mm, index + 1)


def merge_neighbours(s: State, mm: u32, index: u32):
    """After an area's rights changed: it becomes one with those around it that are alike."""
    if index + 1 < mm_at(s, mm).nr_vmas and is_mergeable(s, mm_at(s, mm).vmas[index], mm_at(s, mm).vmas[index + 1]):
        merge_two(s, mm, index)
    if index and is_mergeable(s, mm_at(s, mm).vmas[index - 1], mm_at(s, mm).vmas[index]):
        merge_two(s, mm, index - 1)


def split_vma(s: State, vma: u32, at: u64) -> u32:
    """Cut an area in two at page *at*, and a huge entry that lies across it; returns the new upper part.

    All that needs memory comes first: whatever runs for it (reclaim, compaction) finds each page in the area as it was.
    """
    upper: u32 = new_vma(s)
    old: cython.pointer(Vma) = vma_at(s, vma)
    new: cython.pointer(Vma) = vma_at(s, upper)
    new.mm = old.mm
    new.start = at
    new.end = old.end
    new.flags = old.flags
    new.file = old.file
    new.filp = get_filp(s, old.filp)
    new.pgoff = old.pgoff + (at - old.start)
    anon_vma_share(s, upper, vma)
    split_huge_pmd_address(s, vma, at)
    old.end = at
    insert_vma(s, vma_at(s, vma).mm, upper)
    return upper
