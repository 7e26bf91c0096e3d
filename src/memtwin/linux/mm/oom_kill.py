"""The OOM killer: who is killed when no memory is left.

::

    points = resident pages + swapped pages + page tables in pages
           + oom_score_adj * (all RAM and swap in pages / 1000)

The process with the most points is killed; of two with equal points the one that was started later.  -1000 is never
chosen.  Only a process's own memory counts, shared pages fully.  ``oom_score`` in /proc is this number scaled
(:mod:`memtwin.oom.badness`, the rule of every kernel for tables of figures): one that uses nothing and has adj 0 shows
666.

``vm.panic_on_oom`` stops the machine instead; ``vm.oom_kill_allocating_task`` kills the task that asked.  With no
process left to kill the machine stops too.

A victim's memory comes back at once: it is woken, dies and frees it.  One that asked itself goes on asking, now with
access to half of the reserves, and dies when its fault or call returns.  If that lasts for 2 s, because nothing can be
reclaimed any more, the **reaper** takes its anonymous and private memory away beforehand.

Follows mm/oom_kill.c (``oom_badness``, ``select_bad_process``, ``out_of_memory``, ``oom_kill_process``,
``__oom_reap_task_mm``) and fs/proc/base.c (``proc_oom_score``) of Linux 6.1, in their integer arithmetic.

Not modelled: memory cgroups, cpusets and memory policies, several processes with one address space.
"""

import cython
from cython.cimports.memtwin.linux.core.notices import add_notice
from cython.cimports.memtwin.linux.core.state import State, mm_at, task_at, this_cpu, vma_at, zone_at
from cython.cimports.memtwin.linux.mm.memory_range import zap_page_range
from cython.cimports.memtwin.linux.mm.mmap import mmput
from cython.cimports.memtwin.linux.mm.pgtable import mm_counter, mm_rss, sync_mm_rss

from memtwin.linux.records import TaskFigures

OOM_REAPER_DELAY_NS = cython.declare(u64, 2_000_000_000)
OOM_SCORE_ADJ_MIN = cython.declare(int, -1000)


def totalpages(s: State) -> i64:
    """All RAM and swap, in pages."""
    z: u32
    total: i64 = s.total_swap_pages
    for z in range(MAX_NR_ZONES):
        total += zone_at(s, z).managed
    return total


def oom_badness(s: State, task: u32) -> i64:
    """Points of a process; may be negative.  -1000 is for the caller: such a process is never chosen."""
    mm: u32 = task_at(s, task).mm
    points: i64 = mm_rss(s, mm) + mm_counter(s, mm, MM_SWAPENTS) + mm_at(s, mm).nr_tables
    return points + task_at(s, task).oom_score_adj * (totalpages(s) // 1000)


def killable(s: State, task: u32) -> cython.bint:
    """Whether a process may be chosen at all."""
    t: cython.pointer(Task) = task_at(s, task)
    return t.started and t.mm != 0 and not t.killed and t.pid != 1 and t.oom_score_adj != OOM_SCORE_ADJ_MIN


def select_bad_process(s: State) -> u32:
    """The process with the most points, the latest of several; 0: none can be killed."""
    task: u32
    chosen: u32 = 0
    points: i64
    most: i64 = 0
    for task in range(1, s.tasks.nr):
        if not killable(s, task):
            continue
        points = oom_badness(s, task)
        if not chosen or points > most or (points == most and task_at(s, task).pid > task_at(s, chosen).pid):
            chosen = task
            most = points
    return chosen


def reap(s: State, mm: u32):
    """The reaper: something else (swapoff) is in a victim's address space, which stays; its private pages come back."""
    i: u32
    for i in range(mm_at(s, mm).nr_vmas):
        if not vma_at(s, mm_at(s, mm).vmas[i]).flags & VM_SHARED:
            zap_page_range(s, 0, mm, vma_at(s, mm_at(s, mm).vmas[i]).start, vma_at(s, mm_at(s, mm).vmas[i]).end)


def oom_kill_process(s: State, victim: u32):
    """Kill: another process's memory comes back now, the caller's own when its call returns."""
    t: cython.pointer(Task) = task_at(s, victim)
    s.event[OOM_KILL] += 1
    t.killed = t.oom_victim = True
    t.oom_reap_ns = s.now_ns + OOM_REAPER_DELAY_NS
    if victim != this_cpu(s).current and victim != s.suspended:
        exit_victim(s, victim)


def exit_victim(s: State, victim: u32):
    """A victim that is in no call of its own exits: its memory comes back now."""
    t: cython.pointer(Task) = task_at(s, victim)
    mm: u32 = t.mm
    if not mm:
        return
    sync_mm_rss(s, victim)
    t.mm = 0
    if mm_at(s, mm).users > 1:
        reap(s, mm)
    mmput(s, mm)


def out_of_memory(s: State, order: u32, gfp: u32) -> cython.bint:
    """Free memory by killing; whether trying again makes sense."""
    victim: u32
    if task_at(s, this_cpu(s).current).oom_victim and task_at(s, this_cpu(s).current).oom_reap_ns:
        return not s.in_thread
    if not gfp & GFP_FS:
        return True
    victim = 0
    if not s.sysctl.panic_on_oom:
        victim = (
            this_cpu(s).current
            if s.sysctl.oom_kill_allocating_task and killable(s, this_cpu(s).current)
            else select_bad_process(s)
        )
    add_notice(s, NOTICE_OOM, order, gfp, victim)
    if not victim:
        s.panicked = True
        return False
    oom_kill_process(s, victim)
    return victim != this_cpu(s).current or not s.in_thread


def oom_reap(s: State):
    """Take the memory of a victim that has been asking for 2 s: all that is anonymous or its own copy of a file.

    The page whose fault it is in the middle of is left to that fault.
    """
    t: cython.pointer(Task) = task_at(s, this_cpu(s).current)
    m: cython.pointer(Mm) = mm_at(s, t.mm)
    area: cython.pointer(Vma)
    i: u32
    if s.in_thread or not t.oom_reap_ns or s.now_ns < t.oom_reap_ns:
        return
    t.oom_reap_ns = 0
    for i in range(m.nr_vmas):
        area = vma_at(s, m.vmas[i])
        if not area.file or not area.flags & VM_SHARED:
            zap_page_range(s, this_cpu(s).current, t.mm, area.start, min(area.end, max(t.fault_vpn, area.start)))
            zap_page_range(s, this_cpu(s).current, t.mm, max(area.start, min(t.fault_vpn + 1, area.end)), area.end)
    add_notice(s, NOTICE_REAP, 0, 0, this_cpu(s).current)


def is_killed(s: State, task: int) -> bool:
    """Whether a process was killed for its memory and only waits to be buried."""
    return task_at(s, task).killed != 0


def task_rows(s: State) -> list[TaskFigures]:
    """The table of a report: every process with its sizes, in pages but for its page tables."""
    rows = []
    for task in range(1, s.tasks.nr):
        t: cython.pointer(Task) = task_at(s, cython.cast(u32, task))
        if t.started and t.mm:
            m = mm_at(s, t.mm)
            swapped = mm_counter(s, t.mm, MM_SWAPENTS)
            sizes = (m.total_vm, mm_rss(s, t.mm), m.nr_tables << 12, swapped)
            rows.append(TaskFigures(t.pid, *sizes, t.oom_score_adj, t.uid))
    return sorted(rows)


def pid_of(s: State, task: int) -> int:
    """A task's pid."""
    return task_at(s, task).pid


def uid_of(s: State, task: int) -> int:
    """The user that a task belongs to."""
    return task_at(s, task).uid


def points_of(s: State, task: int) -> int:
    """Return the points by which a process is chosen; the caller minds those that never are."""
    return oom_badness(s, task)
