"""Simulated time: the clock, the event queue, devices, and the work that happens by itself.

Time is simulated nanoseconds since the machine booted.  A running task lets time pass by what its operations cost
(``state.charge``); whatever falls due meanwhile happens at that point, in order of time, then priority, then age.  An
idle machine jumps from event to event.  The same scenario, machine and seed give the same bytes: no wall clock, no
thread and no randomness is in here.

A **device** serves ``width`` requests at a time, each for its latency plus its transfer; requests beyond that wait.

Follows, where the kernel has such a thing, kernel/sched/loadavg.c and kernel/sched/psi.c of Linux 6.1 for what is
sampled when.

Not modelled yet: kernel threads (kswapd, kcompactd, the flusher), preemption between tasks.
"""

import cython
from cython.cimports.libc.stdlib import realloc
from cython.cimports.memtwin.mm.loadavg import calc_global_load
from cython.cimports.memtwin.mm.mm_types import Device, Event, u32, u64
from cython.cimports.memtwin.mm.psi import update_averages
from cython.cimports.memtwin.mm.state import State, hooks

from memtwin.mm.loadavg import LOAD_FREQ_NS
from memtwin.mm.psi import PSI_PERIOD_NS

SOURCE = "kernel/sched/loadavg.c", "v6.1"

LOAD_FREQ = cython.declare(u64, LOAD_FREQ_NS)
PSI_PERIOD = cython.declare(u64, PSI_PERIOD_NS)
FOREVER = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)
MAX_DEVICES = cython.declare(u32, 8)
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


def advance_to(s: State, until_ns: u64):
    """Let an idle machine's time pass until *until_ns*."""
    while s.next_event_ns <= until_ns:
        if s.next_event_ns > s.now_ns:
            s.cpu_idle_ns += (s.next_event_ns - s.now_ns) * s.nr_cpus
            s.now_ns = s.next_event_ns
        run_events(s)
    if until_ns > s.now_ns:
        s.cpu_idle_ns += (until_ns - s.now_ns) * s.nr_cpus
        s.now_ns = until_ns


hooks.run_events = run_events


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


def add_device(s: State, latency_ns: int, ns_per_page: int, width: int) -> int:
    """Add a device; *width*: requests served at the same time, 1..32.  Returns its number."""
    if s.nr_devices == MAX_DEVICES or not 1 <= width <= MAX_WIDTH:
        raise ValueError("at most 8 devices, each 1..32 wide")
    d: cython.pointer(Device) = cython.address(s.devices[s.nr_devices])
    d.latency_ns = latency_ns
    d.ns_per_page = ns_per_page
    d.width = width
    s.nr_devices += 1
    return s.nr_devices - 1


def request(s: State, device: int, pages: int, write: bool) -> int:
    """Queue a request; returns the time at which it completes, nanoseconds."""
    return submit(s, device, pages, write)


def cpu_times(s: State) -> dict:
    """Time spent so far by all cpus together, nanoseconds."""
    return {"user": s.cpu_user_ns, "system": s.cpu_system_ns, "idle": s.cpu_idle_ns}


def account(s: State, since_ns: int, user_ns: int) -> None:
    """Book the time since *since_ns* to the cpus: *user_ns* of it to programs, the rest to the kernel."""
    elapsed: u64 = s.now_ns - cython.cast(u64, since_ns)
    user: u64 = user_ns
    s.cpu_user_ns += user
    s.cpu_system_ns += elapsed - user
    s.cpu_idle_ns += elapsed * (s.nr_cpus - 1)
