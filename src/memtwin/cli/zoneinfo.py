"""``memtwin zoneinfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, needed, open_root, repeat, root_option, sampling_options
from memtwin.procfs import zoneinfo
from memtwin.sources.host import host
from memtwin.views import zoneinfo as view

if TYPE_CHECKING:
    from memtwin.render.grid import View


@click.command("zoneinfo")
@click.option("--ascii", "plain", is_flag=True, help="Draw with # and . (the default where the output is not UTF-8).")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None, *, plain: bool) -> None:
    """Draw each zone's free memory against its watermarks, and say what the kernel does there.

    Under the bar: m min, l low, h high, r high and the reserve against higher zones. The bar ends at twice that.
    """
    source = open_root(root)

    def make() -> View:
        return view.view(needed(source, zoneinfo), host(source).page_kib)

    repeat(make, form, source, seconds, count, plain=plain)
