"""What the twin tells when the OOM killer strikes: the state of the machine at that moment as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.core import mm_types as t
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.mm import oom_kill
from memtwin.oom import layout
from memtwin.oom.gfp import text as gfp_text
from memtwin.units import kib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.linux.records import Notice
    from memtwin.twin.twin import Twin

ZONES = ("DMA", "DMA32", "Normal", "Movable", "Device")
LETTERS = "UMEHI"
"""Unmovable, movable, reclaimable, highatomic, isolated: as show_migration_types() has them."""


def report(twin: Twin, notice: Notice) -> layout.Report:
    """Build the report of an OOM event: *twin* is the machine as it was then."""
    state, order, gfp, current, chosen = twin.state, notice.order, notice.gfp, notice.current, notice.victim
    names = {process.pid: process.name for process in twin.processes.values()}
    counters = twin.counters()
    total_swap, free_swap = state.swap_pages
    poisoned = twin.machine.boot.meminfo.get("HardwareCorrupted")
    zones = twin.zoneinfo().zones
    present = sum(zone.present for zone in zones)
    panic = twin.machine.sysctl.get("panic_on_oom", "0") != "0"
    return layout.Report(
        name=names.get(oom_kill.pid_of(state, current), "the rest"),
        pid=oom_kill.pid_of(state, current),
        kernel=" ".join(twin.machine.boot.version.split()[2:3]),
        gfp_mask=gfp,
        gfp_text=gfp_text(gfp),
        order=order,
        oom_score_adj=task_mmu.task_times(state, current)["oom_score_adj"],
        counts=_counts(counters, zones),
        node=_node(counters),
        all_unreclaimable=state.reclaim_failures >= t.MAX_RECLAIM_RETRIES,
        zones=tuple(_zone(twin, zone) for zone in zones if zone.managed),
        pagecache_pages=counters.get("nr_file_pages", 0),
        swapcache_pages=counters.get("nr_swapcached", 0),
        free_swap_kib=int(kib(free_swap)),
        total_swap_kib=int(kib(total_swap)),
        ram_pages=present,
        reserved_pages=present - state.memory_total,
        tasks=_tasks(twin, names) if twin.machine.sysctl.get("oom_dump_tasks", "1") != "0" else (),
        victim=victim(twin, chosen) if chosen else None,
        message=_message(twin),
        hwpoisoned_pages=None if poisoned is None else poisoned // 4,
        panic="Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled" if panic else "",
    )


def _message(twin: Twin) -> str:
    chosen = twin.machine.sysctl.get("oom_kill_allocating_task", "0") != "0"
    return "Out of memory (oom_kill_allocating_task)" if chosen else "Out of memory"


def _counts(counters: Mapping[str, int], zones: tuple) -> dict[str, int]:  # type: ignore[type-arg]
    found = {name: counters.get(f"nr_{name}", 0) for name in (
        "active_anon", "inactive_anon", "isolated_anon", "active_file", "inactive_file", "isolated_file", "unevictable",
        "dirty", "writeback", "slab_reclaimable", "slab_unreclaimable", "mapped", "shmem", "bounce",
        "kernel_misc_reclaimable", "free_cma",
    )}  # fmt: skip
    found["pagetables"] = counters.get("nr_page_table_pages", 0)
    found["sec_pagetables"] = counters.get("nr_sec_page_table_pages", 0)
    found["free"] = counters.get("nr_free_pages", 0)
    found["free_pcp"] = sum(pageset.count for zone in zones for pageset in zone.pagesets)
    return found


def _node(counters: Mapping[str, int]) -> dict[str, int]:
    found = {name: counters.get(f"nr_{name}", 0) * 4 for name in (
        "active_anon", "inactive_anon", "active_file", "inactive_file", "unevictable", "mapped", "dirty", "writeback",
        "shmem",
    )}  # fmt: skip
    found.update({
        "isolated(anon)": counters.get("nr_isolated_anon", 0) * 4,
        "isolated(file)": counters.get("nr_isolated_file", 0) * 4,
        "shmem_thp": 0, "shmem_pmdmapped": 0, "anon_thp": 0, "writeback_tmp": counters.get("nr_writeback_temp", 0) * 4,
        "kernel_stack": counters.get("nr_kernel_stack", 0), "pagetables": counters.get("nr_page_table_pages", 0) * 4,
        "sec_pagetables": counters.get("nr_sec_page_table_pages", 0) * 4,
    })  # fmt: skip
    return found


def _zone(twin: Twin, zone) -> layout.Zone:  # type: ignore[no-untyped-def]
    stats = zone.stats
    number = ZONES.index(zone.name)
    pcp = sum(pageset.count for pageset in zone.pagesets) * 4
    fields = {
        "free": zone.free * 4, "boost": (zone.boost or 0) * 4, "min": zone.min * 4, "low": zone.low * 4,
        "high": zone.high * 4, "reserved_highatomic": 0, "writepending": stats.get("nr_zone_write_pending", 0) * 4,
        "present": zone.present * 4, "managed": zone.managed * 4, "mlocked": stats.get("nr_mlock", 0) * 4,
        "bounce": stats.get("nr_bounce", 0) * 4, "free_pcp": pcp, "local_pcp": pcp, "free_cma": 0,
    }  # fmt: skip
    fields.update({
        name: stats.get(f"nr_zone_{name}", 0) * 4
        for name in ("active_anon", "inactive_anon", "active_file", "inactive_file", "unevictable")
    })  # fmt: skip
    free = twin.free_blocks(number)
    blocks = tuple(
        (sum(kind[order] for kind in free), "".join(LETTERS[i] for i, kind in enumerate(free) if kind[order]))
        for order in range(11)
    )
    return layout.Zone(0, zone.name, fields, tuple(zone.protection), blocks)


def _tasks(twin: Twin, names: Mapping[int, str]) -> tuple[layout.TaskRow, ...]:
    return tuple(
        layout.TaskRow(pid, 0, pid, total_vm, rss, tables, swapents, adj, names.get(pid, "?"))
        for pid, total_vm, rss, tables, swapents, adj in oom_kill.task_rows(twin.state)
    )


def victim(twin: Twin, task: int) -> layout.Victim:
    """A task that is killed, with its sizes now."""
    memory = task_mmu.task_mem(twin.state, task)
    pid = oom_kill.pid_of(twin.state, task)
    return layout.Victim(
        pid, next((process.name for process in twin.processes.values() if process.pid == pid), "?"), 0,
        memory["VmSize"], memory["RssAnon"], memory["RssFile"], memory["RssShmem"], memory["VmPTE"],
        task_mmu.task_times(twin.state, task)["oom_score_adj"],
    )  # fmt: skip
