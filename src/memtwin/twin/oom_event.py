"""The event that the twin reports when the OOM killer strikes: the state of the machine at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.linux.core import mm_types as t
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.mm import buddy_info, oom_kill
from memtwin.oom import layout
from memtwin.oom.event import (
    GLOBAL,
    KILLED,
    NO_VICTIM,
    PANIC,
    HugePages,
    Kill,
    Node,
    OomEvent,
    Swap,
    Task,
    Trigger,
    Zone,
)
from memtwin.oom.gfp import text as gfp_text
from memtwin.units import kib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.linux.records import Notice
    from memtwin.twin.twin import Twin

ZONES: Final = ("DMA", "DMA32", "Normal", "Movable", "Device")
LETTERS: Final = "UMEHI"
"""Unmovable, movable, reclaimable, highatomic, isolated: as show_migration_types() has them."""


def event(twin: Twin, notice: Notice) -> OomEvent:
    """Return the event of *notice*: *twin* is the machine as it was then."""
    state, panics = twin.state, twin.machine.sysctl.get("panic_on_oom", "0") != "0"
    names = names_of(twin)
    counters, zoneinfo = twin.counters(), twin.zoneinfo().zones
    total_swap, free_swap = state.swap_pages
    tasks = _tasks(twin, names) if twin.machine.sysctl.get("oom_dump_tasks", "1") != "0" else ()
    missing = () if tasks else ("task table",)
    found = OomEvent(
        trigger=_trigger(twin, notice, names),
        kernel=" ".join(twin.machine.boot.version.split()[2:3]),
        constraint=GLOBAL,
        complete=not missing,
        missing=missing,
        tasks=tasks,
        columns=layout.COLUMNS if tasks else (),
        counts=_counts(twin, counters, zoneinfo),
        nodes=(Node(0, _node(counters), state.reclaim_failures >= t.MAX_RECLAIM_RETRIES),),
        zones=tuple(_zone(twin, zone) for zone in zoneinfo if zone.managed),
        huge_pages=tuple(HugePages(0, 0, 0, 0, size_kib) for size_kib in layout.HUGE_PAGE_SIZES_KIB),
        swap=Swap(int(kib(total_swap)), int(kib(free_swap)), counters.get("nr_swapcached", 0)),
        page_size_from="buddy lines",
        **_verdict(twin, notice, panics=panics),
    )
    return found._replace(last_line=len(layout.render(found)))


def names_of(twin: Twin) -> dict[int, str]:
    """Return the names of all processes by pid: the machine's own and the scenario's."""
    return {process.pid: process.name for process in (*twin.machine.processes, *twin.processes.values())}


def _trigger(twin: Twin, notice: Notice, names: Mapping[int, str]) -> Trigger:
    pid = oom_kill.pid_of(twin.state, notice.current)
    adj = task_mmu.task_times(twin.state, notice.current)["oom_score_adj"]
    trigger = Trigger(names.get(pid, "the rest"), pid, notice.gfp, gfp_text(notice.gfp), notice.order, adj)
    if not notice.victim:  # no oom-kill: line, which has the rest
        return trigger
    return trigger._replace(nodemask="(null)", cpuset="/", mems_allowed="0")


def _verdict(twin: Twin, notice: Notice, *, panics: bool) -> dict[str, Any]:
    """Return how it ends: the fields of the last lines."""
    if panics:
        words = "Out of memory: system-wide panic_on_oom is enabled"
        return {"outcome": PANIC, "message": words, "panic": words}
    if not notice.victim:
        return {"outcome": NO_VICTIM, "message": layout.NOT_KILLABLE, "panic": layout.DEADLOCKED}
    takes_current = twin.machine.sysctl.get("oom_kill_allocating_task", "0") != "0"
    return {
        "outcome": KILLED,
        "message": "Out of memory (oom_kill_allocating_task)" if takes_current else "Out of memory",
        "constraint_printed": "CONSTRAINT_NONE",
        "task_memcg": "/",
        "victim": victim(twin, notice.victim),
    }


def _counts(twin: Twin, counters: Mapping[str, int], zones: tuple) -> dict[str, int]:  # type: ignore[type-arg]
    found = {name: counters.get(f"nr_{name}", 0) for name in (
        "active_anon", "inactive_anon", "isolated_anon", "active_file", "inactive_file", "isolated_file", "unevictable",
        "dirty", "writeback", "slab_reclaimable", "slab_unreclaimable", "mapped", "shmem", "bounce",
        "kernel_misc_reclaimable", "free_cma",
    )}  # fmt: skip
    present = sum(zone.present for zone in zones)
    poisoned = twin.machine.boot.meminfo.get("HardwareCorrupted")
    found.update({
        "pagetables": counters.get("nr_page_table_pages", 0),
        "sec_pagetables": counters.get("nr_sec_page_table_pages", 0),
        "free": counters.get("nr_free_pages", 0),
        "free_pcp": sum(pageset.count for zone in zones for pageset in zone.pagesets),
        "total pagecache": counters.get("nr_file_pages", 0),
        "RAM": present,
        "HighMem/MovableOnly": 0,
        "reserved": present - twin.state.memory_total,
    })  # fmt: skip
    if poisoned is not None:  # else a kernel without CONFIG_MEMORY_FAILURE
        found["hwpoisoned"] = poisoned // 4
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


def _zone(twin: Twin, zone) -> Zone:  # type: ignore[no-untyped-def]
    stats = zone.stats
    number = ZONES.index(zone.name)
    pcp = sum(pageset.count for pageset in zone.pagesets) * 4
    fields = {
        "free": zone.free * 4, "boost": (zone.boost or 0) * 4, "min": zone.min * 4, "low": zone.low * 4,
        "high": zone.high * 4, "reserved_highatomic": buddy_info.reserved_highatomic(twin.state, number) * 4,
        "writepending": stats.get("nr_zone_write_pending", 0) * 4,
        "present": zone.present * 4, "managed": zone.managed * 4, "mlocked": stats.get("nr_mlock", 0) * 4,
        "bounce": stats.get("nr_bounce", 0) * 4, "free_pcp": pcp, "local_pcp": pcp, "free_cma": 0,
    }  # fmt: skip
    fields.update({
        name: stats.get(f"nr_zone_{name}", 0) * 4
        for name in ("active_anon", "inactive_anon", "active_file", "inactive_file", "unevictable")
    })  # fmt: skip
    free = twin.free_blocks(number)
    blocks = tuple(
        (
            sum(kind[order] for kind in free),
            4 << order,
            "".join(LETTERS[i] for i, kind in enumerate(free) if kind[order]),
        )
        for order in range(11)
    )
    total_kib = sum(count * size_kib for count, size_kib, _ in blocks)
    return Zone(0, zone.name, fields, tuple(zone.protection), blocks, total_kib)


def _tasks(twin: Twin, names: Mapping[int, str]) -> tuple[Task, ...]:
    return tuple(
        Task(
            pid, names.get(pid, "?"), uid=uid, tgid=pid, total_vm=total_vm, rss=rss, pgtables_bytes=tables,
            swapents=swapents, oom_score_adj=adj,
        )
        for pid, total_vm, rss, tables, swapents, adj, uid in oom_kill.task_rows(twin.state)
    )  # fmt: skip


def victim(twin: Twin, task: int) -> Kill:
    """Return a task that is killed, with its sizes now."""
    memory = task_mmu.task_mem(twin.state, task)
    pid = oom_kill.pid_of(twin.state, task)
    name = names_of(twin).get(pid, "?")
    sizes = {
        "total-vm": memory["VmSize"], "anon-rss": memory["RssAnon"], "file-rss": memory["RssFile"],
        "shmem-rss": memory["RssShmem"], "pgtables": memory["VmPTE"],
    }  # fmt: skip
    adj = task_mmu.task_times(twin.state, task)["oom_score_adj"]
    return Kill(pid, name, oom_kill.uid_of(twin.state, task), adj, sizes)
