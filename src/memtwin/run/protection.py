"""What a process may do with its memory: rights of a region's pages, its own limits, the use of its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import memory
from memtwin.linux.mm import mprotect as mm_mprotect
from memtwin.linux.records import Outcome
from memtwin.scenario import LIMITS
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from memtwin.run.processes import Processes
    from memtwin.run.worker import Worker
    from memtwin.scenario import Limit, Mprotect, Stack


HARD_MEMLOCK_PAGES = 2048
"""MLOCK_LIMIT, 8 MiB: the hard limit that everybody has, and that root alone may raise; the others have none."""


def mprotect(processes: Processes, process: Worker, op: Mprotect) -> int:
    """Change what may be done with a part of a region; returns an Outcome (ENOMEM: a hole)."""
    start = processes.part(process, op)
    if start < 0:
        return -start
    rights = (right in op.rights.replace("none", "") for right in "rwx")
    return mm_mprotect.mprotect(processes.state, process.task, start, op.npages, *rights)


def limit(processes: Processes, process: Worker, op: Limit) -> int:
    """Set one of a process's own limits; returns an Outcome (EPERM: it is above the hard limit)."""
    pages = -1 if op.size_bytes is None else op.size_bytes // PAGE_BYTES
    if process.uid and op.what == "memlock" and not 0 <= pages <= HARD_MEMLOCK_PAGES:
        return Outcome.EPERM
    kernel_fork.setrlimit(processes.state, process.task, LIMITS.index(op.what), pages)
    return Outcome.OK


def stack(processes: Processes, process: Worker, op: Stack) -> int:
    """Write the stack downwards; returns an Outcome (SIGSEGV: it may not grow so far)."""
    first = processes.program.stack_pointer - 1
    for vpn in range(first, first - op.size_bytes // PAGE_BYTES, -1):
        code = memory.touch_page(processes.state, process.task, vpn, write=True)
        if code != Outcome.OK:
            return processes.end_by_signal(process, code)
    return Outcome.OK
