"""mprotect: what a process may do with a part of its memory.

An area has rights: read, write, execute.  A touch that its area does not allow is SIGSEGV;
so does a touch of what no area holds.  The processor checks entries, not areas, so that a change of rights goes
through the page tables too::

    fewer rights    the entry loses the bit to write, or, with none left, is no longer present to the processor
                    (PTE_PROTNONE): the page stays, is swapped, and comes back with the rights
    more rights     a page that the area's owner has alone becomes writable at once, if it was written before; all
                    others fault at the next write, as a copy on write, or to be noticed as dirty

A call for a part of an area splits it, and areas that are equal again become one.  A private area that becomes
writable is promised from then on, and stays so, unless it was mapped without a reserve.  A hole in the range is ENOMEM;
what lies before it is done.  A shared mapping of a file that was opened for reading only never becomes writable
(EACCES).

Follows mm/mprotect.c of Linux 6.1 (``do_mprotect_pkey``, ``mprotect_fixup``, ``change_pte_range``) and
mm/huge_memory.c (``change_huge_pmd``).

Not modelled: protection keys.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    is_cut_off,
    mm_at,
    set_current,
    spend_ns,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import is_huge_pmd, pmd_gather
from cython.cimports.memtwin.linux.mm.mlock import populate
from cython.cimports.memtwin.linux.mm.mmap import may_expand_vm
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.util import vm_enough_memory
from cython.cimports.memtwin.linux.mm.vma import (
    find_vma_index,
    merge_neighbours,
    split_vma,
    vm_get_page_prot,
    vm_stat_account,
)

from memtwin.linux.core.state import raise_if_broken


def can_change_pte_writable(s: State, vma: u32, entry: u64) -> cython.bint:
    """Whether a write to a page need not fault: it was written before, and is its owner's alone or a shared file's."""
    if not entry & PTE_DIRTY or entry & PTE_SPECIAL:
        return False
    if vma_at(s, vma).flags & VM_SHARED:
        return True
    return s.pages[entry >> 12].owner == OWNER_ANON and s.pages[entry >> 12].flags & PG_ANON_EXCLUSIVE != 0


def change_pte(s: State, vma: u32, entry: cython.pointer(u64)):
    """Give one entry that maps a page its area's rights."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    entry[0] &= ~cython.cast(u64, PTE_PRESENT | PTE_PROTNONE | PTE_WRITE)
    entry[0] |= area.prot & (PTE_PRESENT | PTE_PROTNONE | PTE_WRITE)
    if area.flags & VM_WRITE and not entry[0] & PTE_WRITE and can_change_pte_writable(s, vma, entry[0]):
        entry[0] |= PTE_WRITE


def change_huge_pmd(s: State, vma: u32, table: u32):
    """Give a huge entry its area's rights: all 512 parts alike."""
    entry: cython.pointer(u64) = table_at(s, table).entry
    first: u64 = entry[0] | (PTE_DIRTY if pmd_gather(s, table, PTE_DIRTY, False) else 0)
    i: u32
    change_pte(s, vma, cython.address(first))
    for i in range(PTRS_PER_TABLE):
        entry[i] &= ~cython.cast(u64, PTE_PRESENT | PTE_PROTNONE | PTE_WRITE)
        entry[i] |= first & (PTE_PRESENT | PTE_PROTNONE | PTE_WRITE)


def change_protection(s: State, vma: u32):
    """Give every entry of an area that maps a page the area's rights."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    vpn: u64 = area.start
    end: u64 = area.end
    table: u32
    entry: cython.pointer(u64)
    while vpn < end and not (not vpn & (PTRS_PER_TABLE - 1) and is_cut_off(s)):
        table = walk(s, vma_at(s, vma).mm, vpn)
        if not table:
            vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
            continue
        if is_huge_pmd(s, table):
            change_huge_pmd(s, vma, table)
            vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
            continue
        entry = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
        if entry[0] and not entry[0] & PTE_SWAP:
            change_pte(s, vma, entry)
        vpn += 1


def is_beyond_limits(s: State, mm: u32, old: u32, new: u32, pages: u64) -> cython.bint:
    """Whether pages that become data are more than the process may have, though as what they are they are not."""
    return not may_expand_vm(s, mm, new, pages, pages) and may_expand_vm(s, mm, old, pages, pages)


def mprotect_fixup(s: State, task: u32, index: u32, start: u64, end: u64, rights: u32) -> u32:
    """Change the part of an area that lies in the range; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    vma: u32 = mm_at(s, mm).vmas[index]
    old: u32 = vma_at(s, vma).flags
    new: u32 = (old & ~cython.cast(u32, VM_ACCESS)) | rights
    first: u64 = max(start, vma_at(s, vma).start)
    last: u64 = min(end, vma_at(s, vma).end)
    if old == new:
        return OK
    if new & VM_WRITE and old & VM_MAYNOTWRITE:
        s.refusal = REFUSED_READ_ONLY
        return EACCES
    if new & VM_WRITE and is_beyond_limits(s, mm, old, new, last - first):
        return ENOMEM
    if new & VM_WRITE and not old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE):
        if not vm_enough_memory(s, mm, last - first):
            return ENOMEM
        new |= VM_ACCOUNT
    if vma_at(s, vma).start < first:
        vma = split_vma(s, vma, first)
        index += 1
    if vma_at(s, vma).end > last:
        split_vma(s, vma, last)
    vma_at(s, vma).flags = new
    vma_at(s, vma).prot = vm_get_page_prot(s, vma)
    vm_stat_account(s, mm, old, -cython.cast(i64, last - first))
    vm_stat_account(s, mm, new, last - first)
    change_protection(s, vma)
    merge_neighbours(s, mm, index)
    if old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED and new & VM_WRITE:
        populate(s, task, first, last)
    return OK


def do_mprotect(s: State, task: u32, start: u64, end: u64, rights: u32) -> u32:
    """Change the rights of a range; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    at: u64 = start
    index: u32
    code: u32
    last: u64
    while at < end:
        index = find_vma_index(s, mm, at)
        if index == mm_at(s, mm).nr_vmas or vma_at(s, mm_at(s, mm).vmas[index]).start > at:
            s.refusal = REFUSED_HOLE
            return ENOMEM
        last = min(end, vma_at(s, mm_at(s, mm).vmas[index]).end)
        code = mprotect_fixup(s, task, index, at, last, rights)
        if code != OK:
            return code
        at = last
    return OK


def seal(s: State, task: int, start: int, pages: int) -> None:
    """Make pages read-only that a program's start has written (relro); its time is part of exec's."""
    do_mprotect(s, task, start, start + pages, VM_READ)


def mprotect(s: State, task: int, start: int, pages: int, read: bool, write: bool, execute: bool) -> int:
    """Change what may be done with pages; returns an Outcome (ENOMEM: a hole in the range)."""
    code: u32
    who: u32 = task
    first: u64 = start
    end: u64 = first + pages
    rights: u32 = (VM_READ if read else 0) | (VM_WRITE if write else 0) | (VM_EXEC if execute else 0)
    set_current(s, who)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    with cython.nogil:
        code = do_mprotect(s, who, first, end, rights)
    raise_if_broken(s)
    return code
