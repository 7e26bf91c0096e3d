"""The layout of the kernel's OOM report: the one schema that the twin writes and that a post-mortem reads.

It imports nothing of ours.  Values are in the units that the kernel prints: pages in the first lines and in the table,
kB in the lines of nodes and zones.

Follows mm/oom_kill.c (``dump_header``, ``dump_task``, ``__oom_kill_process``), mm/page_alloc.c (``show_free_areas``)
and lib/show_mem.c of Linux 6.1.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "mm/oom_kill.c", "v6.1"


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone's two lines and its free blocks; *fields* in kB, in the order of printing."""

    node: int
    name: str
    fields: dict[str, int]
    lowmem_reserve: tuple[int, ...]
    blocks: tuple[tuple[int, str], ...]
    """By order: how many free blocks, and the letters of their types."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line of the table of tasks; memory in pages, page tables in bytes."""

    pid: int
    uid: int
    tgid: int
    total_vm: int
    rss: int
    pgtables_bytes: int
    swapents: int
    oom_score_adj: int
    name: str


@dataclass(frozen=True, slots=True)
class Victim:
    """Who was killed, with its sizes in kB."""

    pid: int
    name: str
    uid: int
    total_vm: int
    anon_rss: int
    file_rss: int
    shmem_rss: int
    pgtables: int
    oom_score_adj: int


@dataclass(frozen=True, slots=True)
class Report:
    """One OOM event."""

    name: str
    pid: int
    kernel: str
    gfp_mask: int
    gfp_text: str
    order: int
    oom_score_adj: int
    counts: dict[str, int]
    """Pages of the whole machine, by the names of the first lines."""
    node: dict[str, int]
    """kB of the node, by the names of its line."""
    all_unreclaimable: bool
    zones: tuple[Zone, ...]
    pagecache_pages: int
    swapcache_pages: int
    free_swap_kib: int
    total_swap_kib: int
    ram_pages: int
    reserved_pages: int
    tasks: tuple[TaskRow, ...]
    victim: Victim | None
    message: str = "Out of memory"
    panic: str = ""
    hwpoisoned_pages: int | None = None
    """None: a kernel that does not know of bad memory (CONFIG_MEMORY_FAILURE)."""


COUNTS = (
    ("active_anon", "inactive_anon", "isolated_anon"),
    ("active_file", "inactive_file", "isolated_file"),
    ("unevictable", "dirty", "writeback"),
    ("slab_reclaimable", "slab_unreclaimable"),
    ("mapped", "shmem", "pagetables"),
    ("sec_pagetables", "bounce"),
    ("kernel_misc_reclaimable",),
    ("free", "free_pcp", "free_cma"),
)
NODE = (
    "active_anon:", "inactive_anon:", "active_file:", "inactive_file:", "unevictable:", "isolated(anon):",
    "isolated(file):", "mapped:", "dirty:", "writeback:", "shmem:", "shmem_thp: ", "shmem_pmdmapped: ", "anon_thp: ",
    "writeback_tmp:", "kernel_stack:", "pagetables:", "sec_pagetables:",
)  # fmt: skip
ZONE = (
    "free", "boost", "min", "low", "high", "reserved_highatomic", "active_anon", "inactive_anon", "active_file",
    "inactive_file", "unevictable", "writepending", "present", "managed", "mlocked", "bounce", "free_pcp", "local_pcp",
    "free_cma",
)  # fmt: skip
TABLE_HEAD = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
HUGE_PAGE_SIZES_KIB = (1048576, 2048)


def render(report: Report) -> list[str]:
    """Return the lines of a report in the layout of 6.1, without call trace and time stamps."""
    lines = [
        _head(report),
        f"CPU: 0 PID: {report.pid} Comm: {report.name} Not tainted {report.kernel}",
        "Mem-Info:",
    ]
    for number, names in enumerate(COUNTS):
        lines.append(" " * (number > 0) + " ".join(f"{name}:{report.counts[name]}" for name in names))
    lines.append(_node(report))
    for zone in report.zones:
        lines += _zone(zone)
    lines += [_blocks(zone) for zone in report.zones]
    for size in HUGE_PAGE_SIZES_KIB:
        lines.append(f"Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size={size}kB")
    lines += [
        f"{report.pagecache_pages} total pagecache pages",
        f"{report.swapcache_pages} pages in swap cache",
        f"Free swap  = {report.free_swap_kib}kB",
        f"Total swap = {report.total_swap_kib}kB",
        f"{report.ram_pages} pages RAM",
        "0 pages HighMem/MovableOnly",
        f"{report.reserved_pages} pages reserved",
        *([f"{report.hwpoisoned_pages} pages hwpoisoned"] if report.hwpoisoned_pages is not None else []),
    ]
    return lines + _verdict(report)


def _node(report: Report) -> str:
    fields = " ".join(f"{name}{report.node[name.rstrip(': ')]}kB" for name in NODE)
    return f"Node 0 {fields} all_unreclaimable? {'yes' if report.all_unreclaimable else 'no'}"


def _zone(zone: Zone) -> list[str]:
    unit = {"reserved_highatomic": "KB"}
    fields = " ".join(f"{name}:{zone.fields[name]}{unit.get(name, 'kB')}" for name in ZONE)
    reserve = " ".join(str(pages) for pages in zone.lowmem_reserve)
    return [f"Node {zone.node} {zone.name} {fields}", f"lowmem_reserve[]: {reserve}"]


def _blocks(zone: Zone) -> str:
    parts = [
        f"{count}*{4 << order}kB" + (f" ({types})" if count else "") for order, (count, types) in enumerate(zone.blocks)
    ]
    total = sum(count * (4 << order) for order, (count, _) in enumerate(zone.blocks))
    return f"Node {zone.node} {zone.name}: {' '.join(parts)} = {total}kB"


def _verdict(report: Report) -> list[str]:
    lines = []
    if report.tasks:
        lines = ["Tasks state (memory values in pages):", TABLE_HEAD]
        lines += [
            f"[{row.pid:7d}] {row.uid:5d} {row.tgid:5d} {row.total_vm:8d} {row.rss:8d} {row.pgtables_bytes:8d} "
            f"{row.swapents:8d}         {row.oom_score_adj:5d} {row.name}"
            for row in report.tasks
        ]
    if report.panic:
        return [*lines, report.panic]
    victim = report.victim
    if victim is None:
        return [
            *lines,
            "Out of memory and no killable processes...",
            "Kernel panic - not syncing: System is deadlocked on memory",
        ]
    return [*lines, *_killed(victim, report.message)]


def reaped(victim: Victim) -> str:
    """The line of a victim whose memory was taken before it could die."""
    return (
        f"oom_reaper: reaped process {victim.pid} ({victim.name}), now anon-rss:{victim.anon_rss}kB, "
        f"file-rss:{victim.file_rss}kB, shmem-rss:{victim.shmem_rss}kB"
    )


def _head(report: Report) -> str:
    return (
        f"{report.name} invoked oom-killer: gfp_mask={report.gfp_mask:#x}({report.gfp_text}), order={report.order}, "
        f"oom_score_adj={report.oom_score_adj}"
    )


def _killed(victim: Victim, message: str) -> tuple[str, str]:
    constraint = (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,"
        f"task={victim.name},pid={victim.pid},uid={victim.uid}"
    )
    killed = (
        f"{message}: Killed process {victim.pid} ({victim.name}) total-vm:{victim.total_vm}kB, "
        f"anon-rss:{victim.anon_rss}kB, file-rss:{victim.file_rss}kB, shmem-rss:{victim.shmem_rss}kB, "
        f"UID:{victim.uid} pgtables:{victim.pgtables}kB oom_score_adj:{victim.oom_score_adj}"
    )
    return constraint, killed
