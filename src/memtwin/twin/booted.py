"""The files of a snapshot's processes as the machine has them now: what changes is the model's, the rest is as read."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from memtwin.linux.fs.proc import task_mmu
from memtwin.procfs.pid import maps, oom_score, oom_score_adj, smaps_rollup, statm, status
from memtwin.procfs.pid import stat as pid_stat
from memtwin.twin.perms import perms_of
from memtwin.units import PAGE_SHIFT, Kib, Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memtwin.machine.machine import Booted
    from memtwin.machine.processes import BootProcess
    from memtwin.twin.twin import Twin

NS_PER_TICK = 10_000_000
_OF_PROCESS = re.compile("proc/[0-9]+/")
CONSTANT = ("cgroup", "cmdline", "comm")
"""Files of a process that no operation changes."""


def is_of_booted(path: str) -> bool:
    """Whether a file is of one of the machine's own processes."""
    return _OF_PROCESS.match(path) is not None


def changes(path: str) -> bool:
    """Whether a file of such a process may change while the machine runs."""
    return is_of_booted(path) and not path.endswith(CONSTANT)


def files(twin: Twin) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the path of each file of the machine's own processes, and what renders it."""
    scenario = {process.pid for process in twin.processes.values()}
    for process in twin.machine.boot.processes:
        if not process.has_memory:
            yield f"proc/{process.pid}/status", partial(status.render, process.status)
            if process.stat:
                yield f"proc/{process.pid}/stat", partial(pid_stat.render, process.stat)
            yield from _constant(process)
    for booted in twin.machine.processes:
        if booted.alive and booted.pid not in scenario:
            yield from _constant(booted.read)
            for name in BUILDERS:
                yield f"proc/{booted.pid}/{name}", partial(_rendered, twin, booted, name)


def _rendered(twin: Twin, booted: Booted, name: str) -> str:
    module, build = BUILDERS[name]
    return str(module.render(build(twin, booted)))


def _constant(process: BootProcess) -> Iterator[tuple[str, Callable[[], str]]]:
    for name, text in process.texts.items():
        yield f"proc/{process.pid}/{name}", partial(str, text)


def _status(twin: Twin, booted: Booted) -> status.Status:
    memory = task_mmu.task_mem(twin.state, booted.task)
    rows = dict(booted.read.status.items())
    known = memory.keys() & rows.keys()
    rows.update({label: status.memory(Kib(memory[label])) for label in status.MEMORY if label in known})
    return status.Status(rows)


def _statm(twin: Twin, booted: Booted) -> statm.Statm:
    memory = task_mmu.task_mem(twin.state, booted.task)
    shared, data = memory["RssFile"] + memory["RssShmem"], memory["VmData"] + memory["VmStk"]
    text = booted.read.status.kib("VmExe") or 0
    figures = [Pages(kib >> 2) for kib in (memory["VmSize"], memory["VmRSS"], shared, text, 0, data, 0)]
    return statm.Statm(*figures)


def _stat(twin: Twin, booted: Booted) -> pid_stat.PidStat:
    memory, times = task_mmu.task_mem(twin.state, booted.task), task_mmu.task_times(twin.state, booted.task)
    known = {
        "minflt": times["min_flt"], "majflt": times["maj_flt"], "utime": times["utime_ns"] // NS_PER_TICK,
        "stime": times["stime_ns"] // NS_PER_TICK, "vsize": memory["VmSize"] << 10, "rss": memory["VmRSS"] >> 2,
    }  # fmt: skip
    read = booted.read.stat or pid_stat.PidStat(booted.pid, booted.name, "S", (0,) * len(pid_stat.FIELDS))
    now = [known.get(name, was) for name, was in zip(pid_stat.FIELDS, read.rest, strict=False)]
    return replace(read, rest=(*now, *read.rest[len(now) :]))


def _maps(twin: Twin, booted: Booted) -> maps.Maps:
    read = {area.start: area.row for area in booted.read.areas}
    rows = []
    for start, end, flags, _file, offset in task_mmu.areas(twin.state, booted.task):
        known = read.get(start)
        if known:
            rows.append(replace(known, end=end << PAGE_SHIFT))
        else:
            rows.append(maps.Mapping(start << PAGE_SHIFT, end << PAGE_SHIFT, perms_of(flags), offset << PAGE_SHIFT))
    return maps.Maps(tuple(rows))


BUILDERS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "status": (status, _status),
    "statm": (statm, _statm),
    "stat": (pid_stat, _stat),
    "maps": (maps, _maps),
    "smaps_rollup": (smaps_rollup, lambda twin, booted: twin.smaps_rollup(booted)),
    "oom_score": (oom_score, lambda twin, booted: twin.oom_score(booted)),
    "oom_score_adj": (oom_score_adj, lambda twin, booted: twin.oom_score_adj(booted)),
}
"""Files of a process that the model knows, and what makes each."""
