"""``memtwin account``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, memory_of, open_root, root_option, show
from memtwin.procfs import vmstat, zoneinfo
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.sysfs.zram import mm_stat
from memtwin.views import account as view

if TYPE_CHECKING:
    from memtwin.sources.source import Source


@click.command("account")
@root_option
@form_options
def command(root: str, form: str | None) -> None:
    """Print where all of RAM is: a sheet that counts each page once and adds up to MemTotal."""
    source = open_root(root)
    sheet = _account(source)
    boot = None if source.at_boot is None else _account(source.at_boot)
    show(view.view(sheet, boot), form, source)


def _account(source: Source) -> view.Account:
    devices = (name for name in source.names("sys/block") if name.startswith("zram"))
    zram = [stat for name in devices if (stat := load(source, mm_stat, device=name))]
    return view.account(
        view.Sources(
            memory_of(source, "MemTotal", "MemFree"),
            load(source, vmstat) or {},
            load(source, zoneinfo),
            host(source).page_kib,
            sum(stat.mem_used_total for stat in zram) // 1024 if zram else None,
            (source.read("sys/module/zswap/parameters/zpool") or "").strip() in {"zsmalloc", ""},
        )
    )
