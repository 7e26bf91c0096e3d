"""CPU time: what programs, the kernel, waiting for I/O and idling take of it, as /proc/stat counts it.

Follows kernel/sched/cputime.c of Linux 6.1 (``account_user_time``, ``account_system_time``, ``account_idle_time``)
with exact times instead of a sample at each tick.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State


def cpu_times(s: State) -> dict[str, int]:
    """Return the time spent so far by all CPUs together, nanoseconds by state."""
    return {
        "user": s.cpu_user_ns + s.runner_user_ns,
        "system": s.cpu_system_ns + s.thread_time_ns,
        "idle": s.cpu_idle_ns,
        "iowait": s.cpu_iowait_ns,
    }


def account(s: State, since_ns: int, user_ns: int) -> None:
    """Account the time since *since_ns* to the CPUs: *user_ns* to programs, its waits to iowait, its sleep to idle."""
    elapsed: u64 = s.now_ns - cython.cast(u64, since_ns)
    threads: u64 = s.thread_time_ns + s.runner_user_ns - s.thread_time_before_ns
    slept: u64 = min(s.task_sleep_ns, elapsed)
    account_idle(s, elapsed * (s.nr_cpus - 1) + slept)
    elapsed -= slept
    elapsed -= min(s.task_queue_ns, elapsed)
    waited: u64 = min(s.task_wait_ns, elapsed)
    user: u64 = min(cython.cast(u64, user_ns), elapsed - waited - min(threads, elapsed - waited))
    s.cpu_user_ns += user
    s.cpu_iowait_ns += waited
    s.cpu_system_ns += elapsed - waited - user - min(threads, elapsed - waited - user)


def account_sleep(s: State, since_ns: int) -> None:
    """Account the time since *since_ns*, in which no task had the CPU but runners."""
    elapsed: u64 = s.now_ns - cython.cast(u64, since_ns)
    threads: u64 = s.thread_time_ns + s.runner_user_ns - s.thread_time_before_ns
    account_idle(s, elapsed * s.nr_cpus - min(threads, elapsed) - min(s.idle_iowait_ns, elapsed * s.nr_cpus - threads))


def account_idle(s: State, ns: u64):
    """Account time as idle, but for what threads and runners took of it on other CPUs."""
    used: u64 = min(s.aside_time_ns - s.aside_booked_ns, ns)
    s.aside_booked_ns += used
    s.cpu_idle_ns += ns - used


def begin_operation(s: State) -> None:
    """Start counting what an operation waits and what threads take of its time; nothing has refused it yet."""
    s.task_wait_ns = s.task_sleep_ns = s.task_queue_ns = s.idle_iowait_ns = 0
    s.refusal = 0
    s.thread_time_before_ns = s.thread_time_ns + s.runner_user_ns
