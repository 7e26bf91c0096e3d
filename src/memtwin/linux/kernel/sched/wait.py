"""Waiting without a stack: what a runner waits for, and whether that has come.

A task whose work is done in pieces (``runners.py``) cannot stand in the middle of a call.  Where it has to wait, the
function notes here for what, and returns; so does every caller, up to the loop over pages, as a fault of the kernel
does with VM_FAULT_RETRY.  When it has come, the same step is retried, and finds what it waited for.

Follows kernel/sched/wait.c of Linux 6.1 (``prepare_to_wait``, ``finish_wait``).
"""

import cython
from cython.cimports.memtwin.linux.block.blk_wbt import wbt_may_queue
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import EVENT_THREAD, State, file_at, this_runner
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_account, psi_memstall_enter


def wait_for(s: State, kind: u32, arg: u32, stalled: cython.bint):
    """Let the runner wait for a device; *stalled*: for lack of memory."""
    r: cython.pointer(Runner) = this_runner(s)
    if r.wait != WAIT_NONE:
        return
    psi_account(s)
    r.wait = kind
    r.wait_arg = arg
    r.stalled = stalled
    s.entities[s.runner].iowait = True
    if stalled:
        psi_memstall_enter(s)


def wait_until(s: State, until_ns: u64, is_io: cython.bint, stalled: cython.bint):
    """Let the runner wait until a point in time; *is_io*: for the sake of a device; *stalled*: for lack of memory."""
    wait_for(s, WAIT_TIME, 0, stalled)
    s.entities[s.runner].iowait = is_io
    this_runner(s).wake_ns = until_ns
    schedule_event(s, until_ns, EVENT_THREAD, 0)


def wait_is_over(s: State, r: cython.pointer(Runner)) -> cython.bint:
    """Whether what a runner waits for has come."""
    if r.wait == WAIT_TIME:
        return s.now_ns >= r.wake_ns
    if r.wait == WAIT_PAGE_LOCKED:
        return not s.pages[r.wait_arg].flags & PG_LOCKED
    if r.wait == WAIT_PAGE_WRITEBACK:
        return not s.pages[r.wait_arg].flags & PG_WRITEBACK
    if r.wait == WAIT_FILE_WRITEBACK:
        return file_at(s, r.wait_arg).nr_writeback == 0
    if r.wait == WAIT_WRITE_QUEUE:
        return wbt_may_queue(s, r.wait_arg, False)
    return True


def finish_wait(s: State, entity: u32):
    """A runner goes on: it waits for nothing, and is in no stall."""
    r: cython.pointer(Runner) = cython.address(s.runners[entity - NR_SCHED_ENTITIES])
    if r.wait == WAIT_NONE:
        return
    psi_account(s)
    r.wait = WAIT_NONE
    r.is_asleep = False
    s.entities[entity].iowait = False
    s.entities[entity].memstall -= 1 if r.stalled else 0
    r.stalled = False
