"""Who has the cpu in kernels since 6.6: the earliest virtual deadline among those that are owed time goes first.

Entities weigh the same here.  **V** is the mean vruntime of all that compete; who has run no more than that is
*eligible*, and its *lag* is how far behind it is.  Each has a **deadline**: its vruntime when its slice of 0.7 ms
began, and the slice.  Who is eligible and has the earliest deadline is next, but

- who runs goes on until it has used its slice up, or is no longer eligible; that is only checked when something is
  enqueued, and at the tick, every 4 ms;
- who wakes up is placed at V less the lag that it went to sleep with, so that sleeping earns nothing.  Who had more
  than its share goes on competing as if it were awake, until it has been overtaken.

So a kswapd that is woken does not take the cpu from the task that woke it as it mostly did before: the task goes on for
up to 4 ms, may come to the *min* mark meanwhile, and must then reclaim for itself.

Follows kernel/sched/fair.c of Linux 6.12 (``pick_eevdf``, ``place_entity``, ``update_deadline``, ``dequeue_entity``,
``requeue_delayed_entity``, ``check_preempt_wakeup_fair``).

Not modelled: weights, groups, slices of an entity's own.
"""

import cython

SOURCE = "kernel/sched/fair.c", "v6.12"

BASE_SLICE_NS = cython.declare(u64, 700_000)
LAG_LIMIT_NS = cython.declare(i64, 4_000_000)


def nr_running(rq: cython.pointer(Rq)) -> u32:
    """How many compete."""
    who: u32
    nr: u32 = 0
    for who in range(SCHED_IDLE):
        nr += on_rq(cython.address(rq.entities[who]))
    return nr


def avg_vruntime(rq: cython.pointer(Rq)) -> u64:
    """The mean vruntime of those that compete; where none does, that of the last one that did."""
    who: u32
    nr: u32 = nr_running(rq)
    total: u64 = 0
    if not nr:
        return rq.min_vruntime
    for who in range(SCHED_IDLE):
        if on_rq(cython.address(rq.entities[who])):
            total += rq.entities[who].vruntime
    return total // nr


def entity_eligible(rq: cython.pointer(Rq), who: u32) -> cython.bint:
    """Whether an entity has run no more than the mean."""
    return rq.entities[who].vruntime <= avg_vruntime(rq)


def update_deadline(rq: cython.pointer(Rq)) -> cython.bint:
    """Give who runs a new slice if it has used one up; whether it has, and another waits."""
    e: cython.pointer(SchedEntity) = cython.address(rq.entities[rq.curr])
    if rq.curr == SCHED_IDLE or e.vruntime < e.deadline:
        return False
    e.deadline = e.vruntime + BASE_SLICE_NS
    return nr_running(rq) > 1


def pick_eevdf(rq: cython.pointer(Rq)) -> u32:
    """Who should run; SCHED_IDLE: none competes."""
    curr: u32 = rq.curr
    chosen: u32 = SCHED_IDLE
    who: u32
    if curr != SCHED_IDLE and (not on_rq(cython.address(rq.entities[curr])) or not entity_eligible(rq, curr)):
        curr = SCHED_IDLE
    if curr != SCHED_IDLE and rq.entities[curr].protected_deadline == rq.entities[curr].deadline:
        return curr
    for who in range(SCHED_IDLE):
        if who == curr or not on_rq(cython.address(rq.entities[who])) or not entity_eligible(rq, who):
            continue
        if chosen == SCHED_IDLE or rq.entities[who].deadline < rq.entities[chosen].deadline:
            chosen = who
    if curr != SCHED_IDLE and (chosen == SCHED_IDLE or rq.entities[curr].deadline < rq.entities[chosen].deadline):
        return curr
    return chosen


def pick_next_eevdf(rq: cython.pointer(Rq)) -> u32:
    """Who is next; one that only competes, and is chosen, has been overtaken and leaves."""
    who: u32 = pick_eevdf(rq)
    while who != SCHED_IDLE and not rq.entities[who].queued:
        rq.entities[who].delayed = False
        rq.entities[who].vlag = 0
        who = pick_eevdf(rq)
    return who


def place_entity(rq: cython.pointer(Rq), who: u32):
    """Place an entity that does not compete yet so that its lag, once it does, is what it was."""
    e: cython.pointer(SchedEntity) = cython.address(rq.entities[who])
    nr: i64 = nr_running(rq)
    lag: i64 = e.vlag * (nr + 1) // nr if nr else 0
    e.vruntime = avg_vruntime(rq) - cython.cast(u64, lag)
    e.deadline = e.vruntime + BASE_SLICE_NS


def enqueue_eevdf(rq: cython.pointer(Rq), who: u32):
    """Put an entity that wakes up on the run queue."""
    e: cython.pointer(SchedEntity) = cython.address(rq.entities[who])
    if e.queued:
        return
    rq.slice_over |= update_deadline(rq)
    if not e.delayed:
        place_entity(rq, who)
    elif e.vruntime < avg_vruntime(rq):
        e.delayed = False
        e.vlag = 0
        place_entity(rq, who)
    e.delayed = False
    e.queued = True


def dequeue_eevdf(rq: cython.pointer(Rq), who: u32):
    """Take an entity that goes to sleep off the run queue; one that had more than its share competes on."""
    e: cython.pointer(SchedEntity) = cython.address(rq.entities[who])
    lag: i64
    if not e.queued:
        return
    update_deadline(rq)
    lag = cython.cast(i64, avg_vruntime(rq) - e.vruntime)
    e.delayed = lag < 0
    e.vlag = max(min(lag, LAG_LIMIT_NS), -LAG_LIMIT_NS)
    e.queued = False


def wakeup_preempts_eevdf(rq: cython.pointer(Rq), who: u32) -> cython.bint:
    """Whether an entity that woke up preempts the running one."""
    return rq.slice_over or pick_eevdf(rq) == who
