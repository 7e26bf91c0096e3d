"""Who has the cpu in kernels since 6.6: the earliest virtual deadline among those that are owed time goes first.

Entities weigh the same here.  **V** is the mean vruntime of all that compete; who has run no more than that is
*eligible*, and its *lag* is how far behind it is.  Each has a **deadline**: its vruntime when its slice of 0.7 ms
began, and the slice.  Who is eligible and has the earliest deadline is next, but

- who runs goes on until it has used its slice up, or is no longer eligible; that is only checked when something is
  enqueued, and at the tick, every 4 ms; with two CPUs a slice is 1.4 ms, with four 2.1, with eight or more 2.8;
- who wakes up is placed at V less the lag that it went to sleep with, so that sleeping earns nothing.  Who had more
  than its share goes on competing as if it were awake, until it has been overtaken.

So a kswapd that is woken does not take the cpu from the task that woke it as it mostly did before: the task goes on for
up to 4 ms, may come to the *min* mark meanwhile, and must then reclaim for itself.

Follows kernel/sched/fair.c of Linux 6.12 (``pick_eevdf``, ``place_entity``, ``update_deadline``, ``dequeue_entity``,
``requeue_delayed_entity``, ``check_preempt_wakeup_fair``).

Not modelled: weights, groups, slices of an entity's own.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State

SOURCE = "kernel/sched/fair.c", "v6.12"

BASE_SLICE_NS = cython.declare(u64, 700_000)
LAG_LIMIT_NS = cython.declare(i64, 4_000_000)


def curr_of(s: State, cpu: u32) -> u32:
    """Who runs on a CPU, or did last; SCHED_IDLE: it has gone elsewhere."""
    curr: u32 = s.cpus[cpu].curr
    return curr if s.entities[curr].cpu == cpu else SCHED_IDLE


def nr_running(s: State, cpu: u32) -> u32:
    """How many compete for a CPU."""
    who: u32
    nr: u32 = 0
    for who in range(s.nr_entities):
        nr += on_rq(cython.address(s.entities[who])) and s.entities[who].cpu == cpu
    return nr


def avg_vruntime(s: State, cpu: u32) -> u64:
    """The mean vruntime of those that compete for a CPU; where none does, that of the last one that did."""
    who: u32
    nr: u32 = nr_running(s, cpu)
    total: u64 = 0
    if not nr:
        return s.cpus[cpu].min_vruntime
    for who in range(s.nr_entities):
        if on_rq(cython.address(s.entities[who])) and s.entities[who].cpu == cpu:
            total += s.entities[who].vruntime
    return total // nr


def entity_eligible(s: State, who: u32) -> cython.bint:
    """Whether an entity has run no more than the mean."""
    return s.entities[who].vruntime <= avg_vruntime(s, s.entities[who].cpu)


def scaled(s: State, ns: u64) -> u64:
    """A setting of one CPU as it is with all of them: twice with two, three times with four, four times with eight."""
    return ns * (1 + (s.nr_cpus >= 2) + (s.nr_cpus >= 4) + (s.nr_cpus >= 8))


def update_deadline(s: State, cpu: u32) -> cython.bint:
    """Give who runs on a CPU a new slice if it has used one up; whether it has, and another waits."""
    curr: u32 = curr_of(s, cpu)
    e: cython.pointer(SchedEntity) = cython.address(s.entities[curr])
    if curr == SCHED_IDLE or e.vruntime < e.deadline:
        return False
    e.deadline = e.vruntime + scaled(s, BASE_SLICE_NS)
    return nr_running(s, cpu) > 1


def pick_eevdf(s: State, cpu: u32) -> u32:
    """Who should run on a CPU; SCHED_IDLE: none competes."""
    curr: u32 = curr_of(s, cpu)
    chosen: u32 = SCHED_IDLE
    who: u32
    if curr != SCHED_IDLE and (not on_rq(cython.address(s.entities[curr])) or not entity_eligible(s, curr)):
        curr = SCHED_IDLE
    if curr != SCHED_IDLE and s.entities[curr].protected_deadline == s.entities[curr].deadline:
        return curr
    for who in range(s.nr_entities):
        if s.entities[who].cpu != cpu or who == curr:
            continue
        if not on_rq(cython.address(s.entities[who])) or not entity_eligible(s, who):
            continue
        if chosen == SCHED_IDLE or s.entities[who].deadline < s.entities[chosen].deadline:
            chosen = who
    if curr != SCHED_IDLE and (chosen == SCHED_IDLE or s.entities[curr].deadline < s.entities[chosen].deadline):
        return curr
    return chosen


def pick_next_eevdf(s: State, cpu: u32) -> u32:
    """Who is next; one that only competes, and is chosen, has been overtaken and leaves."""
    who: u32 = pick_eevdf(s, cpu)
    while who != SCHED_IDLE and not s.entities[who].queued:
        leave(cython.address(s.entities[who]))
        who = pick_eevdf(s, cpu)
    return who


def leave(e: cython.pointer(SchedEntity)):
    """Let an entity that only competed go to sleep, and take nothing with it."""
    e.delayed = False
    e.vlag = 0


def drop_overtaken(s: State, but: u32):
    """Let those leave that only competed and have been overtaken, *but* one: the last tick has found them next."""
    who: u32
    for who in range(s.nr_entities):
        if who != but and s.entities[who].delayed and entity_eligible(s, who):
            leave(cython.address(s.entities[who]))


def place_entity(s: State, who: u32):
    """Place an entity that does not compete yet so that its lag, once it does, is what it was."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    nr: i64 = nr_running(s, e.cpu)
    lag: i64 = e.vlag * (nr + 1) // nr if nr else 0
    e.vruntime = avg_vruntime(s, e.cpu) - cython.cast(u64, lag)
    e.deadline = e.vruntime + scaled(s, BASE_SLICE_NS)


def enqueue_eevdf(s: State, who: u32):
    """Put an entity that wakes up on the run queue."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    if e.queued:
        return
    drop_overtaken(s, who)
    s.cpus[e.cpu].slice_over |= update_deadline(s, e.cpu)
    if not e.delayed:
        place_entity(s, who)
    elif e.vruntime < avg_vruntime(s, e.cpu):
        leave(e)
        place_entity(s, who)
    e.delayed = False
    e.queued = True


def dequeue_eevdf(s: State, who: u32):
    """Take an entity that goes to sleep off the run queue; one that had more than its share competes on."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    lag: i64
    if not e.queued:
        return
    drop_overtaken(s, who)
    update_deadline(s, e.cpu)
    lag = cython.cast(i64, avg_vruntime(s, e.cpu) - e.vruntime)
    e.delayed = lag < 0
    e.vlag = max(min(lag, LAG_LIMIT_NS), -LAG_LIMIT_NS)
    e.queued = False


def wakeup_preempts_eevdf(s: State, who: u32) -> cython.bint:
    """Whether an entity that woke up preempts the running one."""
    return s.cpus[s.entities[who].cpu].slice_over or pick_eevdf(s, s.entities[who].cpu) == who
