"""mmap and munmap, and what fork and exit do to a whole address space.

A private writable area is a promise of its full size (``util.py``), at mmap and again at fork.

Follows mm/mmap.c and kernel/fork.c (``dup_mmap``) of Linux 6.1.

A stack grows downwards by itself when a page below it is touched, up to its limit, and not nearer than 1 MiB to what
lies below.  A process's own limits (setrlimit) count its address space (RLIMIT_AS) and its private writable memory
(RLIMIT_DATA); a fork hands them on.

brk is an anonymous mapping behind a program's data whose end moves, with a page free behind it; mremap stands in
``mremap.py``.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_put
from cython.cimports.memtwin.linux.core.state import State, mm_at, task_at, vma_at
from cython.cimports.memtwin.linux.mm.huge_memory import get_huge_zero_page, put_huge_zero_page
from cython.cimports.memtwin.linux.mm.khugepaged import khugepaged_enter, khugepaged_exit
from cython.cimports.memtwin.linux.mm.lru_gen_walk import lru_gen_del_mm
from cython.cimports.memtwin.linux.mm.memory_range import copy_page_range, zap_page_range
from cython.cimports.memtwin.linux.mm.pgtable import free_pgtables, free_table
from cython.cimports.memtwin.linux.mm.rmap import anon_vma_fork
from cython.cimports.memtwin.linux.mm.slub import object_free
from cython.cimports.memtwin.linux.mm.util import vm_enough_memory, vm_unacct_memory
from cython.cimports.memtwin.linux.mm.vma import (
    find_vma_index,
    get_filp,
    insert_vma,
    merge_vma,
    new_vma,
    remove_vma,
    split_vma,
    vm_stat_account,
)

STACK_GUARD_GAP = cython.declare(u64, 256)
OVERCOMMIT_NEVER = cython.declare(i64, 2)
TASK_SIZE_PAGES = cython.declare(u64, 0x7FFFFFFFF)


def may_expand_vm(s: State, mm: u32, flags: u32, pages: u64, data_pages: u64) -> cython.bint:
    """Whether a process's own limits allow so much more address space, of which *data_pages* may be its data."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    if m.rlimit_as and m.total_vm + pages >= m.rlimit_as:
        s.refusal = REFUSED_RLIMIT_AS
        return False
    if not flags & VM_WRITE or flags & (VM_SHARED | VM_GROWSDOWN) or not m.rlimit_data:
        return True
    if m.data_vm + data_pages >= m.rlimit_data:
        s.refusal = REFUSED_RLIMIT_DATA
        return False
    return True


def acct_stack_growth(s: State, mm: u32, size: u64, grow: u64) -> u32:
    """Whether a stack may become *size* pages long, *grow* more than now; returns an Outcome."""
    m: cython.pointer(Mm) = mm_at(s, mm)
    if not may_expand_vm(s, mm, VM_GROWSDOWN, grow, 0):
        return ENOMEM
    if m.rlimit_stack and size >= m.rlimit_stack:
        s.refusal = REFUSED_RLIMIT_STACK
        return ENOMEM
    return OK if vm_enough_memory(s, mm, grow) else ENOMEM


def expand_stack(s: State, mm: u32, vma: u32, vpn: u64) -> u32:
    """Let the area above page *vpn* grow down to it, if it is a stack that may; returns an Outcome."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    index: u32 = find_vma_index(s, mm, vpn)
    below: cython.pointer(Vma) = vma_at(s, mm_at(s, mm).vmas[index - 1]) if index else vma_at(s, 0)
    grow: u64 = area.start - vpn
    code: u32
    if not area.flags & VM_GROWSDOWN:
        return ENOMEM
    if index and not below.flags & VM_GROWSDOWN and below.flags & VM_ACCESS and vpn - below.end < STACK_GUARD_GAP:
        s.refusal = REFUSED_GUARD_GAP
        return ENOMEM
    code = acct_stack_growth(s, mm, area.end - vpn, grow)
    if code != OK:
        return code
    area.start = vpn
    area.pgoff -= grow
    vm_stat_account(s, mm, area.flags, grow)
    return OK


def do_mmap(s: State, mm: u32, start: u64, pages: u64, flags: u32, file: u32, filp: u32, pgoff: u64) -> u32:
    """Map *pages* pages at page number *start*; private writable ones are charged; returns an Outcome.

    A refusal leaves its reason in ``State.refusal``.
    """
    vma: u32
    area: cython.pointer(Vma)
    if pages == 0:
        s.refusal = REFUSED_LENGTH
        return EINVAL
    if mm_at(s, mm).nr_vmas > s.sysctl.max_map_count:
        s.refusal = REFUSED_MAP_COUNT
        return ENOMEM
    if pages > TASK_SIZE_PAGES or start > TASK_SIZE_PAGES - pages:
        s.refusal = REFUSED_TASK_SIZE
        return ENOMEM
    if not may_expand_vm(s, mm, flags, pages, pages):
        return ENOMEM
    if s.sysctl.overcommit_memory == OVERCOMMIT_NEVER:
        flags &= ~cython.cast(u32, VM_NORESERVE)
    if flags & VM_WRITE and not flags & (VM_SHARED | VM_NORESERVE):
        flags |= VM_ACCOUNT
    if flags & VM_ACCOUNT and not vm_enough_memory(s, mm, pages):
        return ENOMEM
    if file or not merge_vma(s, mm, start, start + pages, flags):
        vma = new_vma(s)
        area = vma_at(s, vma)
        area.mm = mm
        area.start = start
        area.end = start + pages
        area.flags = flags
        area.file = file
        area.filp = get_filp(s, filp)
        area.pgoff = pgoff if file else start
        insert_vma(s, mm, vma)
    vm_stat_account(s, mm, flags, pages)
    return OK


def do_munmap(s: State, task: u32, start: u64, pages: u64) -> u32:
    """Unmap a range of the address space that *task* runs in; areas that it cuts are split."""
    mm: u32 = task_at(s, task).mm
    end: u64 = start + pages
    index: u32 = find_vma_index(s, mm, start)
    area: cython.pointer(Vma)
    floor: u64
    ceiling: u64
    while index < mm_at(s, mm).nr_vmas:
        area = vma_at(s, mm_at(s, mm).vmas[index])
        if area.start >= end:
            break
        if area.start < start:
            split_vma(s, mm_at(s, mm).vmas[index], start)
            index += 1
            continue
        if area.end > end:
            split_vma(s, mm_at(s, mm).vmas[index], end)
            area = vma_at(s, mm_at(s, mm).vmas[index])
        zap_page_range(s, task, mm, area.start, area.end)
        vm_stat_account(s, mm, area.flags, cython.cast(i64, area.start) - cython.cast(i64, area.end))
        if area.flags & VM_ACCOUNT:
            vm_unacct_memory(s, area.end - area.start)
        remove_vma(s, mm, index)
    floor = vma_at(s, mm_at(s, mm).vmas[index - 1]).end if index else 0
    ceiling = vma_at(s, mm_at(s, mm).vmas[index]).start if index < mm_at(s, mm).nr_vmas else TASK_SIZE_PAGES + 1
    free_pgtables(s, mm, floor, ceiling)
    return OK


def do_brk(s: State, task: u32, old: u64, new: u64) -> u32:
    """Move the end of a program's data from page *old* to *new*; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    index: u32
    if new <= old:
        return do_munmap(s, task, new, old - new) if new < old else cython.cast(u32, OK)
    index = find_vma_index(s, mm, old)
    if index < mm_at(s, mm).nr_vmas and vma_at(s, mm_at(s, mm).vmas[index]).start < new + 1:
        s.refusal = REFUSED_NEIGHBOUR
        return ENOMEM
    return do_mmap(s, mm, old, new - old, VM_READ | VM_WRITE, 0, 0, 0)


def exit_mmap(s: State, mm: u32):
    """Take a whole address space down: pages, areas, promises and page tables."""
    area: cython.pointer(Vma)
    while mm_at(s, mm).nr_vmas:
        area = vma_at(s, mm_at(s, mm).vmas[0])
        zap_page_range(s, 0, mm, area.start, area.end)
        if area.flags & VM_ACCOUNT:
            vm_unacct_memory(s, area.end - area.start)
        remove_vma(s, mm, 0)
    free_pgtables(s, mm, 0, TASK_SIZE_PAGES + 1)
    free_table(s, mm_at(s, mm).pgd, False)


def mmput(s: State, mm: u32):
    """One user less of an address space; with the last it is taken down."""
    mm_at(s, mm).users -= 1
    if mm_at(s, mm).users:
        return
    khugepaged_exit(s, mm)
    lru_gen_del_mm(s, mm)
    exit_mmap(s, mm)
    put_huge_zero_page(s, mm)
    object_free(s, mm_at(s, mm).slab)
    pool_put(cython.address(s.mms), mm)


def dup_mmap(s: State, child: u32, parent: u32) -> u32:
    """Copy every area and its page tables to *child*, charging each promise again.

    A refusal half way leaves the parent's pages write-protected up to there, as in the kernel; the caller takes the
    child down.
    """
    i: u32
    new: u32
    code: u32
    pages: u64
    flags: u32
    source: u32
    if mm_at(s, parent).scan_listed:
        khugepaged_enter(s, child)
    if mm_at(s, parent).huge_zero_page:
        get_huge_zero_page(s, child)
    for i in range(mm_at(s, parent).nr_vmas):
        source = mm_at(s, parent).vmas[i]
        pages = vma_at(s, source).end - vma_at(s, source).start
        flags = vma_at(s, source).flags & ~cython.cast(u32, VM_LOCKED)
        if flags & VM_ACCOUNT and not vm_enough_memory(s, parent, pages):
            return ENOMEM
        new = new_vma(s)
        vma_at(s, new).start = vma_at(s, source).start
        vma_at(s, new).end = vma_at(s, source).end
        vma_at(s, new).pgoff = vma_at(s, source).pgoff
        vma_at(s, new).file = vma_at(s, source).file
        vma_at(s, new).filp = get_filp(s, vma_at(s, source).filp)
        vma_at(s, new).mm = child
        vma_at(s, new).flags = flags
        insert_vma(s, child, new)
        vm_stat_account(s, child, flags, pages)
        anon_vma_fork(s, new, source)
        code = copy_page_range(s, child, parent, new, source)
        if code != OK:
            return code
    return OK
