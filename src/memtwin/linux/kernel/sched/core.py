"""Which thread runs: the task, or one of the kernel's threads, and what happens while the task waits.

The kernel's **threads** are entries of one table, ``KTHREADS``: a name, whether it has work, and one piece of that work
(32 pages of each list, a request, a page of the pool, a commit).  Threads that take turns as one share a scheduling
entity; the first of them that has work does it.

On one CPU they share it with the task by the rules of ``fair.py``: they run when the task waits, or at a point where
the kernel would switch (the return from a fault or a system call, an allocation that may wait, between the pages of a
write, between pieces of a task's own reclaim).  With more CPUs a thread has one of its own and works beside the task.

Follows kernel/sched/core.c of Linux 6.1 (``__cond_resched``, ``io_schedule``, ``schedule_timeout``).

Not modelled: preemption between tasks, contention for CPUs when there are several.
"""

import cython
from cython.cimports.memtwin.linux.core.events import FOREVER, push_event
from cython.cimports.memtwin.linux.core.state import (
    EVENT_THREAD,
    State,
    is_cut_off,
    spend_ns,
    this_cpu,
)
from cython.cimports.memtwin.linux.fs.fs_writeback import flusher_runnable, flusher_step
from cython.cimports.memtwin.linux.fs.jbd2 import commit_transaction, journal_due
from cython.cimports.memtwin.linux.kernel.sched.fair import (
    dequeue_entity,
    enqueue_entity,
    nr_waiting,
    pick_next_entity,
    switch_to,
    tick_preempts,
    update_curr,
    wakeup_preempts,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_account
from cython.cimports.memtwin.linux.kernel.softirq import run_events
from cython.cimports.memtwin.linux.mm.kcompactd import kcompactd_runnable, kcompactd_step
from cython.cimports.memtwin.linux.mm.khugepaged import khugepaged_runnable, khugepaged_step
from cython.cimports.memtwin.linux.mm.kswapd import kswapd_runnable, kswapd_step
from cython.cimports.memtwin.linux.mm.page_io import finish_plug
from cython.cimports.memtwin.linux.mm.zswap_writeback import shrink_runnable, shrink_worker

from memtwin.linux.core.state import raise_if_broken

KTHREADS = ("kswapd0", "zswap-shrink", "jbd2", "flush", "kcompactd0", "khugepaged")
"""The kernel's threads that the model has, in the order in which those of one entity get their turn."""

kthreads[0].entity, kthreads[0].runnable, kthreads[0].step = SCHED_KSWAPD, kswapd_runnable, kswapd_step
kthreads[1].entity, kthreads[1].runnable, kthreads[1].step = SCHED_FLUSHER, shrink_runnable, shrink_worker
kthreads[2].entity, kthreads[2].runnable, kthreads[2].step = SCHED_FLUSHER, journal_due, commit_transaction
kthreads[3].entity, kthreads[3].runnable, kthreads[3].step = SCHED_FLUSHER, flusher_runnable, flusher_step
kthreads[4].entity, kthreads[4].runnable, kthreads[4].step = SCHED_KCOMPACTD, kcompactd_runnable, kcompactd_step
kthreads[5].entity, kthreads[5].runnable, kthreads[5].step = SCHED_KHUGEPAGED, khugepaged_runnable, khugepaged_step


def entity_runnable(s: State, entity: u32) -> cython.bint:
    """Whether one of the threads of *entity* has work now."""
    i: u32
    for i in range(NR_KTHREADS):
        if kthreads[i].entity == entity and kthreads[i].runnable(s):
            return True
    return False


def threads_wake(s: State) -> cython.bint:
    """Enqueue the entities whose threads have work; return whether one that woke up preempts the running entity."""
    preempts: cython.bint = False
    entity: u32
    wants: cython.bint
    update_curr(s)
    for entity in range(SCHED_KSWAPD, SCHED_IDLE):
        wants = entity_runnable(s, entity)
        if wants and not this_cpu(s).rq.entities[entity].queued:
            enqueue_entity(s, entity)
            preempts |= wakeup_preempts(s, entity)
        elif not wants and this_cpu(s).rq.entities[entity].queued:
            dequeue_entity(s, entity)
    return preempts


def run_thread(s: State, entity: u32):
    """Run one piece of work of *entity*; with more than one CPU on another one, while no time passes here."""
    since: u64 = s.now_ns
    memalloc: u32 = this_cpu(s).memalloc
    i: u32
    s.in_thread = True
    this_cpu(s).memalloc = 0
    s.thread_ns = 0
    spend_ns(s, s.cost_ns[COST_IO_CALL])
    for i in range(NR_KTHREADS):
        if kthreads[i].entity == entity and kthreads[i].runnable(s):
            kthreads[i].step(s)
            break
    s.in_thread = False
    this_cpu(s).memalloc = memalloc
    if s.nr_cpus > 1:
        s.cpu_system_ns += s.thread_ns
        this_cpu(s).rq.entities[entity].busy_until_ns = s.now_ns + s.thread_ns
        push_event(s, s.now_ns + s.thread_ns, 1, EVENT_THREAD, 0)
    else:
        s.thread_time_ns += s.now_ns - since


def thread_step(s: State) -> cython.bint:
    """The task waits: run one piece of work of the entity that is next; False: no thread has work."""
    entity: u32
    if s.in_thread:
        return False
    threads_wake(s)
    dequeue_entity(s, SCHED_TASK)
    entity = pick_next_entity(s)
    if entity != this_cpu(s).rq.curr:
        switch_to(s, entity)
    if entity != SCHED_IDLE:
        run_thread(s, entity)
    return entity != SCHED_IDLE


def task_wakes(s: State):
    """The task has waited; it goes on."""
    update_curr(s)
    this_cpu(s).rq.entities[SCHED_TASK].iowait = False
    enqueue_entity(s, SCHED_TASK)
    switch_to(s, SCHED_TASK)


def cond_resched(s: State):
    """A point where the kernel would switch: threads run until it is the task's turn again."""
    entity: u32
    if s.nr_cpus > 1 and not s.in_thread:
        this_cpu(s).rq.resched = False
        while thread_step(s) and not is_cut_off(s):
            pass
        task_wakes(s)
        return
    if s.in_thread or (not threads_wake(s) and not tick_preempts(s)):
        this_cpu(s).rq.resched = nr_waiting(s) != 0
        return
    while True:
        entity = pick_next_entity(s)
        if entity == SCHED_TASK:
            break
        switch_to(s, entity)
        while True:
            run_thread(s, entity)
            if threads_wake(s) or not this_cpu(s).rq.entities[entity].queued or tick_preempts(s):
                break
    switch_to(s, SCHED_TASK)


def idle_until(s: State, until_ns: u64):
    """Nothing can run: time passes to the next event, or to *until_ns* if that is sooner."""
    until_ns = min(until_ns, s.next_event_ns)
    s.now_ns = max(s.now_ns, until_ns)
    run_events(s)


def io_schedule(s: State):
    """The running task or thread waits for a device: a thread works meanwhile, or time passes to the next event."""
    since: u64 = s.now_ns
    finish_plug(s)
    if s.in_thread:
        s.in_thread = False
        finish_plug(s)
        s.in_thread = True
        thread_waits(s)
        return
    this_cpu(s).rq.entities[SCHED_TASK].iowait = True
    if not thread_step(s):
        idle_until(s, FOREVER)
        spend_ns(s, s.cost_ns[COST_WAKE])
        s.task_wait_ns += s.now_ns - since
    task_wakes(s)


def io_schedule_timeout(s: State, until_ns: u64):
    """The task sleeps for the sake of a device until a point in time."""
    this_cpu(s).rq.entities[SCHED_TASK].iowait = True
    schedule_timeout(s, until_ns)


def thread_waits(s: State):
    """The running thread waits for a device; nothing else runs meanwhile."""
    e: cython.pointer(SchedEntity) = cython.address(this_cpu(s).rq.entities[this_cpu(s).rq.curr])
    update_curr(s)
    e.iowait = True
    e.queued = False
    idle_until(s, FOREVER)
    psi_account(s)
    e.iowait = False
    e.queued = True
    this_cpu(s).rq.exec_start_ns = s.now_ns
    spend_ns(s, s.cost_ns[COST_WAKE])


def schedule_timeout(s: State, until_ns: u64):
    """The task sleeps; threads work meanwhile."""
    since: u64
    while s.now_ns < until_ns:
        since = s.now_ns
        if not thread_step(s):
            idle_until(s, until_ns)
            s.task_wait_ns += s.now_ns - since
    task_wakes(s)


def nanosleep(s: State, until_ns: u64):
    """The program sleeps of its own will: it waits for nothing, and counts in no load."""
    waited: u64 = s.task_wait_ns
    s.nr_active -= 1
    schedule_timeout(s, until_ns)
    s.nr_active += 1
    s.task_sleep_ns += s.task_wait_ns - waited
    s.task_wait_ns = waited


def advance_to(s: State, until_ns: u64):
    """Let an idle machine's time pass until *until_ns*; its threads work when they are due."""
    since: u64
    while s.now_ns < until_ns and not is_cut_off(s):
        since = s.now_ns
        if not thread_step(s):
            idle_until(s, until_ns)
            s.cpu_idle_ns += (s.now_ns - since) * s.nr_cpus
    task_wakes(s)


def sleep_until(s: State, until_ns: int) -> None:
    """Let the whole machine idle until a point in time, nanoseconds since boot."""
    until: u64 = until_ns
    with cython.nogil:
        advance_to(s, until)
    raise_if_broken(s)
