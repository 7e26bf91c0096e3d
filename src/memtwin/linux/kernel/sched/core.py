"""Which thread runs: the task, or one of the kernel's threads, and what happens while the task waits.

The kernel's **threads** are entries of one table, ``KTHREADS``: a name, whether it has work, and one piece of that work
(32 pages of each list, a request, a page of the pool, a commit).  Threads that take turns as one share a scheduling
entity; the first of them that has work does it.

**Runners** (``runners.py``) are tasks whose work is done in pieces too, beside the one that carries out the main line.

On one CPU they share it with the task by the rules of ``fair.py``: they run when the task waits, or at a point where
the kernel would switch (the return from a fault or a system call, an allocation that may wait, between the pages of a
write, between pieces of a task's own reclaim).  With more CPUs each has a queue (``balance.py``), and the first is the
main line's while that runs: who waits there has its turn when the tick finds that the main line has had its share.  A
piece is done at once, and its CPU is busy for as long as it takes.  One that idles needs some time until who wakes up
there has it.

Follows kernel/sched/core.c of Linux 6.1 (``__cond_resched``, ``io_schedule``, ``schedule_timeout``).

Not modelled: a main line that is moved to another CPU than the first.
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
from cython.cimports.memtwin.linux.kernel.sched.balance import (
    is_idle_cpu,
    load_balance,
    newidle_balance,
    select_task_rq,
    set_task_cpu,
)
from cython.cimports.memtwin.linux.kernel.sched.fair import (
    begin_turn,
    charge_entity,
    dequeue_entity,
    enqueue_entity,
    nr_waiting,
    pick_next_entity,
    switch_to,
    tick_preempts,
    update_curr,
    update_min_vruntime,
    wakeup_preempts,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_account
from cython.cimports.memtwin.linux.kernel.sched.runners import runner_runnable, runner_step
from cython.cimports.memtwin.linux.kernel.softirq import run_events
from cython.cimports.memtwin.linux.mm.kcompactd import kcompactd_runnable, kcompactd_step
from cython.cimports.memtwin.linux.mm.khugepaged import khugepaged_runnable, khugepaged_step
from cython.cimports.memtwin.linux.mm.kswapd import kswapd_runnable, kswapd_step
from cython.cimports.memtwin.linux.mm.page_io import finish_plug, finish_plugs
from cython.cimports.memtwin.linux.mm.zswap_writeback import shrink_runnable, shrink_worker

from memtwin.linux.core.state import raise_if_broken

KTHREADS = ("kswapd0", "zswap-shrink", "jbd2", "flush", "kcompactd0", "khugepaged")
"""The kernel's threads that the model has, in the order in which those of one entity get their turn."""

COOL_NS = cython.declare(u64, 2_000_000)

kthreads[0].entity, kthreads[0].runnable, kthreads[0].step = SCHED_KSWAPD, kswapd_runnable, kswapd_step
kthreads[1].entity, kthreads[1].runnable, kthreads[1].step = SCHED_FLUSHER, shrink_runnable, shrink_worker
kthreads[2].entity, kthreads[2].runnable, kthreads[2].step = SCHED_FLUSHER, journal_due, commit_transaction
kthreads[3].entity, kthreads[3].runnable, kthreads[3].step = SCHED_FLUSHER, flusher_runnable, flusher_step
kthreads[4].entity, kthreads[4].runnable, kthreads[4].step = SCHED_KCOMPACTD, kcompactd_runnable, kcompactd_step
kthreads[5].entity, kthreads[5].runnable, kthreads[5].step = SCHED_KHUGEPAGED, khugepaged_runnable, khugepaged_step


def entity_runnable(s: State, entity: u32) -> cython.bint:
    """Whether a runner, or one of the threads of *entity*, has work now."""
    i: u32
    if entity >= NR_SCHED_ENTITIES:
        return runner_runnable(s, entity)
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
    for entity in range(SCHED_KSWAPD, s.nr_entities):
        if entity == SCHED_IDLE or s.entities[entity].busy_until_ns > s.now_ns:
            continue
        wants = entity_runnable(s, entity)
        if wants and not s.entities[entity].queued:
            if s.nr_cpus > 1:
                set_task_cpu(s, entity, select_task_rq(s, entity))
                wake_up_idle_cpu(s, s.entities[entity].cpu)
            enqueue_entity(s, entity)
            if wakeup_preempts(s, entity):
                s.cpus[s.entities[entity].cpu].resched = preempts = True
        elif not wants and s.entities[entity].queued:
            dequeue_entity(s, entity)
    return preempts


def wake_up_idle_cpu(s: State, cpu: u32):
    """A CPU that idles needs some time until who wakes up there has it; till then that one waits for a CPU."""
    idles_ns: u64 = s.now_ns - min(s.cpus[cpu].busy_until_ns, s.now_ns)
    if is_idle_cpu(s, cpu):
        s.cpus[cpu].busy_until_ns = s.now_ns + s.cost_ns[COST_WAKE_SOON if idles_ns < COOL_NS else COST_WAKE]
        push_event(s, s.cpus[cpu].busy_until_ns, 1, EVENT_THREAD, 0)


def run_thread(s: State, entity: u32, cpu: u32):
    """Run one piece of work of *entity*; with more than one CPU on *cpu*, while no time passes here."""
    since: u64 = s.now_ns
    task: u32 = 0 if s.main_idles else this_cpu(s).current
    memalloc: u32
    user_ns: u64 = 0
    curr: u32 = s.rq.curr
    s.aside = s.nr_cpus > 1
    s.rq.curr = entity
    on_cpu(s, cpu)
    memalloc = this_cpu(s).memalloc
    this_cpu(s).memalloc = 0
    if entity >= NR_SCHED_ENTITIES:
        user_ns = interrupt_with(s, entity, task)
    else:
        kthread_step(s, entity)
    this_cpu(s).memalloc = memalloc
    on_cpu(s, 0)
    s.rq.curr = curr if s.aside else s.rq.curr
    if s.aside:
        end_piece_aside(s, entity, cpu, user_ns)
    else:
        s.runner_user_ns += user_ns
        s.thread_time_ns += s.now_ns - since - user_ns


def on_cpu(s: State, cpu: u32):
    """Let *cpu* be the one whose lists and batches are used."""
    s.cpu = cpu
    s.cpu_now = cython.address(s.cpus[cpu])


def end_piece_aside(s: State, entity: u32, cpu: u32, user_ns: u64):
    """A piece of work is done that takes its time on another CPU from now on."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[entity])
    s.aside = False
    user_ns = min(user_ns, s.thread_ns)
    s.cpus[cpu].user_ns += user_ns
    s.cpus[cpu].system_ns += s.thread_ns - user_ns
    e.busy_until_ns = s.cpus[cpu].busy_until_ns = s.now_ns + s.thread_ns
    charge_entity(s, entity, s.thread_ns)
    update_min_vruntime(s, cpu)
    push_event(s, s.now_ns + s.thread_ns, 1, EVENT_THREAD, 0)
    s.thread_ns = 0


def kthread_step(s: State, entity: u32):
    """Run one piece of work of the first of an entity's threads that has any."""
    i: u32
    s.in_thread = True
    spend_ns(s, s.cost_ns[COST_IO_CALL])
    for i in range(NR_KTHREADS):
        if kthreads[i].entity == entity and kthreads[i].runnable(s):
            kthreads[i].step(s)
            break
    s.in_thread = False


def interrupt_with(s: State, entity: u32, task: u32) -> u64:
    """Run one piece of a runner's work in the middle of what *task* does, and leave to that what it knew."""
    cpu: cython.pointer(Cpu) = this_cpu(s)
    current: u32 = cpu.current
    in_lru_fault: cython.bint = cpu.in_lru_fault
    alloc_error: u32 = s.alloc_error
    refusal: u32 = s.refusal
    captured: u32 = s.captured
    capture_zone: u32 = s.capture_zone
    capture_order: i32 = s.capture_order
    resched: cython.bint = s.rq.resched
    user_ns: u64
    s.suspended = task
    s.capture_order = 0
    s.captured = 0
    s.rq.resched = False
    cpu.in_lru_fault = False
    user_ns = runner_step(s, entity)
    cpu.current = current
    cpu.in_lru_fault = in_lru_fault
    s.suspended = 0
    s.alloc_error = alloc_error
    s.refusal = refusal
    s.captured = captured
    s.capture_zone = capture_zone
    s.rq.resched |= resched
    s.capture_order = capture_order
    return user_ns


def thread_step(s: State, task_runs: cython.bint = False) -> cython.bint:
    """Run one piece of work of the entity that is next, while the task waits or beside it; False: there is none.

    With more than one CPU the task goes on beside it, and there may be no CPU left.
    """
    entity: u32
    if s.in_thread or s.runner:
        return False
    threads_wake(s)
    if not task_runs or s.nr_cpus == 1:
        dequeue_entity(s, SCHED_TASK)
    if s.nr_cpus > 1:
        return step_aside(s)
    entity = pick_next_entity(s, 0)
    if entity != s.rq.curr:
        switch_to(s, entity)
    if entity != SCHED_IDLE:
        run_thread(s, entity, 0)
    return entity != SCHED_IDLE


def step_aside(s: State) -> cython.bint:
    """Let a CPU that is free, one of several, run a piece of work of who is next in its queue; False: none can."""
    cpu: u32 = cpu_with_work(s)
    if s.rq.curr == SCHED_TASK and not s.entities[SCHED_TASK].queued:
        switch_to(s, SCHED_IDLE)
    entity: u32 = next_on(s, cpu) if cpu < s.nr_cpus else SCHED_IDLE
    if entity != SCHED_IDLE:
        run_thread(s, entity, cpu)
    return entity != SCHED_IDLE


def cpu_with_work(s: State) -> u32:
    """A CPU that is free, and in whose queue something waits or has been moved to now; ``nr_cpus``: there is none."""
    who: u32
    waits: cython.bint = False
    for who in range(SCHED_TASK + 1, s.nr_entities):
        if who == SCHED_IDLE or not s.entities[who].queued:
            continue
        if is_idle_cpu(s, s.entities[who].cpu):
            return s.entities[who].cpu
        waits = True
    if waits:
        load_balance(s)
    return newidle_balance(s) if waits else s.nr_cpus


def next_on(s: State, cpu: u32) -> u32:
    """Who has a CPU: who had it, until the tick or a wake-up ends its turn; SCHED_IDLE: nothing wants it."""
    curr: u32 = s.cpus[cpu].curr
    preempted: cython.bint = tick_preempts(s, cpu) or s.cpus[cpu].resched
    if preempted or not s.entities[curr].queued or s.entities[curr].cpu != cpu:
        begin_turn(s, cpu, pick_next_entity(s, cpu))
    return s.cpus[cpu].curr


def run_beside(s: State):
    """Let other CPUs begin pieces of work, and those have their turn that wait for the main line's."""
    s.rq.resched = False
    while thread_step(s, True) and not is_cut_off(s):
        pass
    if nr_waiting(s, 0) and (tick_preempts(s, 0) or s.cpus[0].resched):
        share_first_cpu(s)
    if s.interrupted_ns:
        spend_interrupts(s)
    if s.rq.curr != SCHED_TASK:
        task_wakes(s)


def spend_interrupts(s: State):
    """Let the main line's time pass that other CPUs have taken of it by interrupts."""
    ns: u64 = s.interrupted_ns
    s.interrupted_ns = 0
    spend_ns(s, ns)


def share_first_cpu(s: State):
    """Let those have their turn that wait for the CPU of the main line, until it is next again."""
    entity: u32
    since: u64 = s.now_ns
    entity = pick_next_entity(s, 0)
    switch_to(s, SCHED_IDLE)
    begin_turn(s, 0, entity)
    while entity != SCHED_TASK and entity != SCHED_IDLE and not is_cut_off(s):
        run_thread(s, entity, 0)
        while s.cpus[0].busy_until_ns > s.now_ns:
            if not thread_step(s, True):
                idle_until(s, s.cpus[0].busy_until_ns)
        threads_wake(s)
        entity = next_on(s, 0)
    s.task_queue_ns += s.now_ns - since


def task_wakes(s: State):
    """The task has waited; it goes on, as soon as its CPU is free."""
    since: u64 = s.now_ns
    while s.cpus[0].busy_until_ns > s.now_ns:
        idle_until(s, s.cpus[0].busy_until_ns)
    s.task_queue_ns += s.now_ns - since
    update_curr(s)
    s.entities[SCHED_TASK].iowait = False
    enqueue_entity(s, SCHED_TASK)
    switch_to(s, SCHED_TASK)


def cond_resched(s: State):
    """A point where the kernel would switch: threads run until it is the task's turn again."""
    entity: u32
    if s.runner:
        return
    if s.nr_cpus > 1 and not s.in_thread:
        run_beside(s)
        return
    if s.in_thread or (not threads_wake(s) and not tick_preempts(s, 0)):
        s.rq.resched = nr_waiting(s, 0) != 0
        return
    while True:
        entity = pick_next_entity(s, 0)
        if entity == SCHED_TASK:
            break
        switch_to(s, entity)
        while True:
            run_thread(s, entity, 0)
            if threads_wake(s) or not s.entities[entity].queued or tick_preempts(s, 0):
                break
    switch_to(s, SCHED_TASK)


def resched_shrinker(s: State):
    """Between two pages of a piece of reclaim zswap's worker gets the CPU, where the kernel would switch to it.

    By the scheduler of 6.1 it preempts; since 6.6 it must be owed time, or wait for the tick.
    """
    curr: u32 = s.rq.curr
    since: u64 = s.now_ns
    if not s.features.eevdf:
        shrink_worker(s)
        return
    if s.zswap.shrinking or s.runner or s.nr_cpus > 1 or curr == SCHED_FLUSHER or not shrinker_preempts(s):
        return
    switch_to(s, SCHED_FLUSHER)
    while s.zswap.shrink_queued:
        shrink_worker(s)
        if tick_preempts(s, 0) and pick_next_entity(s, 0) != SCHED_FLUSHER:
            break
    if not entity_runnable(s, SCHED_FLUSHER):
        dequeue_entity(s, SCHED_FLUSHER)
    switch_to(s, curr)
    if curr == SCHED_TASK:
        s.thread_time_ns += s.now_ns - since


def shrinker_preempts(s: State) -> cython.bint:
    """Whether zswap's worker has the CPU next: it wakes up, or waits and the tick has come."""
    update_curr(s)
    if s.entities[SCHED_FLUSHER].queued:
        return tick_preempts(s, 0) and pick_next_entity(s, 0) == SCHED_FLUSHER
    enqueue_entity(s, SCHED_FLUSHER)
    return wakeup_preempts(s, SCHED_FLUSHER) and pick_next_entity(s, 0) == SCHED_FLUSHER


def idle_until(s: State, until_ns: u64):
    """Nothing can run: time passes to the next event, or to *until_ns* if that is sooner."""
    until_ns = min(until_ns, s.next_event_ns)
    s.now_ns = max(s.now_ns, until_ns)
    run_events(s)


def io_schedule(s: State):
    """The running task or thread waits for a device: a thread works meanwhile, or time passes to the next event.

    Who has requests to hand over first looks again afterwards: what it waits for may have ended.
    """
    since: u64 = s.now_ns
    if s.in_thread or s.runner:
        if not finish_plugs(s):
            thread_waits(s)
        return
    if finish_plug(s):
        return
    s.entities[SCHED_TASK].iowait = True
    if not thread_step(s):
        idle_until(s, FOREVER)
        spend_ns(s, s.cost_ns[COST_WAKE])
        s.task_wait_ns += s.now_ns - since
    task_wakes(s)


def io_schedule_timeout(s: State, until_ns: u64):
    """The task sleeps for the sake of a device until a point in time."""
    s.entities[SCHED_TASK].iowait = True
    schedule_timeout(s, until_ns)


def thread_waits(s: State):
    """The running thread, or a runner that cannot return, waits for a device; nothing else runs meanwhile."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[s.rq.curr])
    update_curr(s)
    e.iowait = True
    e.queued = False
    idle_until(s, FOREVER)
    psi_account(s)
    e.iowait = False
    e.queued = True
    s.rq.exec_start_ns = s.now_ns
    spend_ns(s, s.cost_ns[COST_WAKE])


def schedule_timeout(s: State, until_ns: u64):
    """The task sleeps; threads work meanwhile."""
    since: u64
    while s.runner and s.now_ns < until_ns:
        idle_until(s, until_ns)
    if s.runner:
        return
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


def book_iowait(s: State, ns: u64):
    """Book time in which the only CPU was idle while a runner waits for a device."""
    entity: u32
    if s.nr_cpus > 1:
        return
    for entity in range(NR_SCHED_ENTITIES, s.nr_entities):
        if s.entities[entity].iowait:
            s.cpu_iowait_ns += ns
            s.idle_iowait_ns += ns
            break


def advance_to(s: State, until_ns: u64):
    """Let an idle machine's time pass until *until_ns*; its threads and runners work when they are due.

    It ends early where a runner's work has ended.
    """
    since: u64
    s.main_idles = True
    while s.now_ns < until_ns and not is_cut_off(s) and not s.nr_ended:
        since = s.now_ns
        if not thread_step(s):
            idle_until(s, until_ns)
            book_iowait(s, s.now_ns - since)
    s.main_idles = False
    task_wakes(s)


def sleep_until(s: State, until_ns: int) -> None:
    """Let the whole machine idle until a point in time, nanoseconds since boot."""
    until: u64 = until_ns
    with cython.nogil:
        advance_to(s, until)
    raise_if_broken(s)
