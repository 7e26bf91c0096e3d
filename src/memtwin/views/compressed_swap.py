"""Swap that is kept in RAM: zram devices, which are areas of their own, and zswap, which stands before the areas.

zram: ``ratio = orig_data_size / mem_used_total``; data that is one repeated word takes no memory at all, pages that
do not compress are kept whole (huge_pages). disksize is how much *data* the device takes, not RAM that it reserves:
what it costs is mem_used_total, and that depends on the data. zswap: ``ratio = stored pages / pool``, and the pool
may grow to max_pool_percent of RAM, then its oldest pages are written to the area behind it.

Sources: Documentation/admin-guide/blockdev/zram.rst, Documentation/admin-guide/mm/zswap.rst (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import HUNDREDTHS, UTIL_LINUX, util_linux
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Value, figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.procfs.swaps import Swaps
    from memtwin.sysfs.zram.mm_stat import MmStat

_POOR_RATIO = 1.5
_NEARLY_FULL = 0.9


class Zram(NamedTuple):
    """One device; what its files do not say is None."""

    device: str
    mm_stat: MmStat | None
    disksize_bytes: int | None
    algorithm: str | None

    @property
    def ratio(self) -> float | None:
        """Data over memory; None while it holds nothing that takes memory."""
        if self.mm_stat is None or not self.mm_stat.mem_used_total:
            return None
        return self.mm_stat.orig_data_size / self.mm_stat.mem_used_total


class Zswap(NamedTuple):
    """zswap's state: *on* is None if the kernel has none of it; the counters need debugfs."""

    on: bool | None
    compressor: str | None
    zpool: str | None
    max_pool_percent: int | None
    pool_bytes: int | None
    stored_bytes: int | None
    counters: dict[str, int | None]
    total_bytes: int | None

    @property
    def is_there(self) -> bool:
        """Whether there is anything to say: it is switched on or off, or its pool holds something."""
        return self.on is not None or bool(self.pool_bytes)

    @property
    def ratio(self) -> float | None:
        """Data over memory; None while the pool is empty."""
        return self.stored_bytes / self.pool_bytes if self.stored_bytes and self.pool_bytes else None

    @property
    def limit_bytes(self) -> int | None:
        """How large the pool may grow."""
        if self.total_bytes is None or self.max_pool_percent is None:
            return None
        return self.total_bytes * self.max_pool_percent // 100


def grids(devices: Sequence[Zram], zswap: Zswap, *, explain: bool) -> tuple[Grid, Grid, Grid]:
    """Return zram's devices and zswap for JSON, and with *explain* for a terminal, as far as they are there."""
    counters = tuple((f"{name}_count", count) for name, count in zswap.counters.items())
    return (
        Grid(_ZRAM, tuple(_zram_row(one) for one in devices), "zram",
             form=Form.DATA | (Form.TERMINAL if explain and devices else Form.NONE)),
        Grid(_ZSWAP, (_zswap_row(zswap),), form=Form.TERMINAL if explain and zswap.is_there else Form.NONE),
        figures("zswap", on=zswap.on, algorithm=zswap.compressor, pool_kind=zswap.zpool, data_bytes=zswap.stored_bytes,
                pool_bytes=zswap.pool_bytes, limit_bytes=zswap.limit_bytes, ratio=zswap.ratio, **dict(counters)),
    )  # fmt: skip


def sentences(swaps: Swaps, devices: Sequence[Zram], zswap: Zswap) -> Iterator[Sentence]:
    """Yield which area the next page goes to, and what the compressed ones cost and bring."""
    for text in _of_order(swaps):
        yield Sentence(text, ("proc/swaps: Filename",))
    for one in devices:
        rows = (f"sys/block/{one.device}/mm_stat", f"sys/block/{one.device}/disksize")
        for text in _of_zram(one):
            yield Sentence(text, rows)
    yield from _of_zswap(zswap, swaps, devices)


_ZRAM: Final = (
    Column("device", "ZRAM"), Column("algorithm", "ALGORITHM"), Column("disksize_bytes", "DISKSIZE", UTIL_LINUX),
    Column("data_bytes", "DATA", UTIL_LINUX), Column("compressed_bytes", "COMPR", UTIL_LINUX),
    Column("memory_bytes", "MEMORY", UTIL_LINUX), Column("same_pages", "SAME", NUMBER, optional=True),
    Column("huge_pages", "HUGE", NUMBER, optional=True), Column("ratio", "RATIO", HUNDREDTHS),
)  # fmt: skip
_ZSWAP: Final = (
    Column(None, "ZSWAP"), Column(None, "ALGORITHM"), Column(None, "POOL KIND", optional=True),
    Column(None, "DATA", UTIL_LINUX), Column(None, "POOL", UTIL_LINUX), Column(None, "LIMIT", UTIL_LINUX),
    Column(None, "RATIO", HUNDREDTHS),
    Column(None, "WRITTEN BACK", NUMBER), Column(None, "LIMIT HIT", NUMBER),
)  # fmt: skip


def _zram_row(one: Zram) -> tuple[Value, ...]:
    stat = one.mm_stat
    held: tuple[Value, ...] = (None,) * 5
    if stat is not None:
        held = (stat.orig_data_size, stat.compr_data_size, stat.mem_used_total, stat.same_pages, stat.huge_pages)
    return (one.device, one.algorithm, one.disksize_bytes, *held, one.ratio)


def _zswap_row(zswap: Zswap) -> tuple[Value, ...]:
    state = None if zswap.on is None else "on" if zswap.on else "off"
    counts = (zswap.counters.get(name) for name in ("written_back_pages", "pool_limit_hit"))
    sizes = (zswap.stored_bytes, zswap.pool_bytes, zswap.limit_bytes)
    return (state, zswap.compressor, zswap.zpool, *sizes, zswap.ratio, *counts)


def _of_order(swaps: Swaps) -> Iterator[str]:
    if not swaps.areas:
        yield "There is no swap area."
        return
    by_rank = sorted(swaps.areas, key=lambda area: -area.priority)
    ranks: dict[int, list[str]] = {}
    for area in by_rank:
        ranks.setdefault(area.priority, []).append(area.filename)
    order = "; then ".join(f"{' and '.join(names)} (priority {rank})" for rank, names in ranks.items())
    equal = ", areas of one priority in turns" if any(len(names) > 1 for names in ranks.values()) else ""
    open_to = next((area for area in by_rank if area.used_kib < area.size_kib), None)
    yield f"Filled in this order, the next when the one before is full{equal}: {order}."
    if open_to is None:
        yield "All areas are full: memory of programs can only be freed by ending them."
    elif len(ranks) > 1:
        yield f"The next page that is swapped out goes to {open_to.filename}; what is there already never moves up."


def _of_zram(one: Zram) -> Iterator[str]:
    stat = one.mm_stat
    if stat is None or one.disksize_bytes is None:
        return
    yield (
        f"{one.device}: disksize {util_linux(one.disksize_bytes)} is how much data it takes, not RAM: now "
        f"{util_linux(stat.orig_data_size)} of data take {util_linux(stat.mem_used_total)} of RAM."
    )
    if one.ratio is not None and one.ratio < _POOR_RATIO:
        yield (
            f"{one.device}: a ratio of {one.ratio:.2f} brings little: the data is compressed or encrypted already, "
            "or of all kinds in one page. zstd packs closer than lzo and lz4; a disk behind it may serve better."
        )


def _of_zswap(zswap: Zswap, swaps: Swaps, devices: Sequence[Zram]) -> Iterator[Sentence]:
    if not (zswap.on or zswap.pool_bytes):
        return
    # Without the parameter file, meminfo's own row says that a pool is there.
    state = "proc/meminfo: Zswap" if zswap.on is None else "sys/module/zswap/parameters/enabled"
    if zswap.on and devices and any(area.filename.rpartition("/")[2].startswith("zram") for area in swaps.areas):
        yield Sentence(
            "zswap is on in front of a zram area: pages are compressed twice. Switch one of them off.",
            (state, "proc/swaps: Filename"),
        )
    limit = zswap.limit_bytes
    if limit and zswap.pool_bytes is not None and zswap.pool_bytes > _NEARLY_FULL * limit:
        yield Sentence(
            f"zswap's pool ({util_linux(zswap.pool_bytes)}) is at its limit ({util_linux(limit)}, max_pool_percent "
            f"{zswap.max_pool_percent}): its oldest pages go to the area behind, at that area's speed.",
            (state, "proc/meminfo: MemTotal", "sys/module/zswap/parameters/max_pool_percent"),
        )
