"""In whose queue an entity waits, where there are several CPUs: where it wakes up, and when it is moved.

- **Wake-up**: the CPU that it ran on last if that is idle, else another that is; else it waits where it ran, or where
  it was woken if fewer would want to run there, itself included.
- **A CPU that runs out of work** takes who waits on the CPU with the longest queue, unless that ran there in the last
  half millisecond: its data is still in that CPU's cache.
- **Periodically** each looks for a queue longer than its own: every 16 ms times the CPUs, less a tick.  Two
  more are taken from at once.  Where it is one more, moving a whole task would turn the imbalance round, and it is
  taken only after as many attempts as halve its load below that::

      imbalance = min(longest - mean, mean - own)        in tasks
      a task is moved if  1 / 2^attempts <= imbalance

So of three tasks on two CPUs each has one for itself some 56 ms in turn, and they get on about equally fast.

Follows kernel/sched/fair.c of Linux 6.1 (``wake_affine_weight``, ``select_idle_sibling``, ``newidle_balance``,
``load_balance``, ``calculate_imbalance``, ``detach_tasks``), as far as times show it.

Not modelled: scheduling domains of several levels, load that is tracked (PELT).
"""

import cython
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.kernel.sched.fair import wakeup_preempts

SOURCE = "kernel/sched/fair.c", "v6.1"

BUSY_INTERVAL_NS = cython.declare(u64, 16_000_000)
TICK_NS = cython.declare(u64, 4_000_000)
MIGRATION_COST_NS = cython.declare(u64, 500_000)
CACHE_NICE_TRIES = cython.declare(u32, 1)
LOAD = cython.declare(u64, 1024)


def is_idle_cpu(s: State, cpu: u32) -> cython.bint:
    """Whether nothing runs on a CPU now; on the first the main line does, unless it waits."""
    return s.cpus[cpu].busy_until_ns <= s.now_ns and (cpu != 0 or not s.entities[SCHED_TASK].queued)


def count_running(s: State, load: cython.pointer(u32)):
    """Count, for each CPU, who runs there or wants to."""
    who: u32
    memset(load, 0, s.nr_cpus * cython.sizeof(u32))
    for who in range(s.nr_entities):
        load[s.entities[who].cpu] += s.entities[who].queued or s.entities[who].busy_until_ns > s.now_ns


def set_task_cpu(s: State, who: u32, cpu: u32):
    """Move an entity to the queue of another CPU, as far ahead or behind as it is in its own."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    ahead: i64 = cython.cast(i64, e.vruntime) - cython.cast(i64, s.cpus[e.cpu].min_vruntime)
    slice_ns: u64 = e.deadline - e.vruntime
    if e.cpu != cpu:
        e.vruntime = max(cython.cast(i64, s.cpus[cpu].min_vruntime) + ahead, 0)
        e.deadline = e.vruntime + slice_ns
    e.cpu = cpu


def select_task_rq(s: State, who: u32) -> u32:
    """The CPU in whose queue an entity that wakes up is put."""
    load: u32[MAX_CPUS]
    cpu: u32
    last: u32 = s.entities[who].cpu
    if who == SCHED_TASK or s.entities[who].delayed:
        return last
    count_running(s, load)
    if not load[last] and is_idle_cpu(s, last):
        return last
    for cpu in range(s.nr_cpus - 1, -1, -1):
        if not load[cpu] and is_idle_cpu(s, cpu):
            return cpu
    cpu = s.entities[who].waker_cpu
    return cpu if load[cpu] < load[last] else last


def is_hot(s: State, who: u32) -> cython.bint:
    """Whether an entity has run so lately that a CPU without work leaves it where it is."""
    return s.now_ns - s.entities[who].busy_until_ns < MIGRATION_COST_NS


def detach_task(s: State, cpu: u32, hot: cython.bint) -> u32:
    """Who waits longest on a CPU that is busy, *hot* ones too or not; SCHED_IDLE: nothing waits there."""
    who: u32
    chosen: u32 = SCHED_IDLE
    for who in range(SCHED_TASK + 1, s.nr_entities):
        if not s.entities[who].queued or s.entities[who].cpu != cpu or who == s.cpus[cpu].curr:
            continue
        if s.entities[who].busy_until_ns > s.now_ns or (not hot and is_hot(s, who)):
            continue
        if chosen == SCHED_IDLE or s.entities[who].vruntime < s.entities[chosen].vruntime:
            chosen = who
    return chosen


def find_busiest(s: State, load: cython.pointer(u32)) -> u32:
    """The CPU with the longest queue."""
    cpu: u32
    busiest: u32 = 0
    for cpu in range(1, s.nr_cpus):
        if load[cpu] > load[busiest]:
            busiest = cpu
    return busiest


def pull_task(s: State, busiest: u32, cpu: u32, hot: cython.bint) -> cython.bint:
    """Let a CPU take who waits longest on another; False: nothing waits there that it may take."""
    who: u32 = detach_task(s, busiest, hot)
    if who == SCHED_IDLE:
        return False
    set_task_cpu(s, who, cpu)
    s.cpus[cpu].resched |= wakeup_preempts(s, who)
    return True


def newidle_balance(s: State) -> u32:
    """Let a CPU that has nothing to do take who waits on the busiest; returns it, ``nr_cpus``: nothing was taken."""
    load: u32[MAX_CPUS]
    cpu: u32
    busiest: u32
    count_running(s, load)
    busiest = find_busiest(s, load)
    if load[busiest] < 2:
        return s.nr_cpus
    for cpu in range(s.nr_cpus - 1, -1, -1):
        if not load[cpu] and is_idle_cpu(s, cpu):
            return cpu if pull_task(s, busiest, cpu, False) else s.nr_cpus
    return s.nr_cpus


def load_balance(s: State):
    """Let each CPU whose time has come look for a queue longer than its own."""
    load: u32[MAX_CPUS]
    cpu: u32
    busiest: u32
    for cpu in range(s.nr_cpus):
        if s.now_ns < s.cpus[cpu].next_balance_ns:
            continue
        s.cpus[cpu].next_balance_ns = s.now_ns + BUSY_INTERVAL_NS * s.nr_cpus - TICK_NS
        count_running(s, load)
        busiest = find_busiest(s, load)
        if load[busiest] <= load[cpu]:
            s.cpus[cpu].nr_balance_failed = 0
        elif LOAD >> min(s.cpus[cpu].nr_balance_failed, 10) > imbalance(s, load, busiest, cpu):
            s.cpus[cpu].nr_balance_failed += 1
        elif pull_task(s, busiest, cpu, s.cpus[cpu].nr_balance_failed > CACHE_NICE_TRIES):
            s.cpus[cpu].nr_balance_failed = 0


def imbalance(s: State, load: cython.pointer(u32), busiest: u32, cpu: u32) -> u64:
    """How much of a task's load may move from the longest queue to a CPU's own, in 1,024ths."""
    other: u32
    total: u64 = 0
    mean: u64
    for other in range(s.nr_cpus):
        total += load[other]
    mean = total * LOAD // s.nr_cpus
    if load[busiest] >= load[cpu] + 2:
        return LOAD
    return min(load[busiest] * LOAD - mean, mean - min(load[cpu] * LOAD, mean))
