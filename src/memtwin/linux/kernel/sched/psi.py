"""Pressure stall information: the share of time in which tasks could not go on for lack of memory,
of I/O, or of a cpu.

*some*: at least one task was stalled; *full*: all tasks that were not idle were.  kswapd counts as stalled from the
beginning of a run to its end, a task while it reclaims, while it waits for a page that was in real use before it was
evicted, and while it reads one from swap.  ``total`` is the stalled time so far; every 2.004 s three fading means take
a step towards the share of that period that was stalled::

    avg10, avg60, avg300  of  100 * stalled time / 2.004 s      (a whole percent, in fixed point with 11 bits)

Follows kernel/sched/psi.c of Linux 6.1 (``psi_group_change``, ``psi_memstall_enter``).

Not modelled: triggers, cgroups, irq pressure, the weighing of several CPUs by how busy each was: a thread that works
beside the task is a stall of the whole machine.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, this_cpu
from cython.cimports.memtwin.linux.kernel.sched.loadavg import FIXED_1, calc_load

PSI_PERIOD_NS = 2_004_000_000
"""Simulated time between two steps of the averages, nanoseconds."""
PERIOD = cython.declare(u64, 2_004_000_000)


def update_one(s: State, resource: u32, state: u32):
    """Step the averages of one line."""
    stalled: u64 = min(s.psi_total_ns[resource][state] - s.psi_last_ns[resource][state], PERIOD)
    percent: u64 = stalled * 100 // PERIOD * FIXED_1
    s.psi_last_ns[resource][state] = s.psi_total_ns[resource][state]
    s.psi_avg[resource][state][0] = calc_load(s.psi_avg[resource][state][0], EXP_10S, percent)
    s.psi_avg[resource][state][1] = calc_load(s.psi_avg[resource][state][1], EXP_60S, percent)
    s.psi_avg[resource][state][2] = calc_load(s.psi_avg[resource][state][2], EXP_300S, percent)


def update_averages(s: State):
    """Step the averages of memory, io and cpu, some and full (of cpu always 0: a task runs)."""
    resource: u32
    state: u32
    psi_account(s)
    for resource in range(3):
        for state in range(2):
            update_one(s, resource, state)


def psi_account(s: State):
    """Book the time since this was last called as pressure, by who ran, waited or stalled meanwhile.

    Memory is *full* also while who is on the CPU is in a stall itself, whatever else could run.  To be called before
    any of these states changes.
    """
    rq: cython.pointer(Rq) = cython.address(this_cpu(s).rq)
    ns: u64 = s.now_ns - rq.psi_since_ns
    who: u32
    running: u32 = 0
    waiting: u32 = 0
    stalled: u32 = 0
    stalled_running: u32 = 0
    rq.psi_since_ns = s.now_ns
    if not ns:
        return
    for who in range(SCHED_IDLE):
        running += 1 if rq.entities[who].queued else 0
        waiting += 1 if rq.entities[who].iowait and not rq.entities[who].queued else 0
        stalled += 1 if rq.entities[who].memstall else 0
        stalled_running += 1 if rq.entities[who].memstall and rq.entities[who].queued else 0
    if stalled:
        s.psi_total_ns[0][0] += ns
        if running == stalled_running or rq.entities[rq.curr].memstall:
            s.psi_total_ns[0][1] += ns
    if waiting:
        s.psi_total_ns[1][0] += ns
        if not running:
            s.psi_total_ns[1][1] += ns
    if running > 1:
        s.psi_total_ns[2][0] += ns


def psi_memstall_enter(s: State):
    """From now on who is on the CPU works or waits for lack of memory."""
    psi_account(s)
    this_cpu(s).rq.entities[this_cpu(s).rq.curr].memstall += 1


def psi_memstall_leave(s: State):
    """What psi_memstall_enter() began is over."""
    psi_account(s)
    this_cpu(s).rq.entities[this_cpu(s).rq.curr].memstall -= 1


def printed(average: int) -> int:
    """A pressure average as printed, in hundredths."""
    return (average >> 11) * 100 + (((average & 2047) * 100) >> 11)


def lines(s: State, resource: int) -> tuple[tuple[tuple[int, int, int], int], ...]:
    """((avg10, avg60, avg300 in hundredths), total in microseconds) for some and for full; 0 memory, 1 io, 2 cpu."""
    psi_account(s)
    return tuple(
        (
            tuple(printed(s.psi_avg[resource][state][i]) for i in range(3)),
            s.psi_total_ns[resource][state] // 1000,
        )
        for state in range(2)
    )


def set_line(s: State, resource: int, state: int, averages: tuple[int, int, int], total_us: int) -> None:
    """Start from a snapshot's line: averages in hundredths, total in microseconds."""
    s.psi_total_ns[resource][state] = s.psi_last_ns[resource][state] = total_us * 1000
    for i, value in enumerate(averages):
        s.psi_avg[resource][state][i] = value * FIXED_1 // 100


def stall(s: State, resource: int, state: int, ns: int) -> None:
    """Book stalled time: 0 memory, 1 io, 2 cpu; 0 some, 1 full."""
    s.psi_total_ns[resource][state] += ns


def step(s: State) -> None:
    """Step all averages by one period."""
    update_averages(s)
