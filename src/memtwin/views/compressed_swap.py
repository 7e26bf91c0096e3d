"""Swap that is kept in RAM: zram devices, which are areas of their own, and zswap, which stands before the areas.

zram: ``ratio = orig_data_size / mem_used_total``; data that is one repeated word takes no memory at all, pages that
do not compress are kept whole (huge_pages). disksize is how much *data* the device takes, not RAM that it reserves:
what it costs is mem_used_total, and that depends on the data. zswap: ``ratio = stored pages / pool``, and the pool
may grow to max_pool_percent of RAM, then its oldest pages are written to the area behind it.

Sources: Documentation/admin-guide/blockdev/zram.rst, Documentation/admin-guide/mm/zswap.rst (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from memtwin.render.table import Column, Table
from memtwin.views.swaps import human

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
        """Whether there is anything to tell: it is switched on or off, or its pool holds something."""
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


def zram_table(devices: Sequence[Zram]) -> Table:
    """Return one row a device."""
    titles = ("DISKSIZE", "DATA", "COMPR", "MEMORY", "RATIO", "SAME", "HUGE")
    columns = (Column("ZRAM"), Column("ALGORITHM"), *(Column(title, "right") for title in titles))
    return Table(columns, tuple(_row(one) for one in devices))


def _row(one: Zram) -> tuple[str, ...]:
    stat = one.mm_stat
    sizes = (None, None, None) if stat is None else (stat.orig_data_size, stat.compr_data_size, stat.mem_used_total)
    pages = (None, None) if stat is None else (stat.same_pages, stat.huge_pages)
    return (
        one.device,
        one.algorithm or "-",
        *(_size(size) for size in (one.disksize_bytes, *sizes)),
        _ratio(one.ratio),
        *("-" if count is None else str(count) for count in pages),
    )


def zswap_table(zswap: Zswap) -> Table:
    """Return zswap as one row."""
    titles = ("DATA", "POOL", "LIMIT", "RATIO", "WRITTEN BACK", "LIMIT HIT")
    columns = (Column("ZSWAP"), Column("ALGORITHM"), Column("POOL KIND"), *(Column(title, "right") for title in titles))
    state = "-" if zswap.on is None else "on" if zswap.on else "off"
    counts = (zswap.counters.get(name) for name in ("written_back_pages", "pool_limit_hit"))
    cells = (_size(zswap.stored_bytes), _size(zswap.pool_bytes), _size(zswap.limit_bytes), _ratio(zswap.ratio))
    told = ("-" if count is None else str(count) for count in counts)
    return Table(columns, ((state, zswap.compressor or "-", zswap.zpool or "-", *cells, *told),))


def sentences(swaps: Swaps, devices: Sequence[Zram], zswap: Zswap) -> Iterator[str]:
    """Yield which area the next page goes to, and what the compressed ones cost and bring."""
    yield from _of_order(swaps)
    for one in devices:
        yield from _of_zram(one)
    yield from _of_zswap(zswap, swaps, devices)


def data(devices: Sequence[Zram], zswap: Zswap) -> dict[str, Any]:
    """Return both for JSON."""
    return {
        "zram": [
            {
                "device": one.device,
                "algorithm": one.algorithm,
                "disksize_bytes": one.disksize_bytes,
                "data_bytes": one.mm_stat and one.mm_stat.orig_data_size,
                "compressed_bytes": one.mm_stat and one.mm_stat.compr_data_size,
                "memory_bytes": one.mm_stat and one.mm_stat.mem_used_total,
                "same_pages": one.mm_stat and one.mm_stat.same_pages,
                "huge_pages": one.mm_stat and one.mm_stat.huge_pages,
                "ratio": one.ratio,
            }
            for one in devices
        ],
        "zswap": {
            "on": zswap.on,
            "algorithm": zswap.compressor,
            "pool_kind": zswap.zpool,
            "data_bytes": zswap.stored_bytes,
            "pool_bytes": zswap.pool_bytes,
            "limit_bytes": zswap.limit_bytes,
            "ratio": zswap.ratio,
            **{f"{name}_count": count for name, count in zswap.counters.items()},
        },
    }


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
        f"{one.device}: disksize {human(one.disksize_bytes)} is how much data it takes, not RAM: now "
        f"{human(stat.orig_data_size)} of data take {human(stat.mem_used_total)} of RAM."
    )
    if one.ratio is not None and one.ratio < _POOR_RATIO:
        yield (
            f"{one.device}: a ratio of {one.ratio:.2f} brings little: the data is compressed or encrypted already, "
            "or of all kinds in one page. zstd packs closer than lzo and lz4; a disk behind it may serve better."
        )


def _of_zswap(zswap: Zswap, swaps: Swaps, devices: Sequence[Zram]) -> Iterator[str]:
    if not (zswap.on or zswap.pool_bytes):
        return
    if devices and any(area.filename.rpartition("/")[2].startswith("zram") for area in swaps.areas):
        yield "zswap is on before a zram area: pages are compressed twice. Switch one of them off."
    limit = zswap.limit_bytes
    if limit and zswap.pool_bytes is not None and zswap.pool_bytes > _NEARLY_FULL * limit:
        yield (
            f"zswap's pool ({human(zswap.pool_bytes)}) is at its limit ({human(limit)}, max_pool_percent "
            f"{zswap.max_pool_percent}): its oldest pages go to the area behind, at that area's speed."
        )


def _size(size_bytes: int | None) -> str:
    return "-" if size_bytes is None else human(size_bytes)


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
