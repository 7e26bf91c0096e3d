"""What /proc/PID shows of a process's memory.

======================  ========================================================================================
VmSize, VIRT            all areas, touched or not
VmRSS, RES              resident pages: anonymous + file + shmem; may lag (each task counts by itself first)
SHR                     resident file and shmem pages, whether or not anyone else maps them
Rss, Pss (smaps)        counted by walking the page tables: exact; Pss divides each page by the number of its mappings
======================  ========================================================================================

VIRT, RES and SHR of several processes cannot be added: a shared page counts fully in each.  Pss can.

Follows fs/proc/task_mmu.c of Linux 6.1.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, compound_head, file_at, mm_at, table_at, task_at, vma_at
from cython.cimports.memtwin.linux.mm.huge_page import hugepage_vma_check, transhuge_vma_suitable
from cython.cimports.memtwin.linux.mm.huge_pmd import is_huge_pmd, is_huge_zero_pmd, pmd_gather
from cython.cimports.memtwin.linux.mm.pgtable import mm_counter, mm_rss, walk
from cython.cimports.memtwin.linux.mm.shmem import shmem_partial_swap_usage
from cython.cimports.memtwin.linux.mm.swapfile import swap_count

PSS_SHIFT = cython.declare(u32, 12)
PAGE_BYTES = cython.declare(u64, 4096)


def smaps_account(s: State, pte: u64, locked: cython.bint, totals: cython.pointer(SmapsTotals)):
    """Add one mapped page to the totals."""
    page: cython.pointer(Page) = cython.address(s.pages[pte >> 12])
    flags: u32 = s.pages[compound_head(s, cython.cast(u32, pte >> 12))].flags
    dirty: cython.bint = pte & PTE_DIRTY != 0 or flags & PG_DIRTY != 0
    share: u64 = PAGE_BYTES << PSS_SHIFT
    totals.resident += PAGE_BYTES
    if page.owner == OWNER_ANON:
        totals.anonymous += PAGE_BYTES
        totals.lazyfree += 0 if flags & (PG_SWAPBACKED | PG_DIRTY) else PAGE_BYTES
    if pte & PTE_ACCESSED or flags & PG_REFERENCED:
        totals.referenced += PAGE_BYTES
    if page.mapcount >= 2:
        share //= page.mapcount
        if dirty:
            totals.shared_dirty += PAGE_BYTES
        else:
            totals.shared_clean += PAGE_BYTES
    elif dirty:
        totals.private_dirty += PAGE_BYTES
    else:
        totals.private_clean += PAGE_BYTES
    totals.pss += share
    if page.owner == OWNER_ANON:
        totals.pss_anon += share
    elif page.flags & PG_SWAPBACKED:
        totals.pss_shmem += share
    else:
        totals.pss_file += share
    if dirty:
        totals.pss_dirty += share
    if locked:
        totals.locked += share


def smaps_range(s: State, mm: u32, vma: u32, totals: cython.pointer(SmapsTotals)):
    """Add the pages of one area; of shared memory what its file has in swap too, which no page table says."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    locked: cython.bint = area.flags & VM_LOCKED != 0
    vpn: u64 = area.start
    limit: u64
    pte: u64
    bits: u64
    table: u32
    while vpn < area.end:
        limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, area.end)
        table = walk(s, mm, vpn)
        bits = 0
        if is_huge_pmd(s, table) and not is_huge_zero_pmd(s, table):
            totals.huge += PAGE_BYTES * PTRS_PER_TABLE
            bits = PTE_ACCESSED if pmd_gather(s, table, PTE_ACCESSED, False) else 0
            bits |= PTE_DIRTY if pmd_gather(s, table, PTE_DIRTY, False) else 0
        while table and vpn < limit:
            pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)]
            if pte & PTE_SWAP:
                totals.swap += PAGE_BYTES
                totals.swap_pss += (PAGE_BYTES << PSS_SHIFT) // max(swap_count(s, cython.cast(u32, pte >> 12)), 1)
            elif pte and not pte & PTE_SPECIAL:
                smaps_account(s, pte | bits, locked, totals)
            vpn += 1
        vpn = limit
    if area.file and area.flags & VM_SHARED and file_at(s, area.file).kind == FILE_SHMEM:
        totals.swap += PAGE_BYTES * shmem_partial_swap_usage(s, area.file, area.pgoff, area.end - area.start)


def clear_totals(totals: cython.pointer(SmapsTotals)):
    """Begin to count."""
    totals.resident = totals.pss = totals.pss_dirty = totals.pss_anon = totals.pss_file = totals.pss_shmem = 0
    totals.shared_clean = totals.shared_dirty = totals.private_clean = totals.private_dirty = 0
    totals.huge = 0
    totals.referenced = totals.anonymous = totals.locked = totals.lazyfree = totals.swap = totals.swap_pss = 0


def totals_by_label(totals: cython.pointer(SmapsTotals)) -> dict[str, int]:
    """What was counted, in kB, by the label that the kernel prints."""
    return {
        "Rss": totals.resident >> 10,
        "Pss": totals.pss >> (10 + PSS_SHIFT),
        "Pss_Dirty": totals.pss_dirty >> (10 + PSS_SHIFT),
        "Pss_Anon": totals.pss_anon >> (10 + PSS_SHIFT),
        "Pss_File": totals.pss_file >> (10 + PSS_SHIFT),
        "Pss_Shmem": totals.pss_shmem >> (10 + PSS_SHIFT),
        "Shared_Clean": totals.shared_clean >> 10,
        "Shared_Dirty": totals.shared_dirty >> 10,
        "Private_Clean": totals.private_clean >> 10,
        "Private_Dirty": totals.private_dirty >> 10,
        "Referenced": totals.referenced >> 10,
        "Anonymous": totals.anonymous >> 10,
        "LazyFree": totals.lazyfree >> 10,
        "AnonHugePages": totals.huge >> 10,
        "Swap": totals.swap >> 10,
        "SwapPss": totals.swap_pss >> (10 + PSS_SHIFT),
        "Locked": totals.locked >> (10 + PSS_SHIFT),
    }


def smaps_rollup(s: State, task: int) -> dict[str, int]:
    """The lines of /proc/PID/smaps_rollup that the model fills, in kB, by label."""
    totals: SmapsTotals
    i: u32
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    clear_totals(cython.address(totals))
    for i in range(m.nr_vmas):
        smaps_range(s, task_at(s, task).mm, m.vmas[i], cython.address(totals))
    return totals_by_label(cython.address(totals))


def thp_eligible(s: State, vma: u32) -> cython.bint:
    """Whether an area could have huge pages now: it may, and an aligned 2 MiB fits in its end (THPeligible)."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    return (
        area.end >= HPAGE_PMD_NR
        and transhuge_vma_suitable(s, vma, area.end - HPAGE_PMD_NR)
        and hugepage_vma_check(s, vma, area.flags, True)
    )


def smaps(s: State, task: int) -> list[dict[str, int]]:
    """The lines of /proc/PID/smaps that the model fills, for each area in order of address."""
    totals: SmapsTotals
    i: u32
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    found = []
    for i in range(m.nr_vmas):
        clear_totals(cython.address(totals))
        smaps_range(s, task_at(s, task).mm, m.vmas[i], cython.address(totals))
        held = totals_by_label(cython.address(totals))
        held["THPeligible"] = thp_eligible(s, m.vmas[i])
        found.append(held)
    return found


def task_mem(s: State, task: int) -> dict[str, int]:
    """The Vm lines of /proc/PID/status in kB, by label; the size of the text is the program's to say."""
    t: cython.pointer(Task) = task_at(s, task)
    m: cython.pointer(Mm) = mm_at(s, t.mm)
    rss = mm_rss(s, t.mm)
    return {
        "VmPeak": max(m.hiwater_vm, m.total_vm) << 2,
        "VmSize": m.total_vm << 2,
        "VmLck": m.locked_vm << 2,
        "VmHWM": max(m.hiwater_rss, rss) << 2,
        "VmRSS": rss << 2,
        "RssAnon": mm_counter(s, t.mm, MM_ANONPAGES) << 2,
        "RssFile": mm_counter(s, t.mm, MM_FILEPAGES) << 2,
        "RssShmem": mm_counter(s, t.mm, MM_SHMEMPAGES) << 2,
        "VmData": m.data_vm << 2,
        "VmStk": m.stack_vm << 2,
        "VmExec": m.exec_vm << 2,
        "VmPTE": m.nr_tables << 2,
        "VmSwap": mm_counter(s, t.mm, MM_SWAPENTS) << 2,
    }


def task_times(s: State, task: int) -> dict[str, int]:
    """Faults and times of a process: counts and nanoseconds."""
    t: cython.pointer(Task) = task_at(s, task)
    return {
        "min_flt": t.min_flt,
        "maj_flt": t.maj_flt,
        "utime_ns": t.utime_ns,
        "stime_ns": t.stime_ns,
        "start_ns": t.start_ns,
        "oom_score_adj": t.oom_score_adj,
    }


def areas(s: State, task: int) -> list[tuple[int, int, int, int, int]]:
    """(first page, one past the last, VM flags, file, page of the file) of every area, in order of address."""
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    found = []
    for i in range(m.nr_vmas):
        area = vma_at(s, m.vmas[i])
        found.append((area.start, area.end, area.flags, area.file, area.pgoff))
    return found


def kind_of_pte(s: State, pte: u64) -> u32:
    """What a page-table entry says, as a letter's code (``sources/page_runs.py``); 0: there is no page."""
    flags: u32
    if pte & PTE_SWAP:
        return 115
    if not pte & PTE_PRESENT or pte & PTE_SPECIAL:
        return 0
    if s.pages[pte >> 12].owner != OWNER_ANON:
        return 102
    flags = s.pages[compound_head(s, cython.cast(u32, pte >> 12))].flags
    if flags & PG_SWAPCACHE:
        return 67 if flags & PG_ACTIVE else 99
    return 65 if flags & PG_ACTIVE else 97


def page_runs(s: State, task: int) -> list[tuple[int, int, int, int]]:
    """(first page, pages, kind, swap entry of the first) of all that page tables say, in order of address."""
    i: u32
    kind: u32
    table: u32
    vpn: u64
    pte: u64
    first: u64 = 0
    count: u64 = 0
    before: u32 = 0
    entry: u64 = 0
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    found = []
    for i in range(m.nr_vmas):
        vpn = vma_at(s, m.vmas[i]).start
        while vpn < vma_at(s, m.vmas[i]).end:
            table = walk(s, task_at(s, task).mm, vpn)
            pte = table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)] if table else 0
            kind = kind_of_pte(s, pte)
            if kind and kind == before and vpn == first + count and (kind != 115 or pte >> 12 == entry + count):
                count += 1
            else:
                if before:
                    found.append((first, count, before, entry))
                first = vpn
                count = 1
                before = kind
                entry = pte >> 12
            vpn = vpn + 1 if table else (vpn | (PTRS_PER_TABLE - 1)) + 1
    if before:
        found.append((first, count, before, entry))
    return found


def clear_refs_range(s: State, mm: u32, vma: u32):
    """Forget that the pages of one area were referenced, as clear_refs_pte_range() does for 1."""
    area: cython.pointer(Vma) = vma_at(s, vma)
    vpn: u64 = area.start
    limit: u64
    entry: cython.pointer(u64)
    table: u32
    while vpn < area.end:
        limit = min((vpn | (PTRS_PER_TABLE - 1)) + 1, area.end)
        table = walk(s, mm, vpn)
        while table and vpn < limit:
            entry = cython.address(table_at(s, table).entry[vpn & (PTRS_PER_TABLE - 1)])
            if entry[0] and not entry[0] & (PTE_SWAP | PTE_SPECIAL):
                entry[0] &= ~cython.cast(u64, PTE_ACCESSED)
                s.pages[compound_head(s, cython.cast(u32, entry[0] >> 12))].flags &= ~PG_REFERENCED
            vpn += 1
        vpn = limit


def clear_refs_write(s: State, task: int) -> None:
    """Write 1 to /proc/PID/clear_refs: from now on Referenced of smaps is what the process touches after this."""
    i: u32
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    for i in range(m.nr_vmas):
        clear_refs_range(s, task_at(s, task).mm, m.vmas[i])
