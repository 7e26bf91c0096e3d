"""The scenario language: a machine and a workload as a text file, one operation a line.

In: text. Out: a :class:`Scenario` of frozen operations, each with its line. Never here: what an operation does.

A line's ``#`` begins a comment, blanks separate words. SIZE is decimal bytes with an optional binary suffix
``K``, ``M``, ``G``, or ``P`` (pages of 4096 bytes). Header lines (``machine``, ``swap``, ``sysctl``,
``file``, ``tmpfs``) stand before the first operation. Operations run one after another, but for those whose line ends
with ``&``, and are numbered from 0 as they are carried out: checkpoints, each repetition of a loop, and the wait of an
``at`` included::

    machine ram=256M cpus=1 kernel=6.1 thp=never      # every word is optional, these are the defaults
    swap disk size=512M prio=-2                       # a negative priority: the kernel chooses
    sysctl vm.swappiness=60
    file data 160M
    proc A
    A mmap heap 140M
    A touch heap 0 140M w seq content=random
    checkpoint filled

:func:`parse` checks all that can be known without running: words, sizes, names, and that a process works
only on regions that it (or the process that it was forked from) mapped in an earlier line. What a kernel may
refuse (ENOMEM, a range beyond the region, swapoff of an area that is off) is the run's to find out.

The patterns draw from splitmix64, so that the same line visits the same pages on a real kernel, in
:func:`pages` and in the compiled model.
"""

from __future__ import annotations

from memtwin.scenario.disk import DataDisk
from memtwin.scenario.flow import Wait
from memtwin.scenario.lines import (
    ADVICES,
    CONTENTS,
    LARGEST_AREA,
    LIMITS,
    MEMFD,
    TMPFS,
    Advice,
    Attach,
    Checkpoint,
    ClearRefs,
    Compact,
    Content,
    DropCaches,
    Exit,
    FileDef,
    Fmap,
    Fork,
    Fread,
    Free,
    Fwrite,
    Kalloc,
    Kfree,
    Kill,
    MachineLine,
    Madvise,
    Malloc,
    MallocTrim,
    Mallopt,
    Mlock,
    Mmap,
    Munlock,
    Munmap,
    Op,
    Proc,
    Realloc,
    Scenario,
    SetSysctl,
    Shm,
    Sleep,
    Swap,
    SwapDisk,
    SwapOff,
    SwapOn,
    SwapZram,
    Sync,
    Sysctl,
    ThreadStart,
    Touch,
    Unlink,
    Until,
    WorkerOp,
    Zswap,
)
from memtwin.scenario.open_files import Close, Fsync, Truncate
from memtwin.scenario.pace import AHEAD_NS, UNPACED, Pace
from memtwin.scenario.parser import load, parse
from memtwin.scenario.patterns import Hot, Listed, Pattern, Pow, Rand, Seq, pages, splitmix64
from memtwin.scenario.protection import Limit, Mprotect, Stack
from memtwin.scenario.space import Brk, Mremap, VmRead

__all__ = [
    "ADVICES",
    "AHEAD_NS",
    "CONTENTS",
    "LARGEST_AREA",
    "LIMITS",
    "MEMFD",
    "TMPFS",
    "UNPACED",
    "Advice",
    "Attach",
    "Brk",
    "Checkpoint",
    "ClearRefs",
    "Close",
    "Compact",
    "Content",
    "DataDisk",
    "DropCaches",
    "Exit",
    "FileDef",
    "Fmap",
    "Fork",
    "Fread",
    "Free",
    "Fsync",
    "Fwrite",
    "Hot",
    "Kalloc",
    "Kfree",
    "Kill",
    "Limit",
    "Listed",
    "MachineLine",
    "Madvise",
    "Malloc",
    "MallocTrim",
    "Mallopt",
    "Mlock",
    "Mmap",
    "Mprotect",
    "Mremap",
    "Munlock",
    "Munmap",
    "Op",
    "Pace",
    "Pattern",
    "Pow",
    "Proc",
    "Rand",
    "Realloc",
    "Scenario",
    "Seq",
    "SetSysctl",
    "Shm",
    "Sleep",
    "Stack",
    "Swap",
    "SwapDisk",
    "SwapOff",
    "SwapOn",
    "SwapZram",
    "Sync",
    "Sysctl",
    "ThreadStart",
    "Touch",
    "Truncate",
    "Unlink",
    "Until",
    "VmRead",
    "Wait",
    "WorkerOp",
    "Zswap",
    "load",
    "pages",
    "parse",
    "splitmix64",
]
