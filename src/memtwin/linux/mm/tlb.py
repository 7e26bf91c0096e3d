"""TLB shootdowns: who takes a page from a task that runs on another CPU interrupts that CPU, and waits for its answer.

Reclaim gathers what it unmaps: one interrupt serves all pages of a batch of 32, but a page that was written to must be
gone from all TLBs before it is written out.  So kswapd is slower beside the task whose memory it takes, and so is the
task: a second CPU is of little use to them while memory is short::

    nothing to do    the task sleeps, or its CPU has gone over to another's memory
    one a batch      clean pages of a task that runs elsewhere
    one a page       its written pages, before their write to swap is queued

Follows mm/rmap.c of Linux 6.1 (``set_tlb_ubc_flush_pending``, ``try_to_unmap_flush``, ``try_to_unmap_flush_dirty``) and
arch/x86/mm/tlb.c (``flush_tlb_multi``, ``tlb_is_not_lazy``, ``flush_tlb_func``).

Not modelled: flushes of munmap, mprotect and migration.
"""

import cython
from cython.cimports.memtwin.linux.core.events import push_event
from cython.cimports.memtwin.linux.core.state import EVENT_THREAD, State, local_clock, spend_ns, task_at

SOURCE = "mm/rmap.c", "v6.1"


def main_line_runs(s: State) -> cython.bint:
    """Whether the task of the main line runs now, on the first CPU."""
    return s.entities[SCHED_TASK].queued and s.cpus[0].curr == SCHED_TASK


def runs_on(s: State, entity: u32, mm: u32) -> cython.bint:
    """Whether a runner works with this memory when who asks has come to that; where its piece was over it may sleep."""
    r: cython.pointer(Runner) = cython.address(s.runners[entity - NR_SCHED_ENTITIES])
    e: cython.pointer(SchedEntity) = cython.address(s.entities[entity])
    if r.work.kind == WORK_NONE or task_at(s, r.work.task).mm != mm:
        return False
    if e.busy_until_ns > local_clock(s):
        return True
    return e.queued and s.cpus[e.cpu].curr == entity and r.wait == WAIT_NONE and r.outcome == AGAIN


def set_tlb_ubc_flush_pending(s: State, mm: u32, writable: cython.bint):
    """An entry of a page table was cleared; *writable*: its page had been written to.

    Noted for each CPU but the one that asks where a task with this memory runs now.
    """
    entity: u32
    cpu: u32
    found: cython.bint = False
    if s.nr_cpus == 1:
        return
    if s.cpu and main_line_runs(s) and task_at(s, s.cpus[0].current).mm == mm:
        s.cpus[0].tlb_flush_pending = found = True
    for entity in range(NR_SCHED_ENTITIES, s.nr_entities):
        cpu = s.entities[entity].cpu
        if cpu != s.cpu and runs_on(s, entity, mm):
            s.cpus[cpu].tlb_flush_pending = found = True
    if found:
        s.tlb_flush_pending = True
        s.tlb_writable |= writable


def flush_tlb_func(s: State, cpu: u32):
    """A CPU is interrupted to forget translations: what runs there takes so much longer."""
    ns: u64 = s.cost_ns[COST_TLB_INTERRUPT]
    c: cython.pointer(Cpu) = cython.address(s.cpus[cpu])
    if cpu == 0 and main_line_runs(s):
        s.interrupted_ns += ns
        return
    c.busy_until_ns = max(c.busy_until_ns, s.now_ns) + ns
    c.system_ns += ns
    s.entities[c.curr].busy_until_ns = c.busy_until_ns
    s.entities[c.curr].vruntime += ns
    push_event(s, c.busy_until_ns, 1, EVENT_THREAD, 0)


def try_to_unmap_flush(s: State):
    """Interrupt the CPUs that may still use what was unmapped, if there are any."""
    cpu: u32
    if not s.tlb_flush_pending:
        return
    spend_ns(s, s.cost_ns[COST_TLB_FLUSH])
    for cpu in range(s.nr_cpus):
        if s.cpus[cpu].tlb_flush_pending:
            s.cpus[cpu].tlb_flush_pending = False
            flush_tlb_func(s, cpu)
    s.tlb_flush_pending = s.tlb_writable = False


def try_to_unmap_flush_dirty(s: State):
    """Do so before a page is written out, if one had been written to."""
    if s.tlb_writable:
        try_to_unmap_flush(s)
