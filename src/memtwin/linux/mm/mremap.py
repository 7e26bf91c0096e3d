"""mremap: a mapping becomes longer or shorter, and moves if it may and must.

=================================================== =================================================================
shorter                                             what lies behind the new end is unmapped
longer, and nothing lies behind it                  the area grows in place
longer, and it may move                             a new area where there is room; page-table entries move there, the
                                                    pages stay what and where they are: no copy, no fault
longer, and it may not                              ENOMEM
the range is not part of one area                   EFAULT
=================================================== =================================================================

What is longer by is promised and counted against the process's own limits as a mapping of that size would be; for
locked memory also against RLIMIT_MEMLOCK (EAGAIN), and it is faulted in at once.

A page of an area that has moved is found by its place among the area's pages, which the new area keeps
(``vm_pgoff``); only an area without pages has none yet.

Follows mm/mremap.c of Linux 6.1 (``vma_to_resize``, ``move_vma``, ``move_page_tables``).  A huge entry moves as one
where both addresses are whole huge pages, else it is split.

Not modelled: MREMAP_FIXED, MREMAP_DONTUNMAP, tables that move as a whole (entries are copied, which ends in as many
tables).
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    mm_at,
    set_current,
    spend_ns,
    table_at,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.huge_pmd import is_huge_pmd, split_huge_pmd
from cython.cimports.memtwin.linux.mm.mlock import mlock_future_check, populate
from cython.cimports.memtwin.linux.mm.mmap import do_munmap, may_expand_vm
from cython.cimports.memtwin.linux.mm.pgtable import walk, walk_alloc
from cython.cimports.memtwin.linux.mm.rmap import anon_vma_share
from cython.cimports.memtwin.linux.mm.util import vm_enough_memory
from cython.cimports.memtwin.linux.mm.vma import (
    find_vma,
    find_vma_index,
    get_filp,
    insert_vma,
    merge_neighbours,
    new_vma,
    vm_stat_account,
)

from memtwin.linux.core.state import raise_if_broken

MAPS_TO_SPARE = cython.declare(u32, 3)


def vma_to_resize(s: State, task: u32, start: u64, pages: u64, wanted: u64) -> u32:
    """Whether *pages* at *start*, part of one area, may become *wanted*; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    vma: u32 = find_vma(s, mm, start)
    if not vma or vma_at(s, vma).start > start or pages > vma_at(s, vma).end - start:
        s.refusal = REFUSED_BOUNDARY
        return EFAULT
    if not mlock_future_check(s, task, vma_at(s, vma).flags, wanted - pages):
        return EAGAIN
    if not may_expand_vm(s, mm, vma_at(s, vma).flags, wanted - pages, wanted - pages):
        return ENOMEM
    return OK


def vma_expandable(s: State, mm: u32, start: u64, pages: u64, grow: u64) -> cython.bint:
    """Whether *pages* at *start* reach the end of their area, and *grow* more are free behind it."""
    index: u32 = find_vma_index(s, mm, start)
    end: u64 = start + pages
    if vma_at(s, mm_at(s, mm).vmas[index]).end != end:
        return False
    return index + 1 == mm_at(s, mm).nr_vmas or vma_at(s, mm_at(s, mm).vmas[index + 1]).start >= end + grow


def expand_vma(s: State, task: u32, vma: u32, grow: u64) -> u32:
    """Let an area grow in place; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    end: u64 = vma_at(s, vma).end
    locked: cython.bint = vma_at(s, vma).flags & VM_LOCKED != 0
    if vma_at(s, vma).flags & VM_ACCOUNT and not vm_enough_memory(s, mm, grow):
        return ENOMEM
    vma_at(s, vma).end += grow
    vm_stat_account(s, mm, vma_at(s, vma).flags, grow)
    merge_neighbours(s, mm, find_vma_index(s, mm, end - 1))
    if locked:
        populate(s, task, end, end + grow)
    return OK


def copy_vma(s: State, vma: u32, start: u64, to: u64, wanted: u64) -> u32:
    """Make the area that takes over the pages at *start*: of the same file, rights and anon_vma."""
    new: u32 = new_vma(s)
    old: cython.pointer(Vma) = vma_at(s, vma)
    area: cython.pointer(Vma) = vma_at(s, new)
    area.mm = old.mm
    area.start = to
    area.end = to + wanted
    area.flags = old.flags
    area.file = old.file
    area.filp = get_filp(s, old.filp)
    area.pgoff = to if not old.file and not old.anon_vma else old.pgoff + (start - old.start)
    anon_vma_share(s, new, vma)
    insert_vma(s, vma_at(s, vma).mm, new)
    return new


def move_ptes(s: State, mm: u32, vma: u32, start: u64, to: u64, pages: u64) -> cython.bint:
    """Move the entries of *pages* that lie in one table, at both ends; False: no memory for a table.

    While memory for that is reclaimed the entries may become a huge one, or no longer be one: they are looked up then.
    """
    src: u32 = walk(s, mm, start)
    dst: u32
    at: u32 = start & (PTRS_PER_TABLE - 1)
    then: u32 = to & (PTRS_PER_TABLE - 1)
    i: u32
    if not src:
        return True
    dst = walk_alloc(s, mm, to)
    if not dst:
        return False
    src = walk(s, mm, start)
    if is_huge_pmd(s, src) and pages != PTRS_PER_TABLE:
        split_huge_pmd(s, vma, src, False)
    for i in range(pages):
        if table_at(s, src).entry[at + i]:
            table_at(s, dst).entry[then + i] = table_at(s, src).entry[at + i]
            table_at(s, dst).tag[then + i] = table_at(s, src).tag[at + i]
            table_at(s, src).entry[at + i] = 0
            table_at(s, src).tag[at + i] = 0
            spend_ns(s, s.cost_ns[COST_FORK_PAGE])
    return True


def move_page_tables(s: State, mm: u32, vma: u32, start: u64, to: u64, pages: u64) -> u64:
    """Move the entries of a range; returns how many pages of it are done: fewer where there is no memory."""
    done: u64 = 0
    step: u64
    while done < pages:
        step = PTRS_PER_TABLE - max((start + done) & (PTRS_PER_TABLE - 1), (to + done) & (PTRS_PER_TABLE - 1))
        step = min(step, pages - done)
        if not move_ptes(s, mm, vma, start + done, to + done, step):
            break
        done += step
    return done


def move_vma(s: State, task: u32, vma: u32, start: u64, pages: u64, wanted: u64, to: u64) -> u32:
    """Move *pages* of an area to *to*, where they are *wanted* long; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    flags: u32 = vma_at(s, vma).flags
    hiwater: i64 = mm_at(s, mm).hiwater_vm
    new: u32
    done: u64
    if mm_at(s, mm).nr_vmas >= s.sysctl.max_map_count - MAPS_TO_SPARE:
        s.refusal = REFUSED_MAP_COUNT
        return ENOMEM
    if flags & VM_ACCOUNT and not vm_enough_memory(s, mm, wanted - pages):
        return ENOMEM
    new = copy_vma(s, vma, start, to, wanted)
    vm_stat_account(s, mm, flags, wanted)
    done = move_page_tables(s, mm, vma, start, to, pages)
    if flags & VM_ACCOUNT:
        s.committed_as += pages  # what is unmapped next gives its promise back, and one of the two stays
    if done < pages:
        move_page_tables(s, mm, new, to, start, done)
        do_munmap(s, task, to, wanted)
        mm_at(s, mm).hiwater_vm = hiwater
        return s.alloc_error
    do_munmap(s, task, start, pages)
    mm_at(s, mm).hiwater_vm = max(hiwater, mm_at(s, mm).total_vm)
    merge_neighbours(s, mm, find_vma_index(s, mm, to))
    if flags & VM_LOCKED:
        populate(s, task, to + pages, to + wanted)
    return OK


def do_mremap(s: State, task: u32, start: u64, pages: u64, wanted: u64, to: u64) -> u32:
    """Make *pages* at *start* *wanted* long; at *to*, unless that is 0, if they cannot grow; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    vma: u32 = find_vma(s, mm, start)
    code: u32
    if not wanted:
        s.refusal = REFUSED_LENGTH
        return EINVAL
    if not vma or vma_at(s, vma).start > start:
        s.refusal = REFUSED_BOUNDARY
        return EFAULT
    if wanted <= pages:
        return do_munmap(s, task, start + wanted, pages - wanted) if wanted < pages else cython.cast(u32, OK)
    code = vma_to_resize(s, task, start, pages, wanted)
    return code if code != OK else grow_vma(s, task, vma, start, pages, wanted, to)


def grow_vma(s: State, task: u32, vma: u32, start: u64, pages: u64, wanted: u64, to: u64) -> u32:
    """Let a mapping grow in place, or at *to*, unless that is 0; returns an Outcome."""
    mm: u32 = task_at(s, task).mm
    if vma_expandable(s, mm, start, pages, wanted - pages):
        return expand_vma(s, task, vma, wanted - pages)
    if not to:
        s.refusal = REFUSED_NEIGHBOUR
        return ENOMEM
    return move_vma(s, task, vma, start, pages, wanted, to)


def mremap(s: State, task: int, start: int, pages: int, wanted: int, to: int) -> int:
    """Change the length of a mapping in pages; *to*: the page number to which it may move (0: it may not).

    Returns an Outcome; whether it has moved shows in the address space.
    """
    code: u32
    who: u32 = task
    first: u64 = start
    length: u64 = pages
    new_length: u64 = wanted
    place: u64 = to
    set_current(s, who)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    with cython.nogil:
        code = do_mremap(s, who, first, length, new_length, place)
    raise_if_broken(s)
    return code
