"""What the compiled core gives to its callers where a number is not enough: plain Python, with names and types."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from memtwin.linux.core.state import State


class Outcome(IntEnum):
    """What an operation comes to: a result, not an exception. Numbers above 1000 are no errno."""

    OK = 0
    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EINTR = 4
    EBADF = 9
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EINVAL = 22
    EFBIG = 27
    ENOSPC = 28
    ERANGE = 34
    ETIME = 62
    """The time at which it was to be done has passed."""
    AGAIN = 1001
    """The time slice is over: call again."""
    KILLED = 1002
    """The task was killed while it did this."""
    SIGBUS = 1007
    """It touched a page that cannot be allocated: a full tmpfs, beyond a file's end."""
    SIGSEGV = 1011
    """It touched what it has not mapped, or in a way that its mapping forbids."""


class Refusal(IntEnum):
    """Which rule of the kernel refused what an operation asked for."""

    NOT = 0
    """None did: no page was available."""
    LENGTH = 1
    MAP_COUNT = 2
    TASK_SIZE = 3
    OVERCOMMIT = 4
    SWAPOFF = 5
    TMPFS = 6
    DISK = 7
    SHMMAX = 8
    SHMALL = 9
    RLIMIT_AS = 10
    RLIMIT_DATA = 11
    RLIMIT_STACK = 12
    GUARD_GAP = 13
    HOLE = 14
    RLIMIT_MEMLOCK = 15
    READ_ONLY = 16
    BOUNDARY = 17
    NEIGHBOUR = 18
    FOREIGN = 19


class NoticeKind(IntEnum):
    """What a machine reports by itself."""

    OOM = 0
    """Memory has run out, and a process is about to be killed, or none can be."""
    REAP = 1
    """The memory of a victim that did not exit by itself was taken."""


class Notice(NamedTuple):
    """One report; *current* and *victim* are tasks, 0 for none; *then*: the machine's counters and processes.

    *then* is a State without pages, tables and files: what it counts can be asked, nothing can run on it.
    """

    time_ns: int
    kind: NoticeKind
    order: int
    gfp: int
    current: int
    victim: int
    then: State


class Ended(NamedTuple):
    """What became of an operation that ran beside others: the task that did it, an Outcome, when it ran."""

    task: int
    outcome: int
    began_ns: int
    ended_ns: int


class TaskFigures(NamedTuple):
    """A row of the OOM report's table: memory in pages, page tables in bytes."""

    pid: int
    total_vm: int
    rss: int
    pgtables_bytes: int
    swapents: int
    oom_score_adj: int
    uid: int


class FileFigures(NamedTuple):
    """A file's pages: in all, in memory, dirty, and those that reclaim took."""

    pages: int
    cached: int
    dirty: int
    reclaimed: int


class SharedFigures(NamedTuple):
    """A file of shared memory, in pages: its size, and what of it is in memory and in swap areas."""

    pages: int
    cached: int
    swapped: int


class AreaFigures(NamedTuple):
    """A swap area: whether it is on, its slots in all and in use, its priority, and the pages ever written to it."""

    used: bool
    pages: int
    inuse: int
    prio: int
    written: int


class SlabFigures(NamedTuple):
    """A slab cache as /proc/slabinfo has it: objects, slabs, bytes of an object and the shape of a slab."""

    active_objs: int
    num_objs: int
    objsize: int
    objperslab: int
    pagesperslab: int
    num_slabs: int


MAP_CLASSES = (
    "hole", "free", "per-cpu", "anon", "swap cache", "file", "shmem", "slab", "tables", "kernel", "compressed",
    "isolated",
)  # fmt: skip
"""What a frame may be used for, as a map of memory has it: the numbers of ``linux/fs/proc/page.pxd``."""


class FrameBlocks(NamedTuple):
    """A zone by blocks of frames, a byte a block: the class that has most frames of it, and their share in 255ths.

    *largest* is the order of the largest free block that lies there plus 1, 0 for none; *age* is 0 without pages on an
    LRU list, else 1 to 4 by the quarter that are active. *totals* are frames by class, *free* free blocks by order.
    """

    first_pfn: int
    use: bytes
    share: bytes
    largest: bytes
    age: bytes
    totals: tuple[int, ...]
    free: tuple[int, ...]


class ZoneFigures(NamedTuple):
    """A zone's watermarks with the boost in them, its reserves, and (count, high, batch) of each CPU's list; pages."""

    boost: int
    min: int
    low: int
    high: int
    protection: list[int]
    pagesets: list[tuple[int, int, int]]


class Generation(NamedTuple):
    """A generation of the multi-gen LRU: its number, its age, and its pages by type."""

    seq: int
    age_ms: int
    anon: int
    file: int
