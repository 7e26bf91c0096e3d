"""The OOM killer's measure of a process.

::

    points = resident pages + swapped pages + page tables in pages
           + oom_score_adj * (all RAM and swap in pages / 1000)

``oom_score`` in /proc is this number scaled: a process that uses nothing and has adj 0 shows 666.

Follows mm/oom_kill.c (``oom_badness``) and fs/proc/base.c (``proc_oom_score``) of Linux 6.1, in their integer
arithmetic.

Not modelled yet: choosing and killing.
"""

from cython.cimports.memtwin.mm.mm_types import MAX_NR_ZONES, MM_SWAPENTS, i64, u32
from cython.cimports.memtwin.mm.pgtable import mm_rss
from cython.cimports.memtwin.mm.state import State, mm_at, task_at

SOURCE = "mm/oom_kill.c", "v6.1"


def totalpages(s: State) -> i64:
    """All RAM and swap, in pages."""
    z: u32
    total: i64 = s.total_swap_pages
    for z in range(MAX_NR_ZONES):
        total += s.zones[z].managed
    return total


def oom_badness(s: State, task: u32) -> i64:
    """Points of a process; may be negative.  -1000 is for the caller: such a process is never chosen."""
    mm: u32 = task_at(s, task).mm
    points: i64 = mm_rss(s, mm) + mm_at(s, mm).rss[MM_SWAPENTS] + mm_at(s, mm).nr_tables
    return points + task_at(s, task).oom_score_adj * (totalpages(s) // 1000)


def scaled_score(points: int, pages: int) -> int:
    """/proc/PID/oom_score from points and all RAM and swap in pages; divisions truncate towards zero.

    >>> scaled_score(501024, 2558127), scaled_score(-2297170, 2558127)
    (796, 68)
    """
    return int((1000 + int(points * 1000 / pages)) * 2 / 3)


def oom_score(s: State, task: int) -> int:
    """What /proc/PID/oom_score shows."""
    if task_at(s, task).oom_score_adj == -1000:
        return 0
    return scaled_score(oom_badness(s, task), totalpages(s))
