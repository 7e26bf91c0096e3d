"""Simulated time: the clock, the event queue, devices, and the work that happens by itself.

Time is simulated nanoseconds since the machine booted.  A running task lets time pass by what its operations cost
(``state.charge``); whatever falls due meanwhile happens at that point, in order of time, then priority, then age.  An
idle machine jumps from event to event.  The same scenario, machine and seed give the same bytes: no wall clock, no
thread and no randomness is in here.

A **device** serves ``width`` requests at a time, each for its latency plus its transfer; requests beyond that wait.

The kernel's **threads** (kswapd, the flusher, zswap's worker) work in pieces: 32 pages of each list, a request, a page
of the pool.  On one cpu they share it with the task by the rules of ``fair.py``; they run when the task waits, or at a
point where the kernel would switch (the return from a fault or a system call, between the pages of a write, between
pieces of a task's own reclaim).  With more cpus a thread has one of its own and works beside the task.

Follows, where the kernel has such a thing, kernel/sched/loadavg.c and kernel/sched/psi.c of Linux 6.1 for what is
sampled when.

Not modelled yet: preemption between tasks, kcompactd, contention for cpus when there are several.
"""

import cython
from cython.cimports.libc.stdlib import realloc
from cython.cimports.memtwin.core.mm_types import (
    COST_IO_CALL,
    COST_WAKE,
    SCHED_FLUSHER,
    SCHED_IDLE,
    SCHED_KSWAPD,
    SCHED_TASK,
    SWAP_CLUSTER_MAX,
    THREAD_ASLEEP,
    THREAD_RUNNING,
    THREAD_THROTTLED,
    Device,
    Event,
    u32,
    u64,
)
from cython.cimports.memtwin.core.state import (
    EVENT_BIO,
    EVENT_IO_END,
    EVENT_LOADAVG,
    EVENT_PSI,
    EVENT_THREAD,
    State,
    charge,
    hooks,
)
from cython.cimports.memtwin.core.vmstat import NR_WRITTEN
from cython.cimports.memtwin.linux.block.bio import bio_endio, finish_io_end
from cython.cimports.memtwin.linux.fs.fs_writeback import flusher_step
from cython.cimports.memtwin.linux.fs.jbd2 import commit_transaction, journal_due
from cython.cimports.memtwin.linux.kernel.sched.fair import (
    enqueue_entity,
    pick_next_entity,
    switch_to,
    tick_preempts,
    update_curr,
    wakeup_preempts,
)
from cython.cimports.memtwin.linux.kernel.sched.loadavg import calc_global_load
from cython.cimports.memtwin.linux.kernel.sched.psi import update_averages
from cython.cimports.memtwin.linux.mm.kswapd import kswapd_step
from cython.cimports.memtwin.linux.mm.page_io import finish_plug
from cython.cimports.memtwin.linux.mm.zswap_writeback import shrink_worker

from memtwin.linux.kernel.sched.loadavg import LOAD_FREQ_NS
from memtwin.linux.kernel.sched.psi import PSI_PERIOD_NS

LOAD_FREQ = cython.declare(u64, LOAD_FREQ_NS)
PSI_PERIOD = cython.declare(u64, PSI_PERIOD_NS)
FOREVER = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)
MAX_DEVICES = cython.declare(u32, 32)
MAX_WIDTH = cython.declare(u32, 32)


# --- the event queue -------------------------------------------------------------------------------------------------


def earlier(a: cython.pointer(Event), b: cython.pointer(Event)) -> cython.bint:
    """Whether *a* happens before *b*."""
    if a.time_ns != b.time_ns:
        return a.time_ns < b.time_ns
    if a.priority != b.priority:
        return a.priority < b.priority
    return a.serial < b.serial


def schedule(s: State, time_ns: u64, priority: u32, kind: u32, arg: u32):
    """Put an event into the queue (a binary heap)."""
    at: u32
    new: Event
    if s.nr_events + 2 > s.cap_events:
        s.cap_events *= 2
        s.events = cython.cast(cython.pointer(Event), realloc(s.events, s.cap_events * cython.sizeof(Event)))
    s.event_serial += 1
    new.time_ns = time_ns
    new.priority = priority
    new.serial = s.event_serial
    new.kind = kind
    new.arg = arg
    s.nr_events += 1
    at = s.nr_events
    while at > 1 and earlier(cython.address(new), cython.address(s.events[at >> 1])):
        s.events[at] = s.events[at >> 1]
        at >>= 1
    s.events[at] = new
    s.next_event_ns = s.events[1].time_ns


def pop_event(s: State, first: cython.pointer(Event)):
    """Take the first event out of the queue."""
    at: u32 = 1
    below: u32
    last: Event = s.events[s.nr_events]
    first[0] = s.events[1]
    s.nr_events -= 1
    while at * 2 <= s.nr_events:
        below = at * 2
        if below < s.nr_events and earlier(cython.address(s.events[below + 1]), cython.address(s.events[below])):
            below += 1
        if not earlier(cython.address(s.events[below]), cython.address(last)):
            break
        s.events[at] = s.events[below]
        at = below
    s.events[at] = last
    s.next_event_ns = s.events[1].time_ns if s.nr_events else FOREVER


def run_events(s: State):
    """Let everything happen that is due now."""
    event: Event
    while s.nr_events and s.events[1].time_ns <= s.now_ns:
        pop_event(s, cython.address(event))
        dispatch(s, cython.address(event))


def dispatch(s: State, event: cython.pointer(Event)):
    """Carry out one event."""
    if event.kind == EVENT_LOADAVG:
        calc_global_load(s)
        schedule(s, event.time_ns + LOAD_FREQ, 0, EVENT_LOADAVG, 0)
    elif event.kind == EVENT_PSI:
        update_averages(s)
        schedule(s, event.time_ns + PSI_PERIOD, 0, EVENT_PSI, 0)
    elif event.kind == EVENT_BIO:
        bio_endio(s, event.arg)
    elif event.kind == EVENT_IO_END:
        finish_io_end(s, event.arg)
    elif event.kind == EVENT_THREAD:
        s.resched = True


def schedule_event(s: State, time_ns: u64, kind: u32, arg: u32):
    """Put an event of the model's own into the queue."""
    schedule(s, time_ns, 1, kind, arg)


# --- threads ---------------------------------------------------------------------------------------------------------


def kswapd_runnable(s: State) -> cython.bint:
    """Whether kswapd has something to do now."""
    state: u32 = s.kswapd.state
    if s.kswapd.busy_until_ns > s.now_ns or state == THREAD_ASLEEP:
        return False
    if state == THREAD_RUNNING or s.now_ns >= s.kswapd.wake_ns:
        return True
    return state == THREAD_THROTTLED and s.node[NR_WRITTEN] - s.kswapd.throttle_written > SWAP_CLUSTER_MAX


def flusher_runnable(s: State) -> cython.bint:
    """Whether the flusher has something to do now."""
    if s.flusher.busy_until_ns > s.now_ns:
        return False
    if s.flusher.state == THREAD_ASLEEP:
        return s.flusher.wake_ns != 0 and s.now_ns >= s.flusher.wake_ns
    return True


def shrink_runnable(s: State) -> cython.bint:
    """Whether zswap's worker has something left to do: mostly it preempts who queued it."""
    return s.zswap.shrink_queued and s.flusher.busy_until_ns <= s.now_ns


def background_runnable(s: State) -> cython.bint:
    """Whether one of the threads beside kswapd has something to do now; they take turns as one."""
    return shrink_runnable(s) or journal_due(s) or flusher_runnable(s)


def threads_wake(s: State) -> cython.bint:
    """Note which threads want to run; whether one that woke up takes the cpu from who runs."""
    preempts: cython.bint = False
    who: u32
    wants: cython.bint
    update_curr(s)
    for who in range(SCHED_KSWAPD, SCHED_IDLE):
        wants = kswapd_runnable(s) if who == SCHED_KSWAPD else background_runnable(s)
        if wants and not s.sched[who].queued:
            enqueue_entity(s, who)
            preempts |= wakeup_preempts(s, who)
        s.sched[who].queued = wants
    return preempts


def run_thread(s: State, who: u32):
    """Let a thread do one piece of work; with more than one cpu it does it on another, while no time passes here."""
    since: u64 = s.now_ns
    memalloc: u32 = s.memalloc
    s.in_thread = True
    s.memalloc = 0
    s.thread_ns = 0
    charge(s, s.cost_ns[COST_IO_CALL])
    if who == SCHED_KSWAPD:
        kswapd_step(s)
    elif shrink_runnable(s):
        shrink_worker(s)
    elif journal_due(s):
        commit_transaction(s)
    else:
        flusher_step(s)
    s.in_thread = False
    s.memalloc = memalloc
    if s.nr_cpus > 1:
        s.cpu_system_ns += s.thread_ns
        if who == SCHED_KSWAPD:
            s.kswapd.busy_until_ns = s.now_ns + s.thread_ns
        else:
            s.flusher.busy_until_ns = s.now_ns + s.thread_ns
        schedule(s, s.now_ns + s.thread_ns, 1, EVENT_THREAD, 0)
    else:
        s.thread_time_ns += s.now_ns - since


def thread_step(s: State) -> cython.bint:
    """The task waits: let the thread that is next do one piece of work; False: none wants to run."""
    who: u32
    if s.in_thread:
        return False
    threads_wake(s)
    s.sched[SCHED_TASK].queued = False
    who = pick_next_entity(s)
    if who != s.running:
        switch_to(s, who)
    if who != SCHED_IDLE:
        run_thread(s, who)
    return who != SCHED_IDLE


def task_wakes(s: State):
    """The task has waited; it goes on."""
    update_curr(s)
    enqueue_entity(s, SCHED_TASK)
    switch_to(s, SCHED_TASK)


def cond_resched(s: State):
    """A point where the kernel would switch: threads run until it is the task's turn again."""
    who: u32
    if s.nr_cpus > 1 and not s.in_thread:
        s.resched = False
        while thread_step(s):
            pass
        task_wakes(s)
        return
    if s.in_thread or (not threads_wake(s) and not tick_preempts(s)):
        s.resched = s.sched[SCHED_KSWAPD].queued or s.sched[SCHED_FLUSHER].queued
        return
    while True:
        who = pick_next_entity(s)
        if who == SCHED_TASK:
            break
        switch_to(s, who)
        while True:
            run_thread(s, who)
            threads_wake(s)
            if not s.sched[who].queued or tick_preempts(s):
                break
    switch_to(s, SCHED_TASK)


def idle_until(s: State, until_ns: u64):
    """Nobody can run: time passes to the next event, or to *until_ns* if that is sooner."""
    until_ns = min(until_ns, s.next_event_ns)
    s.now_ns = max(s.now_ns, until_ns)
    run_events(s)


def io_schedule(s: State):
    """Who runs waits for a device: meanwhile a thread works, if that is the task, or time passes to the next event."""
    since: u64 = s.now_ns
    finish_plug(s)
    if s.in_thread:
        s.in_thread = False
        finish_plug(s)
        s.in_thread = True
        update_curr(s)
        idle_until(s, FOREVER)
        s.exec_start_ns = s.now_ns
        charge(s, s.cost_ns[COST_WAKE])
        return
    if thread_step(s):
        s.psi_total_ns[1][0] += s.now_ns - since
    else:
        idle_until(s, FOREVER)
        charge(s, s.cost_ns[COST_WAKE])
        s.task_wait_ns += s.now_ns - since
        s.psi_total_ns[1][0] += s.now_ns - since
        s.psi_total_ns[1][1] += s.now_ns - since
    task_wakes(s)


def schedule_timeout(s: State, until_ns: u64):
    """The task sleeps; threads work meanwhile."""
    since: u64
    while s.now_ns < until_ns:
        since = s.now_ns
        if not thread_step(s):
            idle_until(s, until_ns)
            s.task_wait_ns += s.now_ns - since
    task_wakes(s)


def advance_to(s: State, until_ns: u64):
    """Let an idle machine's time pass until *until_ns*; its threads work when they are due."""
    since: u64
    while s.now_ns < until_ns:
        since = s.now_ns
        if not thread_step(s):
            idle_until(s, until_ns)
            s.cpu_idle_ns += (s.now_ns - since) * s.nr_cpus
    task_wakes(s)


hooks.run_events = run_events
hooks.cond_resched = cond_resched
hooks.io_schedule = io_schedule
hooks.schedule_timeout = schedule_timeout
hooks.schedule_event = schedule_event


# --- devices ---------------------------------------------------------------------------------------------------------


def submit(s: State, device: u32, pages: u64, write: cython.bint) -> u64:
    """Queue a request for *pages* pages; return the time at which it will be complete."""
    d: cython.pointer(Device) = cython.address(s.devices[device])
    server: u32 = 0
    i: u32
    start: u64
    for i in range(1, d.width):
        if d.busy_until_ns[i] < d.busy_until_ns[server]:
            server = i
    start = max(s.now_ns, d.busy_until_ns[server])
    d.busy_until_ns[server] = start + d.latency_ns + pages * d.ns_per_page
    d.requests += 1
    if write:
        d.pages_written += pages
    else:
        d.pages_read += pages
    return d.busy_until_ns[server]


hooks.submit = submit


# --- what the run calls ----------------------------------------------------------------------------------------------


def start(s: State) -> None:
    """Start what samples by itself; phases are those of a machine that booted at time 0."""
    schedule(s, (s.now_ns // LOAD_FREQ + 1) * LOAD_FREQ, 0, EVENT_LOADAVG, 0)
    schedule(s, (s.now_ns // PSI_PERIOD + 1) * PSI_PERIOD, 0, EVENT_PSI, 0)


def sleep_until(s: State, until_ns: int) -> None:
    """Let the whole machine idle until a point in time."""
    until: u64 = until_ns
    with cython.nogil:
        advance_to(s, until)


def work(s: State, ns: int) -> None:
    """Let the running task compute for *ns* nanoseconds."""
    s.now_ns += ns
    run_events(s)
    if s.resched:
        cond_resched(s)


def add_device(s: State, latency_ns: int, ns_per_page: int, width: int) -> int:
    """Add a device; *width*: requests served at the same time, 1..32.  Returns its number."""
    if s.nr_devices == MAX_DEVICES or not 1 <= width <= MAX_WIDTH:
        raise ValueError("at most 32 devices, each 1..32 wide")
    d: cython.pointer(Device) = cython.address(s.devices[s.nr_devices])
    d.latency_ns = latency_ns
    d.ns_per_page = ns_per_page
    d.width = width
    s.nr_devices += 1
    return s.nr_devices - 1


def request(s: State, device: int, pages: int, write: bool) -> int:
    """Queue a request; returns the time at which it completes, nanoseconds."""
    return submit(s, device, pages, write)


def device_info(s: State, device: int) -> dict:
    """Requests and pages that a device has served."""
    d: cython.pointer(Device) = cython.address(s.devices[device])
    return {"requests": d.requests, "pages_read": d.pages_read, "pages_written": d.pages_written}


def cpu_times(s: State) -> dict:
    """Time spent so far by all cpus together, nanoseconds."""
    return {
        "user": s.cpu_user_ns,
        "system": s.cpu_system_ns + s.thread_time_ns,
        "idle": s.cpu_idle_ns,
        "iowait": s.cpu_iowait_ns,
    }


def account(s: State, since_ns: int, user_ns: int) -> None:
    """Book the time since *since_ns* to the cpus: *user_ns* to programs, what the task waited to iowait."""
    elapsed: u64 = s.now_ns - cython.cast(u64, since_ns)
    threads: u64 = s.thread_time_ns - s.thread_time_before_ns
    waited: u64 = min(s.task_wait_ns, elapsed)
    user: u64 = min(cython.cast(u64, user_ns), elapsed - waited - min(threads, elapsed - waited))
    s.cpu_user_ns += user
    s.cpu_iowait_ns += waited
    s.cpu_system_ns += elapsed - waited - user - min(threads, elapsed - waited - user)
    s.cpu_idle_ns += elapsed * (s.nr_cpus - 1)


def begin_operation(s: State) -> None:
    """Start counting what an operation waits and what threads take of its time."""
    s.task_wait_ns = 0
    s.thread_time_before_ns = s.thread_time_ns
