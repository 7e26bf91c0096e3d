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
@click.option("--order", type=click.IntRange(0, 20), help="Is a block of this order available now, and why not?")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(list(_HIGHEST)),
    default="kernel",
    help="With --order: for the kernel, a user page, or a device with 32 or 24 address bits.",
)
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None,
    *, order: int | None, purpose: str
) -> None:  # fmt: skip
    """Print the free blocks of each order, how fragmented they are, and whether one is available.

    "unusable" is the share of free memory in blocks that are too small. "fragmentation" says why none is available:
    near 0 memory is short, near 1 it is fragmented; ok where there is a block. Order 9 is a huge page of 2 MiB.
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
