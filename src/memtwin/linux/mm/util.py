"""Overcommit: how much memory may be promised.

A private writable mapping is a promise: its pages may all be wanted one day.  ``Committed_AS`` is the sum of what was
promised.  ``vm.overcommit_memory`` says when a request is refused with ENOMEM:

===== ===========================================================================================================
0     a single request larger than all RAM and swap (nothing is subtracted for what is in use)
1     never
2     ``Committed_AS`` would reach ``CommitLimit``, less ``min(the caller's size / 32, vm.user_reserve_kbytes)``
===== ===========================================================================================================

::

    CommitLimit = RAM * vm.overcommit_ratio / 100 + swap        (or vm.overcommit_kbytes + swap)

A page that cannot be found later is another matter: then the OOM killer decides.

Follows mm/util.c of Linux 6.1 (``__vm_enough_memory``, ``vm_commit_limit``).

Not modelled: the batches of the per-cpu counter, callers without CAP_SYS_ADMIN, hugetlb pools.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, mm_at, zone_at

OVERCOMMIT_GUESS = cython.declare(u32, 0)
OVERCOMMIT_ALWAYS = cython.declare(u32, 1)


def totalram_pages(s: State) -> i64:
    """All memory that the allocator manages, in pages."""
    z: u32
    total: i64 = 0
    for z in range(MAX_NR_ZONES):
        total += zone_at(s, z).managed
    return total


def vm_commit_limit(s: State) -> i64:
    """CommitLimit in pages; shown in every mode, in force in mode 2."""
    allowed: i64
    if s.sysctl.overcommit_kbytes:
        allowed = s.sysctl.overcommit_kbytes >> 2
    else:
        allowed = totalram_pages(s) * s.sysctl.overcommit_ratio // 100
    return allowed + cython.cast(i64, s.total_swap_pages)


def vm_enough_memory(s: State, mm: u32, pages: u64) -> cython.bint:
    """Promise *pages* to *mm*, or refuse, promise nothing and leave the reason in ``State.refusal``."""
    allowed: i64
    s.committed_as += pages
    if s.sysctl.overcommit_memory == OVERCOMMIT_ALWAYS:
        return True
    if s.sysctl.overcommit_memory == OVERCOMMIT_GUESS:
        if cython.cast(i64, pages) <= totalram_pages(s) + cython.cast(i64, s.total_swap_pages):
            return True
    else:
        allowed = vm_commit_limit(s)
        allowed -= min(mm_at(s, mm).total_vm // 32, s.sysctl.user_reserve_kbytes >> 2)
        if s.committed_as < allowed:
            return True
    s.committed_as -= pages
    s.refusal = REFUSED_OVERCOMMIT
    return False


def vm_unacct_memory(s: State, pages: u64):
    """Take a promise back."""
    s.committed_as -= pages


def commit_limit(s: State) -> int:
    """CommitLimit in pages, for records."""
    return vm_commit_limit(s)
