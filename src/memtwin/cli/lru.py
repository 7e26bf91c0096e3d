"""``memtwin lru``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, open_root, repeat, root_option, sampling_options
from memtwin.errors import SnapshotError
from memtwin.procfs import zoneinfo
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.sysfs import lru_gen
from memtwin.views import lru as view

if TYPE_CHECKING:
    from memtwin.render.grid import View
    from memtwin.sources.source import Source

_OFF = {"0", "0x0000", "N", "n"}


@click.command("lru")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None) -> None:
    """Print how old memory is: generations of the multi-gen LRU, or active and inactive lists.

    Generations are in debugfs, which root may read; a run of the model has them. The first row of a node is what
    reclaim takes next.
    """
    source = open_root(root)
    repeat(lambda: _view(source), form, source, seconds, count)


def _view(source: Source) -> View:
    enabled = source.read(lru_gen.ENABLED)
    is_on = None if enabled is None else enabled.strip() not in _OFF
    found = view.Lru(load(source, lru_gen), load(source, zoneinfo), is_on, host(source).page_kib << 10)
    if found.generations is None and found.zoneinfo is None:
        raise SnapshotError(source.owner, f"{zoneinfo.PATH} is missing", hint="the lists of reclaim are counted there")
    shown = view.view(found)
    if not shown.grids[0].rows:
        raise SnapshotError(source.owner, f"{zoneinfo.PATH} has no row of the lists that reclaim takes from")
    return shown
