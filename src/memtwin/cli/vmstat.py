"""``memtwin vmstat``."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli.common import form_options, is_series, needed, open_root, root_option, samples, show
from memtwin.errors import UsageError
from memtwin.procfs import meminfo, stat, uptime, vmstat
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.units import bytes_of
from memtwin.views import vmstat as view

if TYPE_CHECKING:
    from memtwin.sources.host import Host
    from memtwin.sources.source import Source

_ROWS: Final = 24
_HEADINGS: Final = 3


@click.command("vmstat")
@click.option("-a", "--active", is_flag=True, help="Inactive and active memory in place of buffers and cache.")
@click.option("-w", "--wide", is_flag=True, help="Wide columns, and the time of guests.")
@click.option("-S", "--unit", type=click.Choice(list(view.UNITS)), default="K", help="Unit of memory and swap.")
@click.option("-s", "--stats", is_flag=True, help="Amounts and counts since boot, one a line.")
@click.option("-f", "--forks", is_flag=True, help="Processes started since boot.")
@click.option("-d", "--disk", "disks", is_flag=True, help="Disks: reads, writes, time.")
@click.option("-D", "--disk-sum", is_flag=True, help="The sums over all disks.")
@click.option("-p", "--partition", metavar="DEV", help="One partition or disk.")
@click.option("-m", "--slabs", is_flag=True, help="The kernel's object caches (root only).")
@click.option("-n", "--one-header", is_flag=True, help="Headings once.")
@click.option("-t", "--timestamp", is_flag=True, help="The time of each line.")
@click.option("-y", "--no-first", is_flag=True, help="Leave out the first line, the average since boot.")
@click.option("--explain", is_flag=True, help="What vmstat hides, and what the figures mean.")
@click.argument("delay", type=click.IntRange(min=1), required=False)
@click.argument("count", type=click.IntRange(min=1), required=False)
@root_option
@form_options
def command(
    root: str, form: str | None, delay: int | None, count: int | None, unit: str, *, partition: str | None,
    active: bool, wide: bool, stats: bool, forks: bool, disks: bool, disk_sum: bool, slabs: bool, one_header: bool,
    timestamp: bool, no_first: bool, explain: bool,
) -> None:  # fmt: skip
    """Print processes, memory, swap, I/O and CPU, every DELAY seconds, COUNT times, as vmstat of procps 4.0.2 does.

    The first line is an average since boot.
    """
    source = open_root(root)
    if forks or stats:
        now = _sample(source, host(source))
        show(view.statistics(now, unit) if stats else view.forks(now), form, source)
        return
    if disks or disk_sum or partition is not None:
        _disks(source, form, partition, wide=wide, whole=disk_sum)
        return
    if slabs:
        _slabs(source, form, None if one_header else _screen())
        return
    if no_first and not delay:
        raise UsageError("--no-first leaves nothing", hint="give a DELAY too: memtwin vmstat -y 1")
    before, shown, facts = None, 0, host(source)
    times = count if count is None or not no_first else count + 1
    for _ in samples(delay, times or (None if delay else 1), form, source):
        now = _sample(source, facts)
        interval = view.Interval(now, before, delay or 0)
        if not (no_first and before is None):
            stamp = (time.tzname[0], time.strftime("%Y-%m-%d %H:%M:%S")) if timestamp else None
            found = view.view(
                interval, unit=unit, wide=wide, active=active, stamp=stamp, explain=explain,
                headings=shown == 0 or (not one_header and shown % _screen() == 0),
            )  # fmt: skip
            show(found, form, source, index=shown, is_series=is_series(delay, count))
            shown += 1
        before = now


def _disks(source: Source, form: str | None, name: str | None, *, wide: bool, whole: bool) -> None:
    from memtwin.procfs import diskstats
    from memtwin.views import vmstat_disks

    found, names = needed(source, diskstats).disks, set(source.names("sys/block")) or None
    if name is not None:
        name = name.removeprefix("/dev/")
        found = tuple(disk for disk in found if disk.name == name)
        if not found:
            raise UsageError(f"no disk or partition {name}", hint="proc/diskstats lists them")

    if name is not None:
        show(vmstat_disks.partition(found[0], names), form, source)
    elif whole:
        show(vmstat_disks.summary(found, names), form, source)
    else:
        show(vmstat_disks.disks(found, names, wide=wide), form, source)


def _slabs(source: Source, form: str | None, screen: int | None) -> None:
    from memtwin.procfs import slabinfo
    from memtwin.views import vmstat_disks

    show(vmstat_disks.slabs(needed(source, slabinfo).caches, bytes_of(host(source).page_kib), screen), form, source)


def _sample(source: Source, facts: Host) -> view.Sample:
    up = load(source, uptime)
    return view.Sample(
        needed(source, stat),
        needed(source, meminfo),
        needed(source, vmstat),
        facts.page_kib,
        facts.ticks_per_s,
        None if up is None else up.up_cs / 100,
    )


def _screen() -> int:
    """Return after how many lines the headings come again."""
    try:
        rows = os.get_terminal_size(1).lines
    except OSError:
        rows = _ROWS
    return rows - _HEADINGS if rows > _HEADINGS else 22
