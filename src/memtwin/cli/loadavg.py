"""``memtwin loadavg``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, needed, open_root, repeat, root_option, sampling_options
from memtwin.procfs import loadavg, pressure, stat
from memtwin.procfs.pid import stat as pid_stat
from memtwin.sources.processes import processes
from memtwin.sources.source import load
from memtwin.views import loadavg as view

if TYPE_CHECKING:
    from memtwin.render.grid import View
    from memtwin.sources.source import Source


@click.command("loadavg")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None) -> None:
    """Print the load averages and what is in them: tasks that run, want to, or wait for a disk."""
    source = open_root(root)
    repeat(lambda: _view(source), form, source, seconds, count)


def _view(source: Source) -> View:
    now = load(source, stat)
    return view.view(
        view.Load(
            needed(source, loadavg),
            len(now.cpus) if now else None,
            now.procs_running if now else None,
            now.procs_blocked if now else None,
            _tasks(source),
            load(source, pressure, resource="cpu"),
            load(source, pressure, resource="io"),
        )
    )


def _tasks(source: Source) -> tuple[view.Task, ...] | None:
    """Return the processes (their main threads) that run or sleep uninterruptibly; None without any process."""
    seen, found = False, []
    for process in processes(source):
        record = process.load(pid_stat)
        if record is not None:
            seen = True
            if record.state in {"R", "D"}:
                found.append(view.Task(process.pid, record.comm, record.state))
    return tuple(found) if seen else None
