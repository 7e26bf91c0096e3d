"""What is done when an event falls due: samples of load and pressure, ends of I/O, ends of a thread's sleep.

Follows kernel/softirq.c of Linux 6.1 as far as timers and block I/O that has ended go through there; what is sampled
when follows kernel/sched/loadavg.c and kernel/sched/psi.c.
"""

import cython
from cython.cimports.memtwin.linux.block.bio import bio_endio, finish_io_end
from cython.cimports.memtwin.linux.core.events import pop_event, push_event
from cython.cimports.memtwin.linux.core.state import (
    EVENT_BIO,
    EVENT_FLUSH_STATS,
    EVENT_IO_END,
    EVENT_LOADAVG,
    EVENT_PSI,
    EVENT_THREAD,
    EVENT_VMSTAT,
    State,
)
from cython.cimports.memtwin.linux.kernel.sched.loadavg import calc_global_load
from cython.cimports.memtwin.linux.kernel.sched.psi import update_averages
from cython.cimports.memtwin.linux.mm.memcontrol import mem_cgroup_flush_stats
from cython.cimports.memtwin.linux.mm.pcp import decay_pcp_high

from memtwin.linux.kernel.sched.loadavg import LOAD_FREQ_NS
from memtwin.linux.kernel.sched.psi import PSI_PERIOD_NS

LOAD_FREQ = cython.declare(u64, LOAD_FREQ_NS)
PSI_PERIOD = cython.declare(u64, PSI_PERIOD_NS)
STAT_INTERVAL = cython.declare(u64, 1_000_000_000)
FLUSH_TIME = cython.declare(u64, 2_016_000_000)


def run_events(s: State):
    """Carry out everything that is due now."""
    event: Event
    while s.nr_events and s.events[1].time_ns <= s.now_ns:
        pop_event(s, cython.address(event))
        dispatch(s, cython.address(event))


def dispatch(s: State, event: cython.pointer(Event)):
    """Carry out one event."""
    if event.kind == EVENT_LOADAVG:
        calc_global_load(s)
        push_event(s, event.time_ns + LOAD_FREQ, 0, EVENT_LOADAVG, 0)
    elif event.kind == EVENT_PSI:
        update_averages(s)
        push_event(s, event.time_ns + PSI_PERIOD, 0, EVENT_PSI, 0)
    elif event.kind == EVENT_BIO:
        bio_endio(s, event.arg)
        s.rq.resched |= s.nr_runners != 0 or s.bdi.flusher.file != 0
    elif event.kind == EVENT_IO_END:
        finish_io_end(s, event.arg)
        s.rq.resched |= s.nr_runners != 0
    elif event.kind == EVENT_VMSTAT:
        decay_pcp_high(s)
        push_event(s, event.time_ns + STAT_INTERVAL, 0, EVENT_VMSTAT, 0)
    elif event.kind == EVENT_FLUSH_STATS:
        mem_cgroup_flush_stats(s)
        push_event(s, event.time_ns + FLUSH_TIME, 0, EVENT_FLUSH_STATS, 0)
    elif event.kind == EVENT_THREAD:
        s.rq.resched = True


def start(s: State) -> None:
    """Start what samples by itself; phases are those of a machine that booted at time 0."""
    push_event(s, (s.now_ns // LOAD_FREQ + 1) * LOAD_FREQ, 0, EVENT_LOADAVG, 0)
    push_event(s, (s.now_ns // PSI_PERIOD + 1) * PSI_PERIOD, 0, EVENT_PSI, 0)
    mem_cgroup_flush_stats(s)
    push_event(s, (s.now_ns // FLUSH_TIME + 1) * FLUSH_TIME, 0, EVENT_FLUSH_STATS, 0)
    if s.features.pcp_auto_high:
        push_event(s, (s.now_ns // STAT_INTERVAL + 1) * STAT_INTERVAL, 0, EVENT_VMSTAT, 0)
