"""``memtwin account``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import (
    form_options,
    is_series,
    memory_of,
    note_unread,
    open_root,
    repeat,
    root_option,
    sampling_options,
    write,
)
from memtwin.errors import UsageError
from memtwin.procfs import vmstat, zoneinfo
from memtwin.sources import owners
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.sysfs.zram import mm_stat
from memtwin.units import kib_of
from memtwin.views import account as view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.sources.source import Source


@click.command("account")
@click.option("--svg", is_flag=True, help="Draw it as SVG on stdout: RAM from the kernel up, swap beside it.")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None, *, svg: bool) -> None:
    """Print where all of RAM is: a sheet that counts each page once and adds up to MemTotal."""
    source = open_root(root)
    at_boot, boot = source.at_boot, None
    if at_boot is not None:
        at_boot.lenient = True
        boot = _account(at_boot)
    if svg:
        if form is not None or is_series(seconds, count):
            raise UsageError("--svg is one picture of one moment", hint="leave out the other options")
        from memtwin.render.svg import draw

        write(draw(view.view(_account(source)).stacks, f"Where memory is: {source.owner}"))
        note_unread(source)
        return
    repeat(lambda: view.view(_account(source), boot), form, source, seconds, count)


def _account(source: Source) -> view.Account:
    memory, counters = memory_of(source, "MemTotal", "MemFree"), load(source, vmstat) or vmstat.Vmstat({})
    page_kib = host(source).page_kib
    devices = (name for name in source.names("sys/block") if name.startswith("zram"))
    zram = [stat for name in devices if (stat := load(source, mm_stat, device=name))]
    is_exact = memory.get("VmallocUsed", 0) > 0 and not memory.get("VmallocChunk")
    return view.account(
        view.Sources(
            memory,
            counters,
            load(source, zoneinfo),
            page_kib,
            kib_of(sum(stat.mem_used_total for stat in zram)) if zram else None,
            (source.read("sys/module/zswap/parameters/zpool") or "").strip() in {"zsmalloc", ""},
            None if "Hugetlb" in memory else owners.huge_page_pools_kib(source),
            None if is_exact else owners.vmalloc_kib(source, page_kib),
            tuple(_owners(source, memory, counters, page_kib)),
        )
    )


def _owners(
    source: Source, memory: Mapping[str, int], counters: Mapping[str, int], page_kib: int
) -> Iterator[view.Line]:
    """Yield what files beside meminfo name, the surest first."""
    zfs = owners.zfs_kib(source)
    if zfs is not None:
        yield view.Line("pools", "ZFS' cache (ARC)", *zfs)
    if "Balloon" not in memory:
        balloon = owners.vmware_balloon_kib(source, page_kib)
        if balloon is not None:
            yield view.Line("pools", "balloon (VMware)", balloon, "sys/kernel/debug/vmmemctl: current")
        elif (held := owners.ballooned_kib(counters, page_kib)) is not None:
            yield view.Line("pools", "balloon", held, "vmstat: balloon_inflate - balloon_deflate")
    gpu = owners.gpu_kib(source)
    if gpu is not None:
        yield view.Line("pools", "GPU (amdgpu, GTT)", gpu, "sys/class/drm: mem_info_gtt_used")
    added = None if "nr_memmap_pages" in counters else owners.memory_without_cpus_kib(source)
    if added is not None:
        kib = kib_of(added // page_kib * 64)
        yield view.Line("kernel", "struct pages of nodes without CPUs", kib, "64 bytes a page of those nodes")
