"""An event as the kernel's text: the lines of Linux 6.1, of which :mod:`memtwin.oom.read` makes the same event again.

Units are those that the kernel prints: pages in the first lines and in the table, kB in the lines of nodes and zones.
Without call trace, register dump and time stamps; for an event of the whole machine.

Follows mm/oom_kill.c (``dump_header``, ``dump_task``, ``__oom_kill_process``), mm/page_alloc.c (``show_free_areas``)
and lib/show_mem.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.oom.event import NO_VICTIM, PANIC

if TYPE_CHECKING:
    from memtwin.oom.event import Kill, Node, OomEvent, Task, Zone

SOURCE = "mm/oom_kill.c", "v6.1"

COUNTS: Final = (
    ("active_anon", "inactive_anon", "isolated_anon"),
    ("active_file", "inactive_file", "isolated_file"),
    ("unevictable", "dirty", "writeback"),
    ("slab_reclaimable", "slab_unreclaimable"),
    ("mapped", "shmem", "pagetables"),
    ("sec_pagetables", "bounce"),
    ("kernel_misc_reclaimable",),
    ("free", "free_pcp", "free_cma"),
)
"""The counters below Mem-Info, line by line."""
NODE: Final = (
    "active_anon:", "inactive_anon:", "active_file:", "inactive_file:", "unevictable:", "isolated(anon):",
    "isolated(file):", "mapped:", "dirty:", "writeback:", "shmem:", "shmem_thp: ", "shmem_pmdmapped: ", "anon_thp: ",
    "writeback_tmp:", "kernel_stack:", "pagetables:", "sec_pagetables:",
)  # fmt: skip
"""The fields of a node's line; some have a blank before the figure."""
ZONE: Final = (
    "free", "boost", "min", "low", "high", "reserved_highatomic", "active_anon", "inactive_anon", "active_file",
    "inactive_file", "unevictable", "writepending", "present", "managed", "mlocked", "bounce", "free_pcp", "local_pcp",
    "free_cma",
)  # fmt: skip
COLUMNS: Final = ("uid", "tgid", "total_vm", "rss", "pgtables_bytes", "swapents", "oom_score_adj")
TABLE_HEAD: Final = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
HUGE_PAGE_SIZES_KIB: Final = (1048576, 2048)
NOT_KILLABLE: Final = "Out of memory and no killable processes"
DEADLOCKED: Final = "System is deadlocked on memory"


def render(event: OomEvent) -> list[str]:
    """Return the lines of *event*."""
    counts, swap = event.counts, event.swap
    lines = [*_head(event), "Mem-Info:"]
    for number, names in enumerate(COUNTS):
        lines.append(" " * (number > 0) + " ".join(f"{name}:{counts[name]}" for name in names))
    lines += [_node(node) for node in event.nodes]
    for zone in event.zones:
        lines += _zone(zone)
    lines += [_blocks(zone) for zone in event.zones]
    lines += [
        f"Node {huge.node} hugepages_total={huge.total} hugepages_free={huge.free} hugepages_surp={huge.surplus}"
        f" hugepages_size={huge.size_kib}kB"
        for huge in event.huge_pages
    ]
    lines += [
        f"{counts['total pagecache']} total pagecache pages",
        f"{swap.cache_pages} pages in swap cache",
        f"Free swap  = {swap.free_kib}kB",
        f"Total swap = {swap.total_kib}kB",
    ]
    lines += [
        f"{counts[name]} pages {name}"
        for name in ("RAM", "HighMem/MovableOnly", "reserved", "hwpoisoned")
        if name in counts
    ]
    if event.tasks:
        lines += ["Tasks state (memory values in pages):", TABLE_HEAD, *(_row(task) for task in event.tasks)]
    return lines + _verdict(event)


def reaped(victim: Kill) -> str:
    """Return the line of a victim whose memory was taken before it could die."""
    sizes = ", ".join(f"{name}:{victim.sizes[name]}kB" for name in ("anon-rss", "file-rss", "shmem-rss"))
    return f"oom_reaper: reaped process {victim.pid} ({victim.name}), now {sizes}"


def _head(event: OomEvent) -> tuple[str, str]:
    trigger = event.trigger
    return (
        (
            f"{trigger.name} invoked oom-killer: gfp_mask={trigger.gfp_mask:#x}({trigger.gfp_flags}), "
            f"order={trigger.order}, oom_score_adj={trigger.oom_score_adj}"
        ),
        f"CPU: 0 PID: {trigger.pid} Comm: {trigger.name} Not tainted {event.kernel}",
    )


def _node(node: Node) -> str:
    fields = " ".join(f"{name}{node.fields[name.rstrip(': ')]}kB" for name in NODE)
    return f"Node {node.number} {fields} all_unreclaimable? {'yes' if node.all_unreclaimable else 'no'}"


def _zone(zone: Zone) -> tuple[str, str]:
    unit = {"reserved_highatomic": "KB"}
    fields = " ".join(f"{name}:{zone.fields[name]}{unit.get(name, 'kB')}" for name in ZONE)
    reserve = " ".join(str(pages) for pages in zone.lowmem_reserve)
    return f"Node {zone.node} {zone.name} {fields}", f"lowmem_reserve[]: {reserve}"


def _blocks(zone: Zone) -> str:
    parts = (f"{count}*{kib}kB" + (f" ({types})" if count else "") for count, kib, types in zone.blocks)
    return f"Node {zone.node} {zone.name}: {' '.join(parts)} = {zone.blocks_total_kib}kB"


def _row(task: Task) -> str:
    return (
        f"[{task.pid:7d}] {task.uid:5d} {task.tgid:5d} {task.total_vm:8d} {task.rss:8d} {task.pgtables_bytes:8d} "
        f"{task.swapents:8d}         {task.oom_score_adj:5d} {task.name}"
    )


def _verdict(event: OomEvent) -> list[str]:
    panic = [] if event.panic is None else [f"Kernel panic - not syncing: {event.panic}"]
    if event.outcome == PANIC:
        return panic
    if event.outcome == NO_VICTIM:
        return [f"{NOT_KILLABLE}...", *panic]
    return _killed(event, event.victim) if event.victim is not None else []


def _killed(event: OomEvent, victim: Kill) -> list[str]:
    trigger = event.trigger
    constraint = (
        f"oom-kill:constraint={event.constraint_printed},nodemask={trigger.nodemask},cpuset={trigger.cpuset},"
        f"mems_allowed={trigger.mems_allowed},global_oom,task_memcg={event.task_memcg},"
        f"task={victim.name},pid={victim.pid},uid={victim.uid}"
    )
    sizes = ", ".join(f"{name}:{victim.sizes[name]}kB" for name in ("total-vm", "anon-rss", "file-rss", "shmem-rss"))
    killed = (
        f"{event.message}: Killed process {victim.pid} ({victim.name}) {sizes}, UID:{victim.uid} "
        f"pgtables:{victim.sizes['pgtables']}kB oom_score_adj:{victim.oom_score_adj}"
    )
    return [constraint, killed]
