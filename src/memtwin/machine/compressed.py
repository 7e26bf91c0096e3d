"""Steps that fill the compressed stores, zram and zswap, with what the snapshot's processes have in swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux import restore_swap
from memtwin.linux.core import mm_types as t
from memtwin.linux.mm import mm_init, zswap
from memtwin.machine import compressed_lengths
from memtwin.machine.layout import MOVABLE, UNMOVABLE
from memtwin.units import PAGE_BYTES, PAGE_SHIFT, Kib, pages

if TYPE_CHECKING:
    from memtwin.machine.draft import Draft

KINDS = (t.CONTENT_ZERO, t.CONTENT_TEXT, t.CONTENT_HALF, t.CONTENT_RANDOM)
HALF_A_ZBUD_PAGE = 31 * 64 - 8
"""Bytes of which two fit into a page of zbud's: 31 chunks of 64, less the header of the object."""
LIMITS = (("accept_threshold", 90), ("max_pool", 20))
"""Zswap's limits with the kernel's own values, per cent of the limit and of RAM."""
LEAST_STORED = 256
"""Pages that must be stored for their mean length to say what others hold."""
SLOTS_AT_ONCE = 64
ZSMALLOC_WRITES_BACK = (6, 3)
"""The release whose zsmalloc can empty itself into swap."""


def content(d: Draft) -> int:
    """Return the content that pages of unknown content have: of those whose mean length is nearest to what is stored.

    Pages of one word, which no store compresses, have length 0. Where hardly anything is compressed yet it is text: a
    device that was only made holds the header of the swap area.
    """
    mean = _mean_length(d)
    if mean is None:
        return t.CONTENT_TEXT
    algorithm = d.boot.compressors[0][1] if d.boot.compressors else "lzo-rle"
    lengths = compressed_lengths.lengths(algorithm)
    known = {number: 0 if number == t.CONTENT_ZERO else _taken(d, lengths[number][0]) for number in KINDS}
    return min(known, key=lambda number: abs(known[number] - mean))


def _mean_length(d: Draft) -> float | None:
    """Return how many bytes a page has come to in zram, or takes of zswap's pool; None: neither holds any."""
    for area in d.boot.swaps.areas:
        stat = d.boot.zram.get(area.filename.rpartition("/")[2])
        if stat and stat.orig_data_size >> PAGE_SHIFT >= LEAST_STORED:
            return stat.compr_data_size / (stat.orig_data_size >> PAGE_SHIFT)
    stored, pool = (d.boot.meminfo.get(label) or 0 for label in ("Zswapped", "Zswap"))
    return pool / stored * PAGE_BYTES if pages(Kib(stored)) >= LEAST_STORED else None


def _taken(d: Draft, length: int) -> int:
    """Return what a compressed page takes of its store, bytes: half a page of zbud's pool, or all of one."""
    if any(d.boot.zram.values()) or d.boot.zswap.get("zpool", "zbud") != "zbud":
        return min(length, PAGE_BYTES)
    return PAGE_BYTES // 2 if length <= HALF_A_ZBUD_PAGE else PAGE_BYTES


def place_zram(d: Draft) -> None:
    """Put what processes have in zram into its pool, and let its figures be the snapshot's."""
    for area in d.areas:
        stat = d.boot.zram.get(area.filename.rpartition("/")[2])
        if not area.zram or stat is None:
            continue
        frames = []
        for zone, count in d.zspages.items():
            frames += [pfn + i for pfn, n in d.frames.runs(count, MOVABLE, zone) for i in range(n)]
        for number, first, taken in (*d.slots, *d.cached_slots):
            for slot in range(first, first + taken if number == area.number else first, SLOTS_AT_ONCE):
                if len(frames) < SLOTS_AT_ONCE << 2:
                    wanted = min(SLOTS_AT_ONCE << 2, d.frames.remaining())
                    frames += [pfn + i for pfn, n in d.frames.runs(wanted, MOVABLE) for i in range(n)]
                restore_swap.store_in_zram(d.state, number, slot, min(SLOTS_AT_ONCE, first + taken - slot), frames)
        for pfn in frames:
            mm_init.add_kernel_pages(d.state, pfn, 1)
        d.zspages = {}
        figures = stat.orig_data_size >> PAGE_SHIFT, stat.compr_data_size, stat.mem_used_total >> PAGE_SHIFT
        restore_swap.start_zram(d.state, area.number, *figures)


def place_zswap(d: Draft) -> None:
    """Put what processes have in zswap into its pool; what is more than theirs has no owner.

    As many pages of zbud's have one object instead of two as the size of the pool says.
    """
    if d.boot.zswap.get("enabled") != "Y":
        return
    stored, pool = (pages(d.boot.meminfo.get(label) or 0) for label in ("Zswapped", "Zswap"))
    zsmalloc = d.boot.zswap.get("zpool") == "zsmalloc"
    zones, kind = (d.zspages, MOVABLE) if zsmalloc else ({None: pool}, UNMOVABLE)
    frames = [pfn + i for zone, count in zones.items() for pfn, n in d.frames.runs(count, kind, zone) for i in range(n)]
    left: int = stored
    compressed = stored - d.boot.zswap_events.get("same_filled_pages", 0)  # which take no room
    spare = len(frames)
    chosen = _in_zswap(d, stored, pool)
    for at, (number, slot) in enumerate(chosen):
        alone = at >= len(chosen) - max(2 * pool - compressed, 0)
        left -= restore_swap.store_in_zswap(d.state, number, slot, frames, alone)
    for pfn in frames:
        mm_init.add_kernel_pages(d.state, pfn, 1)
    d.unknown_zswap = left
    zswap.start_pool(d.state, left, max(pool - (spare - len(frames)), 0))


def _in_zswap(d: Draft, stored: int, pool: int) -> list[tuple[int, int]]:
    """Return the slots of processes whose pages zswap is taken to have: (area, slot), *stored* at most.

    What does not compress well enough it refused. A pool that has come to its limit wrote its oldest pages back, as
    many as it counted, and refused new ones: it has those between. Where it does not say how many, one at its limit
    has the newest; but zsmalloc writes none back before 6.3, so it has the oldest. A smaller pool refused pages for
    what they hold: any of them.
    """
    slots = [
        (number, slot) for number, first, n in d.slots for slot in restore_swap.fitting_slots(d.state, number, first, n)
    ]
    count = min(stored, len(slots))
    if d.boot.zswap_events.get("pool_limit_hit"):
        oldest = min(d.boot.zswap_events.get("written_back_pages", 0), len(slots) - count)
        return slots[oldest : oldest + count]
    accept, most = (int(d.boot.zswap.get(f"{name}_percent", default)) for name, default in LIMITS)
    if d.boot.zswap_events or pool < d.state.memory_total * most // 100 * accept // 100:
        return [slots[i * len(slots) // count] for i in range(count)]
    if d.boot.zswap.get("zpool") == "zsmalloc" and d.boot.release < ZSMALLOC_WRITES_BACK:
        return slots[:count]
    return slots[len(slots) - count :]
