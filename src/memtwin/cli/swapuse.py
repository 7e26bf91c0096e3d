"""``memtwin swapuse``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from memtwin.cli.common import form_options, memory_of, note, open_root, repeat, root_option, sampling_options
from memtwin.procfs import stat, swaps, vmstat
from memtwin.procfs.pid import smaps_rollup, status
from memtwin.sources.host import host
from memtwin.sources.processes import HIDDEN, are_hidden, are_kept, processes
from memtwin.sources.source import load
from memtwin.sysfs.zram import mm_stat
from memtwin.units import kib_of
from memtwin.views import swapuse as view
from memtwin.views.account import unmapped_swap_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.sources.source import Source

_ROWS: Final = 20
_SWAP: Final = "swap"


@click.command("swapuse")
@click.option("--all", "every", is_flag=True, help=f"All processes, not the {_ROWS} with most.")
@sampling_options
@root_option
@form_options
def command(root: str, form: str | None, seconds: float | None, count: int | None, *, every: bool) -> None:
    """Print whose memory is in swap, in lines that add up to the used swap."""
    source = open_root(root)
    rows = None if every else _ROWS
    repeat(lambda: view.view(_swapped(source), rows), form, source, seconds, count)
    if are_hidden(source):
        note(HIDDEN)


def _swapped(source: Source) -> view.Swapped:
    memory = memory_of(source, "SwapTotal", may_be_0=True)
    if memory["SwapTotal"]:
        memory = memory_of(source, "SwapFree", may_be_0=True)
    areas, cpus, counters = load(source, swaps), load(source, stat), load(source, vmstat)
    zram = {area.filename.rpartition("/")[2]: area for area in areas.areas if "/zram" in area.filename} if areas else {}
    stats = [found for device in zram if (found := load(source, mm_stat, device=device))]
    return view.Swapped(
        memory.get("SwapTotal", 0),
        memory.get("SwapFree", 0),
        memory.get("SwapCached", 0),
        unmapped_swap_cache(memory),
        tuple(_users(source)),
        len(cpus.cpus) if cpus else 1,
        host(source).page_kib,
        _sysv_kib(source),
        sum(area.used_kib for area in zram.values()) if zram else None,
        kib_of(sum(stat.mem_used_total for stat in stats)) if stats else None,
        memory.get("Zswapped"),
        memory.get("Zswap"),
        are_kept(source),
        bool(counters and (counters.get("thp_swpout") or counters.get("thp_swpout_fallback"))),
    )


def _users(source: Source) -> Iterator[view.User]:
    """Yield each process that has swap; the rollup, which is slow to read, only of those."""
    for process in processes(source):
        record = process.load(status)
        swap_kib = record.kib("VmSwap") if record else None
        if record is None or not swap_kib:
            continue
        rollup = process.load(smaps_rollup)
        exact = rollup.rows.get("SwapPss") if rollup else None
        yield view.User(process.pid, record.get("Name", "?"), swap_kib if exact is None else exact, exact is not None)


def _sysv_kib(source: Source) -> int | None:
    """Return what of the SysV segments is in swap: the column ``swap`` of /proc/sysvipc/shm, in bytes."""
    lines = (source.read("proc/sysvipc/shm") or "").splitlines()
    names = lines[0].split() if lines else []
    if _SWAP not in names:
        return None
    at = names.index(_SWAP)
    cells = [words[at] for line in lines[1:] if len(words := line.split()) > at]
    return kib_of(sum(int(cell) for cell in cells if cell.isdecimal()))
