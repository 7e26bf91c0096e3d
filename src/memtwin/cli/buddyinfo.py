"""``memtwin buddyinfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, needed, number, open_root, repeat, root_option, sampling_options
from memtwin.errors import UsageError
from memtwin.procfs import buddyinfo, zoneinfo
from memtwin.render.table import clean
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.views import buddyinfo as view

if TYPE_CHECKING:
    from memtwin.render.grid import View
    from memtwin.sources.source import Source

_LARGEST = 10
_KINDS = {"kernel": "unmovable", "user": "movable"}
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
@click.option(
    "--try",
    "tried",
    is_flag=True,
    help="With --order: what a request would do, tried on a copy of the machine in the model; nothing here is changed.",
)
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None,
    *, order: int | None, purpose: str, tried: bool
) -> None:  # fmt: skip
    """Print the free blocks of each order, how fragmented they are, and whether one is available.

    "unusable" is the share of free memory in blocks that are too small. "fragmentation" says why none is available:
    near 0 memory is short, near 1 it is fragmented; ok where there is a block. Order 9 is a huge page of 2 MiB.
    """
    source = open_root(root)
    if tried:
        _check_trial(order, purpose)
        repeat(lambda: _trial(source, order or 0, purpose), form, source, seconds, count)
        return
    repeat(lambda: _view(source, order, _HIGHEST[purpose]), form, source, seconds, count)


def _check_trial(order: int | None, purpose: str) -> None:
    if order is None:
        raise UsageError("--try needs --order", hint="--order 9 --try asks for a huge page")
    if order > _LARGEST:
        raise UsageError(f"--order {order} --try: the kernel has no block above order {_LARGEST}")
    if purpose not in _KINDS:
        raise UsageError(
            f"--for {purpose} --try: a device's request is not modelled", hint=f"--for {' or '.join(_KINDS)}"
        )


def _trial(source: Source, order: int, purpose: str) -> View:
    from memtwin.run.block_trial import trial

    found, notes = trial(source, order, _KINDS[purpose])
    for note in notes:
        click.echo(f"note: {clean(note)}", err=True)
    return view.view_trial(view.Trial(order, **found), host(source).page_kib)


def _view(source: Source, order: int | None, highest: str) -> View:
    record, page_kib = needed(source, buddyinfo), host(source).page_kib
    if order is None:
        return view.view(record, page_kib)
    threshold = number(source, "proc/sys/vm/extfrag_threshold")
    return view.view_order(
        record, load(source, zoneinfo), order, page_kib, highest=highest,
        threshold=view.THRESHOLD if threshold is None else threshold,
    )  # fmt: skip
