"""What must stand before the first machine: the calls upwards, set in one place.

An allocation that must reclaim, a wait in which others run and an event that falls due call a module that stands above
the caller. Each such call is a hook (``core/state.pxd``); all of them are set here, once, when ``memtwin.linux`` is
imported, and a :class:`memtwin.linux.core.state.State` cannot be made before.

Follows init/main.c of Linux 6.1 as far as a start in one place goes.
"""

from cython.cimports.memtwin.linux.core.state import hooks
from cython.cimports.memtwin.linux.kernel.sched.core import (
    cond_resched,
    io_schedule,
    io_schedule_timeout,
    nanosleep,
    resched_shrinker,
    schedule_timeout,
)
from cython.cimports.memtwin.linux.kernel.softirq import run_events
from cython.cimports.memtwin.linux.mm.page_alloc import alloc_pages_slowpath

hooks.run_events = run_events
hooks.cond_resched = cond_resched
hooks.io_schedule = io_schedule
hooks.schedule_timeout = schedule_timeout
hooks.io_schedule_timeout = io_schedule_timeout
hooks.nanosleep = nanosleep
hooks.alloc_slow = alloc_pages_slowpath
hooks.shrink_zswap = resched_shrinker
