"""TLB shootdowns: who takes a page from a task that runs on another CPU interrupts that CPU, and waits for its answer.

Reclaim gathers what it unmaps: one interrupt serves all pages of a batch of 32, but a page that was written to must be
gone from all TLBs before it is written out.  So kswapd is slower beside the task whose memory it takes::

    nothing to do    the task sleeps, or its CPU has gone over to another's memory
    one a batch      clean pages of a task that runs elsewhere
    one a page       its written pages, before their write to swap is queued

Follows mm/rmap.c of Linux 6.1 (``set_tlb_ubc_flush_pending``, ``try_to_unmap_flush``, ``try_to_unmap_flush_dirty``) and
arch/x86/mm/tlb.c (``flush_tlb_multi``, ``tlb_is_not_lazy``).

Not modelled: the time of the CPU that is interrupted, flushes of munmap, mprotect and migration.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, spend_ns, task_at

SOURCE = "mm/rmap.c", "v6.1"


def runs_elsewhere(s: State, mm: u32) -> cython.bint:
    """Whether a task with this memory runs now on another CPU than the one that asks."""
    entity: u32
    task: u32
    e: cython.pointer(SchedEntity)
    if s.cpu and s.entities[SCHED_TASK].queued and task_at(s, s.cpus[0].current).mm == mm:
        return True
    for entity in range(NR_SCHED_ENTITIES, s.nr_entities):
        e = cython.address(s.entities[entity])
        task = s.runners[entity - NR_SCHED_ENTITIES].work.task
        if e.cpu != s.cpu and e.busy_until_ns > s.now_ns and task and task_at(s, task).mm == mm:
            return True
    return False


def set_tlb_ubc_flush_pending(s: State, mm: u32, writable: cython.bint):
    """An entry of a page table was cleared; *writable*: its page had been written to."""
    if s.nr_cpus > 1 and runs_elsewhere(s, mm):
        s.tlb_flush_pending = True
        s.tlb_writable |= writable


def try_to_unmap_flush(s: State):
    """Interrupt the CPUs that may still use what was unmapped, if there are any."""
    if s.tlb_flush_pending:
        spend_ns(s, s.cost_ns[COST_TLB_FLUSH])
    s.tlb_flush_pending = s.tlb_writable = False


def try_to_unmap_flush_dirty(s: State):
    """Do so before a page is written out, if one had been written to."""
    if s.tlb_writable:
        try_to_unmap_flush(s)
