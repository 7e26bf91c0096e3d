"""The event queue: what happens at which point of simulated time.

Time is simulated nanoseconds since the machine booted. A running task lets time pass by what its operations cost
(``state.spend_ns``); whatever falls due meanwhile happens at that point, in order of time, then priority, then age. An
idle machine jumps from event to event. The same scenario, machine and seed give the same bytes: no wall clock, no
thread and no randomness is in here.

What an event does is decided in ``linux/kernel/softirq.py``.
"""

import cython
from cython.cimports.memtwin.linux.core.host_memory import host_grow
from cython.cimports.memtwin.linux.core.state import Array, State

FOREVER = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)


def earlier(a: cython.pointer(Event), b: cython.pointer(Event)) -> cython.bint:
    """Whether *a* happens before *b*."""
    if a.time_ns != b.time_ns:
        return a.time_ns < b.time_ns
    if a.priority != b.priority:
        return a.priority < b.priority
    return a.serial < b.serial


def push_event(s: State, time_ns: u64, priority: u32, kind: u32, arg: u32):
    """Put an event into the queue (a binary heap)."""
    at: u32
    new: Event
    if s.nr_events + 2 > s.cap_events:
        s.cap_events = cython.cast(
            u32, host_grow(cython.cast(Array, cython.address(s.events)), s.cap_events, cython.sizeof(Event))
        )
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
    """Remove the first event from the queue."""
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


def schedule_event(s: State, time_ns: u64, kind: u32, arg: u32):
    """Put an event of the model's own into the queue, after the samples of the same time."""
    push_event(s, time_ns, 1, kind, arg)
