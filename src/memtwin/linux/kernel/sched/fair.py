"""Who has a CPU of those that want to run on it: the task, kswapd, the flusher, runners.

Each has a **vruntime**: the time that it has run.  Who can run and has run least is next.

- Who runs goes on until the *tick* (every 4 ms) finds that it has had its share of 6 ms (3 ms where two want to run),
  or has run that much more than something else. On one CPU each tick ends the turn of who has not run least:
  RCU's thread or a kworker wakes up at most of them, runs for some 50 us, and who has run least is next.
- Who wakes up starts at no less than 3 ms behind the others, however long it slept; it takes the cpu at once if it is
  more than 1 ms behind who runs.

These times are of one CPU: with two all are twice as long, with four three times, with eight or more four times.  Each
CPU has a queue of its own, and a turn there: who shares it with a task waits for milliseconds, in which that allocates.

So a kswapd that has just worked for 5 ms does not get the cpu when the task wakes it again: for some milliseconds the
task goes on, may use up what is left above the *min* mark meanwhile, and must then reclaim for itself.

Since 6.6 it is decided by virtual deadlines instead: ``eevdf.py``.

Follows kernel/sched/fair.c of Linux 6.1 (``update_curr``, ``place_entity``, ``check_preempt_tick``,
``wakeup_preempt_entity``, ``pick_next_entity``, ``get_update_sysctl_factor``) with 250 ticks a second.

khugepaged has nice 19: its time counts 68 times.

Not modelled: other nice values, groups, buddies.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.kernel.sched.eevdf import (
    dequeue_eevdf,
    enqueue_eevdf,
    pick_next_eevdf,
    scaled,
    update_deadline,
    wakeup_preempts_eevdf,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_account

LATENCY_NS = cython.declare(u64, 6_000_000)
MIN_GRANULARITY_NS = cython.declare(u64, 750_000)
WAKEUP_GRANULARITY_NS = cython.declare(u64, 1_000_000)
SLEEPER_CREDIT_NS = cython.declare(u64, 3_000_000)
NICE_0_WEIGHT = cython.declare(u64, 1024)
NICE_19_WEIGHT = cython.declare(u64, 15)
TICK_NS = cython.declare(u64, 4_000_000)


def least_vruntime(s: State, cpu: u32, but: u32) -> u64:
    """The smallest vruntime of those that want to run on a CPU, *but* one; 2^64 - 1: none does."""
    who: u32
    least: u64 = ~cython.cast(u64, 0)
    for who in range(s.nr_entities):
        if who != but and s.entities[who].queued and s.entities[who].cpu == cpu:
            least = min(least, s.entities[who].vruntime)
    return least


def nr_waiting(s: State, cpu: u32) -> u32:
    """How many want to run on a CPU beside the one that does."""
    who: u32
    waiting: u32 = 0
    for who in range(s.nr_entities):
        waiting += who != s.cpus[cpu].curr and s.entities[who].queued and s.entities[who].cpu == cpu
    return waiting


def charge_entity(s: State, who: u32, ns: u64):
    """Let an entity have run for so long."""
    s.entities[who].vruntime += ns * NICE_0_WEIGHT // NICE_19_WEIGHT if who == SCHED_KHUGEPAGED else ns


def update_curr(s: State):
    """Book the time since this was last called to who runs, and as pressure."""
    charge_entity(s, s.rq.curr, s.now_ns - s.rq.exec_start_ns)
    psi_account(s)
    s.rq.exec_start_ns = s.now_ns
    update_min_vruntime(s, s.entities[s.rq.curr].cpu)


def update_min_vruntime(s: State, cpu: u32):
    """Let where entities start that wake up follow the least vruntime of a CPU's queue."""
    least: u64 = least_vruntime(s, cpu, SCHED_IDLE)
    if least != ~cython.cast(u64, 0):
        s.cpus[cpu].min_vruntime = max(s.cpus[cpu].min_vruntime, least)


def enqueue_entity(s: State, who: u32):
    """Put an entity that wakes up on the run queue."""
    if s.features.eevdf:
        enqueue_eevdf(s, who)
        return
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    least: u64 = s.cpus[e.cpu].min_vruntime
    if not e.queued:
        e.queued = True
        e.vruntime = max(e.vruntime, least - min(least, scaled(s, SLEEPER_CREDIT_NS)))


def dequeue_entity(s: State, who: u32):
    """Take an entity that goes to sleep off the run queue."""
    if s.features.eevdf:
        dequeue_eevdf(s, who)
    s.entities[who].queued = False


def wakeup_preempts(s: State, who: u32) -> cython.bint:
    """Whether an entity that woke up preempts the one that runs on its CPU."""
    curr: u32 = s.cpus[s.entities[who].cpu].curr
    if s.features.eevdf:
        return wakeup_preempts_eevdf(s, who)
    return s.entities[curr].vruntime > s.entities[who].vruntime + scaled(s, WAKEUP_GRANULARITY_NS)


def tick_preempts(s: State, cpu: u32) -> cython.bint:
    """Whether a tick came since this was last asked, and found that who runs on a CPU has had its slice.

    RCU's thread or a kworker wakes up at most ticks while pages are reclaimed; after it who has run least is next. With
    one CPU that is so at each tick; of several each has few.
    """
    curr: u32 = s.cpus[cpu].curr
    e: cython.pointer(SchedEntity) = cython.address(s.entities[curr])
    waiting: u32 = nr_waiting(s, cpu)
    share: u64
    ran: u64
    update_curr(s)
    if s.now_ns // TICK_NS == s.cpus[cpu].tick:
        return False
    s.cpus[cpu].tick = s.now_ns // TICK_NS
    if s.features.eevdf:
        return update_deadline(s, cpu)
    if not waiting:
        return False
    if s.nr_cpus == 1 and e.vruntime > least_vruntime(s, cpu, curr):
        return True
    share = max(scaled(s, LATENCY_NS) // (waiting + 1), scaled(s, MIN_GRANULARITY_NS))
    ran = e.vruntime - e.picked_vruntime
    if ran < scaled(s, MIN_GRANULARITY_NS):
        return False
    return ran > share or e.vruntime > least_vruntime(s, cpu, curr) + share


def pick_next_entity(s: State, cpu: u32) -> u32:
    """The next entity to run on a CPU; SCHED_IDLE: none of its queue is runnable."""
    if s.features.eevdf:
        return pick_next_eevdf(s, cpu)
    return pick_next_cfs(s, cpu)


def pick_next_cfs(s: State, cpu: u32) -> u32:
    """The runnable entity of a CPU's queue that has run least; SCHED_IDLE: none is runnable."""
    who: u32
    chosen: u32 = SCHED_IDLE
    for who in range(s.nr_entities):
        if not s.entities[who].queued or s.entities[who].cpu != cpu:
            continue
        if chosen == SCHED_IDLE or s.entities[who].vruntime < s.entities[chosen].vruntime:
            chosen = who
    return chosen


def switch_to(s: State, who: u32):
    """Give the first CPU to *who*, and all attention: what passes of time is its."""
    update_curr(s)
    s.rq.curr = who
    begin_turn(s, 0, who)


def begin_turn(s: State, cpu: u32, who: u32):
    """Give a CPU to *who*, for a new turn."""
    s.cpus[cpu].curr = who
    s.cpus[cpu].resched = False
    s.cpus[cpu].slice_over = False
    s.entities[who].picked_vruntime = s.entities[who].vruntime
    s.entities[who].protected_deadline = s.entities[who].deadline
