"""Pressure stall information: the share of time in which tasks could not go on for want of memory,
of I/O, or of a cpu.

*some*: at least one task was stalled; *full*: all tasks that were not idle were.  ``total`` is the stalled time so far;
every 2.004 s three fading means take a step towards the share of that period that was stalled::

    avg10, avg60, avg300  of  100 * stalled time / 2.004 s      (a whole percent, in fixed point with 11 bits)

Follows kernel/sched/psi.c of Linux 6.1.  Stalls come from the modules that stall (reclaim, swap-in); here is the
arithmetic.

Not modelled: triggers, cgroups, irq pressure.
"""

import cython
from cython.cimports.memtwin.linux.core.mm_types import u32, u64
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.kernel.sched.loadavg import calc_load

PSI_PERIOD_NS = 2_004_000_000
"""Simulated time between two steps of the averages, nanoseconds."""
PERIOD = cython.declare(u64, 2_004_000_000)


def update_one(s: State, resource: u32, state: u32):
    """Step the averages of one line."""
    stalled: u64 = min(s.psi_total_ns[resource][state] - s.psi_last_ns[resource][state], PERIOD)
    percent: u64 = stalled * 100 // PERIOD * 2048
    s.psi_last_ns[resource][state] = s.psi_total_ns[resource][state]
    s.psi_avg[resource][state][0] = calc_load(s.psi_avg[resource][state][0], 1677, percent)
    s.psi_avg[resource][state][1] = calc_load(s.psi_avg[resource][state][1], 1981, percent)
    s.psi_avg[resource][state][2] = calc_load(s.psi_avg[resource][state][2], 2034, percent)


def update_averages(s: State):
    """Step the averages of memory, io and cpu, some and full (of cpu always 0: somebody has it)."""
    resource: u32
    state: u32
    for resource in range(3):
        for state in range(2):
            update_one(s, resource, state)


def psi_memstall(s: State, ns: u64):
    """Book time that the task, the only one that had anything to do, lost for want of memory: some and full."""
    s.psi_total_ns[0][0] += ns
    s.psi_total_ns[0][1] += ns


def printed(average: int) -> int:
    """A pressure average as printed, in hundredths."""
    return (average >> 11) * 100 + (((average & 2047) * 100) >> 11)


def lines(s: State, resource: int) -> tuple[tuple[tuple[int, int, int], int], ...]:
    """((avg10, avg60, avg300 in hundredths), total in microseconds) for some and for full; 0 memory, 1 io, 2 cpu."""
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
        s.psi_avg[resource][state][i] = value * 2048 // 100


def stall(s: State, resource: int, state: int, ns: int) -> None:
    """Book stalled time: 0 memory, 1 io, 2 cpu; 0 some, 1 full."""
    s.psi_total_ns[resource][state] += ns


def step(s: State) -> None:
    """Step all averages by one period."""
    update_averages(s)
