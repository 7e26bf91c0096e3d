"""How fast a program goes about its work: it sleeps to keep to a rate of its own, or to think.

Not a kernel file: the program does this, with ``clock_nanosleep(2)``.  After each page that it touched, or each read or
write, a program that thinks sleeps for as long as it does; one with a rate sleeps until it is even where it is 10 ms or
more ahead of that.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, hooks

NS_PER_S = cython.declare(u64, 1_000_000_000)
AHEAD_NS = cython.declare(u64, 10_000_000)


def pace_step(s: State, p: cython.pointer(Pace), done: u64):
    """Decide until when a program sleeps that has done *done* bytes of its work now."""
    due_ns: u64
    p.resume_ns = s.now_ns + p.think_ns
    if p.bytes_per_s:
        due_ns = p.began_ns + done // p.bytes_per_s * NS_PER_S
        due_ns += done % p.bytes_per_s * NS_PER_S // p.bytes_per_s
        if due_ns >= s.now_ns + AHEAD_NS:
            p.resume_ns = max(p.resume_ns, due_ns)


def keep_pace(s: State, p: cython.pointer(Pace), until_ns: u64) -> cython.bint:
    """Sleep as long as the pace demands, *until_ns* at most; returns whether the program goes on now."""
    if not p.began_ns:
        p.began_ns = s.now_ns
    if p.resume_ns > s.now_ns:
        hooks.nanosleep(s, min(p.resume_ns, until_ns))
    return p.resume_ns <= s.now_ns
