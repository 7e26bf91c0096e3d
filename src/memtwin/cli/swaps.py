"""``memtwin swaps``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, needed, number, open_root, repeat, root_option, sampling_options
from memtwin.procfs import swaps as swaps_file
from memtwin.sources.source import load
from memtwin.units import bytes_of
from memtwin.views import swaps as view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.procfs.swap_header import SwapHeader
    from memtwin.procfs.swaps import Swaps
    from memtwin.render.grid import View
    from memtwin.sources.source import Source
    from memtwin.views.compressed_swap import Zram, Zswap


@click.command("swaps")
@click.option(
    "--show",
    "shown",
    default="",
    is_flag=False,
    flag_value="",
    metavar="[COLS]",
    shell_complete=complete.several_of(view.COLUMNS),
    help=f"Columns of {','.join(view.COLUMNS)}, in this order; alone, all of these.",
)
@click.option("--bytes", "in_bytes", is_flag=True, help="Sizes in bytes.")
@click.option("--noheadings", is_flag=True, help="No line of headings.")
@click.option("--raw", is_flag=True, help="For programs: one blank between columns.")
@click.option("--explain", is_flag=True, help="zram and zswap too, and in which order the areas are used.")
@sampling_options
@root_option
@form_options
def command(
    root: str,
    form: str | None,
    seconds: float | None,
    count: int | None,
    shown: str,
    *,
    in_bytes: bool,
    noheadings: bool,
    raw: bool,
    explain: bool,
) -> None:  # fmt: skip
    """List the swap areas and what they hold, as `swapon --show` does.

    JSON and --explain have zram's data, memory and ratio and the state of zswap too.
    """
    columns = view.choose_columns(shown)
    source = open_root(root)

    def make() -> View:
        record = needed(source, swaps_file)
        headers = _headers(source, record) if form is None and set(columns) & set(view.OF_HEADER) else {}
        compressed = (_zram(source), _zswap(source)) if explain or form == "json" else None
        return view.view(record, columns, in_bytes=in_bytes, headers=headers, compressed=compressed, explain=explain)

    repeat(make, form, source, seconds, count, headings=not noheadings, for_programs=raw)


def _headers(source: Source, swaps: Swaps) -> dict[str, SwapHeader]:
    """Return the headers of this host's areas that may be read: root may, others see empty columns as with swapon."""
    from memtwin.procfs.swap_header import PAGE_SIZES, parse

    found = {}
    for area in swaps.areas if source.is_live else ():
        try:
            with open(area.filename, "rb", buffering=0) as file:
                header = parse(file.read(PAGE_SIZES[-1]) or b"")
        except OSError:
            continue
        if header is not None:
            found[area.filename] = header
    return found


def _zram(source: Source) -> list[Zram]:
    """Return the zram devices of *source* that have a size."""
    from memtwin.sysfs.zram import mm_stat
    from memtwin.views.compressed_swap import Zram

    devices = []
    for device in source.names("sys/block"):
        if device.startswith("zram"):
            folder = f"sys/block/{device}"
            algorithms = (source.read(f"{folder}/comp_algorithm") or "").split()
            chosen = next((word[1:-1] for word in algorithms if word.startswith("[")), None)
            stat = load(source, mm_stat, device=device)
            devices.append(Zram(device, stat, number(source, f"{folder}/disksize"), chosen))
    return [one for one in devices if one.disksize_bytes != 0]


def _zswap(source: Source) -> Zswap:
    """Return zswap's settings and figures: meminfo has them since v5.19, debugfs for root."""
    from memtwin.procfs import meminfo as meminfo_file
    from memtwin.sources.host import host
    from memtwin.views.compressed_swap import Zswap

    memory: Mapping[str, int] = load(source, meminfo_file) or {}
    settings = "sys/module/zswap/parameters"
    enabled = source.read(f"{settings}/enabled")
    debug = "sys/kernel/debug/zswap"
    names = ("written_back_pages", "pool_limit_hit", "same_filled_pages", "reject_compress_poor", "reject_alloc_fail")
    counters = {name: number(source, f"{debug}/{name}") for name in names}
    pool = bytes_of(memory["Zswap"]) if "Zswap" in memory else number(source, f"{debug}/pool_total_size")
    stored_pages, page_bytes = number(source, f"{debug}/stored_pages"), host(source).page_bytes
    stored = bytes_of(memory["Zswapped"]) if "Zswapped" in memory else None
    if stored is None and stored_pages is not None and page_bytes is not None:
        stored = stored_pages * page_bytes
    return Zswap(
        None if enabled is None else enabled.strip() in {"Y", "1"},
        (source.read(f"{settings}/compressor") or "").strip() or None,
        (source.read(f"{settings}/zpool") or "").strip() or None,
        number(source, f"{settings}/max_pool_percent"),
        pool,
        stored,
        counters,
        bytes_of(memory["MemTotal"]) if "MemTotal" in memory else None,
    )
