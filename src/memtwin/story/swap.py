"""Swap in words: what went out and came back, what an area holds, and what its device had to write."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from memtwin.linux.drivers.block import zram
from memtwin.linux.mm import swapon, zswap
from memtwin.render.words import listed, seconds, size
from memtwin.scenario import SwapOff, SwapOn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.run.run import Run
    from memtwin.story.story import Step

PAGE_KIB = 4
MOVES = {
    "pswpout": "went out to swap",
    "zswpout": "went into zswap",
    "pswpin": "came back from swap",
    "zswpin": "came back from zswap",
}


def swapped(change: Mapping[str, int], swap_free_kib: int) -> list[str]:
    """What moved between memory and swap while an operation went on."""
    moved = [f"{size(change[counter] * PAGE_KIB)} {verb}" for counter, verb in MOVES.items() if change[counter]]
    if not moved:
        return []
    left = f"{size(swap_free_kib)} of swap are free" if swap_free_kib else "swap is full"
    return [f"{listed(moved)}; {left}."]


def areas(run: Run) -> list[str]:
    """One sentence an area that was used: how full it is, what zram made of it, what was written to a disk."""
    sentences = []
    state = run.machine.state
    for area in run.machine.areas:
        info = swapon.area_info(state, area.number)
        written = info.written * PAGE_KIB
        if not written:
            continue
        held = f"{area.filename}: {size(info.inuse * PAGE_KIB)} of {size(info.pages * PAGE_KIB)} in use"
        if area.zram:
            stored = zram.mm_stat(state, area.number)
            sentences.append(
                f"{held}; {size(stored['orig_data_size'] >> 10)} are stored in "
                f"{size(stored['mem_used_total'] >> 10)} of memory."
            )
        else:
            sentences.append(f"{held}; {size(written)} were written to it.")
    return [*sentences, *_zswap(run)]


def _zswap(run: Run) -> list[str]:
    """One sentence of zswap if it was used: what it holds in how much memory, what it handed on and what it refused."""
    stats = zswap.stats(run.machine.state)
    events = run.machine.state.events_by_name()
    if not events["zswpout"]:
        return []
    stored, pool = size(stats["stored_pages"] * PAGE_KIB), size(stats["pool_total_size"] >> 10)
    held = f"zswap: {stored} are stored in {pool} of memory, of {size(events['zswpout'] * PAGE_KIB)} that went in"
    back = stats["written_back_pages"] * PAGE_KIB
    on = f"; {size(back)} of that went on to the areas" if back else ""
    full = "; its limit was hit" if stats["pool_limit_hit"] else ""
    return [f"{held}{on}{full}."]


def switched(op: SwapOn | SwapOff, what: Step) -> str:
    """Say that an area of swap came or went, and what had to come back for it."""
    way = "on" if isinstance(op, SwapOn) else "off"
    refused = what.done.errno
    if refused:
        why = {
            errno.EINVAL: "it has no slot behind its header" if way == "on" else "it is not on",
            errno.EBUSY: "it is on",
            errno.ENOMEM: "what lies in it would find no room",
        }.get(refused, "")
        return f"swap{way} {op.area} is refused: {why} (errno {refused})."
    back = size(what.done.deltas["pswpin"] * PAGE_KIB)
    left = f"{size(what.after['SwapFree'])} of swap are free"
    if way == "on":
        return f"Swap area {op.area} is on: {left}."
    return f"Swap area {op.area} is off, after {back} came back in {seconds(what.done.us * 1000)}: {left}."
