"""Pressure stall information: the share of time in which tasks could not go on for lack of memory,
of I/O, or of a cpu.

*some*: at least one task was stalled; *full*: all tasks that were not idle were.  kswapd counts as stalled from the
beginning of a run to its end, a task while it reclaims, while it waits for a page that was in real use before it was
evicted, and while it reads one from swap.  ``total`` is the stalled time so far; every 2.004 s three fading means take
a step towards the share of that period that was stalled::

    avg10, avg60, avg300  of  100 * stalled time / 2.004 s      (a whole percent, in fixed point with 11 bits)

Follows kernel/sched/psi.c of Linux 6.1 (``psi_group_change``, ``psi_memstall_enter``,
``collect_percpu_times``).

Each CPU has times of its own, where a task that waits counts on the one on which it ran last; every 2.004 s, and when
a process of the machine reads them (``psi_show``), the totals grow by their mean, weighed by the jiffies in which
each CPU was not idle since then. Views of the machine find what they would grow by, and change nothing.

Not modelled: triggers, cgroups, irq pressure.
"""

import cython
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.kernel.sched.loadavg import FIXED_1, calc_load

PSI_PERIOD_NS = 2_004_000_000
"""Simulated time between two steps of the averages, nanoseconds."""
PERIOD = cython.declare(u64, 2_004_000_000)
JIFFY_NS = cython.declare(u64, 4_000_000)


def update_one(s: State, resource: u32, state: u32, period: u64):
    """Step the averages of one line by what was stalled of the time since the last step."""
    stalled: u64 = min(s.psi_total_ns[resource][state] - s.psi_last_ns[resource][state], period)
    percent: u64 = stalled * 100 // period * FIXED_1
    s.psi_last_ns[resource][state] += stalled
    s.psi_avg[resource][state][0] = calc_load(s.psi_avg[resource][state][0], EXP_10S, percent)
    s.psi_avg[resource][state][1] = calc_load(s.psi_avg[resource][state][1], EXP_60S, percent)
    s.psi_avg[resource][state][2] = calc_load(s.psi_avg[resource][state][2], EXP_300S, percent)


def update_averages(s: State):
    """Step the averages of memory, io and cpu, some and full (of cpu always 0: a task runs)."""
    resource: u32
    state: u32
    period: u64 = s.now_ns - s.psi_avg_last_ns if s.psi_avg_last_ns else PERIOD
    psi_account(s)
    collect_percpu_times(s)
    for resource in range(3):
        for state in range(2):
            update_one(s, resource, state, max(period, 1))
    s.psi_avg_last_ns = s.now_ns


def psi_account(s: State):
    """Book the time since this was last called as pressure, by who ran, waited or stalled meanwhile.

    To be called before any of these states changes.
    """
    ns: u64 = s.now_ns - s.rq.psi_since_ns
    tasks: PsiTasks[MAX_CPUS]
    who: u32
    cpu: u32
    if not ns:
        return
    for who in range(s.nr_entities):
        memset(cython.address(tasks[s.entities[who].cpu]), 0, cython.sizeof(PsiTasks))
    for who in range(s.nr_entities):
        count_entity(s, who, cython.address(tasks[s.entities[who].cpu]))
    for who in range(s.nr_entities):
        cpu = s.entities[who].cpu
        record_times(s, cpu, cython.address(tasks[cpu]), ns)
        memset(cython.address(tasks[cpu]), 0, cython.sizeof(PsiTasks))
    s.rq.psi_since_ns = s.now_ns


def count_entity(s: State, who: u32, tasks: cython.pointer(PsiTasks)):
    """Count an entity with those of the CPU on which it runs, or ran before it began to wait."""
    e: cython.pointer(SchedEntity) = cython.address(s.entities[who])
    on_cpu: cython.bint = e.busy_until_ns > s.rq.psi_since_ns or (e.queued and who == s.rq.curr)
    stalled: cython.bint = e.memstall != 0
    tasks.memstall += stalled
    if on_cpu or e.queued:
        tasks.running += 1
        tasks.on_cpu |= on_cpu
        tasks.memstall_running += stalled
        tasks.memstall_on_cpu |= stalled and on_cpu
    elif e.iowait:
        tasks.iowait += 1


def record_times(s: State, cpu: u32, tasks: cython.pointer(PsiTasks), ns: u64):
    """Book time on one CPU, by the states of its tasks (``test_state``, ``psi_group_change``).

    Memory is *full* also while who is on the CPU is in a stall itself, whatever else could run.
    """
    full: cython.bint = tasks.running == tasks.memstall_running or tasks.memstall_on_cpu
    book(s, cpu, 0, 0, ns if tasks.memstall else 0)
    book(s, cpu, 0, 1, ns if tasks.memstall and full else 0)
    book(s, cpu, 1, 0, ns if tasks.iowait else 0)
    book(s, cpu, 1, 1, ns if tasks.iowait and not tasks.running else 0)
    book(s, cpu, 2, 0, ns if tasks.running > tasks.on_cpu else 0)
    if tasks.running or tasks.iowait or tasks.memstall:
        s.cpus[cpu].psi_nonidle_ns += ns
    if tasks.iowait and not tasks.running:
        s.cpus[cpu].iowait_ns += ns


def book(s: State, cpu: u32, resource: u32, state: u32, ns: u64):
    """Book stalled time of one CPU."""
    s.cpus[cpu].psi_ns[resource][state] += ns


def percpu_mean(s: State, stalled: cython.pointer(u64)):
    """The mean of what the CPUs have stalled since the last collection, each weighed by its jiffies of work since then.

    *stalled*: six figures, for each resource some and full.
    """
    resource: u32
    state: u32
    cpu: u32
    c: cython.pointer(Cpu)
    jiffies: u64
    weights: u64 = 0
    for state in range(6):
        stalled[state] = 0
    for cpu in range(s.nr_cpus):
        c = cython.address(s.cpus[cpu])
        jiffies = (c.psi_nonidle_ns - c.psi_seen_nonidle_ns) // JIFFY_NS
        weights += jiffies
        for resource in range(3):
            for state in range(2):
                stalled[2 * resource + state] += (c.psi_ns[resource][state] - c.psi_seen_ns[resource][state]) * jiffies
    for state in range(6):
        stalled[state] //= max(weights, 1)


def collect_percpu_times(s: State):
    """Add what the CPUs have stalled since the last collection to the machine's totals."""
    resource: u32
    state: u32
    cpu: u32
    c: cython.pointer(Cpu)
    stalled: u64[6]
    percpu_mean(s, stalled)
    for cpu in range(s.nr_cpus):
        c = cython.address(s.cpus[cpu])
        c.psi_seen_nonidle_ns = c.psi_nonidle_ns
        for resource in range(3):
            for state in range(2):
                c.psi_seen_ns[resource][state] = c.psi_ns[resource][state]
    for resource in range(3):
        for state in range(2):
            s.psi_total_ns[resource][state] += stalled[2 * resource + state]


def psi_memstall_enter(s: State):
    """From now on who is on the CPU works or waits for lack of memory."""
    psi_account(s)
    if s.aside and s.runner and not s.entities[s.rq.curr].memstall:
        s.stall_since_ns = s.thread_ns
    s.entities[s.rq.curr].memstall += 1


def psi_memstall_leave(s: State):
    """What psi_memstall_enter() began is over; of a piece of work aside it is booked now, for its time has not come."""
    psi_account(s)
    s.entities[s.rq.curr].memstall -= 1
    if s.aside and s.runner and not s.entities[s.rq.curr].memstall:
        book(s, s.cpu, 0, 0, s.thread_ns - s.stall_since_ns)
        book(s, s.cpu, 0, 1, s.thread_ns - s.stall_since_ns)


def printed(average: int) -> int:
    """A pressure average as printed, in hundredths."""
    return (average >> 11) * 100 + (((average & 2047) * 100) >> 11)


def psi_show(s: State) -> None:
    """Let a process of the machine read /proc/pressure, which collects what the CPUs have stalled."""
    psi_account(s)
    collect_percpu_times(s)


def lines(s: State, resource: int) -> tuple[tuple[tuple[int, int, int], int], ...]:
    """((avg10, avg60, avg300 in hundredths), total in microseconds) for some and for full; 0 memory, 1 io, 2 cpu."""
    totals = totals_us(s, resource)
    return tuple((tuple(printed(s.psi_avg[resource][state][i]) for i in range(3)), totals[state]) for state in range(2))


def totals_us(s: State, resource: int) -> tuple[int, int]:
    """Some and full in microseconds since boot, with what was not collected yet."""
    stalled: u64[6]
    psi_account(s)
    percpu_mean(s, stalled)
    return (
        (s.psi_total_ns[resource][0] + stalled[2 * resource]) // 1000,
        (s.psi_total_ns[resource][1] + stalled[2 * resource + 1]) // 1000,
    )


def set_line(s: State, resource: int, state: int, averages: tuple[int, int, int], total_us: int) -> None:
    """Start from a snapshot's line: averages in hundredths, total in microseconds."""
    s.psi_total_ns[resource][state] = s.psi_last_ns[resource][state] = total_us * 1000
    for i, value in enumerate(averages):
        s.psi_avg[resource][state][i] = value * FIXED_1 // 100


def stall(s: State, resource: int, state: int, ns: int) -> None:
    """Book stalled time: 0 memory, 1 io, 2 cpu; 0 some, 1 full."""
    s.psi_total_ns[resource][state] += ns


def stall_cpu(s: State, cpu: int, resource: int, state: int, ns: int, nonidle_ns: int) -> None:
    """Book stalled time of one of several CPUs, and time in which it was not idle."""
    s.cpus[cpu].psi_nonidle_ns += nonidle_ns
    book(s, cpu, resource, state, ns)


def step(s: State) -> None:
    """Step all averages by one period."""
    update_averages(s)
