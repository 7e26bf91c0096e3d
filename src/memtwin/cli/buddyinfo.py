"""``memtwin buddyinfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, needed, number, open_root, repeat, root_option, sampling_options
from memtwin.procfs import buddyinfo, zoneinfo
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.views import buddyinfo as view

if TYPE_CHECKING:
    from memtwin.render.grid import View
    from memtwin.sources.source import Source

_HIGHEST = {"kernel": "Normal", "user": "Movable", "dma32": "DMA32", "dma": "DMA"}


@click.command("buddyinfo")
@click.option("--order", type=click.IntRange(0, 20), help="Can a block of this order be had now, and why not?")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(list(_HIGHEST)),
    default="kernel",
    help="With --order: from which zones it may come: the kernel's, a user page's, or a device's of 32 or 24 bits.",
)
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None,
    *, order: int | None, purpose: str
) -> None:  # fmt: skip
    """Print the free blocks of each order, how fragmented they are, and whether one can be had.

    "unusable" is the share of free memory in blocks that are too small. "fragmentation" says why none can be had:
    near 0 memory is short, near 1 it is in pieces; ok where there is a block. Order 9 is a huge page of 2 MiB.
    """
    source = open_root(root)
    repeat(lambda: _view(source, order, _HIGHEST[purpose]), form, source, seconds, count)


def _view(source: Source, order: int | None, highest: str) -> View:
    record, page_kib = needed(source, buddyinfo), host(source).page_kib
    if order is None:
        return view.view(record, page_kib)
    threshold = number(source, "proc/sys/vm/extfrag_threshold")
    return view.view_order(
        record, load(source, zoneinfo), order, page_kib, highest=highest,
        threshold=view.THRESHOLD if threshold is None else threshold,
    )  # fmt: skip
