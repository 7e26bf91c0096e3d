"""mlock and munlock: memory that reclaim must leave alone.

Locking a range faults all of it in, writable private memory for writing, and moves its pages to the **unevictable**
list, where reclaim does not look.  ``Mlocked`` counts them; ``Unevictable`` also holds ramfs.  The list moves come in
batches, but for the last ones of a call.

A locked area is a part of its own: a call that locks half of one splits it, and areas that are equal again become one.

Follows mm/mlock.c of Linux 6.1.

A process of an ordinary user locks at most RLIMIT_MEMLOCK, 8 MiB by default: more is ENOMEM, and a limit of 0 is EPERM.
What it has locked already counts once.  Root is not bound.

Not modelled: mlockall, MLOCK_ONFAULT, pages locked through several areas.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    hooks,
    is_compound,
    is_cut_off,
    mm_at,
    set_current,
    spend_ns,
    table_at,
    task_at,
    this_cpu,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import is_huge_zero_pmd, pmd_page
from cython.cimports.memtwin.linux.mm.memory import access_page
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.swap import lru_add_drain, mark_page_accessed, mlock_page, munlock_page
from cython.cimports.memtwin.linux.mm.vma import find_vma, find_vma_index, merge_neighbours, split_vma

from memtwin.linux.core.state import raise_if_broken


def mlock_fixup(s: State, mm: u32, index: u32, start: u64, end: u64, lock: cython.bint):
    """Set or clear the lock of the part of an area that lies in the range: split it off, or join it to its like."""
    area: cython.pointer(Vma) = vma_at(s, mm_at(s, mm).vmas[index])
    pages: i64
    if (area.flags & VM_LOCKED != 0) == lock:
        return
    if area.start < start:
        split_vma(s, mm_at(s, mm).vmas[index], start)
        index += 1
    if vma_at(s, mm_at(s, mm).vmas[index]).end > end:
        split_vma(s, mm_at(s, mm).vmas[index], end)
    area = vma_at(s, mm_at(s, mm).vmas[index])
    pages = area.end - area.start
    area.flags ^= VM_LOCKED
    mm_at(s, mm).locked_vm += pages if lock else -pages
    mlock_range(s, mm, area.start, area.end, lock)
    merge_neighbours(s, mm, index)


def mlock_range(s: State, mm: u32, start: u64, end: u64, lock: cython.bint):
    """Move the pages of a range that are there already."""
    vpn: u64 = start
    table: u32
    pte: u64
    lru_add_drain(s)
    while vpn < end:
        table = walk(s, mm, vpn)
        if not table:
            vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
            continue
        pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
        if pte & PTE_HUGE:
            mlock_huge_pmd(s, table, lock)
            vpn = (vpn | (PTRS_PER_TABLE - 1)) + 1
            continue
        if (
            pte & (PTE_PRESENT | PTE_PROTNONE)
            and not pte & PTE_SPECIAL
            and not is_compound(s, cython.cast(u32, pte >> 12))
        ):
            if lock:
                mlock_page(s, cython.cast(u32, pte >> 12))
            else:
                munlock_page(s, cython.cast(u32, pte >> 12))
        vpn += 1
    lru_add_drain(s)


def mlock_huge_pmd(s: State, table: u32, lock: cython.bint):
    """Move the huge page of a huge entry, which lies within the range: else it has been split."""
    if is_huge_zero_pmd(s, table):
        return
    if lock:
        mlock_page(s, pmd_page(s, table))
    else:
        munlock_page(s, pmd_page(s, table))


def populate(s: State, task: u32, start: u64, end: u64) -> u32:
    """Fault a locked range in, which counts as a use of each page; returns an Outcome."""
    vpn: u64
    table: u32
    pte: u64
    vma: u32
    code: u32
    write: cython.bint
    for vpn in range(start, end):
        if is_cut_off(s):
            break
        vma = find_vma(s, task_at(s, task).mm, vpn)
        if not vma or vma_at(s, vma).start > vpn:
            return ENOMEM
        write = vma_at(s, vma).flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        code = access_page(s, task, vpn, write)
        if code != OK:
            return ENOMEM if code == SIGSEGV else code
        table = walk(s, task_at(s, task).mm, vpn)
        pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
        if not pte & PTE_SPECIAL:
            mark_page_accessed(s, compound_head(s, cython.cast(u32, pte >> 12)))
        if s.rq.resched:
            hooks.cond_resched(s)
    return OK


def mlock_future_check(s: State, task: u32, flags: u32, pages: u64) -> cython.bint:
    """Whether so many pages more may be locked by *task*, if they are to be (VM_LOCKED in *flags*)."""
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    if not flags & VM_LOCKED or not task_at(s, task).uid or not m.rlimit_memlock:
        return True
    if m.locked_vm + pages < m.rlimit_memlock:
        return True
    s.refusal = REFUSED_RLIMIT_MEMLOCK
    return False


def count_mm_mlocked_page_nr(s: State, mm: u32, start: u64, end: u64) -> u64:
    """How many pages of a range lie in locked areas."""
    index: u32
    area: cython.pointer(Vma)
    count: u64 = 0
    for index in range(find_vma_index(s, mm, start), mm_at(s, mm).nr_vmas):
        area = vma_at(s, mm_at(s, mm).vmas[index])
        if area.start >= end:
            break
        if area.flags & VM_LOCKED:
            count += min(end, area.end) - max(start, area.start)
    return count


def may_lock(s: State, task: u32, start: u64, end: u64) -> u32:
    """Whether a process may lock a range; returns an Outcome (EPERM: it may lock nothing)."""
    mm: u32 = task_at(s, task).mm
    locked: u64 = end - start
    if not task_at(s, task).uid or not mm_at(s, mm).rlimit_memlock:
        return OK
    s.refusal = REFUSED_RLIMIT_MEMLOCK
    if mm_at(s, mm).rlimit_memlock == 1:
        return EPERM
    locked += mm_at(s, mm).locked_vm
    if locked >= mm_at(s, mm).rlimit_memlock:
        locked -= count_mm_mlocked_page_nr(s, mm, start, end)
    return OK if locked < mm_at(s, mm).rlimit_memlock else ENOMEM


def do_mlock(s: State, task: u32, start: u64, end: u64, lock: cython.bint) -> u32:
    """Lock or unlock a range; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    index: u32 = find_vma_index(s, mm, start)
    at: u64
    code: u32 = may_lock(s, task, start, end) if lock else cython.cast(u32, OK)
    if code != OK:
        return code
    if lock:
        lru_add_drain(s)
    while index < mm_at(s, mm).nr_vmas:
        if vma_at(s, mm_at(s, mm).vmas[index]).start >= end:
            break
        at = vma_at(s, mm_at(s, mm).vmas[index]).end
        mlock_fixup(s, mm, index, start, end, lock)
        index = find_vma_index(s, mm, at)
    return populate(s, task, start, end) if lock else OK


def mlock(s: State, task: int, start: int, pages: int, lock: bool) -> int:
    """Mlock (*lock*) or munlock of pages; returns an Outcome."""
    code: u32
    first: u64 = start
    end: u64 = first + pages
    locks: cython.bint = lock
    set_current(s, task)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    with cython.nogil:
        code = do_mlock(s, this_cpu(s).current, first, end, locks)
    raise_if_broken(s)
    return code
