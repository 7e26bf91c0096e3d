"""The header line ``swap zswap``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.scenario import lines as kinds

if TYPE_CHECKING:
    from memtwin.scenario.words import Line


def zswap(line: Line) -> kinds.Zswap:
    """Parse the header line of zswap."""
    usage = "swap zswap [max_pool_percent=N] [accept_threshold=N] [compressor=NAME] [zpool=NAME] [same_filled=on|off]"
    keys = ("max_pool_percent", "accept_threshold", "compressor", "zpool", "same_filled")
    given = line.options(line.counted(usage, 2, 7)[2:], keys)
    default = kinds.Zswap()

    def percent(key: str, value: int) -> int:
        return line.integer(given.get(key, str(value)), key, 0, 100)

    return kinds.Zswap(
        max_pool_percent=percent("max_pool_percent", default.max_pool_percent),
        accept_threshold=percent("accept_threshold", default.accept_threshold),
        compressor=line.one_of(given.get("compressor", default.compressor), "compressor", kinds.ZRAM_ALGORITHMS),
        zpool=line.one_of(given.get("zpool", default.zpool), "zpool", kinds.ZPOOLS),
        same_filled=line.one_of(given.get("same_filled", "on"), "same_filled", kinds.ON_OFF) == "on",
    )
