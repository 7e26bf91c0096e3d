"""Who has the cpu: the task, kswapd or the flusher, where there is one cpu for all of them.

Each has a **vruntime**: the time that it has run.  Who can run and has run least is next.

- Who runs goes on until the *tick* (every 4 ms) finds that it has had its share of 6 ms (3 ms where two want to run),
  or has run that much more than something else.
- Who wakes up starts at no less than 3 ms behind the others, however long it slept; it takes the cpu at once if it is
  more than 1 ms behind who runs.

So a kswapd that has just worked for 5 ms does not get the cpu when the task wakes it again: for some milliseconds the
task goes on, may use up what is left above the *min* mark meanwhile, and must then reclaim for itself.

Since 6.6 it is decided by virtual deadlines instead: ``eevdf.py``.

Follows kernel/sched/fair.c of Linux 6.1 (``update_curr``, ``place_entity``, ``check_preempt_tick``,
``wakeup_preempt_entity``, ``pick_next_entity``) with the settings of one cpu, and 250 ticks a second.

khugepaged has nice 19: its time counts 68 times.

Not modelled: other nice values, several tasks that run at the same time, groups, buddies.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.kernel.sched.eevdf import (
    dequeue_eevdf,
    enqueue_eevdf,
    pick_next_eevdf,
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


def least_vruntime(s: State, but: u32) -> u64:
    """The smallest vruntime of those that want to run, *but* one; 2^64 - 1: none does."""
    who: u32
    least: u64 = ~cython.cast(u64, 0)
    for who in range(s.nr_entities):
        if who != but and s.entities[who].queued:
            least = min(least, s.entities[who].vruntime)
    return least


def nr_waiting(s: State) -> u32:
    """How many want to run and do not."""
    who: u32
    waiting: u32 = 0
    for who in range(s.nr_entities):
        waiting += who != s.rq.curr and s.entities[who].queued
    return waiting


def charge_entity(s: State, who: u32, ns: u64):
    """Let an entity have run for so long."""
    s.entities[who].vruntime += ns * NICE_0_WEIGHT // NICE_19_WEIGHT if who == SCHED_KHUGEPAGED else ns


def update_curr(s: State):
    """Book the time since this was last called to who runs, and as pressure."""
    least: u64
    charge_entity(s, s.rq.curr, s.now_ns - s.rq.exec_start_ns)
    psi_account(s)
    s.rq.exec_start_ns = s.now_ns
    least = least_vruntime(s, SCHED_IDLE)
    if least != ~cython.cast(u64, 0):
        s.rq.min_vruntime = max(s.rq.min_vruntime, least)


def enqueue_entity(s: State, who: u32):
    """Put an entity that wakes up on the run queue."""
    if s.features.eevdf:
        enqueue_eevdf(s, who)
        return
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    if not e.queued:
        e.queued = True
        e.vruntime = max(e.vruntime, s.rq.min_vruntime - min(s.rq.min_vruntime, SLEEPER_CREDIT_NS))


def dequeue_entity(s: State, who: u32):
    """Take an entity that goes to sleep off the run queue."""
    if s.features.eevdf:
        dequeue_eevdf(s, who)
    s.entities[who].queued = False


def wakeup_preempts(s: State, who: u32) -> cython.bint:
    """Whether an entity that woke up preempts the running one."""
    if s.features.eevdf:
        return wakeup_preempts_eevdf(s, who)
    return s.entities[s.rq.curr].vruntime > s.entities[who].vruntime + WAKEUP_GRANULARITY_NS


def tick_preempts(s: State) -> cython.bint:
    """Whether a tick came since this was last asked, and found that the running entity has had its slice."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[s.rq.curr])
    waiting: u32 = nr_waiting(s)
    share: u64
    ran: u64
    update_curr(s)
    if s.now_ns // TICK_NS == s.rq.tick:
        return False
    s.rq.tick = s.now_ns // TICK_NS
    if s.features.eevdf:
        return update_deadline(s)
    if not waiting:
        return False
    share = LATENCY_NS // (waiting + 1)
    ran = e.vruntime - e.picked_vruntime
    return ran > share or (ran >= MIN_GRANULARITY_NS and e.vruntime > least_vruntime(s, s.rq.curr) + share)


def pick_next_entity(s: State) -> u32:
    """The next entity to run; SCHED_IDLE: none is runnable."""
    if s.features.eevdf:
        return pick_next_eevdf(s)
    return pick_next_cfs(s)


def pick_next_cfs(s: State) -> u32:
    """The runnable entity that has run least; SCHED_IDLE: none is runnable."""
    who: u32
    chosen: u32 = SCHED_IDLE
    for who in range(s.nr_entities):
        if s.entities[who].queued and (chosen == SCHED_IDLE or s.entities[who].vruntime < s.entities[chosen].vruntime):
            chosen = who
    return chosen


def switch_to(s: State, who: u32):
    """Give the cpu to *who*, for a new turn."""
    update_curr(s)
    s.rq.curr = who
    s.entities[who].picked_vruntime = s.entities[who].vruntime
    s.entities[who].protected_deadline = s.entities[who].deadline
    s.rq.slice_over = False
