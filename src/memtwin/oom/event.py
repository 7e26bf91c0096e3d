"""What one report of the OOM killer says, as it says it: pages where the kernel prints pages, kB where it prints kB.

None, or an empty tuple or table, is what the text does not have. Nothing here is computed: see :mod:`memtwin.oom.why`
for what follows from it. Events come from :mod:`memtwin.oom.read` and from the twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "mm/oom_kill.c", "v6.1"

GLOBAL, MEMCG, CPUSET, MEMPOLICY, UNKNOWN = "global", "memcg", "cpuset", "mempolicy", "unknown"
"""What was out of memory: the machine, a memory cgroup, the nodes of a cpuset or a memory policy, or unknown.

A name of the kernel's that is none of these (``CONSTRAINT_BPF_PSI_MEM``) stands as it is printed.
"""

KILLED, PANIC, NO_VICTIM = "killed", "panic", "no victim"
"""How a report ends: a process was killed, the kernel panicked by its settings, or no process could be killed."""


CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"
"""How sure a conclusion is: it stands in the text; nothing else in the text fits as well; it is one of several."""


class Trigger(NamedTuple):
    """Who asked for memory that was not there, and for what."""

    name: str | None = None
    pid: int | None = None
    gfp_mask: int | None = None
    gfp_flags: str | None = None
    """The kernel's text of the mask (4.6 and later)."""
    order: int | None = None
    """2**order pages in a row; -1: asked for by SysRq+f."""
    oom_score_adj: int | None = None
    nodemask: str | None = None
    cpuset: str | None = None
    mems_allowed: str | None = None


class Task(NamedTuple):
    """One line of the table of tasks. Memory in pages; columns that this kernel does not print are None."""

    pid: int
    name: str
    uid: int | None = None
    tgid: int | None = None
    total_vm: int | None = None
    rss: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables_bytes: int | None = None
    """Page tables in bytes (4.15 and later)."""
    page_tables: int | None = None
    """Page tables in pages: nr_ptes, nr_pmds and nr_puds (3.7 to 4.14)."""
    swapents: int | None = None
    oom_score_adj: int | None = None
    oom_adj: int | None = None
    """The older setting, -17 to 15 (before 3.7)."""


class Zone(NamedTuple):
    """The lines of one zone: *fields* in kB by their printed names, reserves in pages, free blocks by their size."""

    node: int | None
    name: str
    fields: Mapping[str, int]
    lowmem_reserve: tuple[int, ...] = ()
    blocks: tuple[tuple[int, int, str], ...] = ()
    """(count, size in kB, letters of migrate types), smallest first."""
    blocks_total_kib: int | None = None
    all_unreclaimable: bool | None = None


class Node(NamedTuple):
    """The line of one node (4.8 and later), *fields* in kB by their printed names."""

    number: int
    fields: Mapping[str, int]
    all_unreclaimable: bool | None = None


class HugePages(NamedTuple):
    """Reserved huge pages of one size on one node."""

    node: int | None
    total: int
    free: int
    surplus: int
    size_kib: int


class Memcg(NamedTuple):
    """The block of a memory cgroup's OOM; sizes in kB, None where the line is not there."""

    path: str | None = None
    """The cgroup whose limit was reached."""
    usage: int | None = None
    limit: int | None = None
    failcnt: int | None = None
    swap_usage: int | None = None
    swap_limit: int | None = None
    memsw_usage: int | None = None
    """Memory and swap together: cgroup version 1."""
    memsw_limit: int | None = None
    kmem_usage: int | None = None
    kmem_limit: int | None = None
    stats: Mapping[str, int] = {}
    """The lines of memory.stat: bytes (cgroup version 2, 5.3 and later), sizes of version 1 turned into bytes."""


class Swap(NamedTuple):
    """What the report says of swap, in kB and pages."""

    total_kib: int | None = None
    free_kib: int | None = None
    cache_pages: int | None = None


class Kill(NamedTuple):
    """A process that was killed, with the sizes of its line in kB."""

    pid: int
    name: str
    uid: int | None = None
    oom_score_adj: int | None = None
    sizes: Mapping[str, int] = {}
    """``total-vm``, ``anon-rss``, ``file-rss``, ``shmem-rss``, ``pgtables``: those that are printed."""


class Reaped(NamedTuple):
    """A line of the OOM reaper: the memory of a victim was taken before it could end."""

    pid: int
    name: str
    sizes: Mapping[str, int] = {}


class OomEvent(NamedTuple):
    """One event, as far as the text has it. *missing* names what a whole report has and this text has not."""

    trigger: Trigger = Trigger()
    kernel: str | None = None
    """The release, ``6.1.0-42-amd64``."""
    constraint: str = UNKNOWN
    constraint_printed: str | None = None
    """The word of the ``oom-kill:`` line (5.0 and later): a few kernels print a wrong one."""
    complete: bool = True
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """What is in the text and could not be read."""
    confidence: str = CERTAIN
    """:data:`PROBABLE`: the victim was chosen, and a child of it may have died; :data:`POSSIBLE`: the text has the
    memory of the machine alone, which a failed allocation prints as well."""
    outcome: str | None = None
    """:data:`KILLED`, :data:`PANIC`, :data:`NO_VICTIM`; None when the text ends before."""
    message: str | None = None
    """The words before "Killed process", or of the panic."""
    panic: str | None = None
    """The words of a line of a panic, if there is one."""
    victim: Kill | None = None
    """Without sizes where the line of the kill is not in the text: the ``oom-kill:`` line named it."""
    chosen_pid: int | None = None
    """Who was chosen, where that is printed: before 5.1 a child of it might die instead; it may be a thread."""
    chosen_name: str | None = None
    score: int | None = None
    """The printed score of the chosen process (before 5.1)."""
    also_killed: tuple[Kill, ...] = ()
    """Others that died with the victim: those sharing its memory, or the rest of its cgroup (memory.oom.group)."""
    reaped: tuple[Reaped, ...] = ()
    task_memcg: str | None = None
    """The cgroup of the victim."""
    tasks: tuple[Task, ...] = ()
    columns: tuple[str, ...] = ()
    """The columns of the table of tasks, as its header names them; empty without header."""
    counts: Mapping[str, int] = {}
    """Pages of the machine by the names of the lines below Mem-Info, and ``total pagecache``, ``RAM``, ``reserved``
    and so on of those at its end."""
    nodes: tuple[Node, ...] = ()
    zones: tuple[Zone, ...] = ()
    huge_pages: tuple[HugePages, ...] = ()
    slabs: Mapping[str, tuple[int, int]] = {}
    """Unreclaimable slab caches: used and total kB."""
    swap: Swap = Swap()
    memcg: Memcg | None = None
    page_kib: int = 4
    page_size_from: str | None = None
    """Where the page size stands: ``buddy lines``, ``victim``; None: 4 KiB is assumed."""
    trace: tuple[str, ...] = ()
    """Functions of the call trace, innermost first."""
    sysrq: bool = False
    killed_before: tuple[int, ...] = ()
    """Processes that earlier reports of the same text killed: still in the table, they are not chosen again."""
    stamp: str | None = None
    """The time of the first line, as it is printed."""
    first_line: int = 1
    last_line: int = 1
