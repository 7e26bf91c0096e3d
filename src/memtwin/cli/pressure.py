"""``memtwin pressure``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, is_series, open_root, root_option, samples, sampling_options, show, write
from memtwin.errors import SnapshotError
from memtwin.procfs import pressure as pressure_file
from memtwin.sources.source import load
from memtwin.views import pressure as view

if TYPE_CHECKING:
    from memtwin.sources.source import Source

_NONE = "proc/pressure is missing"
_HINT = "PSI came with Linux 4.20; some distributions need psi=1 on the kernel's command line"


@click.command("pressure")
@click.option("--cgroup", metavar="PATH", help="Of a cgroup (v2), as system.slice/mysql.service.")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None, cgroup: str | None) -> None:
    """Print how much time tasks lose waiting for CPU, memory and I/O, and what that means.

    some: at least one task waited; full: all waited at once. With -s the share of each interval, too.
    """
    source = open_root(root)
    file = "proc/pressure/{}" if cgroup is None else f"{_folder(source, cgroup)}/{{}}.pressure"
    earlier: tuple[float, dict[str, pressure_file.Pressure]] | None = None
    for index in samples(seconds, count, form, source):
        now, found = time.monotonic(), _read(source, cgroup, file)
        if index and form is None:
            write("\n")
        before, passed = (None, 0.0) if earlier is None else (earlier[1], round(now - earlier[0], 2))
        show(view.view(found, before, passed, file), form, source, index=index, is_series=is_series(seconds, count))
        earlier = now, found


def _read(source: Source, cgroup: str | None, file: str) -> dict[str, pressure_file.Pressure]:
    found = {}
    for resource in view.RESOURCES:
        record = load(source, pressure_file, None if cgroup is None else file.format(resource), resource=resource)
        if record is not None:
            found[resource] = record
    if not found:
        if cgroup is not None:
            raise SnapshotError(source.owner, f"no cgroup {cgroup} with pressure files", hint="cgroup v2 has them")
        why = next((why for path, why in source.unread.items() if "pressure" in path and why != "absent"), None)
        raise SnapshotError(source.owner, _NONE if why is None else f"proc/pressure cannot be read: {why}", hint=_HINT)
    return found


def _folder(source: Source, cgroup: str) -> str:
    """Return a cgroup's directory: below the unified hierarchy, mounted alone or beside v1's."""
    root = "sys/fs/cgroup/unified" if source.names("sys/fs/cgroup/unified") else "sys/fs/cgroup"
    return f"{root}/{cgroup.strip('/')}".rstrip("/")
