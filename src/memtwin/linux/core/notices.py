"""Notices: what the machine reports by itself, kept with its counters and processes of that moment until asked for."""

import cython
from cython.cimports.libc.stdlib import free, malloc
from cython.cimports.libc.string import memcpy
from cython.cimports.memtwin.linux.core.host_memory import longer, miss_memory
from cython.cimports.memtwin.linux.core.state import (
    State,
    duplicate,
    free_arrays,
    on_arrays,
    on_nested_arrays,
    plain_bytes,
    pool_at,
    this_cpu,
)

from memtwin.linux.records import Notice, NoticeKind

FIRST_NOTICES = cython.declare(u32, 4)
FORGET = cython.declare(u32, 2)


def add_notice(s: State, kind: u32, order: u32, gfp: u32, victim: u32):
    """Keep that something happened, and the machine's counters and processes as they are now."""
    n: cython.pointer(NoticeItem)
    at: cython.p_char
    tasks: u64 = cython.cast(u64, s.tasks.nr) * s.tasks.size
    mms: u64 = cython.cast(u64, s.mms.nr) * s.mms.size
    cpus: u64 = s.nr_cpus * cython.sizeof(Cpu)
    if s.nr_notices == s.cap_notices:
        s.cap_notices = max(s.cap_notices * 2, FIRST_NOTICES)
        s.notices = cython.cast(
            cython.pointer(NoticeItem), longer(s.notices, s.cap_notices * cython.sizeof(NoticeItem))
        )
    n = cython.address(s.notices[s.nr_notices])
    n.time_ns = s.now_ns
    n.kind = kind
    n.order = order
    n.gfp = gfp
    n.current = this_cpu(s).current
    n.victim = victim
    n.moment_bytes = plain_bytes(s) + cpus + tasks + mms
    n.moment = malloc(n.moment_bytes)
    if n.moment == cython.NULL:  # the operation ends with an error, and its notices are dropped
        miss_memory(n.moment_bytes)
        return
    at = cython.cast(cython.p_char, n.moment)
    memcpy(at, cython.address(s.first_), plain_bytes(s))
    memcpy(at + plain_bytes(s), s.cpus, cpus)
    memcpy(at + plain_bytes(s) + cpus, s.tasks.items, tasks)
    memcpy(at + plain_bytes(s) + cpus + tasks, s.mms.items, mms)
    s.nr_notices += 1


def restore_moment(new: State, moment: cython.p_void):
    """Make *new* the machine of a notice: counters, CPUs, tasks and the sizes of address spaces; no page, no file."""
    at: cython.p_char = cython.cast(cython.p_char, moment)
    i: u32
    memcpy(cython.address(new.first_), at, plain_bytes(new))
    at += plain_bytes(new)
    on_arrays(new, FORGET)
    new.nr_events = new.nr_notices = new.cap_notices = new.nr_areas = new.cap_tables = new.nr_tables = 0
    for i in range(NR_POOLS):
        if i > 1:
            pool_at(new, i).nr = 1
            pool_at(new, i).cap = 0
        else:
            pool_at(new, i).cap = pool_at(new, i).nr
    new.cpus = cython.cast(cython.pointer(Cpu), duplicate(at, new.nr_cpus * cython.sizeof(Cpu)))
    new.cpu_now = cython.address(new.cpus[new.cpu])
    at += new.nr_cpus * cython.sizeof(Cpu)
    new.tasks.items = duplicate(at, cython.cast(u64, new.tasks.cap) * new.tasks.size)
    at += cython.cast(u64, new.tasks.cap) * new.tasks.size
    new.mms.items = duplicate(at, cython.cast(u64, new.mms.cap) * new.mms.size)
    on_nested_arrays(new, FORGET)


def take_notices(s: State) -> list[Notice]:
    """Return what the machine has reported since this was last asked (:class:`Notice`), and forget it."""
    found = []
    for i in range(s.nr_notices):
        n: cython.pointer(NoticeItem) = cython.address(s.notices[i])
        then: State = State.__new__(State, 0, s.nr_cpus)
        free_arrays(then)
        restore_moment(then, n.moment)
        free(n.moment)
        found.append(Notice(n.time_ns, NoticeKind(n.kind), n.order, n.gfp, n.current, n.victim, then))
    s.nr_notices = 0
    return found
