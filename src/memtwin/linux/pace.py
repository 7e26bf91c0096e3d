"""How fast a program goes about its work: it sleeps to keep to a rate of its own, or to think.

Not a kernel file: the program does this, with ``clock_nanosleep(2)``.  After each page that it touched, or each read or
write, a program that thinks sleeps for as long as it does; one with a rate sleeps until it is even where it is 10 ms or
more ahead of that.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, hooks, in_pieces, local_clock, this_runner
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_until

NS_PER_S = cython.declare(u64, 1_000_000_000)
AHEAD_NS = cython.declare(u64, 10_000_000)


def pace_step(s: State, p: cython.pointer(Pace), done: u64):
    """Decide until when a program sleeps that has done *done* bytes of its work now."""
    due_ns: u64
    p.resume_ns = local_clock(s) + p.think_ns
    if p.bytes_per_s:
        due_ns = p.began_ns + done // p.bytes_per_s * NS_PER_S
        due_ns += done % p.bytes_per_s * NS_PER_S // p.bytes_per_s
        if due_ns >= local_clock(s) + AHEAD_NS:
            p.resume_ns = max(p.resume_ns, due_ns)


def keep_pace(s: State, p: cython.pointer(Pace), until_ns: u64) -> cython.bint:
    """Sleep as long as the pace demands, *until_ns* at most; returns whether the program goes on now."""
    if not p.began_ns:
        p.began_ns = local_clock(s)
    if p.resume_ns <= local_clock(s):
        return True
    if in_pieces(s):
        wait_until(s, p.resume_ns, False, False)
        this_runner(s).is_asleep = True
        return False
    hooks.nanosleep(s, min(p.resume_ns, until_ns))
    return p.resume_ns <= s.now_ns
