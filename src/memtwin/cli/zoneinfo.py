"""``memtwin zoneinfo``."""

from __future__ import annotations

import sys

import click

from memtwin.cli.common import form_options, needed, open_root, root_option, show
from memtwin.procfs import zoneinfo
from memtwin.sources.host import host
from memtwin.views import zoneinfo as view


@click.command("zoneinfo")
@click.option("--ascii", "plain", is_flag=True, help="Draw with # and . (the default where the output is not UTF-8).")
@root_option
@form_options
def command(root: str, form: str | None, *, plain: bool) -> None:
    """Draw each zone's free memory against its watermarks, and say what the kernel does there.

    Under the bar: m min, l low, h high, r high and the reserve against higher zones. The bar ends at twice that.
    """
    source = open_root(root)
    record = needed(source, zoneinfo)
    fits = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" and not plain
    show(view.view(record, host(source).page_kib), form, source, unicode=fits)
