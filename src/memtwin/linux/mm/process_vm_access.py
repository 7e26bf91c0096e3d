"""process_vm_readv: one process reads another's memory, if it may.

Who may trace a process may read it: root, and a process of the same user (``ptrace_may_access``); for all others it is
EPERM, whatever the page holds.  Pages that the other has swapped out, or never touched, are faulted in for it, in the
time of the reader, whose faults they are; that counts as a use of the page.  What is not mapped there, or not readable,
is EFAULT: the other does not notice.  Whose address space is gone, killed while the reader came to its call, is ESRCH.
The reader holds the address space: if a fault of its has the other killed for its memory, private pages are EFAULT from
then on, shared ones can still be read, and the reader takes the address space down when it is done.

Follows mm/process_vm_access.c and kernel/ptrace.c of Linux 6.1 (``process_vm_rw_core``, ``__ptrace_may_access``,
``check_stable_address_space``).

Not modelled: process_vm_writev, Yama's ptrace_scope (0 in Debian), capabilities of others than root, PR_SET_DUMPABLE.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    compound_head,
    mm_at,
    set_current,
    spend_ns,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.memory import access_page, access_remote_page
from cython.cimports.memtwin.linux.mm.mmap import mmput
from cython.cimports.memtwin.linux.mm.pgtable import walk
from cython.cimports.memtwin.linux.mm.swap import mark_page_accessed
from cython.cimports.memtwin.linux.mm.vma import find_vma

from memtwin.linux.core.state import raise_if_broken
from memtwin.linux.records import Outcome


def ptrace_may_access(s: State, task: u32, other: u32) -> cython.bint:
    """Whether *task* may look into *other*."""
    if not task_at(s, task).uid or task_at(s, task).uid == task_at(s, other).uid:
        return True
    s.refusal = REFUSED_FOREIGN
    return False


def get_remote_page(s: State, task: u32, other: u32, mm: u32, vpn: u64) -> u32:
    """Have a page of another's address space in memory, which is a use of it; returns an Outcome.

    EFAULT, too, where this fault has the other killed.
    """
    code: u32 = EFAULT if is_reaped(s, other, mm, vpn) else access_remote_page(s, task, mm, vpn, False)
    pte: u64
    if code == OK and is_reaped(s, other, mm, vpn):
        return EFAULT
    if code == OK:
        pte = table_at(s, walk(s, mm, vpn)).entry[vpn & (PTRS_PER_TABLE - 1)]
        if not pte & PTE_SPECIAL:
            mark_page_accessed(s, compound_head(s, cython.cast(u32, pte >> 12)))
    return EFAULT if code == SIGSEGV or code == SIGBUS else code


def is_reaped(s: State, other: u32, mm: u32, vpn: u64) -> cython.bint:
    """Whether *other* was killed for its memory meanwhile and this page is private: no fault brings it back."""
    vma: u32 = find_vma(s, mm, vpn)
    if not task_at(s, other).oom_victim or task_at(s, other).mm == mm:
        return False
    return not vma or not vma_at(s, vma).flags & VM_SHARED


def process_vm_rw(s: State, task: u32, other: u32, start: u64, pages: u64, buffer: u64, buffer_pages: u64) -> u32:
    """Copy *pages* of *other* from page *start* on into a buffer of *task*, as often as it is full; an Outcome."""
    i: u64
    mm: u32 = task_at(s, other).mm
    code: u32 = OK
    if not ptrace_may_access(s, task, other):
        return EPERM
    mm_at(s, mm).users += 1
    for i in range(pages):
        code = get_remote_page(s, task, other, mm, start + i)
        if code == OK:
            code = access_page(s, task, buffer + i % buffer_pages, True)
        if code != OK:
            break
        spend_ns(s, s.cost_ns[COST_READ_PAGE])
    mmput(s, mm)
    return code


def may_access(s: State, task: int, other: int) -> bool:
    """Whether a process may look into another."""
    return ptrace_may_access(s, task, other)


def process_vm_readv(s: State, task: int, other: int, start: int, pages: int, buffer: int, buffer_pages: int) -> int:
    """Read another process's memory into a buffer, in pages; returns an Outcome."""
    code: u32
    who: u32 = task
    whose: u32 = other
    first: u64 = start
    count: u64 = pages
    into: u64 = buffer
    size: u64 = buffer_pages
    set_current(s, who)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    if not task_at(s, whose).mm:
        return Outcome.ESRCH
    with cython.nogil:
        code = process_vm_rw(s, who, whose, first, count, into, size)
    raise_if_broken(s)
    return code
