"""The load average: how many tasks run, wait for a cpu, or wait for a device, as an exponentially fading mean.

Every 5.004 s (``5 * HZ + 1`` ticks of 4 ms) the kernel counts the tasks that run or are in uninterruptible sleep and
moves each of three averages a step towards that number, in fixed point with 11 bits::

    load = load * e^(-5 s / T) + active * (1 - e^(-5 s / T))        T = 1, 5, 15 minutes

It is not a share of the processors: a machine with 8 idle cpus and 3 tasks waiting for a disk has a load of 3.

Follows kernel/sched/loadavg.c of Linux 6.1.
"""

from cython.cimports.memtwin.linux.core.state import State

LOAD_FREQ_NS = 5_004_000_000
"""Simulated time between two samples, nanoseconds."""


def calc_load(load: u64, exp: u64, active: u64) -> u64:
    """One step of a fading mean in fixed point (``FIXED_1`` is one), rounded up while it grows."""
    new: u64 = load * exp + active * (FIXED_1 - exp)
    if active >= load:
        new += FIXED_1 - 1
    return new // FIXED_1


def nr_busy_runners(s: State) -> u64:
    """Runners that run, want to, or wait uninterruptibly."""
    i: u32
    busy: u64 = 0
    for i in range(s.nr_entities - NR_SCHED_ENTITIES):
        busy += s.runners[i].work.kind != WORK_NONE and not s.runners[i].is_asleep
    return busy


def calc_global_load(s: State):
    """Take one sample: the tasks at work or waiting for a device, and the kernel's threads at work."""
    active: u64 = s.nr_active + nr_busy_runners(s)
    active += (s.node_data[0].kswapd.state == THREAD_RUNNING) + (s.bdi.flusher.state == THREAD_RUNNING)
    active *= FIXED_1
    s.avenrun[0] = calc_load(s.avenrun[0], EXP_1, active)
    s.avenrun[1] = calc_load(s.avenrun[1], EXP_5, active)
    s.avenrun[2] = calc_load(s.avenrun[2], EXP_15, active)


def hundredths(load: int) -> int:
    """A load average as /proc/loadavg prints it, in hundredths.

    >>> hundredths(2048), hundredths(329)
    (100, 16)
    """
    shown = load + 10
    return (shown >> 11) * 100 + (((shown & 2047) * 100) >> 11)


def averages(s: State) -> tuple[int, ...]:
    """The three averages in hundredths, as printed."""
    return tuple(hundredths(s.avenrun[i]) for i in range(3))


def set_averages(s: State, printed: tuple[int, int, int]) -> None:
    """Start from the averages of a snapshot, in hundredths."""
    for i, value in enumerate(printed):
        s.avenrun[i] = value * 2048 // 100


def set_active(s: State, tasks: int) -> None:
    """Say how many tasks run or wait uninterruptibly from now on."""
    s.nr_active = tasks
