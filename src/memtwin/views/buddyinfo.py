"""``buddyinfo``: free blocks by order, how fragmented they are, and whether a block of an order is available now.

Two indexes, both of mm/vmstat.c (v6.1), in thousandths as the kernel computes them (debugfs ``extfrag/``)::

    unusable index        share of the free memory that lies in blocks smaller than the order
    fragmentation index   when no block of the order is free: towards 0 there is too little memory, towards 1000
                          there is enough, in pieces. Up to vm.extfrag_threshold (500) the kernel reclaims, beyond it
                          compacts. None while a block is available

An allocation of order *n* gets a block from a zone if, less the block itself, more is free than the watermark and the
zone's reserve against it, and a block of order *n* or more is on a list of its kind (__zone_watermark_ok()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import KIB_K, block
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Style, Tone, Value, View, figures
from memtwin.render.words import count
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.procfs.buddyinfo import Buddyinfo, ZoneBlocks
    from memtwin.procfs.zoneinfo import ZoneInfo, Zoneinfo
    from memtwin.render.openmetrics import Metric

_COSTLY = 3
THRESHOLD = 500
_HUGE = 9
"""The order of a huge page of 2 MiB: zones whose memory is in smaller pieces are marked."""


class Answer(NamedTuple):
    """Whether a block is available from one zone: *now*, at least *after* kswapd was woken, and *why* (not).

    *in_pieces*: enough is free, in smaller blocks.
    """

    node: int
    zone: str
    now: bool
    after: bool
    why: str
    in_pieces: bool


class Trial(NamedTuple):
    """What became of a request for one block on a copy of the machine, and what compacting all of its memory gives."""

    order: int
    found: int
    """Blocks that the request got: one, or none."""
    reclaimed: int
    """Pages, as *moved*, of the request; then its direct compactions, its kills, and how long it took."""
    moved: int
    stalls: int
    kills: int
    us: int
    blocks_before: int
    """Free blocks of the order, in larger ones too; then those after ``vm.compact_memory``, and pages that it moves."""
    blocks_compacted: int
    moved_by_compaction: int


def unusable_index(counts: Sequence[int], order: int) -> int:
    """Return the thousandths of the free memory that no allocation of *order* can use.

    >>> unusable_index((2, 1), 1)
    500
    """
    free = sum(count << o for o, count in enumerate(counts))
    if not free:
        return 1000
    suitable = sum(count << (o - order) for o, count in enumerate(counts) if o >= order)
    return (free - (suitable << order)) * 1000 // free


def fragmentation_index(counts: Sequence[int], order: int) -> int | None:
    """Return why an allocation of *order* fails, 0 (no memory) to 1000 (in pieces), or None if it would not.

    >>> fragmentation_index((1000, 0, 0), 2), fragmentation_index((3, 0, 0), 2), fragmentation_index((0, 0, 1), 2)
    (749, 417, None)
    """
    blocks, free = sum(counts), sum(count << o for o, count in enumerate(counts))
    if order >= len(counts) or not blocks:
        return 0
    if any(counts[order:]):
        return None
    return 1000 - (1000 + free * 1000 // (1 << order)) // blocks


def view(record: Buddyinfo, page_kib: int) -> View:
    """Return the free blocks, and both indexes: a row a zone (and index), a column an order."""
    grids = (_counts(record, page_kib), _indexes(record, page_kib), data(record, page_kib))
    return View("buddyinfo", grids, metrics=lambda: metrics(record))


def view_order(
    record: Buddyinfo, zoneinfo: Zoneinfo | None, order: int, page_kib: int, *, highest: str = "Normal",
    threshold: int = THRESHOLD,
) -> View:  # fmt: skip
    """Return in words whether a block of *order* is available; JSON has the free blocks.

    Without *zoneinfo* the watermarks are not known, and only the blocks are counted.
    """
    if zoneinfo is None:
        counted = tuple(_count_blocks(record, order, page_kib))
        return View("buddyinfo", (data(record, page_kib),), counted, lambda: metrics(record))
    found = answers(record, zoneinfo, order, highest)
    said = tuple(sentences(found, order, page_kib, threshold))
    return View("buddyinfo", (data(record, page_kib),), said, lambda: metrics(record))


def answers(record: Buddyinfo, zoneinfo: Zoneinfo, order: int, highest: str = "Normal") -> list[Answer]:
    """Return for each zone, from *highest* down, whether an allocation of *order* gets a block there."""
    found = []
    for node in dict.fromkeys(zone.node for zone in zoneinfo.zones):
        names = [zone.name for zone in zoneinfo.zones if zone.node == node]
        top = names.index(highest) if highest in names else len(names) - 1
        lists = {blocks.zone: blocks for blocks in record.zones if blocks.node == node}
        for name in reversed(names[: top + 1]):
            zone = zoneinfo.zone(name, node)
            if zone is not None and zone.managed and name in lists:
                found.append(_answer(lists[name], zone, order, top))
    return found


def sentences(found: Sequence[Answer], order: int, page_kib: int, threshold: int = THRESHOLD) -> Iterator[Sentence]:
    """Yield whether a block is available, from which zone, and what would help if not."""
    size = f"order {order} ({block(bytes_of(page_kib) << order)})"
    for answer in found:
        if answer.now:
            yield Sentence(
                f"Yes: a block of {size} is available now, from node {answer.node} zone {answer.zone}.", _ROWS
            )
            break
        if answer.after:
            yield Sentence(
                f"Yes, from node {answer.node} zone {answer.zone}, but below its low watermark: kswapd is woken, and "
                "atomic allocations may still fail.",
                _ROWS,
            )
            break
    else:
        yield Sentence(f"No block of {size} is available now.", _ROWS)
        if order > _COSTLY:
            yield Sentence(
                "Beyond order 3 the kernel may give up instead of killing: the caller sees the failure, or takes small "
                "pages (huge pages do).",
                (),
            )
        yield from _what_helps(found, threshold)
    for answer in found:
        yield Sentence(f"node {answer.node} zone {answer.zone}: {answer.why}.", _ROWS)


def view_trial(trial: Trial, page_kib: int) -> View:
    """Return what a request for a block would come to."""
    data = figures(
        order=trial.order, found=trial.found > 0, reclaimed_pages=trial.reclaimed, moved_pages=trial.moved,
        compact_stall_count=trial.stalls, kills_count=trial.kills, took_us=trial.us,
        free_blocks_count=trial.blocks_before, compacted_blocks_count=trial.blocks_compacted,
        compaction_moved_pages=trial.moved_by_compaction,
    )  # fmt: skip
    return View("buddyinfo-trial", (data,), tuple(_of_trial(trial, page_kib)))


def _of_trial(trial: Trial, page_kib: int) -> Iterator[Sentence]:
    size = f"order {trial.order} ({block(bytes_of(page_kib) << trial.order)})"
    cost = [
        f"{count(trial.reclaimed, 'page')} reclaimed" if trial.reclaimed else "",
        f"{count(trial.moved, 'page')} moved in {count(trial.stalls, 'direct compaction')}" if trial.stalls else "",
        f"{count(trial.kills, 'process')} killed" if trial.kills else "",
    ]
    said = ", ".join(filter(None, cost)) or "nothing was reclaimed or moved"
    yield Sentence(
        f"A request for a block of {size}, tried on a copy of this machine, "
        f"{'gets one' if trial.found else 'is refused'} after {trial.us:,} us: {said}.",
        _ROWS,
    )
    yield Sentence(
        f"Free now: {count(trial.blocks_before, 'block')} of that order, in larger ones too. vm.compact_memory would "
        f"move {count(trial.moved_by_compaction, 'page')} and leave {count(trial.blocks_compacted, 'block')}.",
        _ROWS,
    )


def _count_blocks(record: Buddyinfo, order: int, page_kib: int) -> Iterator[Sentence]:
    size = f"order {order} ({block(bytes_of(page_kib) << order)})"
    for zone in record.zones:
        blocks = sum(free << (at - order) for at, free in enumerate(zone.counts) if at >= order)
        yield Sentence(
            f"node {zone.node} zone {zone.zone}: {count(blocks, 'block')} of {size} or in larger ones. Whether one can "
            "be allocated depends on the watermarks, which are not known: proc/zoneinfo is not there.",
            ("proc/buddyinfo",),
        )


def data(record: Buddyinfo, page_kib: int) -> Grid:
    """Return the zones for JSON: one object an order."""
    keys = (
        "node", "zone", "order", "block_bytes", "free_blocks_count", "unusable_index", "fragmentation_index",
    )  # fmt: skip
    rows = tuple(
        (
            zone.node, zone.zone, order, bytes_of(page_kib) << order, count, unusable_index(zone.counts, order) / 1000,
            None if (index := fragmentation_index(zone.counts, order)) is None else index / 1000,
        )
        for zone in record.zones
        for order, count in enumerate(zone.counts)
    )  # fmt: skip
    return Grid(tuple(map(Column, keys)), rows, form=Form.DATA)


def metrics(record: Buddyinfo) -> list[Metric]:
    """Return the family of node_exporter's buddyinfo collector."""
    from memtwin.render.openmetrics import Metric

    samples = tuple(
        ({"node": str(zone.node), "zone": zone.zone, "size": str(order)}, count)
        for zone in record.zones
        for order, count in enumerate(zone.counts)
    )
    return [Metric("node_buddyinfo_blocks", "gauge", "Count of free blocks according to size.", samples)]


def _counts(record: Buddyinfo, page_kib: int) -> Grid:
    heads = (Column(None, title, NUMBER) for title in _sizes(record, page_kib))
    is_one = len({zone.node for zone in record.zones}) == 1
    node = Column(None, "NODE", NUMBER, optional=is_one)
    columns = (node, Column(None, "ZONE"), Column(None, "FREE", KIB_K, optional=True), *heads)
    rows = tuple((zone.node, zone.zone, bytes_of(zone.free_pages * page_kib), *zone.counts) for zone in record.zones)
    return Grid(columns, rows, form=Form.TERMINAL)


def _indexes(record: Buddyinfo, page_kib: int) -> Grid:
    """Return both indexes; ``ok`` where a block is available."""
    heads = (Column(None, title, _INDEX) for title in _sizes(record, page_kib))
    columns = (Column(None, "NODE", NUMBER), Column(None, "ZONE"), Column(None, "INDEX"), *heads)
    rows: list[tuple[Value, ...]] = []
    tones: list[Tone] = []
    for zone in record.zones:
        counts, span = zone.counts, range(len(zone.counts))
        shares = (f"{unusable_index(counts, order) / 10:.0f}%" for order in span)
        rows.append((zone.node, zone.zone, "unusable", *shares))
        indexes = (fragmentation_index(counts, order) for order in span)
        found = ["ok" if one is None else one for one in indexes]
        rows.append((zone.node, zone.zone, "fragmentation", *found))
        in_pieces = any(isinstance(one, int) and one > THRESHOLD for one in found[: _HUGE + 1])
        tones += [Tone.PLAIN, Tone.WARN if in_pieces else Tone.PLAIN]
    return Grid(columns, tuple(rows), form=Form.TERMINAL, tones=tuple(tones))


def _sizes(record: Buddyinfo, page_kib: int) -> Iterator[str]:
    """Yield the size of a block of each order."""
    orders = max((len(zone.counts) for zone in record.zones), default=0)
    return (block(bytes_of(page_kib) << order) for order in range(orders))


_INDEX: Final = Style(lambda thousandths: f"{thousandths / 1000:.3f}", "right")
_ROWS: Final = ("proc/buddyinfo", "proc/zoneinfo")


def _answer(blocks: ZoneBlocks, zone: ZoneInfo, order: int, top: int) -> Answer:
    """Follow __zone_watermark_ok() of mm/page_alloc.c for an allocation that may sleep, of no special kind."""
    reserve = zone.protection[top] if top < len(zone.protection) else 0
    free = zone.free - ((1 << order) - 1)
    has_block = any(blocks.counts[order:])
    index = fragmentation_index(blocks.counts, order)
    low, least = zone.low + reserve, zone.min + reserve
    kept = f" and the reserve of {reserve} against higher zones" if reserve else ""
    if free <= least:
        why = f"{zone.free} pages are free, not more than the min watermark {zone.min}{kept}: memory is short"
    elif not has_block:
        why = f"{zone.free} pages are free, in pieces: the fragmentation index is {(index or 0) / 1000:.3f}"
    else:
        why = f"{zone.free} pages are free, the low watermark is {zone.low}{kept}, and there is a block"
    in_pieces = free > least and not has_block
    return Answer(blocks.node, blocks.zone, has_block and free > low, has_block and free > least, why, in_pieces)


def _what_helps(found: Sequence[Answer], threshold: int) -> Iterator[Sentence]:
    if any(answer.in_pieces for answer in found):
        yield Sentence(
            "`echo 1 > /proc/sys/vm/compact_memory` moves pages together; dropping caches first gives it more to work "
            f"with. The kernel compacts by itself where the index is above vm.extfrag_threshold ({threshold}), and "
            "reclaims where it is not. A higher vm.min_free_kbytes keeps larger blocks free.",
            _ROWS,
        )
    else:
        yield Sentence("Memory must be freed first: `memtwin account` says who has it.", _ROWS)
