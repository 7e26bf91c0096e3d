"""``memtwin limits``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import (
    form_options,
    meminfo_of,
    no_process,
    number,
    open_root,
    repeat,
    root_option,
    sampling_options,
)
from memtwin.procfs.pid import limits as limits_file
from memtwin.procfs.pid import maps, status
from memtwin.render.grid import Sentence
from memtwin.sources import cgroups
from memtwin.sources.processes import processes
from memtwin.views import limits as view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.render.grid import View
    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

_MAP_COUNT: Final = "proc/sys/vm/max_map_count"
_OVERCOMMIT: Final = "proc/sys/vm/overcommit_memory"
_MODES: Final = {
    0: "vm.overcommit_memory is 0: more may be promised than there is, only single absurd requests fail.",
    1: "vm.overcommit_memory is 1: everything is promised, nothing fails until memory is really short.",
    2: "vm.overcommit_memory is 2: promises beyond CommitLimit fail.",
}


@click.command("limits")
@click.argument("pid", type=int, required=False, shell_complete=complete.pids)
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None, pid: int | None) -> None:
    """Print every limit that a process's memory can run into, the nearest first, and what happens there.

    Without PID: the calling process, or for a snapshot the machine alone.
    """
    source = open_root(root)
    process = _process(source, pid)
    repeat(lambda: _view(source, process), form, source, seconds, count)


def _view(source: Source, process: SourceProcess | None) -> View:
    mode = number(source, _OVERCOMMIT)
    found = list(view.of_machine(meminfo_of(source), mode))
    notes = [Sentence(_MODES[mode], (_OVERCOMMIT,))] if mode in _MODES else []
    if process is not None:
        found += _of_process(process)
        notes += _map_count(source, process)
        groups = list(cgroups.of_process(source, process))
        for group in groups:
            found += view.of_cgroup(group)
            notes += view.of_events(group)
        if not groups:
            notes.append(_no_cgroup(source, process))
    return view.view(found, notes)


def _no_cgroup(source: Source, process: SourceProcess) -> Sentence:
    """Say that limits of cgroups are not known: a report has neither /proc/PID/cgroup nor the cgroups' files."""
    lacks = f"{process.root}/cgroup" if process.read("cgroup") is None else "the memory files of its cgroups"
    return Sentence(f"Limits of cgroups are not known: {source.owner} has not {lacks}.", ())


def _process(source: Source, pid: int | None) -> SourceProcess | None:
    if pid is None and not source.is_live:
        return None
    wanted = os.getppid() if pid is None else pid
    process = next((one for one in processes(source) if one.pid == wanted), None)
    if process is None or process.load(status) is None:
        raise no_process(source, wanted)
    return process


def _of_process(process: SourceProcess) -> Iterator[view.Limit]:
    limits, record = process.load(limits_file), process.load(status)
    if limits is not None and record is not None:
        yield from view.of_process(limits, record)


def _map_count(source: Source, process: SourceProcess) -> Iterator[Sentence]:
    """Yield how many mappings the process may still have: malloc of large blocks, thread stacks and JITs need them."""
    most, mapped = number(source, _MAP_COUNT), process.load(maps)
    if most is not None and mapped is not None and mapped.rows:
        near = ": mmap will fail with ENOMEM although memory is free" if len(mapped.rows) > most * 9 // 10 else ""
        rows = (_MAP_COUNT, "proc/PID/maps")
        yield Sentence(f"{len(mapped.rows)} of {most} mappings (vm.max_map_count){near}.", rows)
