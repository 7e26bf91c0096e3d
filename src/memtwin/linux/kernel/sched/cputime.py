"""CPU time: what programs, the kernel, waiting for I/O and idling take of it, as /proc/stat counts it.

Follows kernel/sched/cputime.c of Linux 6.1 (``account_user_time``, ``account_system_time``, ``account_idle_time``)
with exact times instead of a sample at each tick.

With several CPUs each has its own: the main line's operation runs on the first while it runs, threads and runners where
their pieces of work are done, and a CPU waits for I/O while nothing runs there and who ran there last waits for a
device (``psi.record_times``).  The rest is idle.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State


def times_of(s: State, cpu: int) -> dict[str, int]:
    """Return the time that a CPU has spent so far, nanoseconds by state."""
    if s.nr_cpus == 1:
        return {
            "user": s.cpu_user_ns + s.runner_user_ns,
            "system": s.cpu_system_ns + s.thread_time_ns,
            "idle": s.cpu_idle_ns,
            "iowait": s.cpu_iowait_ns,
        }
    c: cython.pointer(Cpu) = cython.address(s.cpus[cpu])
    used: u64 = c.user_ns + c.system_ns + c.iowait_ns
    idle: u64 = s.accounted_ns - min(used, s.accounted_ns)
    return {"user": c.user_ns, "system": c.system_ns, "idle": idle, "iowait": c.iowait_ns}


def cpu_times(s: State) -> dict[str, int]:
    """Return the time spent so far by all CPUs together, nanoseconds by state."""
    found = [times_of(s, cpu) for cpu in range(s.nr_cpus)]
    return {name: sum(times[name] for times in found) for name in found[0]}


def account(s: State, since_ns: int, user_ns: int) -> None:
    """Account the time since *since_ns* to the CPU of the main line: *user_ns* to programs, waits and sleep apart."""
    elapsed: u64 = s.now_ns - cython.cast(u64, since_ns)
    threads: u64 = s.thread_time_ns + s.runner_user_ns - s.thread_time_before_ns
    slept: u64 = min(s.task_sleep_ns, elapsed)
    s.accounted_ns += elapsed
    elapsed -= slept
    elapsed -= min(s.task_queue_ns, elapsed)
    waited: u64 = min(s.task_wait_ns, elapsed)
    user: u64 = min(cython.cast(u64, user_ns), elapsed - waited - min(threads, elapsed - waited))
    system: u64 = elapsed - waited - user - min(threads, elapsed - waited - user)
    if s.nr_cpus > 1:
        s.cpus[0].user_ns += user
        s.cpus[0].system_ns += system
        return
    s.cpu_user_ns += user
    s.cpu_iowait_ns += waited
    s.cpu_system_ns += system
    s.cpu_idle_ns += slept


def account_sleep(s: State, since_ns: int) -> None:
    """Account the time since *since_ns*, in which no task had the CPU but runners."""
    elapsed: u64 = s.now_ns - cython.cast(u64, since_ns)
    threads: u64 = s.thread_time_ns + s.runner_user_ns - s.thread_time_before_ns
    s.accounted_ns += elapsed
    if s.nr_cpus == 1:
        s.cpu_idle_ns += elapsed - min(threads, elapsed) - min(s.idle_iowait_ns, elapsed - min(threads, elapsed))


def begin_operation(s: State) -> None:
    """Start counting what an operation waits and what threads take of its time; nothing has refused it yet."""
    s.task_wait_ns = s.task_sleep_ns = s.task_queue_ns = s.idle_iowait_ns = 0
    s.refusal = 0
    s.thread_time_before_ns = s.thread_time_ns + s.runner_user_ns
